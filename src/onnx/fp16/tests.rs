//! Each rule on a graph of a few lines: what is written before, what comes out.

use super::*;
use crate::onnx::proto::attribute_proto::AttributeType;
use crate::onnx::proto::tensor_proto::DataType;
use crate::onnx::proto::{
    AttributeProto, GraphProto, NodeProto, OperatorSetIdProto, TensorProto, TypeProto, ValueInfoProto, type_proto,
};

const FLOAT: i32 = DataType::Float as i32;
const HALF: i32 = DataType::Float16 as i32;

fn declared(name: &str, element: i32) -> ValueInfoProto {
    let tensor = type_proto::Tensor { elem_type: Some(element), shape: None };
    let value = Some(type_proto::Value::TensorType(tensor));
    ValueInfoProto {
        name: Some(name.into()),
        r#type: Some(TypeProto { value, ..Default::default() }),
        ..Default::default()
    }
}

/// Names say types: `i_` is an integer, `b_` a truth value, `d_` is of 64 bits, all else is fp32.
fn of_name(name: &str) -> i32 {
    match name.split_once('_').map(|(kind, _)| kind) {
        Some("i") => DataType::Int64 as i32,
        Some("b") => DataType::Bool as i32,
        Some("d") => DataType::Double as i32,
        _ => FLOAT,
    }
}

/// `a, b = Op:7(c, d)` is a node with two inputs and two outputs, and 7 is its attribute `to`; `dom.Op` has a domain.
fn node(line: &str) -> NodeProto {
    let (outputs, call) = line.split_once(" = ").unwrap();
    let (operator, inputs) = call.split_once('(').unwrap();
    let (operator, to) = operator.split_once(':').map_or((operator, None), |(name, to)| (name, Some(to)));
    let (domain, operator) = operator.split_once('.').unwrap_or(("", operator));
    let names = |list: &str| list.split(',').map(|name| name.trim().to_owned()).collect::<Vec<_>>();
    NodeProto {
        name: Some(line.into()),
        domain: Some(domain.into()),
        op_type: Some(operator.into()),
        input: names(inputs.trim_end_matches(')')),
        output: names(outputs),
        attribute: to.map(|to| tensors::int_attribute("to", to.parse().unwrap())).into_iter().collect(),
        ..Default::default()
    }
}

fn line(node: &NodeProto) -> String {
    let to = node.attribute.iter().find(|it| it.name() == "to").map_or(String::new(), |to| format!(":{}", to.i()));
    let dot = if node.domain().is_empty() { "" } else { "." };
    let operator = format!("{}{dot}{}{to}", node.domain(), node.op_type());
    format!("{} = {operator}({})", node.output.join(", "), node.input.join(", "))
}

/// Scalars that the cases use as initializers.
const SCALARS: [(&str, f32); 7] =
    [("one", 1.0), ("two", 2.0), ("eps", 1e-6), ("tiny", 1e-12), ("huge", 1e6), ("lowest", f32::MIN), ("w", 0.5)];

fn scalar(name: &str, value: f32) -> TensorProto {
    TensorProto { name: Some(name.into()), data_type: Some(FLOAT), float_data: vec![value], ..Default::default() }
}

/// A graph of these lines; the first output of the last line leaves it.
fn graph(lines: &[&str]) -> GraphProto {
    let nodes: Vec<NodeProto> = lines.iter().map(|line| node(line)).collect();
    let made: Vec<&String> = nodes.iter().flat_map(|node| &node.output).collect();
    let mut graph = GraphProto { name: Some("g".into()), ..Default::default() };
    for name in nodes.iter().flat_map(|node| &node.input).filter(|name| !name.is_empty() && !made.contains(name)) {
        let known =
            graph.input.iter().any(|it| it.name() == name) || graph.initializer.iter().any(|it| it.name() == name);
        match SCALARS.iter().find(|(scalar, _)| scalar == name) {
            _ if known => {}
            Some((_, value)) => graph.initializer.push(scalar(name, *value)),
            None => graph.input.push(declared(name, of_name(name))),
        }
    }
    let last = &nodes.last().unwrap().output[0];
    graph.output = vec![declared(last, of_name(last))];
    graph.node = nodes;
    graph
}

