//! Writing a model with its weights in a file beside it, which lifts protobuf's limit of 2 GB.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use bytes::Bytes;

use crate::atomic_file;

use super::error::OnnxError;
use super::external::{self, ExternalTensor, Source};
use super::file;
use super::proto::tensor_proto::DataLocation;
use super::proto::{ModelProto, StringStringEntryProto, TensorProto};
use super::tensor;
use super::visit::{self, TensorRole};

/// Where values begin in the data file: pages, so that readers can map them.
pub const ALIGNMENT: u64 = 4096;

/// How [`write()`] splits a model.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// Initializers of at least this many bytes move to the data file. Small ones stay: ONNX Runtime's shape inference
    /// reads them.
    pub threshold_bytes: u64,
    /// Where the values of tensors that are external already come from; without it such tensors are an error.
    pub source: Option<Source<'a>>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Options { threshold_bytes: 1024, source: None }
    }
}

/// Writes `model` to `path` with its large initializers in `<file name>.data` beside it.
///
/// Values are streamed, one tensor at a time. Tensors that were external already are carried over; ranges that they
/// share are written once. Both files are complete before either takes its place, the data first: an existing model is
/// never left half-written. The model is taken because its values are released as they are written; cloning one first
/// is cheap, raw weights are shared.
///
/// # Errors
///
/// [`OnnxError`] for what [`external::check`] finds, for a graph that is too large even without its weights, and where
/// the system refuses to write.
pub fn write(mut model: ModelProto, path: &Path, options: &Options<'_>) -> Result<(), OnnxError> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let data_path = path.with_file_name(format!("{name}.data"));
    let failed = |source| OnnxError::Write { path: data_path.clone(), source };
    let temporary = atomic_file::temporary_beside(&data_path).map_err(failed)?;
    let mut data = DataFile { out: BufWriter::with_capacity(1 << 20, temporary.as_file()), position: 0 };

    let mut carried = carry(&model, path, options.source, &mut data, &data_path)?.into_iter();
    let location = format!("{name}.data");
    visit::tensors_mut(&mut model, &mut |role, tensor| {
        if tensor::is_external(tensor) {
            if let Some((offset, length)) = carried.next() {
                refer(tensor, &location, Some((offset, length)));
            }
            return Ok(());
        }
        let Some(raw) = movable(role, tensor, options.threshold_bytes) else { return Ok(()) };
        let offset = data.align(0).and_then(|offset| data.out.write_all(&raw).map(|()| offset)).map_err(failed)?;
        let length = u64::try_from(raw.len()).unwrap_or(u64::MAX);
        data.position += length;
        refer(tensor, &location, Some((offset, length)));
        Ok(())
    })?;

    let used = data.position > 0;
    data.out.flush().map_err(failed)?;
    drop(data);
    let staged = file::stage(&model, path)?;
    if used {
        file::persist(temporary, &data_path).map_err(failed)?;
    }
    file::persist(staged, path).map_err(|source| OnnxError::Write { path: path.to_owned(), source })
}

/// The raw values of an initializer that is to move.
fn movable(role: TensorRole, tensor: &TensorProto, threshold_bytes: u64) -> Option<Bytes> {
    let wanted = role == TensorRole::Initializer && tensor::byte_len(tensor)? >= threshold_bytes.max(1);
    let raw = if wanted { tensor::raw_bytes(tensor)? } else { return None };
    // Values that do not fill the declared shape stay as they are, for ONNX Runtime to complain of.
    (u64::try_from(raw.len()).ok() == tensor::byte_len(tensor)).then_some(raw)
}

/// Puts a reference in place of the tensor's values: to a location, and there to an offset and a length.
pub(super) fn refer(tensor: &mut TensorProto, location: &str, range: Option<(u64, u64)>) {
    tensor::clear_values(tensor);
    let entry = |key: &str, value: String| StringStringEntryProto { key: Some(key.to_owned()), value: Some(value) };
    tensor.external_data = vec![entry("location", location.to_owned())];
    if let Some((offset, length)) = range {
        tensor.external_data.extend([entry("offset", offset.to_string()), entry("length", length.to_string())]);
    }
    tensor.data_location = Some(DataLocation::External.into());
}

