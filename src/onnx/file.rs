//! Reading and writing `.onnx` files.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use bytes::Bytes;
use prost::Message;
use tempfile::NamedTempFile;

use crate::atomic_file;

use super::error::OnnxError;
use super::looks::FileKind;
use super::proto::ModelProto;

/// What one protobuf message can hold: readers count its bytes in a signed 32-bit integer.
pub const MAX_MESSAGE_BYTES: u64 = 2_147_483_647;

/// Files from this size on are mapped instead of read: weights are then loaded only where something looks at them.
const MAP_FROM_BYTES: u64 = 16 << 20;

/// Reads an ONNX model. Weights kept in other files stay there: see [`super::external`].
///
/// The weights of a large model stay in the page cache until they are looked at, so the file must not be rewritten in
/// place while the model lives ([`write()`] replaces files instead, which is safe).
///
/// # Errors
///
/// [`OnnxError`] names the file and says what it is instead of a complete, readable model.
pub fn read(path: &Path) -> Result<ModelProto, OnnxError> {
    decode(load(path)?, path)
}

/// Reads an ONNX model from memory; `path` is what messages call it.
///
/// # Errors
///
/// As [`read`].
pub fn decode(bytes: Bytes, path: &Path) -> Result<ModelProto, OnnxError> {
    if bytes.is_empty() {
        return Err(OnnxError::Empty { path: path.to_owned() });
    }
    // Decoding from `Bytes` makes `raw_data` share this buffer instead of copying it.
    match ModelProto::decode(bytes.clone()) {
        Ok(model) => complete(model, &bytes, path),
        Err(source) => Err(undecodable(source, &bytes, path)),
    }
}

fn load(path: &Path) -> Result<Bytes, OnnxError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => OnnxError::NotFound { path: path.to_owned() },
        _ => OnnxError::Read { path: path.to_owned(), source },
    };
    let meta = std::fs::metadata(path).map_err(failed)?;
    if meta.is_dir() {
        return Err(OnnxError::Folder { path: path.to_owned() });
    }
    if meta.len() < MAP_FROM_BYTES {
        return std::fs::read(path).map(Bytes::from).map_err(failed);
    }
    let file = File::open(path).map_err(failed)?;
    // SAFETY: the mapping is read-only; `read` documents that the file must not be rewritten in place meanwhile.
    let map = unsafe { memmap2::Mmap::map(&file) }.map_err(failed)?;
    Ok(Bytes::from_owner(map))
}

fn complete(model: ModelProto, bytes: &Bytes, path: &Path) -> Result<ModelProto, OnnxError> {
    let missing = if model.graph.is_none() {
        "graph"
    } else if model.ir_version.is_none() {
        "ir_version"
    } else if model.opset_import.is_empty() {
        "opset_import (operator set version)"
    } else {
        return Ok(model);
    };
    let (path, size) = (path.to_owned(), len(bytes));
    // Much that is no model decodes to fields nobody knows.
    Err(match FileKind::of(bytes) {
        Some(kind) => OnnxError::Foreign { path, bytes: size, kind },
        None => OnnxError::Incomplete { path, bytes: size, missing },
    })
}

fn undecodable(source: prost::DecodeError, bytes: &Bytes, path: &Path) -> OnnxError {
    let (path, size) = (path.to_owned(), len(bytes));
    if let Some(kind) = FileKind::of(bytes) {
        OnnxError::Foreign { path, bytes: size, kind }
    } else if source.to_string().ends_with("recursion limit reached") {
        OnnxError::TooDeep { path }
    } else if let Some(announced) = announced_beyond(bytes) {
        OnnxError::Truncated { path, bytes: size, announced }
    } else {
        OnnxError::Corrupt { path, bytes: size, source }
    }
}

/// The size that the outermost fields announce, where that is more than there is: the mark of a file cut off.
fn announced_beyond(bytes: &[u8]) -> Option<u64> {
    use prost::encoding::{WireType, decode_key, decode_varint};
    let total = len(bytes);
    let mut rest = bytes;
    while !rest.is_empty() {
        let (field, wire) = decode_key(&mut rest).ok()?;
        // A field number outside the schema's: this never was a model, so its end says nothing.
        if field > 64 {
            return None;
        }
        let skip = match wire {
            WireType::Varint => decode_varint(&mut rest).map(|_| 0).ok()?,
            WireType::SixtyFourBit => 8,
            WireType::ThirtyTwoBit => 4,
            WireType::LengthDelimited => decode_varint(&mut rest).ok()?,
            WireType::StartGroup | WireType::EndGroup => return None,
        };
        if skip > len(rest) {
            // A length beyond what a message can hold is damage, not a cut.
            return (total - len(rest)).checked_add(skip).filter(|&announced| announced <= MAX_MESSAGE_BYTES);
        }
        rest = &rest[usize::try_from(skip).ok()?..];
    }
    None
}

/// Writes a model as one file, atomically: a reader sees the old file or the whole new one.
///
/// # Errors
///
/// [`OnnxError::TooLarge`] for a model that one protobuf message cannot hold (use [`super::offload::write`]),
/// [`OnnxError::Write`] where the system refuses.
pub fn write(model: &ModelProto, path: &Path) -> Result<(), OnnxError> {
    let file = stage(model, path)?;
    persist(file, path).map_err(|source| OnnxError::Write { path: path.to_owned(), source })
}

