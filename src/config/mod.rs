//! `nongemm.toml` and Cargo metadata: raw as typed, and resolved. Imports no stage and prints nothing.

mod cuda;
pub mod dimension;
mod error;
mod models;
mod raw;
mod resolve;
mod resolved;
mod rules;
mod source;
mod suggest;
#[cfg(test)]
pub(crate) mod tests;

pub use cuda::{ConvolutionSearch, Cuda, CudaOptions, GpuClock};
pub use error::{ConfigError, Diagnostic};
pub use models::{has_wildcard, looks_like_path, name_of_file, safe_name};
pub use resolved::{
    Budget, Compare, Config, Dimensions, GatePolicy, GpuGate, GroupGate, Inputs, Level, Measure, Model, ModelSource,
    Origin, Prepare, PrepareCommand, Rule, SignOff, ZooEntry,
};
pub use source::{FILE_NAME, Request};
pub use suggest::{did_you_mean, nearest};

/// The configuration that `init` writes: every key with its default, commented.
pub const DEFAULT_TOML: &str = include_str!("default.toml");

/// Finds, reads and checks the configuration. Looked at, in this order: `--config`; a `nongemm.toml` in the directory
/// of the project (the current one, or that of `--manifest-path` or `--package`) or above it, up to the root of the
/// repository; `[package.metadata.nongemm]`, whose keys come before those of `[workspace.metadata.nongemm]`. A
/// `nongemm.toml` replaces the metadata. Where there is nothing, the defaults hold. `zoo` are the built-in models.
///
/// # Errors
/// [`ConfigError`] points at the key that is unknown, of a wrong type, out of range, or leads to no file.
pub fn load(request: &Request, zoo: &[ZooEntry]) -> Result<Config, ConfigError> {
    let found = source::find(request)?;
    resolve::resolve(&found, &resolve::Surroundings { zoo, cwd: &request.cwd })
}

/// The `[compare]` table of the configuration that [`load`] would find, read without looking for any model: what
/// `prepare` makes need not be there yet.
///
/// # Errors
/// As [`load`], but for what is wrong outside of the table's own values.
pub fn load_compare(request: &Request) -> Result<Compare, ConfigError> {
    let found = source::find(request)?;
    resolve::compare(&found.layers, &resolve::Surroundings { zoo: &[], cwd: &request.cwd })
}
