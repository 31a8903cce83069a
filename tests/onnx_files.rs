//! Models as they are found in the world: read, written, and given inputs.

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use nongemm::measure::inputs::{self, InputRequest, InputTensor};
use nongemm::onnx::proto::attribute_proto::AttributeType;
use nongemm::onnx::proto::tensor_proto::DataType;
use nongemm::onnx::proto::*;
use nongemm::onnx::{external, file, inspect, offload};
use prost::Message;
use support::wheels::wheel_file;

const SILERO: (&str, &str) = ("silero-vad", "6.2.3");
const RAPIDOCR: (&str, &str) = ("rapidocr-onnxruntime", "1.4.4");

fn silero(name: &str) -> PathBuf {
    wheel_file(SILERO.0, SILERO.1, &format!("silero_vad/data/{name}.onnx"))
}

fn rapidocr(name: &str) -> PathBuf {
    wheel_file(RAPIDOCR.0, RAPIDOCR.1, &format!("rapidocr_onnxruntime/models/{name}.onnx"))
}

fn real_models() -> Vec<PathBuf> {
    let silero_models = [
        "silero_vad",
        "silero_vad_16k_op15",
        "silero_vad_16k_sequence",
        "silero_vad_half",
        "silero_vad_op18_ifless",
        "silero_vad_openvino_16k",
    ];
    let rapidocr_models = ["ch_PP-OCRv4_det_infer", "ch_PP-OCRv4_rec_infer", "ch_ppocr_mobile_v2.0_cls_infer"];
    silero_models.map(silero).into_iter().chain(rapidocr_models.map(rapidocr)).collect()
}

#[test]
fn real_models_are_written_back_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    for path in real_models() {
        let model = file::read(&path).unwrap();
        let copy = folder.path().join("copy.onnx");
        file::write(&model, &copy).unwrap();
        assert!(std::fs::read(&path).unwrap() == std::fs::read(&copy).unwrap(), "{}", path.display());
        assert!(file::read(&copy).unwrap() == model, "{}", path.display());
    }
}

#[test]
fn real_models_survive_having_their_weights_moved_out_and_in_again() {
    let folder = tempfile::tempdir().unwrap();
    for path in [silero("silero_vad_16k_op15"), rapidocr("ch_ppocr_mobile_v2.0_cls_infer")] {
        let model = file::read(&path).unwrap();
        let split = folder.path().join(path.file_name().unwrap());
        offload::write(model.clone(), &split, &offload::Options::default()).unwrap();
        let mut back = file::read(&split).unwrap();
        assert_eq!(inspect::parameters(&back), inspect::parameters(&model), "counted without their values");
        external::embed(&mut back, &split, external::Source::Beside(&split)).unwrap();
        assert!(back == model, "{}", path.display());
    }
}

#[test]
fn a_real_model_cut_off_anywhere_is_refused() {
    let bytes = std::fs::read(silero("silero_vad_16k_op15")).unwrap();
    for part in 1..100 {
        let cut = Bytes::copy_from_slice(&bytes[..bytes.len() * part / 100]);
        let error = file::decode(cut, Path::new("cut.onnx")).unwrap_err().to_string();
        assert!(error.contains("cut off") || error.contains("no opset_import"), "{part} %: {error}");
    }
}

