//! Dropping the values of weights.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::path::Path;

use bytes::Bytes;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use prost::Message;
use serde::Serialize;

use super::slots::Slot;
use super::uses::{self, Uses};
use super::{DEFLATED, DROPPED, WeightlessError, describe, is_at, is_stripped, scrub};
use crate::onnx::proto::tensor_proto::DataType;
use crate::onnx::proto::{ModelProto, NodeProto, TensorProto};
use crate::onnx::visit::{self, Scope, TensorRole, Visitor};
use crate::onnx::{OnnxError, external, offload, tensor};

/// Tensors of up to this many elements are kept unless an operator takes them as a factor: constants of the code.
const FEW: u64 = 16;
/// Tensors of more elements are weights where nothing speaks against it.
const MANY: u64 = 256;
/// A tensor of at most so many different values is a pattern, such as a causal mask, not something trained.
const PATTERN_VALUES: usize = 4;
/// Kept values from this size on are deflated, in bytes.
const DEFLATE_FROM: usize = 4096;
/// Kept values from this size on are worth a warning, in bytes.
const LARGE: u64 = 64 << 10;

/// What [`strip()`] does beside dropping weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StripOptions {
    /// Leave the name and version of the program that wrote the model.
    pub keep_producer: bool,
}

/// What [`strip()`] has done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stripped {
    /// Size before, external data included.
    pub before_bytes: u64,
    /// Size after.
    pub after_bytes: u64,
    /// Tensors whose values were dropped, and the size that these had.
    pub dropped: Tally,
    /// Tensors whose values are still there, and their size as written.
    pub kept: Tally,
    /// Texts and entries of metadata that were removed.
    pub texts: usize,
    /// Kept values that are large.
    pub large: Vec<Kept>,
}

/// A number of tensors with the size of their values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Tally {
    /// How many.
    pub tensors: u64,
    /// Their size.
    pub bytes: u64,
}

/// Values that stay in the model although they are large.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// The tensor's name, or the node's and the attribute's.
    pub name: String,
    /// Type and extents.
    pub what: String,
    /// Where in the model it is.
    pub place: String,
    /// Size as written.
    pub bytes: u64,
}

/// Drops the values of every weight of `model`, which was read from `path`, and whatever else no inference needs.
/// Values in files beside the model are looked up there; those of files that are absent count as dropped.
///
/// # Errors
/// [`WeightlessError::AlreadyStripped`]; [`WeightlessError::Impossible`] for absent values that cannot be made up later;
/// [`WeightlessError::Onnx`] where external data is wrong.
pub fn strip(model: &mut ModelProto, path: &Path, options: StripOptions) -> Result<Stripped, WeightlessError> {
    if is_stripped(model) {
        return Err(WeightlessError::AlreadyStripped { path: path.to_owned() });
    }
    let (absent, beside_bytes) = beside(model, path)?;
    let before_bytes = size(model) + beside_bytes;
    let texts = scrub::scrub(model);
    if !options.keep_producer {
        (model.producer_name, model.producer_version) = (None, None);
    }
    let mut report = Stripped {
        before_bytes,
        after_bytes: 0,
        dropped: Tally::default(),
        kept: Tally::default(),
        texts,
        large: Vec::new(),
    };
    let mut fates = Fates::of(model, path, &absent, &mut report)?.into_iter();
    visit::tensors_mut(model, &mut |_, tensor| {
        match fates.next() {
            Some(Fate::Dropped) => offload::refer(tensor, DROPPED, None),
            Some(Fate::Deflated(bytes)) => {
                offload::refer(tensor, DEFLATED, None);
                tensor.raw_data = Some(bytes);
            }
            Some(Fate::Moved(bytes)) => tensor::set_raw(tensor, bytes),
            Some(Fate::Untouched) | None => {}
        }
        Ok::<_, WeightlessError>(())
    })?;
    super::synthesize::recipes(model, path)?;
    report.after_bytes = size(model);
    Ok(report)
}

/// Puts deflated values back.
pub(super) fn inflate(model: &mut ModelProto, path: &Path) -> Result<(), WeightlessError> {
    visit::tensors_mut(model, &mut |_, tensor| {
        if !is_at(tensor, DEFLATED) {
            return Ok(());
        }
        let length = tensor::byte_len(tensor);
        let mut bytes = Vec::new();
        // One byte more than there should be is enough to know that there is too much.
        let deflated = DeflateDecoder::new(tensor.raw_data.as_deref().unwrap_or_default());
        let read = deflated.take(length.unwrap_or(0).saturating_add(1)).read_to_end(&mut bytes);
        if read.is_err() || u64::try_from(bytes.len()).ok() != length {
            return Err(WeightlessError::Damaged { path: path.to_owned(), tensor: tensor.name().to_owned() });
        }
        tensor::set_raw(tensor, Bytes::from(bytes));
        Ok(())
    })
}

