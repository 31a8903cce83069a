//! Weights kept in files beside the model: finding every reference, and checking it before ONNX Runtime trips over it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::error::OnnxError;
use super::looks::FileKind;
use super::proto::{ModelProto, TensorProto};
use super::tensor;
use super::visit::{self, Scope, TensorRole, Visitor};

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

/// Where the values behind external references are.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// In files in the folder of this model file.
    Beside(&'a Path),
    /// In memory, by location.
    Memory(&'a BTreeMap<String, &'a [u8]>),
}

/// A reference as it stands in one tensor.
pub(super) struct Reference {
    pub location: String,
    pub offset: u64,
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

const EXPORT_AGAIN: &str = "export the model again";

/// Parses the reference of one external tensor; the error is the problem and its remedy.
pub(super) fn reference(tensor: &TensorProto) -> Result<Reference, (String, &'static str)> {
    let entry = |key: &str| tensor.external_data.iter().find(|entry| entry.key() == key).map(|entry| entry.value());
    let number = |key: &str| match entry(key).map(str::parse::<u64>) {
        None => Ok(None),
        Some(Ok(number)) => Ok(Some(number)),
        Some(Err(_)) => {
            Err((format!("its {key} `{}` is not a whole number", entry(key).unwrap_or_default()), EXPORT_AGAIN))
        }
    };
    let location = entry("location").unwrap_or_default();
    if location.is_empty() {
        return Err(("the reference names no file".to_owned(), EXPORT_AGAIN));
    }
    stays_beside(location)?;
    let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?);
    let expected = tensor::byte_len(tensor);
    if let (Some(length), Some(expected)) = (length, expected)
        && length != expected
    {
        let problem = format!("the reference says {length} bytes where its type and dimensions need {expected}");
        return Err((problem, EXPORT_AGAIN));
    }
    let length = length.or(expected);
    if offset.checked_add(length.unwrap_or(0)).is_none() {
        return Err((format!("its offset {offset} is impossible"), EXPORT_AGAIN));
    }
    Ok(Reference { location: location.to_owned(), offset, length })
}