fn model(graph: GraphProto) -> ModelProto {
    ModelProto {
        ir_version: Some(10),
        opset_import: vec![OperatorSetIdProto { domain: Some(String::new()), version: Some(20) }],
        graph: Some(graph),
        ..Default::default()
    }
}

fn converted(lines: &[&str], io: Io) -> (Vec<String>, GraphProto, HalfReport) {
    let mut model = model(graph(lines));
    let report = to_fp16(&mut model, io).unwrap_or_else(|error| panic!("{lines:?}: {error}"));
    let graph = model.graph.unwrap();
    (graph.node.iter().map(line).collect(), graph, report)
}

fn element(graph: &GraphProto, name: &str) -> i32 {
    graph.initializer.iter().find(|tensor| tensor.name() == name).unwrap().data_type()
}

/// Rule, graph, and its nodes afterwards with inputs and outputs in fp16; an empty list is the graph itself.
type Rule = (&'static str, &'static [&'static str], &'static [&'static str]);

#[rustfmt::skip]
const RULES: &[Rule] = &[
    ("products become fp16", &["m = MatMul(x, w)", "y = Softmax(m)"], &[]),
    ("a mask's lowest number is clamped where it is", &["y = Where(b_c, lowest, x)"], &[]),
    ("shapes are taken of any type", &["i_y = Shape(x)"], &[]),
    ("truth values need no fp32", &["s = Sub(one, x)", "b_y = Cast:9(s)"], &[]),
    ("an activation's sine is one of fp16", &["y = Sin(x)"], &[]),
    ("scales of Resize stay", &["y = Resize(x, , w)"], &[]),
    ("a Cast to fp32 becomes one to fp16", &["c = Cast:1(i_n)", "y = Add(x, c)"], &["c = Cast:10(i_n)", "y = Add(x, c)"]),
    ("a Cast from fp32 takes what is there", &["m = MatMul(x, w)", "d_y = Cast:11(m)"], &[]),
    ("boxes are selected in fp32", &["i_y = NonMaxSuppression(x, z)"],
        &["x_fp32 = Cast:1(x)", "z_fp32 = Cast:1(z)", "i_y = NonMaxSuppression(x_fp32, z_fp32)"]),
    ("arithmetic of boxes, back to the convolution", &["h = Conv(x, w)", "d = Exp(h)", "b = Mul(d, two)", "i_y = NonMaxSuppression(b, z)"],
        &["h = Conv(x, w)", "h_fp32 = Cast:1(h)", "d = Exp(h_fp32)", "b = Mul(d, two)", "z_fp32 = Cast:1(z)", "i_y = NonMaxSuppression(b, z_fp32)"]),
    ("what is moved after a choice stays in its precision", &["v, i_k = TopK(x, i_n)", "g = Gather(v, i_k)", "y = Relu(g)"],
        &["x_fp32 = Cast:1(x)", "v, i_k = TopK(x_fp32, i_n)", "g = Gather(v, i_k)", "g_fp16 = Cast:10(g)", "y = Relu(g_fp16)"]),
    ("a mean of squares up to the product", &["p = Pow(x, two)", "m = ReduceMean(p)", "e = Add(m, eps)", "r = Sqrt(e)", "q = Reciprocal(r)", "n = Mul(x, q)", "y = Mul(n, w)"],
        &["x_fp32 = Cast:1(x)", "p = Pow(x_fp32, two)", "m = ReduceMean(p)", "e = Add(m, eps)", "r = Sqrt(e)", "q = Reciprocal(r)", "n = Mul(x_fp32, q)", "n_fp16 = Cast:10(n)", "y = Mul(n_fp16, w)"]),
    ("other powers are fp16", &["p = Pow(x, two)", "y = Add(p, x)"], &[]),
    ("other means are fp16", &["m = ReduceMean(x)", "y = Sub(x, m)"], &[]),
    ("a tiny bound keeps its meaning up to the division", &["a = Abs(x)", "c = Max(a, tiny)", "n = Div(z, c)", "y = Relu(n)"],
        &["a = Abs(x)", "a_fp32 = Cast:1(a)", "c = Max(a_fp32, tiny)", "z_fp32 = Cast:1(z)", "n = Div(z_fp32, c)", "n_fp16 = Cast:10(n)", "y = Relu(n_fp16)"]),
    ("a divisor beyond the range", &["d = Div(x, huge)", "y = Relu(d)"],
        &["x_fp32 = Cast:1(x)", "d = Div(x_fp32, huge)", "d_fp16 = Cast:10(d)", "y = Relu(d_fp16)"]),
    ("angles of positions", &["c = Cast:1(i_n)", "f = MatMul(c, w)", "s = Cos(f)", "y = Mul(x, s)"],
        &["c = Cast:1(i_n)", "f = MatMul(c, w)", "s = Cos(f)", "s_fp16 = Cast:10(s)", "y = Mul(x, s_fp16)"]),
    ("what becomes an integer", &["a = Mul(x, w)", "f = Floor(a)", "i_y = Cast:7(f)"],
        &["x_fp32 = Cast:1(x)", "a = Mul(x_fp32, w)", "f = Floor(a)", "i_y = Cast:7(f)"]),
    ("a running sum, and one Cast for two users", &["s = CumSum(x, i_n)", "t = CumSum(x, i_n)", "y = Relu(s)"],
        &["x_fp32 = Cast:1(x)", "s = CumSum(x_fp32, i_n)", "t = CumSum(x_fp32, i_n)", "s_fp16 = Cast:10(s)", "y = Relu(s_fp16)"]),
    ("operators of others", &["c = acme.Magic(x)", "y = acme.Magic(c)"],
        &["x_fp32 = Cast:1(x)", "c = acme.Magic(x_fp32)", "y_fp32 = acme.Magic(c)", "y = Cast:10(y_fp32)"]),
    ("quantization", &["q = QuantizeLinear(x, w, i_z)", "y = DequantizeLinear(q, w, i_z)"],
        &["x_fp32 = Cast:1(x)", "q = QuantizeLinear(x_fp32, w, i_z)", "y_fp32 = DequantizeLinear(q, w, i_z)", "y = Cast:10(y_fp32)"]),
    ("a type by example", &["c = CastLike(i_n, x)", "y = Add(c, x)"], &[]),
];

#[test]
fn every_rule_on_a_small_graph() {
    let mut failures = Vec::new();
    for (rule, before, after) in RULES {
        let expected: Vec<&str> = if after.is_empty() { before.to_vec() } else { after.to_vec() };
        let (nodes, ..) = converted(before, Io::Convert);
        if nodes != expected {
            failures.push(format!("{rule}:\n  {expected:#?}\n  {nodes:#?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn declared_types_of_inputs_and_outputs_are_kept_or_converted() {
    let (nodes, graph, report) = converted(&["m = MatMul(x, w)", "y = Relu(m)"], Io::Keep);
    assert_eq!(nodes, ["x_fp16 = Cast:10(x)", "m = MatMul(x_fp16, w)", "y_fp16 = Relu(m)", "y = Cast:1(y_fp16)"]);
    assert_eq!((graph.input[0].clone(), graph.output[0].clone()), (declared("x", FLOAT), declared("y", FLOAT)));
    assert_eq!((report.casts, report.tensors, report.elements), (2, 1, 1));
    let (nodes, graph, _) = converted(&["m = MatMul(x, w)", "y = Relu(m)"], Io::Convert);
    assert_eq!(nodes.len(), 2);
    assert_eq!((graph.input[0].clone(), graph.output[0].clone()), (declared("x", HALF), declared("y", HALF)));
}

#[test]
fn an_initializer_of_both_precisions_is_there_twice() {
    let (nodes, graph, report) = converted(&["a = Mul(x, w)", "c = CumSum(w, i_n)", "y = Relu(a)"], Io::Convert);
    assert_eq!(nodes[1], "c = CumSum(w_fp32, i_n)");
    assert_eq!((element(&graph, "w"), element(&graph, "w_fp32")), (HALF, FLOAT));
    assert_eq!(report.copies, [(0, 1)]);
}

#[test]
fn values_out_of_range_are_counted_and_scales_stay() {
    let (_, graph, report) = converted(&["y = Where(b_c, lowest, x)"], Io::Convert);
    assert_eq!(report.losses, Losses { clamped: 1, flushed: 0 });
    assert_eq!(graph.initializer[0].raw_data.as_deref(), Some(&[0xff, 0xfb][..]), "-65504");
    let (_, graph, report) = converted(&["y = Resize(x, , w)"], Io::Convert);
    assert_eq!(element(&graph, "w"), FLOAT);
    assert_eq!(report.kept.values().sum::<u32>(), 1);
}

#[test]
fn constants_in_nodes_and_fillings_become_fp16() {
    let mut original = graph(&["c = Constant()", "s = ConstantOfShape(i_n)", "a = Add(x, c)", "y = Add(a, s)"]);
    original.node[0].input.clear();
    original.node[0].attribute = vec![AttributeProto {
        name: Some("value_float".into()),
        r#type: Some(AttributeType::Float as i32),
        f: Some(1.5),
        ..Default::default()
    }];
    original.input.retain(|input| !input.name().is_empty());
    let mut model = model(original);
    to_fp16(&mut model, Io::Convert).unwrap();
    let graph = model.graph.unwrap();
    assert_eq!(graph.node.iter().map(NodeProto::op_type).collect::<Vec<_>>(), ["ConstantOfShape", "Add", "Add"]);
    assert_eq!(graph.initializer[0].raw_data.as_deref(), Some(&[0x00, 0x3e][..]), "1.5");
    let filling = graph.node[0].attribute[0].t.as_ref().unwrap();
    assert_eq!((filling.data_type(), filling.raw_data.as_deref()), (HALF, Some(&[0, 0][..])));
}

#[test]
fn bodies_are_converted_with_what_they_take_from_around() {
    let mut outer = graph(&["v, i_k = TopK(x, i_n)", "h = MatMul(x, w)", "y = If(b_c)"]);
    let branch = |lines: &[&str]| {
        let mut branch = graph(lines);
        branch.input.clear();
        branch.initializer.clear();
        AttributeProto { r#type: Some(AttributeType::Graph as i32), g: Some(branch), ..Default::default() }
    };
    outer.node[2].attribute = vec![
        AttributeProto { name: Some("then_branch".into()), ..branch(&["t = Add(h, v)"]) },
        AttributeProto { name: Some("else_branch".into()), ..branch(&["e = CumSum(h, i_n)"]) },
    ];
    let mut model = model(outer);
    to_fp16(&mut model, Io::Convert).unwrap();
    let graph = model.graph.unwrap();
    let lines = |index: usize| {
        let body = graph.node.last().unwrap().attribute[index].g.as_ref().unwrap();
        assert_eq!(body.output[0], declared(body.output[0].name(), HALF));
        body.node.iter().map(line).collect::<Vec<_>>()
    };
    assert_eq!(lines(0), ["v_fp16 = Cast:10(v)", "t = Add(h, v_fp16)"]);
    assert_eq!(lines(1), ["h_fp32 = Cast:1(h)", "e_fp32 = CumSum(h_fp32, i_n)", "e = Cast:10(e_fp32)"]);
    assert_eq!(graph.output[0], declared("y", HALF));
}

#[test]
fn what_cannot_or_need_not_be_converted_says_so() {
    let refused = |graph: GraphProto| to_fp16(&mut model(graph), Io::Keep).unwrap_err();
    let mut half = graph(&["y = MatMul(x, w)"]);
    half.initializer[0].data_type = Some(HALF);
    let already = refused(half);
    assert_eq!(already, HalfError::AlreadyHalf { half: 1, all: 1 });
    assert!(already.to_string().contains("measure it with precision fp32"), "{already}");
    let mut integers = graph(&["i_y = Add(i_a, i_b)"]);
    integers.initializer.clear();
    assert_eq!(refused(integers), HalfError::NothingToConvert);
    let unknown = refused(graph(&["c = acme.Magic(x)", "y = Relu(c)"]));
    assert!(matches!(&unknown, HalfError::UnknownType { value, .. } if value == "c"), "{unknown}");
    let mut short = graph(&["y = MatMul(x, w)"]);
    short.initializer[0].dims = vec![3];
    assert!(refused(short).to_string().contains("4 bytes of values where"));
}

#[test]
fn integers_and_truth_values_are_left_alone() {
    let (nodes, graph, _) = converted(&["i_a = Gather(i_t, i_n)", "e = Gather(x, i_a)", "y = Relu(e)"], Io::Convert);
    assert_eq!(nodes.len(), 3);
    assert!(
        graph
            .input
            .iter()
            .all(|input| *input
                == declared(input.name(), if input.name() == "x" { HALF } else { of_name(input.name()) }))
    );
}