fn size(model: &ModelProto) -> u64 {
    u64::try_from(model.encoded_len()).unwrap_or(u64::MAX)
}

/// The locations of external data that are not there, and the size of all external data.
fn beside(model: &ModelProto, path: &Path) -> Result<(BTreeSet<String>, u64), OnnxError> {
    let mut tensors = external::list(model, path)?;
    let absent: BTreeSet<String> = tensors
        .iter()
        .map(|tensor| tensor.location.clone())
        .filter(|location| !external::resolve(path, location).exists())
        .collect();
    if absent.is_empty() {
        tensors = external::check(model, path)?;
    }
    Ok((absent, tensors.iter().filter_map(|tensor| tensor.length).sum()))
}

/// What becomes of one tensor.
enum Fate {
    Dropped,
    /// Kept in this form.
    Deflated(Bytes),
    /// Kept, and no longer in a file beside the model.
    Moved(Bytes),
    Untouched,
}

/// Decides over every tensor, in the order of the walk.
struct Fates<'a, 'm> {
    uses: Uses<'m>,
    path: &'a Path,
    absent: &'a BTreeSet<String>,
    report: &'a mut Stripped,
    fates: Vec<Fate>,
    error: Option<OnnxError>,
}

impl<'a, 'm> Fates<'a, 'm> {
    fn of(
        model: &'m ModelProto,
        path: &'a Path,
        absent: &'a BTreeSet<String>,
        report: &'a mut Stripped,
    ) -> Result<Vec<Fate>, OnnxError> {
        let uses = Uses::of(model);
        let mut fates = Fates { uses, path, absent, report, fates: Vec::new(), error: None };
        visit::model(model, &mut fates);
        fates.error.map_or(Ok(fates.fates), Err)
    }

    fn decide(&mut self, scope: &Scope<'_>, role: TensorRole, tensor: &'m TensorProto) -> Result<Fate, OnnxError> {
        if is_at(tensor, DROPPED) {
            self.drop(tensor);
            return Ok(Fate::Untouched);
        }
        let reference = if tensor::is_external(tensor) {
            // What is wrong with references was found when they were listed.
            external::reference(tensor).ok()
        } else {
            None
        };
        if reference.is_some_and(|reference| self.absent.contains(&reference.location)) {
            self.drop(tensor);
            return Ok(Fate::Dropped);
        }
        if role != TensorRole::Sparse && is_weight(tensor, &self.uses, &mut || self.values(tensor))? {
            self.drop(tensor);
            return Ok(Fate::Dropped);
        }
        self.keep(scope, tensor)
    }

    fn drop(&mut self, tensor: &TensorProto) {
        self.report.dropped.tensors += 1;
        self.report.dropped.bytes += tensor::byte_len(tensor).unwrap_or(0);
    }

    fn keep(&mut self, scope: &Scope<'_>, tensor: &TensorProto) -> Result<Fate, OnnxError> {
        let values = self.values(tensor)?;
        let deflated = values.as_deref().filter(|values| values.len() >= DEFLATE_FROM).and_then(deflate);
        let strings = tensor.string_data.iter().map(Bytes::len).sum();
        let bytes = deflated.as_ref().or(values.as_ref()).map_or(strings, Bytes::len);
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.report.kept.tensors += 1;
        self.report.kept.bytes += bytes;
        self.warn_if_large(tensor.name().to_owned(), describe(tensor), scope, bytes);
        Ok(match (deflated, values) {
            (Some(deflated), _) => Fate::Deflated(deflated),
            (None, Some(values)) if tensor::is_external(tensor) => Fate::Moved(values),
            _ => Fate::Untouched,
        })
    }

    fn warn_if_large(&mut self, name: String, what: String, scope: &Scope<'_>, bytes: u64) {
        if bytes >= LARGE {
            self.report.large.push(Kept { name, what, place: scope.to_string(), bytes });
        }
    }