/// Refuses a location that leads out of the model's folder: a downloaded model must not read its user's other files.
/// Symbolic links are followed: whoever put them there meant it (caches of model hubs consist of them).
fn stays_beside(location: &str) -> Result<(), (String, &'static str)> {
    const MOVE: &str = "move the file beside the model and correct the reference, for example with onnx.save";
    let drive = location.as_bytes().get(1) == Some(&b':') && location.as_bytes()[0].is_ascii_alphabetic();
    if location.starts_with(['/', '\\']) || drive {
        return Err((format!("`{location}` is an absolute path, which is refused"), MOVE));
    }
    if location.split(['/', '\\']).any(|part| part == "..") {
        return Err((format!("`{location}` leads out of the model's folder, which is refused"), MOVE));
    }
    Ok(())
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

/// Moves all external values into the model itself, for a model in one file ([`super::file::write`] refuses it if it
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
pub(super) fn resolved(model: &ModelProto, label: &Path, source: Source<'_>) -> Result<Vec<ExternalTensor>, OnnxError> {
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
pub(super) fn values(tensor: &TensorProto, model_path: &Path) -> Result<Bytes, OnnxError> {
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
pub(super) fn copy_range(
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::proto::tensor_proto::{DataLocation, DataType};
    use crate::onnx::proto::{
        AttributeProto, FunctionProto, GraphProto, NodeProto, SparseTensorProto, StringStringEntryProto,
        TrainingInfoProto,
    };

    fn external(name: &str, entries: &[(&str, &str)]) -> TensorProto {
        let entry = |(key, value): &(&str, &str)| StringStringEntryProto {
            key: Some((*key).to_owned()),
            value: Some((*value).to_owned()),
        };
        TensorProto {
            name: Some(name.to_owned()),
            data_type: Some(DataType::Float.into()),
            dims: vec![4],
            data_location: Some(DataLocation::External.into()),
            external_data: entries.iter().map(entry).collect(),
            ..Default::default()
        }
    }

    fn with(tensors: Vec<TensorProto>) -> ModelProto {
        ModelProto { graph: Some(GraphProto { initializer: tensors, ..Default::default() }), ..Default::default() }
    }

    fn problem(entries: &[(&str, &str)]) -> String {
        list(&with(vec![external("w", entries)]), Path::new("dir/m.onnx")).unwrap_err().to_string()
    }

    #[test]
    fn references_that_make_no_sense_are_refused() {
        assert!(problem(&[]).contains("names no file"));
        assert!(problem(&[("location", "/etc/passwd")]).contains("absolute path"));
        assert!(problem(&[("location", "C:\\secrets")]).contains("absolute path"));
        assert!(problem(&[("location", "\\\\host\\share")]).contains("absolute path"));
        assert!(problem(&[("location", "a/../../b")]).contains("leads out"));
        assert!(problem(&[("location", "a\\..\\b")]).contains("leads out"));
        assert!(problem(&[("location", "w"), ("offset", "ten")]).contains("offset `ten`"));
        assert!(problem(&[("location", "w"), ("offset", "-1")]).contains("offset `-1`"));
        assert!(
            problem(&[("location", "w"), ("length", "15")]).contains("15 bytes where its type and dimensions need 16")
        );
        assert!(problem(&[("location", "w"), ("offset", &u64::MAX.to_string())]).contains("impossible"));
        let message = problem(&[]);
        assert!(message.contains("dir/m.onnx") && message.contains("`w` (main graph)"), "{message}");
    }

    #[test]
    fn a_location_with_dots_in_its_name_is_fine() {
        let model = with(vec![external("w", &[("location", "sub/..weights..bin")])]);
        assert_eq!(list(&model, Path::new("m.onnx")).unwrap()[0].location, "sub/..weights..bin");
    }

    #[test]
    fn every_level_is_searched() {
        let at = |name: &str| external(name, &[("location", "w")]);
        let value = |name: &str| AttributeProto { t: Some(at(name)), ..Default::default() };
        let node =
            |attribute| NodeProto { op_type: Some("If".into()), attribute: vec![attribute], ..Default::default() };
        let body = GraphProto {
            initializer: vec![at("in body")],
            node: vec![node(value("constant in body"))],
            ..Default::default()
        };
        let branch = AttributeProto { name: Some("then_branch".into()), g: Some(body), ..Default::default() };
        let sparse = SparseTensorProto { values: Some(at("values")), indices: Some(at("indices")), dims: vec![9] };
        let mut model = with(vec![at("main")]);
        let main = model.graph.as_mut().unwrap();
        main.sparse_initializer = vec![sparse.clone()];
        main.node = vec![
            node(branch),
            node(AttributeProto { tensors: vec![at("listed")], ..Default::default() }),
            node(AttributeProto { sparse_tensors: vec![sparse], ..Default::default() }),
        ];
        model.functions = vec![FunctionProto {
            attribute_proto: vec![value("default")],
            node: vec![node(value("in function"))],
            ..Default::default()
        }];
        let graph = |name| GraphProto { initializer: vec![at(name)], ..Default::default() };
        model.training_info = vec![TrainingInfoProto {
            initialization: Some(graph("start")),
            algorithm: Some(graph("step")),
            ..Default::default()
        }];
        let found = list(&model, Path::new("m.onnx")).unwrap();
        let names: Vec<&str> = found.iter().map(|it| it.tensor.as_str()).collect();
        let expected = [
            "main",
            "values",
            "indices",
            "in body",
            "constant in body",
            "listed",
            "values",
            "indices",
            "default",
            "in function",
            "start",
            "step",
        ];
        assert_eq!(names, expected);
        assert_eq!(found[3].place, "node `` (If), then_branch");
        let mut changed = 0;
        visit::tensors_mut::<()>(&mut model, &mut |_, _| {
            changed += 1;
            Ok(())
        })
        .unwrap();
        assert_eq!(changed, expected.len(), "both walks see the same tensors");
    }

    #[test]
    fn files_are_checked_for_presence_and_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.onnx");
        let model = with(vec![
            external("a", &[("location", "w.bin")]),
            external("b", &[("location", "w.bin"), ("offset", "16")]),
        ]);
        let missing = check(&model, &path).unwrap_err().to_string();
        assert!(missing.contains("w.bin is missing: 2 tensor(s)") && missing.contains("`a`"), "{missing}");
        std::fs::write(folder.path().join("w.bin"), [1; 31]).unwrap();
        let short = check(&model, &path).unwrap_err().to_string();
        assert!(
            short.contains("`b` (main graph) is at bytes 16 to 32 of") && short.contains("which has 31"),
            "{short}"
        );
        std::fs::write(folder.path().join("w.bin"), "version https://git-lfs.g").unwrap();
        let pointer = check(&model, &path).unwrap_err().to_string();
        assert!(pointer.contains("git lfs pull"), "{pointer}");
        std::fs::write(folder.path().join("w.bin"), [1; 32]).unwrap();
        assert_eq!(check(&model, &path).unwrap()[1].length, Some(16));
    }

    #[test]
    fn embedding_takes_the_right_bytes_from_either_source() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.onnx");
        let bytes: Vec<u8> = (0..32).collect();
        std::fs::write(folder.path().join("w.bin"), &bytes).unwrap();
        let model = with(vec![external("b", &[("location", "w.bin"), ("offset", "16")])]);
        let map = BTreeMap::from([("w.bin".to_owned(), bytes.as_slice())]);
        for source in [Source::Beside(&path), Source::Memory(&map)] {
            let mut embedded = model.clone();
            embed(&mut embedded, &path, source).unwrap();
            let tensor = &embedded.graph.unwrap().initializer[0];
            assert_eq!(tensor.raw_data.as_deref(), Some(&bytes[16..]));
            assert!(!tensor::is_external(tensor) && tensor.external_data.is_empty());
        }
        let nothing = BTreeMap::new();
        let error = embed(&mut model.clone(), &path, Source::Memory(&nothing)).unwrap_err().to_string();
        assert!(error.contains("w.bin is missing"), "{error}");
    }
}
