//! How the CUDA provider is set up, as a configuration says it. Re-exported by [`crate::scenario`] as far as it is part of
//! what is measured.

use serde::{Deserialize, Serialize};

/// How cuDNN's algorithm for a convolution is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConvolutionSearch {
    /// Each is tried in the first run, and the fastest taken: ONNX Runtime's default.
    #[default]
    Exhaustive,
    /// By cuDNN's own guess.
    Heuristic,
    /// The same one always.
    Default,
}

/// Options of the provider that change what is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CudaOptions {
    /// How cuDNN's algorithm for a convolution is chosen.
    pub cudnn_search: ConvolutionSearch,
    /// Whether products and convolutions in fp32 may be computed in TensorFloat-32.
    pub tf32: bool,
    /// Largest size of the memory arena on the device, in MiB; `None` for no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arena_limit_mib: Option<u32>,
}

impl Default for CudaOptions {
    /// As ONNX Runtime has them.
    fn default() -> Self {
        CudaOptions { cudnn_search: ConvolutionSearch::Exhaustive, tf32: true, arena_limit_mib: None }
    }
}

impl CudaOptions {
    /// What a scenario's id says of them: nothing of a default.
    pub fn id_parts(&self) -> Vec<String> {
        let mut parts = Vec::new();
        match self.cudnn_search {
            ConvolutionSearch::Exhaustive => {}
            ConvolutionSearch::Heuristic => parts.push("heuristic".to_owned()),
            ConvolutionSearch::Default => parts.push("nosearch".to_owned()),
        }
        if !self.tf32 {
            parts.push("notf32".to_owned());
        }
        parts.extend(self.arena_limit_mib.map(|mib| format!("arena{mib}m")));
        parts
    }
}

/// How the time of a GPU is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GpuClock {
    /// By CUPTI where it is there, else synchronously; the report says which it was.
    #[default]
    Auto,
    /// By CUPTI, or not at all.
    Cupti,
    /// By the host, while each launch waits for the device.
    Synchronous,
}

/// `[cuda]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Cuda {
    /// Number of the GPU, as CUDA counts them.
    pub device: u32,
    /// How its time is taken.
    pub clock: GpuClock,
    /// What is measured.
    #[serde(flatten)]
    pub options: CudaOptions,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_name_what_is_not_the_default() {
        assert_eq!(CudaOptions::default().id_parts(), [""; 0]);
        let options =
            CudaOptions { cudnn_search: ConvolutionSearch::Heuristic, tf32: false, arena_limit_mib: Some(4096) };
        assert_eq!(options.id_parts(), ["heuristic", "notf32", "arena4096m"]);
    }
}
