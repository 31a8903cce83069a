//! Mixtral: what it computes against the reference of another exporter, and which expert gets which token.

use std::collections::BTreeSet;
use std::sync::Arc;

use nongemm::onnx::proto::tensor_proto::DataType;
use nongemm::onnx::proto::{
    ModelProto, TensorShapeProto, TypeProto, ValueInfoProto, tensor_shape_proto::Dimension,
    tensor_shape_proto::dimension, type_proto,
};
use nongemm::zoo::{BuiltModel, weights};
use ort::session::builder::GraphOptimizationLevel;

use super::reference::{Histogram, build, histogram, reference, tensors};
use super::runtime::{inputs, only_session, session};

const LAYERS: i64 = 32;
const EXPERTS: i64 = 8;

/// Operators that compute: nodes of the reference, nodes of ours, and why they differ where they do. What else either
/// has makes shapes and indices, which the reference computes and ours knows.
const COMPUTING: [(&str, i64, i64, &str); 21] = [
    ("MatMul", 993, 994, "the angles of the rotary positions, which the reference looks up in a table"),
    ("Cos", 0, 1, "of those angles"),
    ("Sin", 0, 1, "of those angles"),
    ("Softmax", 64, 64, ""),
    ("TopK", 32, 32, ""),
    ("Sigmoid", 256, 256, ""),
    ("NonZero", 256, 256, ""),
    (
        "GatherND",
        0,
        257,
        "the router's weights of an expert's tokens, and the mask; the reference gathers by flat index",
    ),
    ("ScatterElements", 256, 0, "ours adds rows, not elements"),
    ("ScatterND", 1, 256, "the rows of each expert; the reference's one is in its mask"),
    ("OneHot", 32, 0, "the reference spreads the choices over experts at once"),
    ("Equal", 70, 256, "ours asks for each expert; the reference's are in its mask and in shapes"),
    ("ReduceSum", 32, 32, ""),
    ("ReduceMean", 65, 65, ""),
    ("Pow", 65, 65, ""),
    ("Reciprocal", 0, 65, "the reference divides one by the root"),
    ("Sqrt", 161, 65, "the reference computes the scale of attention from shapes, three roots a layer"),
    ("Div", 193, 32, "65 norms are Reciprocals, and 96 of the reference belong to the scale of attention"),
    ("Neg", 64, 64, ""),
    ("Trilu", 1, 0, "the causal mask is a constant of ours"),
    ("IsNaN", 0, 32, "rows of padding alone are guarded as the present exporter does"),
];

#[test]
fn it_computes_what_the_reference_computes() {
    let ours = histogram(&build("mixtral-8x7b", 1, None, None).model);
    let theirs = reference("mixtral-8x7b.prefill").operators;
    let count = |operators: &Histogram, key: &str| operators.get(key).copied().unwrap_or(0);
    for (operator, reference, wanted, why) in COMPUTING {
        assert_eq!(count(&theirs, operator), reference, "{operator} of the reference");
        assert_eq!(count(&ours, operator), wanted, "{operator}");
        assert_eq!(reference == wanted, why.is_empty(), "{operator}: a difference has a reason");
    }
    // Both sides have these, among many that only compute shapes and indices: of the reference no fewer than of ours.
    let shared = ["Add", "Mul", "Gather", "Concat", "Expand", "Reshape", "Slice", "Transpose", "Unsqueeze", "Where"];
    let others = [("And", "in the mask"), ("Cast", "in the mask"), ("ConstantOfShape", "zeros that experts add to")];
    for operator in shared {
        assert!(count(&ours, operator) <= count(&theirs, operator), "{operator}");
    }
    let known: BTreeSet<&str> =
        COMPUTING.iter().map(|row| row.0).chain(shared).chain(others.map(|row| row.0)).collect();
    let unknown: Vec<&String> = ours.keys().filter(|operator| !known.contains(operator.as_str())).collect();
    assert!(unknown.is_empty(), "{unknown:?} are in no table");
}

/// Layers that routing is tried at: each costs a second.
const TRIED_LAYERS: i64 = 4;

