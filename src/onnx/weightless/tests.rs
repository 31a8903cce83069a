//! What is dropped and what is kept, and that made-up values take the place of what was dropped.

use std::path::Path;

use bytes::Bytes;
use prost::Message;

use super::*;
use crate::onnx::proto::attribute_proto::AttributeType;
use crate::onnx::proto::tensor_proto::DataType;
use crate::onnx::proto::{
    AttributeProto, FunctionProto, GraphProto, NodeProto, SparseTensorProto, TrainingInfoProto, ValueInfoProto,
};
use crate::onnx::{external, file};

fn noise(name: &str, data_type: DataType, dims: &[i64]) -> TensorProto {
    let mut tensor = empty(name, data_type, dims);
    let length = usize::try_from(tensor::byte_len(&tensor).unwrap()).unwrap();
    let mut random = fastrand::Rng::with_seed(3);
    tensor.raw_data = Some((0..length).map(|_| random.u8(..)).collect::<Vec<u8>>().into());
    tensor
}

fn empty(name: &str, data_type: DataType, dims: &[i64]) -> TensorProto {
    let (name, data_type) = (Some(name.to_owned()), Some(data_type.into()));
    TensorProto { name, data_type, dims: dims.to_vec(), ..Default::default() }
}

fn with_values<const N: usize>(mut tensor: TensorProto, values: impl Iterator<Item = [u8; N]>) -> TensorProto {
    tensor.raw_data = Some(values.flatten().collect::<Vec<u8>>().into());
    tensor
}

fn node(op: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto {
        op_type: Some(op.to_owned()),
        name: Some(format!("the {op}")),
        input: inputs.iter().map(|&it| it.to_owned()).collect(),
        output: vec![output.to_owned()],
        ..Default::default()
    }
}

fn model(initializer: Vec<TensorProto>, node: Vec<NodeProto>) -> ModelProto {
    let graph = GraphProto { initializer, node, ..Default::default() };
    ModelProto { ir_version: Some(10), graph: Some(graph), ..Default::default() }
}

/// The tensor as input number `input` of one node.
fn used(op: &str, input: usize, tensor: TensorProto) -> ModelProto {
    let mut inputs = vec!["x"; input];
    inputs.push("w");
    model(vec![tensor], vec![node(op, &inputs, "y")])
}

fn stripped(mut model: ModelProto) -> ModelProto {
    strip(&mut model, Path::new("m.onnx"), StripOptions::default()).unwrap();
    model
}

fn initializers(model: &ModelProto) -> &[TensorProto] {
    &model.graph.as_ref().unwrap().initializer
}

#[test]
fn type_size_and_use_decide_what_is_dropped() {
    use DataType::*;
    let cases: [(&str, usize, DataType, &[i64], bool); 32] = [
        ("Conv", 1, Float, &[8, 3, 3, 3], true),
        ("Conv", 1, Float, &[1, 2, 1, 1], true),
        ("Conv", 2, Float, &[16], false),
        ("Conv", 2, Float, &[17], true),
        ("MatMul", 1, Float16, &[64, 64], true),
        ("Gemm", 1, Bfloat16, &[64, 64], true),
        ("LayerNormalization", 1, Float, &[64], true),
        ("LSTM", 2, Double, &[1, 8, 2], true),
        ("Gather", 0, Float, &[100, 8], true),
        ("Gather", 0, Int64, &[4000], false),
        ("Gather", 1, Int64, &[2401], false),
        ("Gather", 0, Uint8, &[256], false),
        ("Reshape", 1, Int64, &[4], false),
        ("Resize", 2, Float, &[4], false),
        ("Add", 1, Float, &[64], true),
        ("Add", 1, Float, &[1, 64, 1], true),
        ("Add", 1, Float, &[8, 8], false),
        ("Add", 1, Float, &[197, 768], true),
        ("Mul", 1, Float, &[], false),
        ("Where", 1, Float, &[300], true),
        ("Where", 0, Bool, &[1, 1, 512, 512], false),
        ("Unheard", 3, Float, &[300], true),
        ("Unheard", 3, Float, &[200], false),
        ("MatMulInteger", 1, Int8, &[3, 2], true),
        ("MatMulInteger", 3, Int8, &[200], false),
        ("MatMulNBits", 1, Uint8, &[8, 2, 16], true),
        ("MatMulNBits", 3, Uint8, &[1000], true),
        ("QLinearConv", 8, Int32, &[64], true),
        ("DequantizeLinear", 1, Float, &[64], false),
        ("DequantizeLinear", 1, Float, &[640], false),
        ("DequantizeLinear", 1, Float, &[64, 10], true),
        ("MatMulNBits", 2, Float, &[640], true),
    ];
    for (op, input, data_type, dims, dropped) in cases {
        let bare = stripped(used(op, input, noise("w", data_type, dims)));
        let tensor = &initializers(&bare)[0];
        assert_eq!(is_at(tensor, DROPPED), dropped, "{op} {input} {}", describe(tensor));
        assert_eq!((tensor.dims.as_slice(), tensor::data_type(tensor)), (dims, data_type), "{op} {input}");
        let mut filled = bare.clone();
        let synthetic = synthesize(&mut filled, Path::new("m.onnx")).unwrap();
        let arena = synthetic.arena();
        let places = std::collections::BTreeMap::from([(FILE_NAME.to_owned(), &arena[..])]);
        external::embed(&mut filled, Path::new("m.onnx"), external::Source::Memory(&places)).unwrap();
        let values = tensor::raw_bytes(&initializers(&filled)[0]).unwrap();
        assert_eq!(u64::try_from(values.len()).ok(), tensor::byte_len(tensor), "{op} {input}");
        if !dropped {
            assert_eq!(values, noise("w", data_type, dims).raw_data.unwrap(), "{op} {input}: kept as it was");
        }
    }
}

