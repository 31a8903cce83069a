//! The NVIDIA driver, asked for what it drives. Nothing is started on the GPU: no context is made.

use std::ffi::{CStr, c_char, c_int};

use super::CudaError;

/// One GPU, as the driver describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gpu {
    /// As it names itself, such as `NVIDIA H100 80GB HBM3`.
    pub name: String,
    /// Memory of its own, in bytes.
    pub memory_bytes: u64,
    /// Newest CUDA that the driver can run, such as (13, 0).
    pub cuda: (u32, u32),
}

impl Gpu {
    /// Whether the driver is new enough for what was built with a release of CUDA.
    ///
    /// # Errors
    /// [`CudaError::DriverTooOld`].
    pub fn runs(&self, cuda_major: u32) -> Result<(), CudaError> {
        let (driver_major, driver_minor) = self.cuda;
        if driver_major < cuda_major {
            return Err(CudaError::DriverTooOld { driver_major, driver_minor, needed_major: cuda_major });
        }
        Ok(())
    }
}

/// The GPU of this number, as CUDA counts them.
///
/// # Errors
/// [`CudaError`]: there is no driver, it does not answer, or it has no such GPU.
pub fn gpu(device: u32) -> Result<Gpu, CudaError> {
    if cfg!(target_vendor = "apple") {
        return Err(CudaError::NotOnThisSystem);
    }
    of_driver(if cfg!(windows) { "nvcuda.dll" } else { "libcuda.so.1" }, device)
}

/// The same of a driver under another name.
fn of_driver(library: &str, device: u32) -> Result<Gpu, CudaError> {
    // SAFETY: the driver's library, looked up by the system's loader; its initializers only prepare tables.
    let driver = unsafe { libloading::Library::new(library) }
        .map_err(|error| CudaError::NoDriver { reason: super::super::probe::with_causes(&error) })?;
    let found = ask(&driver, device);
    // It does not promise to survive being unloaded.
    std::mem::forget(driver);
    found
}

fn ask(driver: &libloading::Library, device: u32) -> Result<Gpu, CudaError> {
    /// Calls a function of the driver's by its name and types.
    macro_rules! call {
        ($name:literal, ($($argument:expr => $kind:ty),*)) => {{
            // SAFETY: the types are those of the driver's header, the same since CUDA 3.2 (`_v2`) or before; what is written
            // to is large enough.
            let status = unsafe {
                let function = driver
                    .get::<unsafe extern "C" fn($($kind),*) -> u32>(concat!($name, "\0").as_bytes())
                    .map_err(|_| CudaError::NoDriver { reason: format!("it has no {}", $name) })?;
                function($($argument),*)
            };
            if status != 0 {
                return Err(CudaError::Driver { function: $name, status, meaning: meaning(status) });
            }
        }};
    }
    let (mut count, mut version, mut handle): (c_int, c_int, c_int) = (0, 0, 0);
    call!("cuInit", (0 => u32));
    call!("cuDriverGetVersion", (&mut version => *mut c_int));
    call!("cuDeviceGetCount", (&mut count => *mut c_int));
    let number = c_int::try_from(device).unwrap_or(c_int::MAX);
    if number >= count {
        return Err(CudaError::NoDevice { device, count: u32::try_from(count).unwrap_or(0) });
    }
    call!("cuDeviceGet", (&mut handle => *mut c_int, number => c_int));
    let mut name: [c_char; 256] = [0; 256];
    // One less than there is, so that the last byte stays 0 whatever the driver does.
    call!("cuDeviceGetName", (name.as_mut_ptr() => *mut c_char, 255 => c_int, handle => c_int));
    let mut memory: usize = 0;
    call!("cuDeviceTotalMem_v2", (&mut memory => *mut usize, handle => c_int));
    // SAFETY: the last byte is 0.
    let name = unsafe { CStr::from_ptr(name.as_ptr()) }.to_string_lossy().into_owned();
    Ok(Gpu { name, memory_bytes: u64::try_from(memory).unwrap_or(u64::MAX), cuda: major_minor(version) })
}

/// CUDA's versions are numbers: 13000 is 13.0, 12080 is 12.8.
pub(super) fn major_minor(version: c_int) -> (u32, u32) {
    let version = u32::try_from(version).unwrap_or(0);
    (version / 1000, version % 1000 / 10)
}

/// The `CUresult`s that have a known cause.
fn meaning(status: u32) -> &'static str {
    match status {
        3 => "it is not initialized",
        34 => "only a stub of the driver is installed",
        100 => "it finds no GPU",
        802 => "the system is not ready yet, as where its fabric manager does not run",
        803 => "the driver's library and the kernel's module are of different releases: restart, or update both",
        804 => "the driver's library is newer than the kernel's module allows on this GPU",
        999 => "an unknown failure",
        _ => "no explanation",
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use super::*;

    /// A driver that shows two GPUs, or refuses to start with `status`.
    fn fake(directory: &Path, status: u32) -> String {
        let (source, library) = (directory.join("driver.c"), directory.join(format!("libcuda-{status}.so")));
        let code = format!(
            "#include <string.h>\n\
             int cuInit(unsigned flags) {{ return {status}; }}\n\
             int cuDriverGetVersion(int *version) {{ *version = 12080; return 0; }}\n\
             int cuDeviceGetCount(int *count) {{ *count = 2; return 0; }}\n\
             int cuDeviceGet(int *handle, int number) {{ *handle = 40 + number; return 0; }}\n\
             int cuDeviceGetName(char *name, int length, int handle) {{ strncpy(name, handle == 41 ? \"GPU One\" : \"GPU Nought\", length); return 0; }}\n\
             int cuDeviceTotalMem_v2(size_t *bytes, int handle) {{ *bytes = 85899345920ul; return 0; }}\n"
        );
        std::fs::write(&source, code).unwrap();
        let output = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        library.display().to_string()
    }

    #[test]
    fn a_driver_tells_of_its_gpus() {
        let directory = tempfile::tempdir().unwrap();
        let driver = fake(directory.path(), 0);
        let gpu = Gpu { name: "GPU One".into(), memory_bytes: 80 << 30, cuda: (12, 8) };
        assert_eq!(of_driver(&driver, 1), Ok(gpu.clone()));
        let error = of_driver(&driver, 2).unwrap_err().to_string();
        assert!(error.contains("no GPU 2") && error.contains("shows 2") && error.contains("[cuda]"), "{error}");
        assert_eq!(gpu.runs(12), Ok(()));
        let error = gpu.runs(13).unwrap_err().to_string();
        assert!(error.contains("up to 12.8") && error.contains("built for CUDA 13"), "{error}");
    }

    #[test]
    fn a_driver_that_refuses_is_quoted() {
        let directory = tempfile::tempdir().unwrap();
        let error = of_driver(&fake(directory.path(), 100), 0).unwrap_err().to_string();
        assert!(error.contains("cuInit") && error.contains("finds no GPU") && error.contains("nvidia-smi"), "{error}");
    }

    #[test]
    fn a_machine_without_a_driver_is_told_what_to_do() {
        let error = of_driver("libcuda-of-nobody.so.1", 0).unwrap_err().to_string();
        assert!(error.contains("no NVIDIA driver") && error.contains("--provider cpu"), "{error}");
    }

    #[test]
    fn versions_are_taken_apart() {
        assert_eq!([13_000, 12_080, 11_020, -1].map(major_minor), [(13, 0), (12, 8), (11, 2), (0, 0)]);
    }
}
