//! Why a launch has no result.

use crate::measure::job::JOB_SCHEMA;
use crate::measure::prepare::PrepareError;
use crate::profile::ProfileError;
use crate::runtime::cupti::CuptiError;
use crate::runtime::session::SessionError;

/// Why a launch has no result. Each message names what failed and, where there is one, the remedy.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The job was written by another version of the program.
    #[error("the launch job has schema {found} where this program reads {JOB_SCHEMA}; use one version of the program")]
    Schema {
        /// What the job says.
        found: u32,
    },
    /// The model or its inputs could not be made.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// ONNX Runtime refused the model or failed to run it.
    #[error("{model}: {source}")]
    Session {
        /// The model: its file, or its name.
        model: String,
        /// Why.
        source: SessionError,
    },
    /// The profiler's own cost could not be measured.
    #[error("cannot measure the profiler's own cost: {0}")]
    Calibration(SessionError),
    /// The profile of a calibration run could not be read.
    #[error("cannot measure the profiler's own cost: {0}")]
    CalibrationProfile(ProfileError),
    /// A profile could not be read.
    #[error("{model}: {source}")]
    Profile {
        /// The model: its file, or its name.
        model: String,
        /// Why.
        source: ProfileError,
    },
    /// What the device does could not be recorded.
    #[error("the GPU's own times cannot be had: {source}")]
    Device {
        /// Why.
        #[from]
        source: CuptiError,
    },
    /// A scenario on a GPU that nobody has said anything of.
    #[error("the launch job says nothing of the GPU; use one version of the program")]
    NoGpu,
    /// Launches were to wait for the device, and do not.
    #[error("launches do not wait for the GPU: this process was not started with CUDA_LAUNCH_BLOCKING=1")]
    NotBlocking,
    /// A scenario asked for a GPU, and the CPU ran it.
    #[error(
        "{model}: asked for {provider}, and none of its {nodes} nodes ran there; that would be a measurement of the CPU. \
         Measure it with `--provider cpu`, or with a precision that the GPU has kernels for"
    )]
    NothingOnDevice {
        /// The model: its file, or its name.
        model: String,
        /// The provider, as ONNX Runtime names it.
        provider: &'static str,
        /// Nodes that ran.
        nodes: usize,
    },
}