/// Writes a model to a temporary beside `path`, ready to be persisted.
pub(super) fn stage(model: &ModelProto, path: &Path) -> Result<NamedTempFile, OnnxError> {
    let bytes = u64::try_from(model.encoded_len()).unwrap_or(u64::MAX);
    if bytes > MAX_MESSAGE_BYTES {
        return Err(OnnxError::TooLarge { path: path.to_owned(), bytes });
    }
    let failed = |source| OnnxError::Write { path: path.to_owned(), source };
    let mut file = atomic_file::temporary_beside(path).map_err(failed)?;
    file.write_all(&model.encode_to_vec()).map_err(failed)?;
    Ok(file)
}

/// Moves a finished temporary into its place.
pub(super) fn persist(file: NamedTempFile, path: &Path) -> io::Result<()> {
    file.persist(path).map(drop).map_err(|error| error.error)
}

fn len(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::proto::attribute_proto::AttributeType;
    use crate::onnx::proto::{AttributeProto, GraphProto, NodeProto, OperatorSetIdProto, TensorProto};

    fn model() -> ModelProto {
        let weights =
            TensorProto { name: Some("w".into()), raw_data: Some(Bytes::from(vec![7; 4096])), ..Default::default() };
        ModelProto {
            ir_version: Some(10),
            opset_import: vec![OperatorSetIdProto { domain: None, version: Some(20) }],
            graph: Some(GraphProto { name: Some("g".into()), initializer: vec![weights], ..Default::default() }),
            ..Default::default()
        }
    }

    fn error_of(bytes: &[u8]) -> String {
        decode(Bytes::copy_from_slice(bytes), Path::new("m.onnx")).unwrap_err().to_string()
    }

    fn nested(levels: usize) -> ModelProto {
        let mut inner = GraphProto::default();
        for _ in 0..levels {
            let body =
                AttributeProto { r#type: Some(AttributeType::Graph.into()), g: Some(inner), ..Default::default() };
            inner = GraphProto {
                node: vec![NodeProto { attribute: vec![body], ..Default::default() }],
                ..Default::default()
            };
        }
        ModelProto { graph: Some(inner), ..model() }
    }

    #[test]
    fn weights_share_the_buffer_they_were_read_from() {
        let bytes = Bytes::from(model().encode_to_vec());
        let read = decode(bytes.clone(), Path::new("m.onnx")).unwrap();
        let weights = read.graph.unwrap().initializer[0].raw_data.clone().unwrap();
        assert!(bytes.as_ptr_range().contains(&weights.as_ptr()));
    }

    #[test]
    fn each_way_of_being_no_model_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let of = |path: &Path| read(path).unwrap_err().to_string();
        assert!(of(&folder.path().join("gone.onnx")).ends_with("gone.onnx: no such file; check the path"));
        assert!(of(folder.path()).contains("this is a folder"));
        assert!(error_of(b"").contains("the file is empty (0 bytes)"));
        assert!(error_of(b"version https://git-lfs.github.com/spec/v1\n").contains("run `git lfs pull`"));
        assert!(error_of(b"<!DOCTYPE html><html>").contains("it is a web page"));
        let graphless = ModelProto { graph: None, ..model() };
        assert!(error_of(&graphless.encode_to_vec()).contains("has no graph"));
        let versionless = ModelProto { ir_version: None, ..model() };
        assert!(error_of(&versionless.encode_to_vec()).contains("has no ir_version"));
        let setless = ModelProto { opset_import: Vec::new(), ..model() };
        assert!(error_of(&setless.encode_to_vec()).contains("has no opset_import"));
        assert!(error_of(&[0xff; 40]).contains("not a readable ONNX model (40 bytes)"));
    }

    #[test]
    fn a_file_cut_off_anywhere_is_an_error_that_says_so() {
        let whole = model().encode_to_vec();
        let cut = error_of(&whole[..1000]);
        assert!(cut.contains(&format!("announces {} bytes and has 1000", whole.len() - 4)), "{cut}");
        for end in 0..whole.len() {
            assert!(decode(Bytes::copy_from_slice(&whole[..end]), Path::new("m.onnx")).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn thirty_levels_of_subgraphs_are_read_and_forty_are_refused_by_name() {
        assert!(decode(Bytes::from(nested(30).encode_to_vec()), Path::new("m.onnx")).is_ok());
        assert!(error_of(&nested(40).encode_to_vec()).contains("nested too deeply"));
    }

    #[test]
    fn a_written_file_reads_back_and_leaves_no_temporary() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.onnx");
        write(&model(), &path).unwrap();
        write(&model(), &path).unwrap();
        assert_eq!(read(&path).unwrap(), model());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let nowhere = write(&model(), &folder.path().join("no/such/m.onnx")).unwrap_err().to_string();
        assert!(nowhere.contains("cannot be written"), "{nowhere}");
    }

    #[cfg(unix)]
    #[test]
    fn a_written_file_is_as_readable_as_any_new_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (ours, plain) = (folder.path().join("m.onnx"), folder.path().join("plain"));
        write(&model(), &ours).unwrap();
        std::fs::write(&plain, "").unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&plain));
    }

    #[test]
    fn more_than_two_gigabytes_are_refused_with_the_remedy() {
        let part = Bytes::from(vec![0; 64 << 20]);
        let mut big = model();
        let weights = TensorProto { raw_data: Some(part), ..Default::default() };
        big.graph.as_mut().unwrap().initializer = vec![weights; 33];
        let folder = tempfile::tempdir().unwrap();
        let error = write(&big, &folder.path().join("big.onnx")).unwrap_err().to_string();
        assert!(error.contains("external data"), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_large_file_is_mapped_and_reads_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.onnx");
        let mut big = model();
        big.graph.as_mut().unwrap().initializer[0].raw_data = Some(Bytes::from(vec![3; 20 << 20]));
        write(&big, &path).unwrap();
        let read = read(&path).unwrap();
        assert_eq!(read, big);
        write(&read, &path).unwrap();
    }
}
