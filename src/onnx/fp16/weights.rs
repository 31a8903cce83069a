//! Weights of a model file that are kept in other files: gathered and converted into one buffer in memory.
//!
//! The files stay as they are. What ONNX Runtime is given is the converted graph and this buffer under a name of its own,
//! so the model may be of any size: only its graph has to fit into one protobuf message.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use crate::onnx::error::OnnxError;
use crate::onnx::external::{self, Reference, Source};
use crate::onnx::proto::{ModelProto, StringStringEntryProto, TensorProto};
use crate::onnx::{tensor, visit};

use super::values::{self, Losses};
use super::{HalfError, HalfReport, Io, convert};

/// The name under which the buffer stands in for a file: the model's tensors give it as their location.
pub const FILE_NAME: &str = "weights.fp16";
/// Every tensor begins at a multiple of this, in bytes: a cache line.
const ALIGNMENT: u64 = 64;

/// Where each external tensor of a model is to lie in the buffer.
#[derive(Debug, Default)]
pub struct Gather {
    pieces: BTreeMap<Piece, u64>,
    end: u64,
}

/// A stretch of a file, as it is or converted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Piece {
    location: String,
    offset: u64,
    length: u64,
    converted: bool,
}

impl Gather {
    /// Makes a tensor of fp32 point at where its converted values will be.
    pub(super) fn convert(&mut self, tensor: &mut TensorProto) {
        self.place(tensor, true);
    }

    fn place(&mut self, tensor: &mut TensorProto, converted: bool) {
        // The references were checked before; one that cannot be read stays as it is.
        let Ok(Reference { location, offset, length: Some(length) }) = external::reference(tensor) else { return };
        let size = if converted { length / 2 } else { length };
        let next = self.end;
        let piece = Piece { location, offset, length, converted };
        let start = *self.pieces.entry(piece).or_insert_with(|| {
            self.end = (next + size).next_multiple_of(ALIGNMENT);
            next
        });
        let entry = |key: &str, value: String| StringStringEntryProto { key: Some(key.into()), value: Some(value) };
        tensor.external_data = vec![
            entry("location", FILE_NAME.to_owned()),
            entry("offset", start.to_string()),
            entry("length", size.to_string()),
        ];
    }

    /// Reads the weights and fills the buffer.
    fn load(&self, from: Source<'_>, losses: &mut Losses) -> Result<Arc<[u8]>, OnnxError> {
        let size = usize::try_from(self.end).expect("a model's weights are addressable");
        // SAFETY: the slice is allocated zeroed, and zero is a valid `u8`.
        let mut buffer = unsafe { Arc::<[u8]>::new_zeroed_slice(size).assume_init() };
        let bytes = Arc::get_mut(&mut buffer).expect("the buffer was made here and has no other owner");
        let mut open: Option<(&str, Opened<'_>)> = None;
        for (piece, &start) in &self.pieces {
            if piece.length == 0 {
                continue;
            }
            let opened = match open.take() {
                // Pieces are sorted by file: one is open at a time.
                Some((location, opened)) if location == piece.location => opened,
                _ => Opened::at(from, &piece.location)?,
            };
            let range = |start: u64, length: u64| {
                let index = |at: u64| usize::try_from(at).expect("a place in a mapped file is addressable");
                index(start)..index(start + length)
            };
            let source = &opened.bytes()[range(piece.offset, piece.length)];
            if piece.converted {
                convert_into(source, &mut bytes[range(start, piece.length / 2)], losses);
            } else {
                bytes[range(start, piece.length)].copy_from_slice(source);
            }
            open = Some((&piece.location, opened));
        }
        Ok(buffer)
    }
}

/// What stands at one location.
enum Opened<'a> {
    File(memmap2::Mmap),
    Memory(&'a [u8]),
}

impl<'a> Opened<'a> {
    fn at(from: Source<'a>, location: &str) -> Result<Opened<'a>, OnnxError> {
        let model_path = match from {
            Source::Memory(places) => return Ok(Opened::Memory(places.get(location).copied().unwrap_or_default())),
            Source::Beside(model_path) => model_path,
        };
        let path = external::resolve(model_path, location);
        let open = || {
            let file = File::open(&path)?;
            // SAFETY: the mapping is read-only and lives only while this file's tensors are copied from it.
            unsafe { memmap2::Mmap::map(&file) }
        };
        open().map(Opened::File).map_err(|source| OnnxError::Read { path: path.clone(), source })
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Opened::File(map) => map,
            Opened::Memory(bytes) => bytes,
        }
    }
}

fn convert_into(source: &[u8], target: &mut [u8], losses: &mut Losses) {
    let (numbers, _) = source.as_chunks::<4>();
    let (halves, _) = target.as_chunks_mut::<2>();
    for (number, half) in numbers.iter().zip(halves) {
        *half = values::to_half(f32::from_le_bytes(*number), losses).to_le_bytes();
    }
}

/// Why a model file has no fp16 form.
#[derive(Debug, thiserror::Error)]
pub enum HalfFileError {
    /// Its weights cannot be read.
    #[error(transparent)]
    Onnx(#[from] OnnxError),
    /// It cannot be converted.
    #[error("{}: {source}", path.display())]
    Half {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        source: HalfError,
    },
}

/// What the conversion did, and the weights where the model keeps them in other files.
pub type Converted = (HalfReport, Option<Arc<[u8]>>);

/// Converts a model that was read from a file, with its external weights. Where it has any, all of them lie in the buffer
/// that comes back, which stands for a file of the name [`FILE_NAME`].
///
/// # Errors
/// What [`external::check`] finds and [`super::to_fp16`] returns; the model is then in no state to be used.
pub fn file_to_fp16(model: &mut ModelProto, path: &Path, io: Io) -> Result<Converted, HalfFileError> {
    external::check(model, path)?;
    from_to_fp16(model, path, Source::Beside(path), io)
}

/// Converts a model whose external weights are at these places in memory; else as [`file_to_fp16`]. `path` is what
/// messages call the model.
///
/// # Errors
/// As [`super::to_fp16`]; the model is then in no state to be used.
pub fn memory_to_fp16(
    model: &mut ModelProto,
    path: &Path,
    places: &BTreeMap<String, &[u8]>,
    io: Io,
) -> Result<Converted, HalfFileError> {
    from_to_fp16(model, path, Source::Memory(places), io)
}

fn from_to_fp16(model: &mut ModelProto, path: &Path, from: Source<'_>, io: Io) -> Result<Converted, HalfFileError> {
    let mut gather = Gather::default();
    let mut report = convert::convert(model, io, Some(&mut gather))
        .map_err(|source| HalfFileError::Half { path: path.to_owned(), source })?;
    let rest: Result<(), std::convert::Infallible> = visit::tensors_mut(model, &mut |_, tensor| {
        let moved = tensor.external_data.iter().any(|entry| entry.value() == FILE_NAME);
        if tensor::is_external(tensor) && !moved {
            gather.place(tensor, false);
        }
        Ok(())
    });
    let Ok(()) = rest;
    if gather.pieces.is_empty() {
        return Ok((report, None));
    }
    let buffer = gather.load(from, &mut report.losses)?;
    Ok((report, Some(buffer)))
}