    fn values(&self, tensor: &TensorProto) -> Result<Option<Bytes>, OnnxError> {
        if tensor::is_external(tensor) {
            return external::values(tensor, self.path).map(Some);
        }
        Ok(tensor::raw_bytes(tensor))
    }
}

impl<'m> Visitor<'m> for Fates<'_, 'm> {
    fn node(&mut self, scope: &Scope<'_>, node: &'m NodeProto) {
        for attribute in &node.attribute {
            let texts: usize = attribute.strings.iter().chain(&attribute.s).map(Bytes::len).sum();
            let numbers = 4 * attribute.floats.len() + 8 * attribute.ints.len();
            let bytes = u64::try_from(texts + numbers).unwrap_or(u64::MAX);
            let (name, what) = (format!("{}.{}", node.name(), attribute.name()), "attribute".to_owned());
            self.warn_if_large(name, what, scope, bytes);
        }
    }

    fn tensor(&mut self, scope: &Scope<'_>, role: TensorRole, tensor: &'m TensorProto) {
        if self.error.is_some() {
            return;
        }
        match self.decide(scope, role, tensor) {
            Ok(fate) => self.fates.push(fate),
            Err(error) => self.error = Some(error),
        }
    }
}

/// Whether a tensor's values are something trained, by its type, its size and what it is used for.
fn is_weight<'m>(
    tensor: &'m TensorProto,
    uses: &Uses<'m>,
    values: &mut dyn FnMut() -> Result<Option<Bytes>, OnnxError>,
) -> Result<bool, OnnxError> {
    let elements = tensor::elements(tensor).unwrap_or(0);
    let has = |slots: &[Slot]| uses.by(tensor).iter().any(|it| slots.contains(&it.slot));
    let factor = uses.by(tensor).iter().any(|it| matches!(it.slot, Slot::Weight(_) | Slot::Quantized));
    let auxiliary = has(&[Slot::Scale, Slot::ZeroPoint]);
    // ONNX Runtime fuses a quantized product only where its bias's scale is the product of the other two: those of one
    // number a channel must stay. Those of blocks have no such partner.
    let of_blocks = tensor.dims.len() > 1 || uses.by(tensor).iter().any(uses::is_packed);
    let many_blocks = auxiliary && of_blocks && elements > MANY;
    let trained = has(&[Slot::Gain, Slot::Offset, Slot::Positive, Slot::Table]);
    if tensor::data_type(tensor) == DataType::Int32 {
        // Biases of quantized products; other integers of this width are indices or shapes.
        return Ok(elements > FEW && has(&[Slot::Offset, Slot::Quantized]));
    }
    if uses::is_integer(tensor) {
        return Ok((factor && elements > 1) || many_blocks);
    }
    if !is_real(tensor) || elements <= 1 {
        return Ok(false);
    }
    if factor || elements <= FEW {
        return Ok(factor);
    }
    if auxiliary || trained {
        return Ok(trained || many_blocks);
    }
    let vector = tensor.dims.iter().filter(|&&dim| dim > 1).count() <= 1;
    let wanted = elements > MANY || (vector && has(&[Slot::Term, Slot::Factor]));
    Ok(wanted && !is_pattern(tensor, values()?.as_deref()))
}

fn is_real(tensor: &TensorProto) -> bool {
    use DataType::*;
    matches!(
        tensor::data_type(tensor),
        Float
            | Float16
            | Bfloat16
            | Double
            | Float8e4m3fn
            | Float8e4m3fnuz
            | Float8e5m2
            | Float8e5m2fnuz
            | Float8e8m0
            | Float4e2m1
    )
}

/// True for a tensor with next to no different values.
fn is_pattern(tensor: &TensorProto, values: Option<&[u8]>) -> bool {
    let width = tensor::element_bits(tensor.data_type.unwrap_or_default()).unwrap_or(8).div_ceil(8);
    let Some((values, width)) = values.zip(usize::try_from(width).ok()) else { return false };
    let mut distinct: Vec<&[u8]> = Vec::new();
    for value in values.chunks(width) {
        if distinct.contains(&value) {
            continue;
        }
        distinct.push(value);
        if distinct.len() > PATTERN_VALUES {
            return false;
        }
    }
    true
}

/// The values deflated, where that makes them much smaller.
fn deflate(values: &[u8]) -> Option<Bytes> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(values).ok()?;
    let deflated = encoder.finish().ok()?;
    (deflated.len() < values.len() / 2).then(|| Bytes::from(deflated))
}
