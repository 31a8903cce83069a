//! Why inputs cannot be made, each with the remedy.

use std::fmt::Write;
use std::path::PathBuf;

/// A dimension that no rule gives a size to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingDimension {
    /// The key to give its size under: its name, or `input[axis]`.
    pub key: String,
    /// The input that has it.
    pub input: String,
    /// Which dimension of that input, from 0.
    pub axis: usize,
    /// As declared: `?` without a name.
    pub declared: String,
}

/// The inputs of a model cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// Dimensions that must be given were not.
    #[error("model `{model}`: {}", missing(dimensions))]
    Missing {
        /// The model's name.
        model: String,
        /// All of them.
        dimensions: Vec<MissingDimension>,
    },
    /// A size was given for a dimension that is not there.
    #[error(
        "model `{model}`: `{key}` in its `dimensions` is no dimension of its inputs{}; it has: {known}",
        suggestion.as_ref().map(|it| format!(" (did you mean `{it}`?)")).unwrap_or_default()
    )]
    UnknownDimension {
        /// The model's name.
        model: String,
        /// What was given.
        key: String,
        /// The nearest one that exists.
        suggestion: Option<String>,
        /// All that exist, or `none that is open`.
        known: String,
    },
    /// A dimension's expression has no size.
    #[error(
        "model `{model}`: dimension `{expression}` (axis {axis} of input `{input}`) is {problem} with the sizes given; \
             set it itself: dimensions = {{ {} = 16 }}",
        quoted(expression)
    )]
    ImpossibleSize {
        /// The model's name.
        model: String,
        /// The input.
        input: String,
        /// Which dimension, from 0.
        axis: usize,
        /// The declared expression.
        expression: String,
        /// `negative`, or why else it is none.
        problem: &'static str,
    },
    /// An input of which not even the number of dimensions is declared.
    #[error(
        "model `{model}`: input `{input}` declares no shape, so none can be made; give it as an array: \
         inputs = {{ {} = \"{input}.npy\" }} under its [[model]] entry, or export the model with shapes",
        quoted(input)
    )]
    NoShape {
        /// The model's name.
        model: String,
        /// The input.
        input: String,
    },
    /// An input that is a sequence, map, optional or the like.
    #[error(
        "model `{model}`: input `{input}` is {what}; only tensors can be given to a run here: \
         export the model with tensor inputs, or wrap it in a graph that makes this value from tensors"
    )]
    NotATensor {
        /// The model's name.
        model: String,
        /// The input.
        input: String,
        /// What it is.
        what: &'static str,
    },
    /// A tensor of a type that is not handled.
    #[error(
        "model `{model}`: input `{input}` has elements of type {element}, which cannot be made or read here; \
         put a Cast behind an input of an ordinary type (float, integer, bool, string)"
    )]
    UnsupportedElement {
        /// The model's name.
        model: String,
        /// The input.
        input: String,
        /// ONNX's name of the type.
        element: String,
    },
    /// More elements than memory should be asked for.
    #[error("model `{model}`: input `{input}` of shape {shape:?} would take more than 16 GiB; check its dimensions")]
    TooLarge {
        /// The model's name.
        model: String,
        /// The input.
        input: String,
        /// The resolved shape.
        shape: Vec<u64>,
    },
    /// More positions than the model has a table for.
    #[error(
        "model `{model}`: input `{input}` would count to position {last}, but the table it indexes has {rows} rows; \
         choose a shorter sequence: at most {rows} positions"
    )]
    PositionsExceedTable {
        /// The model's name.
        model: String,
        /// The input.
        input: String,
        /// The last position asked for.
        last: u64,
        /// Rows of the position table.
        rows: u64,
    },
    /// A NumPy file could not be opened or read.
    #[error("{}: cannot be read: {source}; check the path under `inputs`", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file that is no NumPy array or archive.
    #[error("{origin}: not a readable NumPy {expected}: {problem}; write it again with {}",
            if *expected == "array" { "numpy.save" } else { "numpy.savez" })]
    NotNumpy {
        /// The file, and the entry in it.
        origin: String,
        /// `array` or `archive`.
        expected: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// An array of another element type than the input.
    #[error(
        "{origin}: has elements of type {found}, but input `{input}` of model `{model}` takes {wanted}; \
             save it with `.astype(\"{wanted}\")`"
    )]
    WrongType {
        /// The file, and the entry in it.
        origin: String,
        /// The model's name.
        model: String,
        /// The input.
        input: String,
        /// NumPy's code of what is there, such as `<f8`.
        found: String,
        /// NumPy's name of what is needed.
        wanted: String,
    },
    /// An array of another shape than the input.
    #[error("{origin}: has shape {found:?}, but input `{input}` of model `{model}` is declared as [{wanted}]")]
    WrongShape {
        /// The file, and the entry in it.
        origin: String,
        /// The model's name.
        model: String,
        /// The input.
        input: String,
        /// Shape of the array.
        found: Vec<u64>,
        /// The declared shape.
        wanted: String,
    },
    /// An archive that lacks inputs.
    #[error("{}: has no entry for input(s) {missing} of model `{model}`; its entries are: {entries}", file.display())]
    MissingEntries {
        /// The archive.
        file: PathBuf,
        /// The model's name.
        model: String,
        /// The inputs without an entry.
        missing: String,
        /// What is there.
        entries: String,
    },
    /// An array under a name that the model does not have.
    #[error("{origin}: `{name}` is no input of model `{model}`; its inputs are: {inputs}")]
    UnknownInput {
        /// The file that has or was given for it.
        origin: String,
        /// The name.
        name: String,
        /// The model's name.
        model: String,
        /// The inputs that exist.
        inputs: String,
    },
}

fn missing(dimensions: &[MissingDimension]) -> String {
    let mut text = match dimensions.len() {
        1 => "a dimension has no size: ".to_owned(),
        several => format!("{several} dimensions have no size: "),
    };
    for (index, it) in dimensions.iter().enumerate() {
        let comma = if index > 0 { ", " } else { "" };
        let name = if it.declared == "?" { "no name".to_owned() } else { format!("declared `{}`", it.declared) };
        let _ = write!(text, "{comma}axis {} of input `{}` ({name})", it.axis, it.input);
    }
    let mut keys: Vec<String> = Vec::new();
    for it in dimensions {
        let entry = format!("{} = 16", quoted(&it.key));
        if !keys.contains(&entry) {
            keys.push(entry);
        }
    }
    let _ = write!(
        text,
        "; add this line under its [[model]] entry in nongemm.toml, with your sizes:\n    dimensions = {{ {} }}",
        keys.join(", ")
    );
    text
}

/// A key as TOML needs it: bare where that is allowed.
pub(super) fn quoted(key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if bare { key.to_owned() } else { toml::Value::String(key.to_owned()).to_string() }
}
