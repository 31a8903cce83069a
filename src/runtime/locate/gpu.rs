//! Which library is used for CUDA: the same search, for a build with the CUDA provider beside it.
//!
//! The package `onnxruntime-gpu` of the release that is pinned for the CPU too is installed into a part of the cache of its
//! own. Nothing without CUDA is taken in its stead.

use std::path::Path;

use super::super::cache::Cache;
use super::super::cuda::{provider_beside, provider_name};
use super::super::install::Target;
use super::super::platform;
use super::super::probe::{find_in, named_in};
use super::super::{Library, Origin, RuntimeError};
use super::{Cached, Choice, InstallEvent, LocateOptions, Search, ask_python};

/// Finds the ONNX Runtime to use for CUDA, or installs it: a download of about 250 MB. Whether this machine can run it is
/// asked elsewhere, and before.
///
/// # Errors
/// [`RuntimeError`]. A library that the user named is taken as it is, with the provider or without.
pub fn locate_gpu(options: &LocateOptions, event: &mut dyn FnMut(InstallEvent)) -> Result<Library, RuntimeError> {
    let mut search = Search { considered: Vec::new() };
    match &options.explicit {
        Some(Choice::Path(given)) => return search.given(given, "--onnxruntime", Origin::Explicit),
        // Only of the pinned release is the digest of the GPU package known.
        Some(Choice::Release(version)) if version.to_string() != platform::PIP_VERSION => {
            let platform = format!("{} with CUDA", platform::platform_name());
            return Err(RuntimeError::NoBuild { version: version.to_string(), platform, considered: Vec::new() });
        }
        Some(Choice::Release(_)) | None => {}
    }
    if let Some(given) = &options.environment {
        return search.given(given, "ORT_DYLIB_PATH", Origin::Environment);
    }
    let cache = Cache::at(options.cache_directory.as_deref()).map(|cache| cache.gpu());
    let platform = platform::current().filter(|platform| platform.has_gpu_build());
    if let (Ok(cache), Some(platform)) = (&cache, platform)
        && let Cached::Usable(library) = search.in_cache(cache, platform, Target::Gpu)
    {
        return Ok(library);
    }
    if let Some(library) = search.elsewhere_with_cuda(options) {
        return Ok(library);
    }
    let Some(platform) = platform else {
        let (version, platform) = (platform::PIP_VERSION.to_owned(), platform::platform_name());
        return Err(RuntimeError::NoBuild { version, platform, considered: search.considered });
    };
    if options.offline {
        let remedy = format!("pip install onnxruntime-gpu=={}", platform::PIP_VERSION);
        return Err(RuntimeError::Offline { considered: search.considered, remedy });
    }
    search.install(&cache?, platform, Target::Gpu, options, event)
}

impl Search {
    /// Python's packages, then system directories, as far as they have the provider.
    fn elsewhere_with_cuda(&mut self, options: &LocateOptions) -> Option<Library> {
        for interpreter in &options.interpreters {
            for package in ask_python(interpreter, "onnxruntime").unwrap_or_default() {
                let Some(path) = find_in(&package) else { continue };
                let origin = Origin::PythonSitePackages { interpreter: interpreter.clone() };
                if let Some(library) = self.accept_with_cuda(&path, origin) {
                    return Some(library);
                }
            }
        }
        let mut directories = options.system_directories.iter();
        directories.find_map(|directory| self.accept_with_cuda(&named_in(directory)?, Origin::System))
    }

    fn accept_with_cuda(&mut self, path: &Path, origin: Origin) -> Option<Library> {
        if provider_beside(path).is_none() {
            self.refuse(path, format!("is a build without CUDA: {} is not beside it", provider_name()));
            return None;
        }
        self.accept(path.to_owned(), origin)
    }
}
