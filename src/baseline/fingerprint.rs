//! The machine class that a baseline's times hold for.

use serde::{Deserialize, Serialize};

use crate::scenario::Provider;
use crate::summary::Field;

/// What must be equal for two times to be comparable. What may itself be under test (the model, ONNX Runtime's
/// version, the exact CPU) is recorded beside it instead.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Operating system, as `std::env::consts::OS` spells it.
    pub os: String,
    /// Architecture, as `std::env::consts::ARCH` spells it.
    pub arch: String,
    /// The highest instruction-set level that kernels use, such as `avx512`, `avx2` or `neon`.
    pub instruction_set: String,
    /// Execution provider.
    pub provider: Provider,
    /// GPU model as it names itself; `None` for a provider that runs on the CPU.
    pub gpu: Option<String>,
}

impl Fingerprint {
    /// The folder of its baselines, such as `linux-x86_64-avx512-cpu`.
    pub fn dir_name(&self) -> String {
        let parts = [&self.os, &self.arch, &self.instruction_set, provider_name(self.provider)];
        let gpu = self.gpu.as_deref().map(str::to_lowercase);
        parts.into_iter().chain(gpu.as_deref()).map(path_safe).collect::<Vec<_>>().join("-")
    }

    /// The fields by name, for a comparison and for the file.
    pub fn fields(&self) -> Vec<Field> {
        let mut fields = vec![
            Field::new("os", &self.os),
            Field::new("arch", &self.arch),
            Field::new("instruction-set", &self.instruction_set),
            Field::new("provider", provider_name(self.provider)),
        ];
        fields.extend(self.gpu.as_ref().map(|gpu| Field::new("gpu", gpu)));
        fields
    }

    /// The names of the fields in which two machine classes differ; empty where times are comparable.
    pub fn differences(&self, other: &Fingerprint) -> Vec<&'static str> {
        let fields = [
            ("os", self.os != other.os),
            ("arch", self.arch != other.arch),
            ("instruction-set", self.instruction_set != other.instruction_set),
            ("provider", self.provider != other.provider),
            ("gpu", self.gpu != other.gpu),
        ];
        fields.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
    }
}

/// The provider in one lower-case word.
pub(super) fn provider_name(provider: Provider) -> &'static str {
    match provider {
        Provider::Cpu => "cpu",
        Provider::Cuda => "cuda",
    }
}

/// Keeps letters, digits, `_` and `.`; each run of anything else becomes one `-`.
fn path_safe(part: &str) -> String {
    let keep = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    part.split(|c| !keep(c)).filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn here() -> Fingerprint {
        Fingerprint {
            os: "linux".into(),
            arch: "x86_64".into(),
            instruction_set: "avx512".into(),
            provider: Provider::Cpu,
            gpu: None,
        }
    }

    #[test]
    fn the_folder_names_the_class() {
        assert_eq!(here().dir_name(), "linux-x86_64-avx512-cpu");
        let gpu = Fingerprint { provider: Provider::Cuda, gpu: Some("NVIDIA H100 80GB/HBM3".into()), ..here() };
        assert_eq!(gpu.dir_name(), "linux-x86_64-avx512-cuda-nvidia-h100-80gb-hbm3");
    }

    #[test]
    fn differences_name_the_fields() {
        assert!(here().differences(&here()).is_empty());
        let other = Fingerprint { instruction_set: "avx2".into(), gpu: Some("T4".into()), ..here() };
        assert_eq!(here().differences(&other), ["instruction-set", "gpu"]);
    }
}