#[test]
fn masks_and_positions_are_kept_exactly_and_take_little_room() {
    let side = 256;
    let triangle = |at: usize| at % side <= at / side;
    let elements = side * side;
    let dims = [1, 1, 256, 256];
    let cases = [
        used(
            "Where",
            0,
            with_values(empty("w", DataType::Bool, &dims), (0..elements).map(|at| [u8::from(triangle(at))])),
        ),
        used(
            "Add",
            1,
            with_values(
                empty("w", DataType::Float, &dims),
                (0..elements).map(|at| if triangle(at) { 0.0_f32 } else { f32::NEG_INFINITY }.to_le_bytes()),
            ),
        ),
        used("Gather", 1, with_values(empty("w", DataType::Int64, &[4096]), (0..4096_i64).map(i64::to_le_bytes))),
    ];
    for original in cases {
        let before = original.encoded_len();
        let mut bare = stripped(original.clone());
        assert!(bare.encoded_len() < before / 4, "{before} -> {}", bare.encoded_len());
        assert!(is_stripped(&bare));
        synthesize(&mut bare, Path::new("m.onnx")).unwrap();
        assert_eq!(initializers(&bare), initializers(&original));
    }
}

#[test]
fn a_weight_is_dropped_wherever_it_stands() {
    let attribute = |name: &str, kind: AttributeType| AttributeProto {
        name: Some(name.to_owned()),
        r#type: Some(kind.into()),
        ..Default::default()
    };
    let constant =
        |name: &str, value: AttributeProto| NodeProto { attribute: vec![value], ..node("Constant", &[], name) };
    let value =
        AttributeProto { t: Some(noise("", DataType::Float, &[20, 30])), ..attribute("value", AttributeType::Tensor) };
    let list = AttributeProto { floats: vec![0.5; 400], ..attribute("value_floats", AttributeType::Floats) };
    let product = |weight: &str| node("MatMul", &["x", weight], &format!("of {weight}"));
    let body = GraphProto {
        initializer: vec![noise("inner", DataType::Float, &[40, 40])],
        node: vec![product("inner"), constant("written out", list), product("written out")],
        ..Default::default()
    };
    let branch = AttributeProto { g: Some(body), ..attribute("then_branch", AttributeType::Graph) };
    let choice = NodeProto { attribute: vec![branch], ..node("If", &["yes"], "z") };
    let mut original = model(
        vec![noise("w", DataType::Float, &[90, 90])],
        vec![constant("c", value), product("w"), product("c"), choice, node("Dense", &["x"], "d")],
    );
    let sparse = SparseTensorProto {
        values: Some(noise("sparse", DataType::Float, &[5])),
        indices: Some(noise("", DataType::Int64, &[5])),
        dims: vec![50, 50],
    };
    original.graph.as_mut().unwrap().sparse_initializer = vec![sparse];
    let value =
        AttributeProto { t: Some(noise("", DataType::Float, &[60, 60])), ..attribute("value", AttributeType::Tensor) };
    original.functions = vec![FunctionProto {
        name: Some("Dense".into()),
        input: vec!["x".into()],
        output: vec!["of f".into()],
        node: vec![constant("f", value), product("f")],
        ..Default::default()
    }];
    let report = strip(&mut original, Path::new("m.onnx"), StripOptions::default()).unwrap();
    assert_eq!((report.dropped.tensors, report.kept.tensors), (6, 0));
    assert!(report.before_bytes > 57_000 && report.after_bytes < 2_000, "{report:?}");
    assert_eq!(initializers(&original)[1].dims, [50, 50], "sparse tensors become dense");

    let synthetic = synthesize(&mut original, Path::new("m.onnx")).unwrap();
    assert_eq!(synthetic.nominal_bytes, 4 * (90 * 90 + 50 * 50 + 20 * 30 + 40 * 40 + 400 + 60 * 60));
    assert_eq!(synthetic.arena_bytes(), 4 * 90 * 90 + 48, "one initializer is large enough");
    assert!(!is_stripped(&original));
    assert_eq!(external::list(&original, Path::new("m.onnx")).unwrap().len(), 1);
}

