//! What ONNX Runtime and the loader say when the CUDA provider does not start -> what to do about it.

/// What helps, by what is said; `None` where it is about something else.
pub fn remedy(message: &str) -> Option<&'static str> {
    let lower = message.to_lowercase();
    let says = |parts: &[&str]| parts.iter().any(|part| lower.contains(part));
    Some(
        if says(&["driver version is insufficient", "cuda failure 35:", "not supported in the installed cuda driver"]) {
            "the NVIDIA driver is older than the CUDA that ONNX Runtime was built for: update the driver"
        } else if says(&["no cuda-capable device", "cuda failure 100", "invalid device ordinal", "cuda failure 101"]) {
            "the driver shows no such GPU: look at `nvidia-smi`, CUDA_VISIBLE_DEVICES and `device` under [cuda]"
        } else if says(&["no kernel image", "cuda failure 209"]) {
            "this build of ONNX Runtime has no kernels for this GPU: it is too old or too new for it; give another \
         onnxruntime-gpu as --onnxruntime"
        } else if says(&["undefined symbol", "version `", "error 127"]) {
            "a library of CUDA, or the driver, is of another release than ONNX Runtime was built for: look at LD_LIBRARY_PATH"
        } else if says(&["libcudnn", "cudnn64", "cudnn failure", "cudnn_status"]) {
            "cuDNN 9 is missing or of another release than ONNX Runtime was built for: `pip install nvidia-cudnn-cu13`, or put \
         its folder on LD_LIBRARY_PATH"
        } else if says(&[
            "cannot open shared object file",
            "no such file or directory",
            "error 126",
            "libcudart",
            "libcublas",
        ]) {
            "a library of CUDA is missing: `cargo nongemm doctor` names what the provider needs, and the packages that hold it"
        } else if says(&["cuda failure", "cublas failure", "cublas_status", "cudaexecutionprovider", "providers_cuda"])
        {
            "`nvidia-smi` shows the driver and what else uses the GPU"
        } else {
            return None;
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_the_loader_and_of_cuda_have_remedies() {
        for (message, part) in [
            (
                "Failed to load library libonnxruntime_providers_cuda.so with error: libcublasLt.so.13: cannot open shared \
                 object file: No such file or directory",
                "a library of CUDA is missing",
            ),
            ("libcudnn.so.9: cannot open shared object file: No such file or directory", "cuDNN 9"),
            ("CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version", "update the driver"),
            ("CUDA failure 100: no CUDA-capable device is detected ; GPU=-1", "nvidia-smi"),
            ("CUDA failure 209: no kernel image is available for execution on the device", "no kernels for this GPU"),
            ("libcudart.so.13: version `libcudart.so.13' not found", "another release"),
            ("undefined symbol: cudnnGetVersion, cublasLtCreate", "another release"),
            (
                "Failed to parse provider option \"device_id\": CUDA failure 36: API call is not supported in the installed CUDA \
                 driver ; GPU=-1",
                "update the driver",
            ),
            ("undefined symbol: cuTensorMapEncodeTiled", "another release"),
            ("CUBLAS failure 1: CUBLAS_STATUS_NOT_INITIALIZED", "nvidia-smi"),
        ] {
            let remedy = remedy(message).unwrap_or("none");
            assert!(remedy.contains(part), "{message}: {remedy}");
        }
        assert_eq!(remedy("Invalid model. Node input 'n' is not a graph input"), None);
    }
}
