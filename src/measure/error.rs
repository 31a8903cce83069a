//! Why a launch has no result.

use crate::measure::job::JOB_SCHEMA;
use crate::measure::prepare::PrepareError;
use crate::profile::ProfileError;
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
}