#[test]
fn the_same_weights_are_made_up_every_time() {
    let bare = stripped(used("MatMul", 1, noise("w", DataType::Float, &[100, 100])));
    let fill = || {
        let mut model = bare.clone();
        (synthesize(&mut model, Path::new("m.onnx")).unwrap().arena(), model)
    };
    assert_eq!(fill(), fill());
    let bytes = fill().0;
    let first: Vec<f32> = bytes.chunks_exact(4).take(3).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    // On another machine these very numbers must come out, or baselines would not be of the same model.
    assert_eq!(first, FIRST_VALUES);
}

const FIRST_VALUES: [f32; 3] = [0.018066574, -0.13993423, 0.032347236];

#[test]
fn quantized_values_suit_their_scale_and_zero_point() {
    let zero = with_values(empty("zero", DataType::Uint8, &[]), std::iter::once([200]));
    let nodes = vec![node("DequantizeLinear", &["w", "scale", "zero"], "real"), node("MatMul", &["x", "real"], "y")];
    let tensors = vec![noise("w", DataType::Uint8, &[256, 300]), noise("scale", DataType::Float, &[2, 300]), zero];
    let mut bare = stripped(model(tensors, nodes));
    let arena = synthesize(&mut bare, Path::new("m.onnx")).unwrap().arena();
    assert!(arena[..256 * 300].iter().all(|&value| value >= 136), "around the zero point");
    let scale = tensor::raw_bytes(&initializers(&bare)[1]).unwrap();
    let scale: Vec<f32> = scale.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    // 1 / sqrt(256) over the deviation of the whole numbers.
    assert!(scale.iter().all(|scale| (0.0015..0.002).contains(scale)), "{scale:?}");
}

#[test]
fn texts_metadata_and_training_go_and_the_producer_unless_it_is_kept() {
    let text = || Some("secret".to_owned());
    let entry = || vec![StringStringEntryProto { key: text(), value: text() }];
    let mut original = used("MatMul", 1, TensorProto { doc_string: text(), ..noise("w", DataType::Float, &[30, 30]) });
    original.producer_name = Some("exporter".into());
    original.doc_string = text();
    original.metadata_props = entry();
    original.training_info = vec![TrainingInfoProto {
        initialization: Some(GraphProto { name: text(), ..Default::default() }),
        ..Default::default()
    }];
    let graph = original.graph.as_mut().unwrap();
    graph.doc_string = text();
    graph.metadata_props = entry();
    graph.value_info = vec![ValueInfoProto { doc_string: text(), metadata_props: entry(), ..Default::default() }];
    graph.node[0].doc_string = text();
    graph.node[0].metadata_props = entry();
    graph.node[0].attribute = vec![AttributeProto {
        doc_string: text(),
        g: Some(GraphProto { doc_string: text(), ..Default::default() }),
        ..Default::default()
    }];
    original.functions = vec![FunctionProto {
        doc_string: text(),
        metadata_props: entry(),
        node: vec![NodeProto { doc_string: text(), ..Default::default() }],
        ..Default::default()
    }];
    let found = |model: &ModelProto, word: &[u8]| memchr::memmem::find(&model.encode_to_vec(), word).is_some();
    let mut kept = original.clone();
    let report = strip(&mut kept, Path::new("m.onnx"), StripOptions { keep_producer: true }).unwrap();
    assert_eq!(report.texts, 14);
    assert!(!found(&kept, b"secret") && found(&kept, b"exporter") && found(&kept, b"the MatMul"));
    assert!(!found(&stripped(original), b"exporter"));
}

