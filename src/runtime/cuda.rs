//! Why the CUDA provider cannot run here, found without starting it: the default on a machine without CUDA is a silent
//! run on the CPU, so somebody has to say what is missing.

use std::path::Path;

use super::Library;

/// Why a scenario on CUDA cannot run with this library on this machine, with what to do; `None` where nothing is missing.
pub fn why_not_cuda(library: &Library) -> Option<String> {
    let directory = library.path.parent().unwrap_or(Path::new("."));
    if cfg!(target_vendor = "apple") {
        return Some("CUDA does not exist on macOS".to_owned());
    }
    let provider = directory.join(provider_name());
    if !provider.is_file() {
        return Some(format!(
            "the CUDA provider is a library of its own, {}, which is not beside this one: install the onnxruntime-gpu \
             package and give its `onnxruntime/capi` directory as --onnxruntime",
            provider_name()
        ));
    }
    let driver = if cfg!(windows) { "nvcuda.dll" } else { "libcuda.so.1" };
    if let Err(error) = can_load(driver) {
        return Some(format!("there is no NVIDIA driver ({error}): install it, or run where there is a GPU"));
    }
    let missing: Vec<_> = needed_by(&provider).into_iter().filter(|name| can_load(name).is_err()).collect();
    if missing.is_empty() {
        return None;
    }
    Some(format!(
        "CUDA libraries are missing or not on the loader's path: {}; install CUDA and cuDNN of these versions, or the \
         nvidia-* packages and put their `lib` directories on LD_LIBRARY_PATH",
        missing.join(", ")
    ))
}

fn provider_name() -> &'static str {
    if cfg!(windows) { "onnxruntime_providers_cuda.dll" } else { "libonnxruntime_providers_cuda.so" }
}

fn can_load(name: &str) -> Result<(), String> {
    // SAFETY: a library of the driver or of CUDA, looked up by the system's loader as ONNX Runtime itself would; their
    // initializers only prepare tables. It is not unloaded, as they do not promise to survive that.
    match unsafe { libloading::Library::new(name) } {
        Ok(library) => {
            std::mem::forget(library);
            Ok(())
        }
        Err(error) => Err(super::probe::with_causes(&error)),
    }
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

#[cfg(test)]
mod tests {
    use super::super::{Origin, Version};
    use super::*;

    fn library(directory: &Path) -> Library {
        let version = Version { major: 1, minor: 31, patch: 1 };
        let path = directory.join("libonnxruntime.so.1.31.1");
        Library { path, version, origin: Origin::Explicit, considered: Vec::new() }
    }

    #[test]
    fn a_cpu_build_is_named_as_such() {
        let directory = tempfile::tempdir().unwrap();
        let why = why_not_cuda(&library(directory.path())).unwrap();
        assert!(why.contains("not beside this one") && why.contains("onnxruntime-gpu"), "{why}");
    }

    #[test]
    fn a_provider_that_links_to_nothing_needs_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let provider = directory.path().join(provider_name());
        std::fs::write(&provider, b"\x7fELF\x02\x01 and no more").unwrap();
        assert_eq!(needed_by(&provider), [""; 0]);
    }
}