struct DataFile<'f> {
    out: BufWriter<&'f std::fs::File>,
    position: u64,
}

impl DataFile<'_> {
    /// Pads to the next page, plus `remainder` bytes, and returns that position.
    fn align(&mut self, remainder: u64) -> io::Result<u64> {
        let target = self.position.next_multiple_of(ALIGNMENT) + remainder;
        io::copy(&mut io::Read::take(io::repeat(0), target - self.position), &mut self.out)?;
        self.position = target;
        Ok(target)
    }
}

/// Copies what external tensors refer to; returns the new offset and the length of each, in the order of the walk.
fn carry(
    model: &ModelProto,
    label: &Path,
    source: Option<Source<'_>>,
    data: &mut DataFile<'_>,
    data_path: &Path,
) -> Result<Vec<(u64, u64)>, OnnxError> {
    let Some(source) = source else { return refuse_external(model, label) };
    let tensors = external::resolved(model, label, source)?;
    let mut moved: BTreeMap<(&str, u64), (u64, u64)> = BTreeMap::new();
    for (location, start, end) in merged(&tensors) {
        // The position within a page stays, and with it the alignment of every tensor inside the range.
        let failed = |source| OnnxError::Write { path: data_path.to_owned(), source };
        let position = data.align(start % ALIGNMENT).map_err(failed)?;
        external::copy_range(location, start, end - start, label, source, &mut data.out)?;
        data.position += end - start;
        moved.insert((location, start), (end, position));
    }
    let place = |tensor: &ExternalTensor| {
        let range = moved.range(..=(tensor.location.as_str(), tensor.offset)).next_back();
        let offset = range.map_or(0, |((_, start), (_, position))| position + (tensor.offset - start));
        (offset, tensor.length.unwrap_or(0))
    };
    Ok(tensors.iter().map(place).collect())
}

fn refuse_external(model: &ModelProto, label: &Path) -> Result<Vec<(u64, u64)>, OnnxError> {
    match external::list(model, label)?.into_iter().next() {
        None => Ok(Vec::new()),
        Some(tensor) => Err(OnnxError::ExternalReference {
            model: label.to_owned(),
            tensor: tensor.tensor,
            place: tensor.place,
            problem: format!("`{}` was not given", tensor.location),
            remedy: "say where it is when writing the model",
        }),
    }
}