#[test]
fn what_is_large_and_stays_is_said() {
    let mut listed = used("Custom", 0, noise("w", DataType::Int32, &[100, 200]));
    listed.graph.as_mut().unwrap().node[0].attribute =
        vec![AttributeProto { name: Some("trees".into()), floats: vec![0.5; 20_000], ..Default::default() }];
    let report = strip(&mut listed, Path::new("m.onnx"), StripOptions::default()).unwrap();
    let said: Vec<String> =
        report.large.iter().map(|kept| format!("{} {} {}", kept.name, kept.what, kept.bytes)).collect();
    assert_eq!(said, ["w int32[100, 200] 80000", "the Custom.trees attribute 80000"]);
}

/// The model with its first initializer in a file beside it, absent.
fn absent(op: &str, input: usize, data_type: DataType, dims: &[i64]) -> String {
    let mut model = used(op, input, empty("w", data_type, dims));
    crate::onnx::offload::refer(&mut model.graph.as_mut().unwrap().initializer[0], "gone.data", None);
    match strip(&mut model, Path::new("m.onnx"), StripOptions::default()) {
        Ok(report) => format!("dropped {}", report.dropped.tensors),
        Err(error) => error.to_string(),
    }
}

#[test]
fn absent_values_that_cannot_be_made_up_are_named_with_node_and_remedy() {
    assert_eq!(absent("MatMul", 1, DataType::Float, &[9, 9]), "dropped 1");
    assert_eq!(absent("Gather", 1, DataType::Int64, &[2401]), "dropped 1");
    for (message, parts) in [
        (
            absent("Reshape", 1, DataType::Int64, &[4]),
            ["`w` (int64[4], main graph)", "`the Reshape` (Reshape) computes"],
        ),
        (absent("Where", 0, DataType::Bool, &[4]), ["`w` (bool[4]", "masked"]),
        (absent("Conv", 1, DataType::Complex64, &[4]), ["`w` (complex64[4]", "knows no values"]),
    ] {
        assert!(parts.iter().all(|part| message.contains(part)), "{message}");
        assert!(message.starts_with("m.onnx: tensor") && message.contains("`cargo nongemm strip` where"), "{message}");
    }
    assert!(absent("Cast", 0, DataType::String, &[4]).contains("strings"));
}

#[test]
fn values_beside_the_model_are_looked_up_and_the_kept_ones_move_in() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.onnx");
    let nodes = vec![node("MatMul", &["x", "w"], "y"), node("Reshape", &["y", "shape"], "z")];
    let shape = with_values(empty("shape", DataType::Int64, &[2]), [5_i64, -1].map(i64::to_le_bytes).into_iter());
    let mut original = model(vec![noise("w", DataType::Float, &[30, 30]), shape.clone()], nodes);
    original.opset_import = vec![crate::onnx::proto::OperatorSetIdProto { version: Some(20), ..Default::default() }];
    let options = crate::onnx::offload::Options { threshold_bytes: 1, source: None };
    crate::onnx::offload::write(original, &path, &options).unwrap();
    let mut read = file::read(&path).unwrap();
    let report = strip(&mut read, &path, StripOptions::default()).unwrap();
    assert!(report.before_bytes > 3_600 && report.after_bytes < 400, "{report:?}");
    assert_eq!(initializers(&read)[1], shape);
    assert!(is_stripped(&read));
    let again = strip(&mut read, &path, StripOptions::default()).unwrap_err().to_string();
    assert!(again.contains("has no weights any more"), "{again}");
}

#[test]
fn damaged_kept_values_are_named() {
    let mut bare = stripped(used(
        "Gather",
        1,
        with_values(empty("w", DataType::Int64, &[4096]), (0..4096_i64).map(i64::to_le_bytes)),
    ));
    for damage in [Bytes::new(), Bytes::from_static(b"nothing deflated")] {
        bare.graph.as_mut().unwrap().initializer[0].raw_data = Some(damage);
        let error = synthesize(&mut bare.clone(), Path::new("m.onnx")).unwrap_err().to_string();
        assert!(error.contains("m.onnx: the values of tensor `w` are damaged"), "{error}");
    }
}
