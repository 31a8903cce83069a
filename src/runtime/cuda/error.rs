//! What keeps a scenario from running on CUDA. Each message says what to do.

use std::path::PathBuf;

/// Why nothing can run on CUDA here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CudaError {
    /// There is no CUDA for this system.
    #[error("CUDA does not exist on macOS: measure with `--provider cpu`, or on a machine with an NVIDIA GPU")]
    NotOnThisSystem,
    /// No driver.
    #[error(
        "there is no NVIDIA driver ({reason}): install the one for this machine's GPU, start the container with its GPU \
         (`--gpus all`), or measure with `--provider cpu`"
    )]
    NoDriver {
        /// What the loader says.
        reason: String,
    },
    /// A driver that answers no questions.
    #[error("the NVIDIA driver refuses {function}: {meaning} (status {status}); `nvidia-smi` shows what it has to say")]
    Driver {
        /// Which function.
        function: &'static str,
        /// `CUresult`.
        status: u32,
        /// What that means.
        meaning: &'static str,
    },
    /// No such device.
    #[error(
        "there is no GPU {device}: the driver shows {count}; set `device` under [cuda] to one of them, and look at \
         CUDA_VISIBLE_DEVICES"
    )]
    NoDevice {
        /// The number asked for.
        device: u32,
        /// Devices there are.
        count: u32,
    },
    /// The driver is older than the CUDA that ONNX Runtime was built for.
    #[error(
        "the NVIDIA driver runs CUDA up to {driver_major}.{driver_minor}, and this ONNX Runtime was built for CUDA \
         {needed_major}: update the driver, or give an onnxruntime-gpu for CUDA {driver_major} as --onnxruntime"
    )]
    DriverTooOld {
        /// Newest CUDA of the driver.
        driver_major: u32,
        /// The same.
        driver_minor: u32,
        /// What the provider needs.
        needed_major: u32,
    },
    /// A build without CUDA.
    #[error(
        "{} is a build without CUDA: {provider} is not beside it. Leave --onnxruntime and ORT_DYLIB_PATH out and the \
         onnxruntime-gpu package of the same release is installed; or give its `onnxruntime/capi` directory as --onnxruntime",
        library.display()
    )]
    NoProvider {
        /// The library.
        library: PathBuf,
        /// File name of the provider.
        provider: &'static str,
    },
    /// Libraries of CUDA or cuDNN are missing.
    #[error(
        "libraries of CUDA {cuda_major} are missing: {}{}; install CUDA {cuda_major} and cuDNN 9, or `pip install {}`, or put \
         their folders on LD_LIBRARY_PATH (looked into the loader's path{})",
        missing.join(", "),
        releases(others),
        packages(missing, *cuda_major).join(" "),
        folders(looked)
    )]
    Libraries {
        /// What the provider needs and nobody has.
        missing: Vec<String>,
        /// The same libraries of other releases.
        others: Vec<PathBuf>,
        /// Release of CUDA that the provider was built for.
        cuda_major: u32,
        /// Folders that were looked into beside the loader's.
        looked: Vec<PathBuf>,
    },
}

fn releases(others: &[PathBuf]) -> String {
    let shown: Vec<String> = others.iter().map(|path| path.display().to_string()).collect();
    if shown.is_empty() { String::new() } else { format!(" (there is {}, of another release)", shown.join(", ")) }
}

fn folders(looked: &[PathBuf]) -> String {
    looked.iter().map(|folder| format!(", {}", folder.display())).collect()
}

/// The PyPI packages that hold these libraries. Since CUDA 13 their names bear no release, but for cuDNN's.
fn packages(missing: &[String], cuda_major: u32) -> Vec<String> {
    let mut packages: Vec<String> = Vec::new();
    for name in missing {
        let stem = name.trim_start_matches("lib").split('.').next().unwrap_or_default();
        let package = match stem {
            "cudart" => "nvidia-cuda-runtime",
            "cublas" | "cublasLt" => "nvidia-cublas",
            "cufft" => "nvidia-cufft",
            "curand" => "nvidia-curand",
            "nvrtc" => "nvidia-cuda-nvrtc",
            "nvJitLink" => "nvidia-nvjitlink",
            "cusparse" => "nvidia-cusparse",
            "cusolver" => "nvidia-cusolver",
            "cupti" => "nvidia-cuda-cupti",
            _ if stem.starts_with("cudnn") => "nvidia-cudnn",
            _ => continue,
        };
        let suffixed = package == "nvidia-cudnn" || cuda_major < 13;
        let package = if suffixed { format!("{package}-cu{cuda_major}") } else { package.to_owned() };
        if !packages.contains(&package) {
            packages.push(package);
        }
    }
    packages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_bear_the_release_where_they_do() {
        let missing = ["libcudart.so.13", "libcublas.so.13", "libcublasLt.so.13", "libcudnn.so.9", "libfoo.so"]
            .map(str::to_owned);
        assert_eq!(packages(&missing, 13), ["nvidia-cuda-runtime", "nvidia-cublas", "nvidia-cudnn-cu13"]);
        assert_eq!(packages(&missing[..1], 12), ["nvidia-cuda-runtime-cu12"]);
    }
}
