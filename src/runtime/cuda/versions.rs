//! The releases of CUDA and cuDNN that this process has loaded.

use std::ffi::c_int;

use super::driver::major_minor;

/// What the libraries in this process say of themselves; `None` where one is not there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CudaVersions {
    /// CUDA's runtime, such as `13.0`.
    pub cuda: Option<String>,
    /// cuDNN, such as `9.14.0`.
    pub cudnn: Option<String>,
}

/// Asks the libraries of a release of CUDA. To be asked after a session was made on the device: the same libraries are then
/// asked that the session uses.
pub fn versions(cuda_major: u32) -> CudaVersions {
    CudaVersions { cuda: cuda(&format!("libcudart.so.{cuda_major}")), cudnn: cudnn(super::CUDNN) }
}

fn cuda(name: &str) -> Option<String> {
    // SAFETY: it is loaded already, or its initializers only prepare tables; it stays loaded.
    let library = std::mem::ManuallyDrop::new(unsafe { libloading::Library::new(name) }.ok()?);
    let mut version: c_int = 0;
    // SAFETY: `cudaRuntimeGetVersion(int *)` writes one number and starts nothing.
    let status = unsafe {
        let function = library.get::<unsafe extern "C" fn(*mut c_int) -> c_int>(b"cudaRuntimeGetVersion\0").ok()?;
        function(&mut version)
    };
    let (major, minor) = major_minor(version);
    (status == 0).then(|| format!("{major}.{minor}"))
}

fn cudnn(name: &str) -> Option<String> {
    // SAFETY: as above.
    let library = std::mem::ManuallyDrop::new(unsafe { libloading::Library::new(name) }.ok()?);
    // SAFETY: `size_t cudnnGetVersion(void)` returns a constant.
    let version = unsafe {
        library.get::<unsafe extern "C" fn() -> usize>(b"cudnnGetVersion\0").ok().map(|function| function())
    }?;
    // Since 9: 91400 is 9.14.0.
    Some(format!("{}.{}.{}", version / 10_000, version % 10_000 / 100, version % 100))
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn libraries_tell_their_releases() {
        let directory = tempfile::tempdir().unwrap();
        let (source, library) = (directory.path().join("libraries.c"), directory.path().join("libboth.so"));
        let code = "int cudaRuntimeGetVersion(int *version) { *version = 13010; return 0; }\n\
                    unsigned long cudnnGetVersion(void) { return 91402; }\n";
        std::fs::write(&source, code).unwrap();
        let output = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).output().unwrap();
        assert!(output.status.success());
        let name = library.display().to_string();
        assert_eq!((cuda(&name), cudnn(&name)), (Some("13.1".into()), Some("9.14.2".into())));
        assert_eq!((cuda("libcudart-of-nobody.so"), cudnn("libcudnn-of-nobody.so")), (None, None));
    }
}
