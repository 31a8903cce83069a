//! Models without their weights: writing them, and making weights up when they run.
//!
//! [`strip()`] leaves type and extents of each weight and drops its values; [`synthesize()`] makes values up that are
//! legal, keep activations finite and are equal on every machine. What is a weight, and which values suit it, follows
//! from the operators that take it (`slots` is the table of them).

mod recipe;
mod scrub;
mod slots;
mod strip;
mod synthesize;
mod uses;

use std::path::PathBuf;

use super::OnnxError;
use super::proto::{ModelProto, StringStringEntryProto, TensorProto};
use super::tensor;
use super::visit::{self, Scope, TensorRole, Visitor};

pub use strip::{Kept, StripOptions, Stripped, Tally, strip};
pub use synthesize::{FILE_NAME, Synthetic, synthesize};

/// The `location` of a tensor whose values were dropped. No such file exists; programs that look for it print its name.
const DROPPED: &str = "left-out-by-cargo-nongemm-strip";
/// The `location` of a tensor whose values are in `raw_data`, deflated.
const DEFLATED: &str = "deflated-by-cargo-nongemm-strip";

/// Why a model cannot be stripped, or its weights not be made up.
#[derive(Debug, thiserror::Error)]
pub enum WeightlessError {
    /// The model or its external data cannot be used.
    #[error(transparent)]
    Onnx(#[from] OnnxError),
    /// There is nothing to strip any more.
    #[error("{}: the model has no weights any more: `cargo nongemm strip` wrote it; run it as it is", path.display())]
    AlreadyStripped {
        /// The model file.
        path: PathBuf,
    },
    /// Weights are asked for that are not there.
    #[error(
        "{}: `weights = \"stored\"` asks for the weights, and `cargo nongemm strip` left them out of this file; \
         leave the option out to have them made up, or name the model that it was made from",
        path.display()
    )]
    NotStored {
        /// The model file.
        path: PathBuf,
    },
    /// A tensor's values are absent, and others in their place would not be legal or would change the graph's meaning.
    #[error(
        "{}: tensor `{tensor}` ({what}, {place}) has no values here, and they cannot be made up: {why}; put the file \
         that holds them beside the model, or run `cargo nongemm strip` where that file is",
        path.display()
    )]
    Impossible {
        /// The model file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// Its type and extents.
        what: String,
        /// Where in the model it is.
        place: String,
        /// What stands in the way.
        why: String,
    },
    /// Values that were packed cannot be unpacked.
    #[error("{}: the values of tensor `{tensor}` are damaged; write the file again with `cargo nongemm strip`", path.display())]
    Damaged {
        /// The model file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
    },
}

/// True for a model that [`strip()`] has left without values.
pub fn is_stripped(model: &ModelProto) -> bool {
    struct Found(bool);
    impl<'m> Visitor<'m> for Found {
        fn tensor(&mut self, _scope: &Scope<'_>, _role: TensorRole, tensor: &'m TensorProto) {
            self.0 |= is_at(tensor, DROPPED) || is_at(tensor, DEFLATED);
        }
    }
    let mut found = Found(false);
    visit::model(model, &mut found);
    found.0
}

/// True for a tensor whose values are kept at this location.
fn is_at(tensor: &TensorProto, location: &str) -> bool {
    let at = |entry: &StringStringEntryProto| entry.key() == "location" && entry.value() == location;
    tensor::is_external(tensor) && tensor.external_data.iter().any(at)
}

/// Type and extents, such as `float[64, 3, 7, 7]`.
fn describe(tensor: &TensorProto) -> String {
    format!("{}{:?}", tensor::data_type(tensor).as_str_name().to_lowercase(), tensor.dims)
}

#[cfg(test)]
mod tests;