fn described(path: &Path, dimensions: &[(&str, u64)]) -> Result<Vec<String>, String> {
    let model = file::read(path).map_err(|error| error.to_string())?;
    let dimensions = dimensions.iter().map(|&(name, size)| (name.to_owned(), size)).collect();
    let request = InputRequest { dimensions, ..Default::default() };
    match inputs::plan(&model, "m", &request) {
        Ok(tensors) => Ok(tensors.iter().map(InputTensor::describe).collect()),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn real_models_get_inputs() {
    let sizes = [("input[0]", 1), ("input[1]", 512), ("state[1]", 1)];
    let made = described(&silero("silero_vad"), &sizes).unwrap();
    assert_eq!(made, ["input float32[1,512]", "state float32[2,1,128]", "sr int64[]"]);
    let asked = described(&silero("silero_vad"), &[]).unwrap_err();
    assert!(asked.contains("dimensions = { \"input[0]\" = 16, \"input[1]\" = 16, \"state[1]\" = 16 }"), "{asked}");

    let made = described(&silero("silero_vad_16k_op15"), &[("sequence", 512)]).unwrap();
    assert_eq!(made, ["input float32[1,512]", "state float32[2,1,128]", "sr int64[]"]);
    let made = described(&rapidocr("ch_PP-OCRv4_det_infer"), &[]).unwrap();
    assert_eq!(made, ["x float32[1,3,224,224]"]);
    let made = described(&rapidocr("ch_PP-OCRv4_rec_infer"), &[("x[2]", 48), ("x[3]", 320)]).unwrap();
    assert_eq!(made, ["x float32[1,3,48,320]"]);
    let made = described(&rapidocr("ch_ppocr_mobile_v2.0_cls_infer"), &[]).unwrap();
    assert_eq!(made, ["x float32[1,3,224,224]"]);
}

#[test]
fn real_models_are_understood() {
    let model = file::read(&silero("silero_vad")).unwrap();
    assert_eq!(inspect::opsets(&model), BTreeMap::from([(String::new(), 16)]));
    let outputs: Vec<String> = inspect::outputs(&model).into_iter().map(|it| it.name).collect();
    assert_eq!(outputs, ["output", "stateN"]);
    assert!(model.graph.as_ref().unwrap().node.len() < 10, "nearly everything is in the branches of an If");
    assert!(inspect::NodeIndex::of(&model).len() > 100);
    // Two networks, for 8 and 16 kHz, of some 250,000 weights each.
    let parameters = inspect::parameters(&model).total();
    assert!((300_000..800_000).contains(&parameters), "{parameters}");
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn property(key: &str) -> StringStringEntryProto {
    StringStringEntryProto { key: text(key), value: text("ü \"quoted\"\n") }
}

fn float_type() -> TypeProto {
    use tensor_shape_proto::{Dimension, dimension::Value};
    let dims = [Value::DimValue(2), Value::DimParam("n".to_owned())];
    let dim = dims.map(|value| Dimension { denotation: text("DATA_BATCH"), value: Some(value) }).to_vec();
    let tensor = type_proto::Tensor { elem_type: Some(1), shape: Some(TensorShapeProto { dim }) };
    TypeProto { denotation: text("TENSOR"), value: Some(type_proto::Value::TensorType(tensor)) }
}

/// Tensors with their values in every one of the schema's fields.
fn tensors() -> Vec<TensorProto> {
    let named = |name: &str, data_type: DataType| TensorProto {
        name: text(name),
        data_type: Some(data_type.into()),
        dims: vec![2],
        ..Default::default()
    };
    vec![
        TensorProto { float_data: vec![1.5, f32::NEG_INFINITY], ..named("float", DataType::Float) },
        TensorProto { double_data: vec![-0.0, 1e300], ..named("double", DataType::Double) },
        TensorProto { int32_data: vec![-1, i32::MAX], ..named("int32", DataType::Int32) },
        TensorProto { int64_data: vec![i64::MIN, 0], ..named("int64", DataType::Int64) },
        TensorProto { uint64_data: vec![u64::MAX, 0], ..named("uint64", DataType::Uint64) },
        TensorProto {
            string_data: vec![Bytes::from_static(b"a\0b"), Bytes::from_static(b"\xff\xfe")],
            doc_string: text("bytes that are no UTF-8"),
            ..named("string", DataType::String)
        },
        TensorProto {
            raw_data: Some(Bytes::from_static(&[0, 0, 0x80, 0x3f, 0, 0, 0, 0])),
            metadata_props: vec![property("k")],
            segment: Some(tensor_proto::Segment { begin: Some(0), end: Some(2) }),
            ..named("raw", DataType::Float)
        },
        TensorProto {
            data_location: Some(tensor_proto::DataLocation::External.into()),
            external_data: vec![StringStringEntryProto { key: text("location"), value: text("w") }],
            ..named("external", DataType::Float)
        },
    ]
}

fn attributes() -> Vec<AttributeProto> {
    let of = |name: &str, kind: AttributeType| AttributeProto {
        name: text(name),
        r#type: Some(kind.into()),
        ..Default::default()
    };
    let sparse =
        SparseTensorProto { values: tensors().first().cloned(), indices: tensors().get(3).cloned(), dims: vec![4, 4] };
    let body = GraphProto { name: text("body"), initializer: tensors(), ..Default::default() };
    vec![
        AttributeProto { f: Some(0.0), doc_string: text("zero is kept"), ..of("f", AttributeType::Float) },
        AttributeProto { i: Some(-3), ..of("i", AttributeType::Int) },
        AttributeProto { s: Some(Bytes::from_static(b"\xc3(")), ..of("s", AttributeType::String) },
        AttributeProto { t: tensors().pop(), ..of("t", AttributeType::Tensor) },
        AttributeProto { g: Some(body.clone()), ..of("g", AttributeType::Graph) },
        AttributeProto { sparse_tensor: Some(sparse.clone()), ..of("sparse", AttributeType::SparseTensor) },
        AttributeProto { tp: Some(float_type()), ..of("tp", AttributeType::TypeProto) },
        AttributeProto { floats: vec![1.0, f32::INFINITY], ..of("floats", AttributeType::Floats) },
        AttributeProto { ints: vec![i64::MAX, -1], ..of("ints", AttributeType::Ints) },
        AttributeProto {
            strings: vec![Bytes::new(), Bytes::from_static(b"x")],
            ..of("strings", AttributeType::Strings)
        },
        AttributeProto { tensors: tensors(), ..of("tensors", AttributeType::Tensors) },
        AttributeProto { graphs: vec![body.clone(), body], ..of("graphs", AttributeType::Graphs) },
        AttributeProto { sparse_tensors: vec![sparse], ..of("sparse_tensors", AttributeType::SparseTensors) },
        AttributeProto { type_protos: vec![float_type()], ..of("type_protos", AttributeType::TypeProtos) },
        AttributeProto { ref_attr_name: text("outer"), ..of("reference", AttributeType::Float) },
    ]
}

/// A model that uses every message of the schema.
fn everything() -> ModelProto {
    let boxed = |value| Box::new(TypeProto { value: Some(value), ..Default::default() });
    let sequence = type_proto::Sequence { elem_type: Some(Box::new(float_type())) };
    let kinds = [
        type_proto::Value::TensorType(type_proto::Tensor { elem_type: Some(1), shape: None }),
        type_proto::Value::SequenceType(Box::new(sequence.clone())),
        type_proto::Value::MapType(Box::new(type_proto::Map {
            key_type: Some(7),
            value_type: Some(boxed(type_proto::Value::SequenceType(Box::new(sequence)))),
        })),
        type_proto::Value::OptionalType(Box::new(type_proto::Optional { elem_type: Some(Box::new(float_type())) })),
        type_proto::Value::SparseTensorType(type_proto::SparseTensor { elem_type: Some(1), shape: None }),
        type_proto::Value::OpaqueType(type_proto::Opaque { domain: text("d"), name: text("n") }),
    ];
    let value = |kind| ValueInfoProto {
        name: text("value"),
        r#type: Some(TypeProto { value: Some(kind), ..Default::default() }),
        doc_string: text("doc"),
        metadata_props: vec![property("v")],
    };
    let sharded = ShardedDimProto {
        axis: Some(-1),
        simple_sharding: vec![SimpleShardedDimProto {
            num_shards: Some(2),
            dim: Some(simple_sharded_dim_proto::Dim::DimParam("n".to_owned())),
        }],
    };
    let sharding = ShardingSpecProto {
        tensor_name: text("t"),
        device: vec![0, 1],
        index_to_device_group_map: vec![IntIntListEntryProto { key: Some(1), value: vec![2, 3] }],
        sharded_dim: vec![sharded],
    };
    let node = NodeProto {
        input: vec!["a".to_owned(), String::new(), "b".to_owned()],
        output: vec!["c".to_owned()],
        name: text("a \"name\"\\\n"),
        op_type: text("Op"),
        domain: text("custom"),
        overload: text("o"),
        attribute: attributes(),
        doc_string: text(""),
        metadata_props: vec![property("n")],
        device_configurations: vec![NodeDeviceConfigurationProto {
            configuration_id: text("c"),
            sharding_spec: vec![sharding],
            pipeline_stage: Some(1),
        }],
    };
    let graph = GraphProto {
        node: vec![node.clone()],
        name: text("g"),
        initializer: tensors(),
        sparse_initializer: vec![SparseTensorProto {
            values: tensors().pop(),
            indices: tensors().pop(),
            dims: vec![9],
        }],
        doc_string: text("doc"),
        input: kinds.iter().cloned().map(value).collect(),
        output: kinds.iter().cloned().map(value).collect(),
        value_info: kinds.iter().cloned().map(value).collect(),
        quantization_annotation: vec![TensorAnnotation {
            tensor_name: text("t"),
            quant_parameter_tensor_names: vec![property("SCALE_TENSOR")],
        }],
        metadata_props: vec![property("g")],
    };
    let opset = OperatorSetIdProto { domain: text("ai.onnx.ml"), version: Some(5) };
    ModelProto {
        ir_version: Some(13),
        opset_import: vec![opset.clone()],
        producer_name: text("p"),
        producer_version: text("1"),
        domain: text("org.example"),
        model_version: Some(-1),
        doc_string: text("doc"),
        graph: Some(graph.clone()),
        metadata_props: vec![property("m")],
        training_info: vec![TrainingInfoProto {
            initialization: Some(graph.clone()),
            algorithm: Some(graph),
            initialization_binding: vec![property("i")],
            update_binding: vec![property("u")],
        }],
        functions: vec![FunctionProto {
            name: text("F"),
            input: vec!["x".to_owned()],
            output: vec!["y".to_owned()],
            attribute: vec!["alpha".to_owned()],
            attribute_proto: attributes(),
            node: vec![node],
            doc_string: text("doc"),
            opset_import: vec![opset],
            domain: text("local"),
            overload: text("o"),
            value_info: kinds.into_iter().map(value).collect(),
            metadata_props: vec![property("f")],
        }],
        configuration: vec![DeviceConfigurationProto {
            name: text("two"),
            num_devices: Some(2),
            device: vec!["a".to_owned(), "b".to_owned()],
        }],
    }
}

#[test]
fn every_field_of_the_schema_survives() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("everything.onnx");
    let model = everything();
    file::write(&model, &path).unwrap();
    let read = file::read(&path).unwrap();
    assert!(read == model);
    assert_eq!(read.encode_to_vec(), std::fs::read(&path).unwrap());
}

#[test]
fn a_model_of_more_than_two_gigabytes_is_written_through_external_data() {
    // One buffer of 64 MiB, shared by all tensors: the file is large, the memory is not. In the build's folder, as the
    // system's temporary folder may be memory.
    let block: Bytes =
        (0..64u32 << 20).map(|index| index.to_le_bytes()[index as usize % 3]).collect::<Vec<u8>>().into();
    let tensor = |index: usize| TensorProto {
        name: Some(format!("w{index}")),
        data_type: Some(DataType::Uint8.into()),
        dims: vec![64 << 20],
        raw_data: Some(block.clone()),
        ..Default::default()
    };
    let graph = GraphProto { name: text("g"), initializer: (0..33).map(tensor).collect(), ..Default::default() };
    let opset_import = vec![OperatorSetIdProto { domain: None, version: Some(20) }];
    let model = ModelProto { ir_version: Some(10), opset_import, graph: Some(graph), ..Default::default() };

    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = folder.path().join("big.onnx");
    assert!(file::write(&model, &path).unwrap_err().to_string().contains("external data"));
    offload::write(model, &path, &offload::Options::default()).unwrap();
    let read = file::read(&path).unwrap();
    let tensors = external::check(&read, &path).unwrap();
    let last = tensors.last().unwrap();
    assert_eq!((last.offset, last.length), (32 * (64 << 20), Some(64 << 20)), "beyond 2 GiB");
    let (mut only_last, source) = (read, external::Source::Beside(&path));
    only_last.graph.as_mut().unwrap().initializer.drain(..32);
    external::embed(&mut only_last, &path, source).unwrap();
    assert!(only_last.graph.unwrap().initializer[0].raw_data.as_ref() == Some(&block));
}
