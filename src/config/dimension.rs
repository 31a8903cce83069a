//! The values that a scenario's dimensions take. Re-exported by [`crate::scenario`], under whose name they are used.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An ONNX Runtime execution provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Provider {
    /// CPUExecutionProvider.
    Cpu,
    /// CUDAExecutionProvider.
    Cuda,
}

impl Provider {
    /// The name on the command line, in files and in scenario ids.
    pub fn name(self) -> &'static str {
        match self {
            Provider::Cpu => "cpu",
            Provider::Cuda => "cuda",
        }
    }

    /// ONNX Runtime's own name, as it stands in profile events.
    pub fn onnxruntime_name(self) -> &'static str {
        match self {
            Provider::Cpu => "CPUExecutionProvider",
            Provider::Cuda => "CUDAExecutionProvider",
        }
    }
}

/// Where the weights of a model file come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Weights {
    /// The file, and files beside it.
    Stored,
    /// Made up: seeded values of the same types and extents.
    Synthetic,
}

/// Number format of a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// A zoo model in 32-bit floating point; for a user's file, the types that the file declares.
    Fp32,
    /// 16-bit floating point: the model above, converted; docs/precision.md says what stays as it is.
    Fp16,
}

impl Precision {
    /// The name on the command line, in files and in scenario ids.
    pub fn name(self) -> &'static str {
        match self {
            Precision::Fp32 => "fp32",
            Precision::Fp16 => "fp16",
        }
    }
}

/// ONNX Runtime's graph optimization level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Optimization {
    /// `ORT_DISABLE_ALL`: the graph as it is in the file.
    Disable,
    /// `ORT_ENABLE_BASIC`.
    Basic,
    /// `ORT_ENABLE_EXTENDED`.
    Extended,
    /// `ORT_ENABLE_ALL`: what deployments run.
    All,
}

impl Optimization {
    /// The name on the command line, in files and in scenario ids.
    pub fn name(self) -> &'static str {
        match self {
            Optimization::Disable => "disable",
            Optimization::Basic => "basic",
            Optimization::Extended => "extended",
            Optimization::All => "all",
        }
    }
}

/// Height and width of an image input, in pixels. Written `224` when square, else `800x1066`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ImageSize {
    /// Rows.
    pub height: u32,
    /// Columns.
    pub width: u32,
}

impl fmt::Display for ImageSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.height == self.width {
            write!(f, "{}", self.height)
        } else {
            write!(f, "{}x{}", self.height, self.width)
        }
    }
}

impl From<ImageSize> for String {
    fn from(size: ImageSize) -> String {
        size.to_string()
    }
}

impl FromStr for ImageSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (height, width) = text.split_once('x').unwrap_or((text, text));
        let pixels = |part: &str| match part.parse::<u32>() {
            Ok(n) if n > 0 => Ok(n),
            _ => Err(format!("`{text}` is not an image size; write `224` or `800x1066` (height x width)")),
        };
        Ok(ImageSize { height: pixels(height)?, width: pixels(width)? })
    }
}

impl TryFrom<String> for ImageSize {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    /// The same word on the command line, in the configuration and in ids.
    #[test]
    fn names_agree_with_clap_and_serde() {
        fn check<T: ValueEnum + Serialize + Copy>(name: fn(T) -> &'static str) {
            for value in T::value_variants() {
                assert_eq!(value.to_possible_value().unwrap().get_name(), name(*value));
                assert_eq!(serde_json::to_value(value).unwrap(), name(*value));
            }
        }
        check(Provider::name);
        check(Precision::name);
        check(Optimization::name);
    }

    #[test]
    fn image_sizes_are_read_as_they_are_written() {
        let size = |text: &str| text.parse::<ImageSize>();
        assert_eq!(size("224"), Ok(ImageSize { height: 224, width: 224 }));
        assert_eq!(size("800x1066").unwrap().to_string(), "800x1066");
        assert_eq!(size("224x224").unwrap().to_string(), "224");
        for wrong in ["", "0", "224x0", "x", "-1", "1x2x3", "22 4"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