/// The experts that the tokens are sent to in the first layers, whatever the optimization and the threads.
#[test]
fn tokens_are_spread_over_the_experts_the_same_way_however_it_is_run() {
    use GraphOptimizationLevel::{All, Disable};
    for (batch, sequence) in [(1, 128), (2, 40)] {
        let built = build("mixtral-8x7b", batch, Some(sequence), None);
        let first_layers = up_to_choices(&built, TRIED_LAYERS);
        let _only = only_session();
        let arena = weights::fill(&built.weights);
        let choices = choices(&first_layers, &arena, All, 1);
        for (level, threads) in [(Disable, 1), (All, 2)] {
            let again = self::choices(&first_layers, &arena, level, threads);
            assert!(choices == again, "batch {batch} sequence {sequence}: {threads} threads change what is chosen");
        }
        let mean = i64::from(batch * sequence) * 2 / EXPERTS;
        for (layer, chosen) in choices.iter().enumerate() {
            let tokens = (0..EXPERTS).map(|expert| chosen.iter().filter(|&&number| number == expert).count());
            let tokens: Vec<i64> = tokens.map(|count| i64::try_from(count).unwrap()).collect();
            let what = format!("batch {batch} sequence {sequence} layer {layer}: {tokens:?}");
            assert_eq!(tokens.iter().sum::<i64>(), mean * EXPERTS, "{what}");
            assert!(tokens.iter().all(|count| (mean / 3..=mean * 2).contains(count)), "{what}");
        }
    }
}

#[test]
fn one_token_is_sent_to_two_experts() {
    let built = build("mixtral-8x7b-decode", 1, Some(9), None);
    let first_layers = up_to_choices(&built, TRIED_LAYERS);
    let _only = only_session();
    let arena = weights::fill(&built.weights);
    for (layer, chosen) in choices(&first_layers, &arena, GraphOptimizationLevel::All, 1).iter().enumerate() {
        assert!(chosen.len() == 2 && chosen[0] != chosen[1], "layer {layer}: {chosen:?}");
    }
}

/// Each layer's choices, as they come out of the router.
fn choices(model: &BuiltModel, arena: &Arc<[u8]>, level: GraphOptimizationLevel, threads: usize) -> Vec<Vec<i64>> {
    let mut session = session(model, arena, level, false, threads);
    let inputs = inputs(model);
    let outputs = session.run(inputs).unwrap();
    outputs.iter().map(|(_, value)| value.try_extract_tensor::<i64>().unwrap().1.to_vec()).collect()
}

/// The model up to the routers of the first layers, whose choices are its outputs.
fn up_to_choices(built: &BuiltModel, layers: i64) -> BuiltModel {
    let mut model: ModelProto = built.model.clone();
    let graph = model.graph.as_mut().unwrap();
    let routers: Vec<usize> =
        graph.node.iter().enumerate().filter(|(_, node)| node.op_type() == "TopK").map(|(at, _)| at).collect();
    assert_eq!(routers.len(), usize::try_from(LAYERS).unwrap());
    let routers = &routers[..usize::try_from(layers).unwrap()];
    let tokens: i64 = tensors(&graph.input)[0].shape.iter().product();
    graph.output = routers.iter().map(|&at| choice(&graph.node[at].output[1], tokens)).collect();
    graph.node.truncate(routers.last().unwrap() + 1);
    let used: BTreeSet<&str> = graph.node.iter().flat_map(|node| &node.input).map(String::as_str).collect();
    graph.initializer.retain(|tensor| used.contains(tensor.name()));
    graph.input.retain(|input| used.contains(input.name()));
    graph.value_info.clear();
    BuiltModel { model, ..built.clone() }
}

fn choice(name: &str, tokens: i64) -> ValueInfoProto {
    let size = |size| Dimension { value: Some(dimension::Value::DimValue(size)), ..Default::default() };
    let shape = Some(TensorShapeProto { dim: vec![size(tokens), size(2)] });
    let tensor = type_proto::Tensor { elem_type: Some(DataType::Int64 as i32), shape };
    let value = Some(type_proto::Value::TensorType(tensor));
    ValueInfoProto {
        name: Some(name.to_owned()),
        r#type: Some(TypeProto { value, ..Default::default() }),
        ..Default::default()
    }
}