/// The union of all referenced ranges, by location and start: overlapping ones become one.
fn merged(tensors: &[ExternalTensor]) -> Vec<(&str, u64, u64)> {
    let mut ranges: Vec<(&str, u64, u64)> = tensors
        .iter()
        .map(|tensor| (tensor.location.as_str(), tensor.offset, tensor.offset + tensor.length.unwrap_or(0)))
        .collect();
    ranges.sort_unstable();
    let mut union: Vec<(&str, u64, u64)> = Vec::new();
    for (location, start, end) in ranges {
        match union.last_mut() {
            Some(last) if last.0 == location && start < last.2 => last.2 = last.2.max(end),
            _ => union.push((location, start, end)),
        }
    }
    union
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::proto::tensor_proto::DataType;
    use crate::onnx::proto::{AttributeProto, GraphProto, NodeProto, OperatorSetIdProto};

    fn floats(name: &str, values: Vec<f32>) -> TensorProto {
        TensorProto {
            name: Some(name.to_owned()),
            data_type: Some(DataType::Float.into()),
            dims: vec![i64::try_from(values.len()).unwrap()],
            float_data: values,
            ..Default::default()
        }
    }

    fn raw(name: &str, bytes: Vec<u8>) -> TensorProto {
        TensorProto {
            name: Some(name.to_owned()),
            data_type: Some(DataType::Uint8.into()),
            dims: vec![i64::try_from(bytes.len()).unwrap()],
            raw_data: Some(bytes.into()),
            ..Default::default()
        }
    }

    fn model(initializer: Vec<TensorProto>) -> ModelProto {
        ModelProto {
            ir_version: Some(10),
            opset_import: vec![OperatorSetIdProto { domain: None, version: Some(20) }],
            graph: Some(GraphProto { initializer, ..Default::default() }),
            ..Default::default()
        }
    }

    fn initializers(model: &ModelProto) -> &[TensorProto] {
        &model.graph.as_ref().unwrap().initializer
    }

    #[test]
    fn large_initializers_move_and_come_back_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.onnx");
        let mut original = model(vec![
            raw("small", vec![1; 16]),
            raw("large", (0..=255).cycle().take(5000).collect()),
            floats("typed", (0..600u16).map(f32::from).collect()),
        ]);
        let body = GraphProto { initializer: vec![raw("in body", vec![9; 2000])], ..Default::default() };
        let attribute = AttributeProto { g: Some(body), ..Default::default() };
        let node = NodeProto { attribute: vec![attribute], ..Default::default() };
        original.graph.as_mut().unwrap().node = vec![node];
        write(original.clone(), &path, &Options::default()).unwrap();

        let mut back = file::read(&path).unwrap();
        let external = external::check(&back, &path).unwrap();
        let names: Vec<_> = external.iter().map(|it| (it.tensor.as_str(), it.offset, it.length)).collect();
        assert_eq!(names, [("large", 0, Some(5000)), ("typed", 8192, Some(2400)), ("in body", 12288, Some(2000))]);
        external::embed(&mut back, &path, Source::Beside(&path)).unwrap();
        visit::tensors_mut::<()>(&mut original, &mut |_, tensor| {
            let raw = tensor::raw_bytes(tensor).unwrap();
            tensor::set_raw(tensor, raw);
            Ok(())
        })
        .unwrap();
        assert_eq!(back, original);
    }

    #[test]
    fn a_model_without_large_weights_gets_no_data_file() {
        let folder = tempfile::tempdir().unwrap();
        write(model(vec![raw("small", vec![1; 16])]), &folder.path().join("m.onnx"), &Options::default()).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn shared_ranges_of_an_arena_are_written_once_and_keep_their_values() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.onnx");
        let arena: Vec<u8> = (0..20_000u32).map(|i| u8::try_from(i % 251).unwrap()).collect();
        let map = BTreeMap::from([("arena".to_owned(), arena.as_slice())]);
        let at = |name: &str, offset: u64, length: usize| {
            let mut tensor = raw(name, vec![0; length]);
            refer(&mut tensor, "arena", Some((offset, u64::try_from(length).unwrap())));
            tensor
        };
        let shared = model(vec![at("a", 64, 8000), at("b", 64, 8000), at("c", 4000, 6000), at("d", 15_000, 10)]);
        write(shared, &path, &Options { source: Some(Source::Memory(&map)), ..Options::default() }).unwrap();
        let size = std::fs::metadata(folder.path().join("m.onnx.data")).unwrap().len();
        assert!(size < 20_000, "{size}");
        let mut back = file::read(&path).unwrap();
        assert_eq!(external::list(&back, &path).unwrap()[0].offset % ALIGNMENT, 64);
        external::embed(&mut back, &path, Source::Beside(&path)).unwrap();
        let values: Vec<&[u8]> = initializers(&back).iter().map(|it| it.raw_data.as_deref().unwrap()).collect();
        assert_eq!(values, [&arena[64..8064], &arena[64..8064], &arena[4000..10_000], &arena[15_000..15_010]]);
    }

    #[test]
    fn a_model_can_be_rewritten_over_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.onnx");
        write(model(vec![raw("w", vec![5; 5000])]), &path, &Options::default()).unwrap();
        let read = file::read(&path).unwrap();
        write(read.clone(), &path, &Options { source: Some(Source::Beside(&path)), ..Options::default() }).unwrap();
        assert_eq!(file::read(&path).unwrap(), read);
        let error = write(read, &path, &Options::default()).unwrap_err().to_string();
        assert!(error.contains("`m.onnx.data` was not given"), "{error}");
    }

    #[test]
    fn a_failed_write_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let mut broken = raw("w", vec![0; 8]);
        refer(&mut broken, "gone.bin", Some((0, 8)));
        let path = folder.path().join("m.onnx");
        let options = Options { source: Some(Source::Beside(&path)), ..Options::default() };
        assert!(write(model(vec![raw("v", vec![1; 5000]), broken]), &path, &options).is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
