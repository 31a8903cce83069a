//! Weights kept in files beside the model: finding every reference, and checking it before ONNX Runtime trips over it.

mod read;
mod reference;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::error::OnnxError;
use super::looks::FileKind;
use super::proto::{ModelProto, TensorProto};
use super::tensor;
use super::visit::{self, Scope, TensorRole, Visitor};

pub use read::{Source, embed};
pub(super) use read::{copy_range, resolved, values};
pub(super) use reference::{Reference, reference};

/// One tensor whose values are in another file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalTensor {
    /// The tensor's name; empty for an unnamed attribute value.
    pub tensor: String,
    /// Where in the model it is, such as `main graph`.
    pub place: String,
    /// The file's name as the model has it.
    pub location: String,
    /// First byte in that file.
    pub offset: u64,
    /// Bytes; from the reference, else from type and dimensions, else `None`: to the file's end.
    pub length: Option<u64>,
}

/// Lists every tensor with external data at every level of the model, without looking at the files.
///
/// # Errors
///
/// [`OnnxError::ExternalReference`] for a reference without a location, with a number that is none, with a length that
/// contradicts the tensor's type and dimensions, or to a place outside the model's folder.
pub fn list(model: &ModelProto, model_path: &Path) -> Result<Vec<ExternalTensor>, OnnxError> {
    struct Found<'p> {
        model: &'p Path,
        tensors: Vec<ExternalTensor>,
        error: Option<OnnxError>,
    }
    impl<'m> Visitor<'m> for Found<'_> {
        fn tensor(&mut self, scope: &Scope<'_>, _role: TensorRole, tensor: &'m TensorProto) {
            if self.error.is_some() || !tensor::is_external(tensor) {
                return;
            }
            match reference(tensor) {
                Ok(Reference { location, offset, length }) => self.tensors.push(ExternalTensor {
                    tensor: tensor.name().to_owned(),
                    place: scope.to_string(),
                    location,
                    offset,
                    length,
                }),
                Err((problem, remedy)) => {
                    self.error = Some(OnnxError::ExternalReference {
                        model: self.model.to_owned(),
                        tensor: tensor.name().to_owned(),
                        place: scope.to_string(),
                        problem,
                        remedy,
                    });
                }
            }
        }
    }
    let mut found = Found { model: model_path, tensors: Vec::new(), error: None };
    visit::model(model, &mut found);
    found.error.map_or(Ok(found.tensors), Err)
}

/// The path of a location, which is relative to the model file's folder.
pub fn resolve(model_path: &Path, location: &str) -> PathBuf {
    model_path.parent().unwrap_or(Path::new("")).join(location)
}

/// Lists as [`list`] does and checks that every file is there and long enough; lengths are then known.
///
/// # Errors
///
/// As [`list`]; [`OnnxError::ExternalMissing`] and [`OnnxError::ExternalTooShort`] name the model, the tensor and the
/// file.
pub fn check(model: &ModelProto, model_path: &Path) -> Result<Vec<ExternalTensor>, OnnxError> {
    let mut tensors = list(model, model_path)?;
    let mut sizes: BTreeMap<String, u64> = BTreeMap::new();
    for index in 0..tensors.len() {
        let location = tensors[index].location.clone();
        let bytes = match sizes.get(&location) {
            Some(&bytes) => bytes,
            None => {
                let bytes = file_size(model_path, &tensors[index], &tensors)?;
                sizes.insert(location.clone(), bytes);
                bytes
            }
        };
        let tensor = &mut tensors[index];
        let end = tensor.offset + tensor.length.unwrap_or(0);
        if end > bytes {
            let file = resolve(model_path, &location);
            return Err(OnnxError::ExternalTooShort {
                model: model_path.to_owned(),
                kind: head(&file).as_deref().and_then(FileKind::of),
                file,
                tensor: tensor.tensor.clone(),
                place: tensor.place.clone(),
                offset: tensor.offset,
                end,
                bytes,
            });
        }
        tensor.length = Some(tensor.length.unwrap_or(bytes - tensor.offset));
    }
    Ok(tensors)
}

fn file_size(model_path: &Path, first: &ExternalTensor, all: &[ExternalTensor]) -> Result<u64, OnnxError> {
    let file = resolve(model_path, &first.location);
    match std::fs::metadata(&file) {
        Ok(meta) if meta.is_file() => Ok(meta.len()),
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(OnnxError::Read { path: file, source }),
        _ => Err(OnnxError::ExternalMissing {
            model: model_path.to_owned(),
            file,
            tensors: all.iter().filter(|tensor| tensor.location == first.location).count(),
            tensor: first.tensor.clone(),
            place: first.place.clone(),
        }),
    }
}

fn head(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(256).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests;
