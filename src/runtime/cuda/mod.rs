//! Whether the CUDA provider can run here, found without starting it, and where its libraries lie. The default on a machine
//! without CUDA is a silent run on the CPU, so somebody has to say what is missing.

mod driver;
mod error;
mod explain;
mod toolkit;
mod versions;

use std::path::{Path, PathBuf};

use super::cupti::{self, CuptiError, Places};
use super::{Library, LocateOptions, default_system_directories, locate_gpu};

pub use driver::{Gpu, gpu};
pub use error::CudaError;
pub use explain::remedy;
pub use toolkit::Toolkit;
pub use versions::{CudaVersions, driver_release, versions};

/// What a launch on CUDA needs of its surroundings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surroundings {
    /// Folders that the loader must look into first: what the provider needs lies there and is not found without.
    pub folders: Vec<PathBuf>,
    /// Release of CUDA that the provider was built for, such as 13.
    pub cuda_major: u32,
}

/// What scenarios on CUDA have on this machine, in one line.
///
/// # Errors
/// Why they cannot run, with what to do. Nothing is installed to find out: where ONNX Runtime with CUDA is not there yet,
/// that is said.
pub fn diagnose(options: &LocateOptions) -> Result<String, String> {
    let gpu = gpu(0).map_err(|error| error.to_string())?;
    let library = locate_gpu(&LocateOptions { offline: true, ..options.clone() }, &mut |_| {}).map_err(|error| {
        format!("ONNX Runtime with CUDA is not installed yet, the first scenario on CUDA does it ({error})")
    })?;
    let toolkit = Toolkit::from_environment();
    let found = surroundings(&library, &toolkit).map_err(|error| error.to_string())?;
    gpu.runs(found.cuda_major).map_err(|error| error.to_string())?;
    let clock = match cupti_for(&found, &toolkit) {
        Ok(cupti) => format!("its own times by CUPTI, {}", cupti.display()),
        Err(error) => format!("its own times cannot be had: {error}"),
    };
    let (major, minor) = gpu.cuda;
    let driver = driver_release().map_or("a driver".to_owned(), |release| format!("driver {release}"));
    Ok(format!("{}, with {driver} for CUDA {major}.{minor} and {}; {clock}", gpu.name, library.path.display()))
}

/// CUPTI's library for what the provider needs, found and loadable.
///
/// # Errors
/// [`CuptiError`]: there is none, or it is none.
pub fn cupti_for(surroundings: &Surroundings, toolkit: &Toolkit) -> Result<PathBuf, CuptiError> {
    let cuda = [surroundings.folders.as_slice(), toolkit.folders()].concat();
    let library = cupti::find(&Places { cuda, system: default_system_directories() }, surroundings.cuda_major)?;
    cupti::version_of(&library)?;
    Ok(library)
}

/// Finds what the library's CUDA provider needs: on the loader's own path, else in the folders of `toolkit`.
///
/// # Errors
/// [`CudaError`]: the library has no such provider, or what it needs is missing or of another release.
pub fn surroundings(library: &Library, toolkit: &Toolkit) -> Result<Surroundings, CudaError> {
    if cfg!(target_vendor = "apple") {
        return Err(CudaError::NotOnThisSystem);
    }
    let provider = provider_beside(&library.path)
        .ok_or_else(|| CudaError::NoProvider { library: library.path.clone(), provider: provider_name() })?;
    let needed = needed_by(&provider);
    let cuda_major = needed.iter().find_map(|name| release_of(name, "libcudart.so.")).unwrap_or(NEWEST_CUDA);
    let mut folders: Vec<PathBuf> = Vec::new();
    let mut missing: Vec<String> = Vec::new();
    for name in &needed {
        if can_load(name) {
            continue;
        }
        match toolkit.folder_of(name) {
            Some(folder) if folders.contains(&folder) => {}
            Some(folder) => folders.push(folder),
            None => missing.push(name.clone()),
        }
    }
    if missing.is_empty() {
        return Ok(Surroundings { folders, cuda_major });
    }
    let others = missing.iter().flat_map(|name| toolkit.other_releases(name)).collect();
    Err(CudaError::Libraries { missing, others, cuda_major, looked: toolkit.folders().to_vec() })
}

/// The CUDA release that builds without a readable list of libraries are taken to be for.
const NEWEST_CUDA: u32 = 13;

/// The CUDA provider beside a library of ONNX Runtime, where there is one.
pub(super) fn provider_beside(library: &Path) -> Option<PathBuf> {
    let provider = library.parent().unwrap_or(Path::new(".")).join(provider_name());
    provider.is_file().then_some(provider)
}

/// File name of the CUDA provider.
pub(super) fn provider_name() -> &'static str {
    if cfg!(windows) { "onnxruntime_providers_cuda.dll" } else { "libonnxruntime_providers_cuda.so" }
}

/// Whether the loader finds a library by itself.
fn can_load(name: &str) -> bool {
    // SAFETY: a library of CUDA, looked up by the system's loader as ONNX Runtime itself would; its initializers only
    // prepare tables. It is not unloaded, as it does not promise to survive that.
    unsafe { libloading::Library::new(name) }.map(std::mem::forget).is_ok()
}

/// The libraries of CUDA that the provider links to, and cuDNN, which it loads by itself when it starts. Read on Linux
/// only: elsewhere the loader's message has to do.
fn needed_by(provider: &Path) -> Vec<String> {
    let Ok(file) = std::fs::File::open(provider) else { return Vec::new() };
    // SAFETY: mapped for reading only; an installed library is replaced by rename, not rewritten in place.
    let Ok(bytes) = (unsafe { memmap2::Mmap::map(&file) }) else { return Vec::new() };
    let mut names = super::image::needed(&bytes);
    names.retain(|name| name.starts_with("libcu") || name.starts_with("libnv"));
    if !names.is_empty() && !names.iter().any(|name| name.starts_with("libcudnn")) {
        names.push(CUDNN.to_owned());
    }
    names
}

/// The release of cuDNN that ONNX Runtime's builds have used since 1.19.
const CUDNN: &str = "libcudnn.so.9";

/// The number after a library's name.
fn release_of(name: &str, stem: &str) -> Option<u32> {
    name.strip_prefix(stem)?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests;
