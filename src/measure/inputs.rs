//! The tensors that a run is given: made from what the model declares, or read from NumPy files.
//!
//! Sizes come from the declaration, from the request, and for the usual names of dimensions from defaults; values are
//! seeded and equal on every machine. Knows nothing of ONNX Runtime: whoever runs the model turns an [`InputTensor`]
//! into its value type.

mod dims;
mod element;
mod error;
mod fill;
mod npy;
mod rules;
mod sum;
mod usual;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::onnx::inspect::{self, Declared, Dim, ValueKind};
use crate::onnx::proto::ModelProto;
use crate::scenario::ImageSize;

pub use element::{ElementType, InputData};
pub use error::{InputError, MissingDimension};

/// More than this in one input is taken for a mistake in a dimension.
const MAX_INPUT_BYTES: u64 = 16 << 30;

/// What the caller wishes the inputs to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InputRequest {
    /// Sizes by symbolic name, or by `input[axis]` for dimensions without a name.
    pub dimensions: BTreeMap<String, u64>,
    /// Size of batch dimensions that `dimensions` does not name; 1 where absent.
    pub batch: Option<u32>,
    /// Tokens: length of sequences, or of the cached past where the model takes one; 128 where absent.
    pub sequence: Option<u32>,
    /// Height and width of images; 224 x 224 where absent.
    pub image: Option<ImageSize>,
    /// Arrays to use in place of made ones.
    pub files: InputFiles,
    /// Seed of the made values.
    pub seed: u64,
}

/// NumPy files with inputs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum InputFiles {
    /// None: everything is made.
    #[default]
    None,
    /// One `.npz` with an entry for every input.
    Archive(PathBuf),
    /// A `.npy` for each named input; others are made.
    Arrays(BTreeMap<String, PathBuf>),
}

/// One input of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct InputTensor {
    /// The input's name.
    pub name: String,
    /// Type of its elements.
    pub element: ElementType,
    /// Dimensions; empty for a scalar.
    pub shape: Vec<u64>,
    /// The elements in row-major order, as many as the product of `shape`.
    pub data: InputData,
}

impl InputTensor {
    /// Name, type and shape, such as `input_ids int64[1,128]`.
    pub fn describe(&self) -> String {
        let dims: Vec<String> = self.shape.iter().map(u64::to_string).collect();
        format!("{} {}[{}]", self.name, self.element, dims.join(","))
    }
}

/// Which of a scenario's sizes a model's inputs leave open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Choices {
    /// Some dimension is a batch.
    pub batch: bool,
    /// Some dimension is a number of tokens.
    pub sequence: bool,
    /// Some dimension is the height or width of an image.
    pub image: bool,
}

/// An input as declared, reduced to what can be made.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    name: String,
    element: ElementType,
    /// `None`: not even the rank is declared.
    dims: Option<Vec<Dim>>,
}

/// Tells which sizes of a scenario mean anything for this model.
///
/// # Errors
///
/// [`InputError`] for inputs that cannot be made at all.
pub fn choices(model: &ModelProto, model_label: &str) -> Result<Choices, InputError> {
    Ok(dims::choices(&wanted(model, model_label)?))
}

/// Makes or reads every input of the model, in the order of declaration.
///
/// # Errors
///
/// [`InputError`] names the input and the remedy: inputs that are no tensors or of a type that is not handled,
/// dimensions without a size (all of them at once, with the line to add), sizes given for dimensions that the model
/// does not have, NumPy files that are unreadable or do not fit.
pub fn plan(model: &ModelProto, model_label: &str, request: &InputRequest) -> Result<Vec<InputTensor>, InputError> {
    let wanted = wanted(model, model_label)?;
    let mut arrays = npy::read(&request.files, &wanted, model_label)?;
    let shapes = dims::resolve(&wanted, model_label, request, &arrays)?;
    let facts = fill::Facts::of(&wanted, &shapes, request);
    let mut tensors = Vec::with_capacity(wanted.len());
    for (input, shape) in wanted.iter().zip(&shapes) {
        let data = match arrays.remove(&input.name) {
            Some(array) => array.data,
            None => fill::fill(model, model_label, input, shape, &facts)?,
        };
        let (name, element) = (input.name.clone(), input.element);
        tensors.push(InputTensor { name, element, shape: shape.clone(), data });
    }
    Ok(tensors)
}

/// The shapes that [`plan`] would give the inputs, by name; nothing is made.
///
/// # Errors
///
/// As [`plan`].
pub fn shapes(
    model: &ModelProto,
    model_label: &str,
    request: &InputRequest,
) -> Result<BTreeMap<String, Vec<u64>>, InputError> {
    let wanted = wanted(model, model_label)?;
    let arrays = npy::read(&request.files, &wanted, model_label)?;
    let shapes = dims::resolve(&wanted, model_label, request, &arrays)?;
    Ok(wanted.into_iter().map(|input| input.name).zip(shapes).collect())
}

fn wanted(model: &ModelProto, model_label: &str) -> Result<Vec<Wanted>, InputError> {
    let of = |Declared { name, kind }| match kind {
        ValueKind::Tensor { element, shape } => match ElementType::from_onnx(element) {
            Some(element) => Ok(Wanted { name, element, dims: shape }),
            None => Err(InputError::UnsupportedElement {
                model: model_label.to_owned(),
                input: name,
                element: element::onnx_name(element),
            }),
        },
        other => Err(InputError::NotATensor { model: model_label.to_owned(), input: name, what: other.what() }),
    };
    inspect::inputs(model).into_iter().map(of).collect()
}

/// Number of elements, if they can reasonably be held in memory.
fn element_count(shape: &[u64], element: ElementType) -> Option<usize> {
    let count = shape.iter().try_fold(1u64, |product, &dim| product.checked_mul(dim))?;
    let bytes = count.checked_mul(element.bytes().unwrap_or(16))?;
    if bytes > MAX_INPUT_BYTES { None } else { usize::try_from(count).ok() }
}

#[cfg(test)]
mod tests;
