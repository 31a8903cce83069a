//! The releases of the driver, and of CUDA and cuDNN as this process has loaded them.

use std::ffi::{CStr, c_char, c_int};

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

/// The driver's release, such as `580.159.04`, asked of the management library that comes with it. `None` where that is
/// not there, as in some containers.
pub fn driver_release() -> Option<String> {
    release(if cfg!(windows) { "nvml.dll" } else { "libnvidia-ml.so.1" })
}

/// `NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE`.
const RELEASE_LENGTH: usize = 80;

fn release(name: &str) -> Option<String> {
    // SAFETY: its initializers only prepare tables; it stays loaded.
    let library = std::mem::ManuallyDrop::new(unsafe { libloading::Library::new(name) }.ok()?);
    let mut text: [c_char; RELEASE_LENGTH] = [0; RELEASE_LENGTH];
    // SAFETY: the types are those of NVML's header. One less than there is, so that the last byte stays 0.
    let status = unsafe {
        let nothing = |name: &[u8]| library.get::<unsafe extern "C" fn() -> u32>(name).ok();
        let (init, shutdown) = (nothing(b"nvmlInit_v2\0")?, nothing(b"nvmlShutdown\0")?);
        let ask = library.get::<unsafe extern "C" fn(*mut c_char, u32) -> u32>(b"nvmlSystemGetDriverVersion\0").ok()?;
        if init() != 0 {
            return None;
        }
        let status = ask(text.as_mut_ptr(), RELEASE_LENGTH as u32 - 1);
        shutdown();
        status
    };
    // SAFETY: the last byte is 0.
    let release = unsafe { CStr::from_ptr(text.as_ptr()) }.to_string_lossy().into_owned();
    (status == 0 && !release.is_empty()).then_some(release)
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
                    unsigned long cudnnGetVersion(void) { return 91402; }\n\
                    int nvmlInit_v2(void) { return 0; }\n\
                    int nvmlShutdown(void) { return 0; }\n\
                    int nvmlSystemGetDriverVersion(char *text, unsigned length) {\n\
                        if (length < 11) return 7;\n\
                        for (int i = 0; i < 11; i++) text[i] = \"580.159.04\"[i];\n\
                        return 0;\n\
                    }\n";
        std::fs::write(&source, code).unwrap();
        let output = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).output().unwrap();
        assert!(output.status.success());
        let name = library.display().to_string();
        assert_eq!((cuda(&name), cudnn(&name)), (Some("13.1".into()), Some("9.14.2".into())));
        assert_eq!(release(&name).as_deref(), Some("580.159.04"));
        assert_eq!(release("libnvidia-ml-of-nobody.so"), None);
        assert_eq!((cuda("libcudart-of-nobody.so"), cudnn("libcudnn-of-nobody.so")), (None, None));
    }
}
