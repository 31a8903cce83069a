//! What can be wrong with a model file, each with the remedy.

use std::path::PathBuf;

use super::looks::FileKind;

/// A model file that could not be read, written or trusted.
#[derive(Debug, thiserror::Error)]
pub enum OnnxError {
    /// Nothing is at this path.
    #[error("{}: no such file; check the path", path.display())]
    NotFound {
        /// The model file.
        path: PathBuf,
    },
    /// A folder where a file was expected.
    #[error("{}: this is a folder; name the .onnx file in it", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
    },
    /// The operating system refused to read.
    #[error("{}: cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The operating system refused to write.
    #[error("{}: cannot be written: {source}; nothing was changed at this path", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file of no bytes.
    #[error("{}: the file is empty (0 bytes); export or download the model again", path.display())]
    Empty {
        /// The model file.
        path: PathBuf,
    },
    /// A file of another kind.
    #[error("{}: not an ONNX model ({bytes} bytes): it is {}; {}", path.display(), kind.what(), kind.remedy())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// What it is.
        kind: FileKind,
    },
    /// The file ends before what it announces.
    #[error(
        "{}: the model is cut off: it announces {announced} bytes and has {bytes}; copy, export or download it again",
        path.display()
    )]
    Truncated {
        /// The model file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The size that its outermost fields add up to.
        announced: u64,
    },
    /// The bytes are no ONNX message.
    #[error(
        "{}: not a readable ONNX model ({bytes} bytes): {source}; the file is damaged or of another format: export it again",
        path.display()
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// Where decoding failed.
        source: prost::DecodeError,
    },
    /// Nested deeper than protobuf readers follow.
    #[error(
        "{}: subgraphs are nested too deeply: protobuf readers, ONNX Runtime's included, stop at 100 nested messages \
         (about 30 levels of If, Loop or Scan); export the model with flatter control flow",
        path.display()
    )]
    TooDeep {
        /// The model file.
        path: PathBuf,
    },
    /// A readable message without what makes it a model.
    #[error(
        "{}: not a complete ONNX model ({bytes} bytes): it has no {missing}; export it again, or run `onnx.checker` on it",
        path.display()
    )]
    Incomplete {
        /// The model file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The field that is missing, such as `graph`.
        missing: &'static str,
    },
    /// More than one protobuf message can hold.
    #[error(
        "{}: the model takes {bytes} bytes and one protobuf file holds at most 2147483647; \
         write it with external data (weights in a file beside it)",
        path.display()
    )]
    TooLarge {
        /// The file to be written.
        path: PathBuf,
        /// The size of the message.
        bytes: u64,
    },
    /// A tensor's reference to another file makes no sense.
    #[error("{}: tensor `{tensor}` ({place}) keeps its values in another file, but {problem}; {remedy}", model.display())]
    ExternalReference {
        /// The model file.
        model: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// Where in the model the tensor is.
        place: String,
        /// What is wrong.
        problem: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A file with weights is not there.
    #[error(
        "{}: {} is missing: {tensors} tensor(s) keep their values in it, the first is `{tensor}` ({place}); \
         put the file beside the model under exactly this name, or have its weights made up: `--weights synthetic`, or \
         `weights = \"synthetic\"` in its [[model]] table",
        model.display(), file.display()
    )]
    ExternalMissing {
        /// The model file.
        model: PathBuf,
        /// The file with the values.
        file: PathBuf,
        /// How many tensors refer to it.
        tensors: usize,
        /// The first of them.
        tensor: String,
        /// Where in the model that tensor is.
        place: String,
    },
    /// A file with weights is shorter than a tensor needs.
    #[error(
        "{}: tensor `{tensor}` ({place}) is at bytes {offset} to {end} of {}, which has {bytes}{}; {}",
        model.display(), file.display(),
        kind.map(|kind| format!(" and is {}", kind.what())).unwrap_or_default(),
        kind.map_or("copy or download that file again: it is cut off or of another version of the model", FileKind::remedy)
    )]
    ExternalTooShort {
        /// The model file.
        model: PathBuf,
        /// The file with the values.
        file: PathBuf,
        /// The tensor.
        tensor: String,
        /// Where in the model the tensor is.
        place: String,
        /// First byte of the tensor.
        offset: u64,
        /// One past its last byte.
        end: u64,
        /// Size of the file.
        bytes: u64,
        /// What the file is, where that is recognisable.
        kind: Option<FileKind>,
    },
}
