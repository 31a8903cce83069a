//! Why the device's own times cannot be had. Each message says what to do.

use std::path::PathBuf;

use crate::device::DecodeError;

/// Why CUPTI records nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CuptiError {
    /// No such library anywhere.
    #[error(
        "CUPTI, which records what the GPU does, was not found (looked for {names} in {}); it comes with the CUDA toolkit \
         (extras/CUPTI) and as the PyPI package {package}; without it, `clock = \"synchronous\"` under [cuda] measures with \
         blocking launches",
        looked(places)
    )]
    NotFound {
        /// File names that were looked for.
        names: String,
        /// Folders that were looked into.
        places: Vec<PathBuf>,
        /// The package that holds it for the CUDA in use.
        package: &'static str,
    },
    /// The system's loader refuses it.
    #[error("CUPTI {} cannot be loaded: {reason}; it must be that of the CUDA in use", path.display())]
    Load {
        /// Which file.
        path: PathBuf,
        /// What the loader says.
        reason: String,
    },
    /// A function is missing.
    #[error("{} has no {symbol}, so it is not CUPTI's library", path.display())]
    Symbol {
        /// Which file.
        path: PathBuf,
        /// Which function.
        symbol: &'static str,
    },
    /// Its records have another form than those known.
    #[error("CUPTI {} has interface {version}, and 18 (CUDA 12.0) or newer is needed: update CUDA", path.display())]
    TooOld {
        /// Which file.
        path: PathBuf,
        /// Version of its interface.
        version: u32,
    },
    /// This process records already.
    #[error("this process records with CUPTI already: one launch is one process")]
    Taken,
    /// A call failed.
    #[error("CUPTI refuses {function}: {message} (status {status}){}", remedy(*status))]
    Call {
        /// Which function.
        function: &'static str,
        /// `CUptiResult`.
        status: u32,
        /// CUPTI's word for it.
        message: String,
    },
    /// A record cannot be read.
    #[error("CUPTI's records cannot be read: {0}; `clock = \"synchronous\"` under [cuda] measures without them")]
    Record(#[from] DecodeError),
    /// A record lies outside of the buffer that it was read from.
    #[error("CUPTI's records cannot be read: one lies outside of its buffer")]
    Astray,
    /// The clocks cannot be related.
    #[error("CUPTI's clock and this process's were set against each other during a run; measure again")]
    Clock,
}

/// Folders on one line.
fn looked(places: &[PathBuf]) -> String {
    let shown: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
    if shown.is_empty() { "no folder".to_owned() } else { shown.join(", ") }
}

/// What helps against the refusals that have a known cause, by `CUptiResult`.
fn remedy(status: u32) -> &'static str {
    match status {
        15 => "; CUDA could not be started: see `cargo nongemm doctor`",
        35 => {
            "; the driver reserves profiling to administrators: load it with NVreg_RestrictProfilingToAdminUsers=0, run in a \
             container with CAP_SYS_ADMIN, or set `clock = \"synchronous\"` under [cuda]"
        }
        39 => "; another profiler is attached to this process: end it, or set `clock = \"synchronous\"` under [cuda]",
        _ => "; `clock = \"synchronous\"` under [cuda] measures without CUPTI",
    }
}
