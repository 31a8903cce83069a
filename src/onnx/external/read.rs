//! The values behind references, from files or from memory.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::reference::{Reference, reference};
use super::{ExternalTensor, check, list, resolve};
use crate::onnx::error::OnnxError;
use crate::onnx::proto::{ModelProto, TensorProto};
use crate::onnx::{tensor, visit};

/// Where the values behind external references are.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// In files in the folder of this model file.
    Beside(&'a Path),
    /// In memory, by location.
    Memory(&'a BTreeMap<String, &'a [u8]>),
}

/// Moves all external values into the model itself, for a model in one file ([`crate::onnx::file::write`] refuses it if it
/// grows too large).
///
/// # Errors
///
/// As [`check`]; with [`Source::Memory`], [`OnnxError::ExternalMissing`] for a location that is not in the map.
pub fn embed(model: &mut ModelProto, label: &Path, source: Source<'_>) -> Result<(), OnnxError> {
    let mut tensors = resolved(model, label, source)?.into_iter();
    visit::tensors_mut(model, &mut |_, tensor| {
        if !tensor::is_external(tensor) {
            return Ok(());
        }
        // The same walk in the same order: one reference for each external tensor.
        let Some(external) = tensors.next() else { return Ok(()) };
        tensor::set_raw(tensor, Bytes::from(bytes_of(&external, label, source)?));
        Ok(())
    })
}

/// Checked references, with lengths, for either source.
pub(in crate::onnx) fn resolved(
    model: &ModelProto,
    label: &Path,
    source: Source<'_>,
) -> Result<Vec<ExternalTensor>, OnnxError> {
    let map = match source {
        Source::Beside(model_path) => return check(model, model_path),
        Source::Memory(map) => map,
    };
    let mut tensors = list(model, label)?;
    let count = |location: &str, all: &[ExternalTensor]| all.iter().filter(|it| it.location == location).count();
    for index in 0..tensors.len() {
        let tensor = &tensors[index];
        let Some(buffer) = map.get(&tensor.location) else {
            return Err(OnnxError::ExternalMissing {
                model: label.to_owned(),
                file: PathBuf::from(&tensor.location),
                tensors: count(&tensor.location, &tensors),
                tensor: tensor.tensor.clone(),
                place: tensor.place.clone(),
            });
        };
        let bytes = u64::try_from(buffer.len()).unwrap_or(u64::MAX);
        let end = tensor.offset + tensor.length.unwrap_or(0);
        if end > bytes {
            return Err(OnnxError::ExternalTooShort {
                model: label.to_owned(),
                file: PathBuf::from(&tensor.location),
                tensor: tensor.tensor.clone(),
                place: tensor.place.clone(),
                offset: tensor.offset,
                end,
                bytes,
                kind: None,
            });
        }
        let length = tensor.length.unwrap_or(bytes - tensor.offset);
        tensors[index].length = Some(length);
    }
    Ok(tensors)
}

fn bytes_of(external: &ExternalTensor, label: &Path, source: Source<'_>) -> Result<Vec<u8>, OnnxError> {
    let mut bytes = Vec::new();
    copy_range(&external.location, external.offset, external.length.unwrap_or(0), label, source, &mut bytes)?;
    Ok(bytes)
}

/// The values of one external tensor of a model file, from the file beside it.
pub(in crate::onnx) fn values(tensor: &TensorProto, model_path: &Path) -> Result<Bytes, OnnxError> {
    let Reference { location, offset, length } =
        reference(tensor).map_err(|(problem, remedy)| OnnxError::ExternalReference {
            model: model_path.to_owned(),
            tensor: tensor.name().to_owned(),
            place: "a tensor".to_owned(),
            problem,
            remedy,
        })?;
    let mut bytes = Vec::new();
    let length = match length {
        Some(length) => length,
        None => {
            let path = resolve(model_path, &location);
            let size = std::fs::metadata(&path).map_err(|source| OnnxError::Read { path, source })?.len();
            size.saturating_sub(offset)
        }
    };
    copy_range(&location, offset, length, model_path, Source::Beside(model_path), &mut bytes)?;
    Ok(Bytes::from(bytes))
}

/// Streams `length` bytes from `offset` of a location into `out`.
pub(in crate::onnx) fn copy_range(
    location: &str,
    offset: u64,
    length: u64,
    label: &Path,
    source: Source<'_>,
    out: &mut impl io::Write,
) -> Result<(), OnnxError> {
    let written = |source| OnnxError::Write { path: label.to_owned(), source };
    match source {
        Source::Memory(map) => {
            let range = usize::try_from(offset).ok().zip(usize::try_from(offset + length).ok());
            let bytes = map.get(location).zip(range).and_then(|(buffer, (start, end))| buffer.get(start..end));
            out.write_all(bytes.unwrap_or_default()).map_err(written)
        }
        Source::Beside(model_path) => {
            let path = resolve(model_path, location);
            let failed = |source| OnnxError::Read { path: path.clone(), source };
            let mut file = File::open(&path).map_err(failed)?;
            file.seek(SeekFrom::Start(offset)).map_err(failed)?;
            let copied = io::copy(&mut file.take(length), out).map_err(written)?;
            if copied < length {
                return Err(failed(io::ErrorKind::UnexpectedEof.into()));
            }
            Ok(())
        }
    }
}
