//! Tests of references, their files and their values.

use super::*;
use crate::onnx::proto::tensor_proto::{DataLocation, DataType};
use crate::onnx::proto::{
    AttributeProto, FunctionProto, GraphProto, NodeProto, SparseTensorProto, StringStringEntryProto, TrainingInfoProto,
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
    assert!(problem(&[("location", "w"), ("length", "15")]).contains("15 bytes where its type and dimensions need 16"));
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
    let node = |attribute| NodeProto { op_type: Some("If".into()), attribute: vec![attribute], ..Default::default() };
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
    let model =
        with(vec![external("a", &[("location", "w.bin")]), external("b", &[("location", "w.bin"), ("offset", "16")])]);
    let missing = check(&model, &path).unwrap_err().to_string();
    assert!(missing.contains("w.bin is missing: 2 tensor(s)") && missing.contains("`a`"), "{missing}");
    std::fs::write(folder.path().join("w.bin"), [1; 31]).unwrap();
    let short = check(&model, &path).unwrap_err().to_string();
    assert!(short.contains("`b` (main graph) is at bytes 16 to 32 of") && short.contains("which has 31"), "{short}");
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
