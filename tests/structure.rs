//! What ONNX Runtime makes of real graphs at each optimization level, read back as fusions won and lost.

#![allow(clippy::unwrap_used, dead_code)]

#[path = "support/graphs.rs"]
mod graphs;
mod support;

use std::collections::BTreeMap;

use graphs::{FLOAT, floats, graph, node, value};
use nongemm::compare::{self, ChangeKind, Comparison};
use nongemm::onnx::proto::{AttributeProto, NodeProto, TensorProto, attribute_proto::AttributeType};
use nongemm::report::{Report, ScenarioResult};
use nongemm::summary::{Side, Summary};
use support::project::Project;

/// A graph under construction: each node feeds the next.
#[derive(Default)]
struct Chain {
    nodes: Vec<NodeProto>,
    initializers: Vec<TensorProto>,
}

impl Chain {
    fn add(&mut self, op_type: &str, inputs: &[&str]) -> String {
        self.with(op_type, inputs, Vec::new())
    }

    fn with(&mut self, op_type: &str, inputs: &[&str], attributes: Vec<AttributeProto>) -> String {
        let output = format!("v{}", self.nodes.len());
        let name = format!("/{op_type}_{}", self.nodes.len());
        self.nodes.push(NodeProto { attribute: attributes, ..node(op_type, &name, inputs, &[&output]) });
        output
    }

    /// Values that are no two alike.
    fn tensor(&mut self, dims: &[i64]) -> String {
        let name = format!("w{}", self.initializers.len());
        let mut random = fastrand::Rng::with_seed(self.initializers.len() as u64);
        let values = (0..dims.iter().product::<i64>()).map(|_| random.f32() * 0.2 + 0.01).collect();
        self.initializers.push(floats(&name, dims, values));
        name
    }

    fn scalar(&mut self, number: f32) -> String {
        let name = format!("w{}", self.initializers.len());
        self.initializers.push(floats(&name, &[], vec![number]));
        name
    }

    /// Bytes of an element type: 2 for unsigned, 3 for signed ones.
    fn bytes(&mut self, dims: &[i64], element: i32) -> String {
        let name = format!("w{}", self.initializers.len());
        let count = dims.iter().product::<i64>();
        let int32_data = (0..count).map(|i| i32::try_from(i * 37 % 101).unwrap()).collect();
        let (name_, dims) = (Some(name.clone()), dims.to_vec());
        self.initializers.push(TensorProto {
            name: name_,
            dims,
            data_type: Some(element),
            int32_data,
            ..TensorProto::default()
        });
        name
    }

    fn mean(&mut self, x: &str) -> String {
        self.with("ReduceMean", &[x], vec![integers("axes", &[-1])])
    }

    /// Mean, difference, variance, root, quotient, scale, shift: as exporters wrote it before the operator was there.
    fn layer_normalization(&mut self, x: &str, width: i64) -> String {
        let (two, epsilon) = (self.scalar(2.0), self.scalar(1e-5));
        let (scale, shift) = (self.tensor(&[width]), self.tensor(&[width]));
        let mean = self.mean(x);
        let centred = self.add("Sub", &[x, &mean]);
        let squares = self.add("Pow", &[&centred, &two]);
        let variance = self.mean(&squares);
        let kept = self.add("Add", &[&variance, &epsilon]);
        let deviation = self.add("Sqrt", &[&kept]);
        let normalized = self.add("Div", &[&centred, &deviation]);
        let scaled = self.add("Mul", &[&normalized, &scale]);
        self.add("Add", &[&scaled, &shift])
    }

    fn rms_normalization(&mut self, x: &str, width: i64) -> String {
        let (two, epsilon, scale) = (self.scalar(2.0), self.scalar(1e-5), self.tensor(&[width]));
        let squares = self.add("Pow", &[x, &two]);
        let mean = self.mean(&squares);
        let kept = self.add("Add", &[&mean, &epsilon]);
        let root = self.add("Sqrt", &[&kept]);
        let normalized = self.add("Div", &[x, &root]);
        self.add("Mul", &[&normalized, &scale])
    }

    fn gelu(&mut self, x: &str) -> String {
        let (root, one, half) = (self.scalar(std::f32::consts::SQRT_2), self.scalar(1.0), self.scalar(0.5));
        let divided = self.add("Div", &[x, &root]);
        let erf = self.add("Erf", &[&divided]);
        let above = self.add("Add", &[&erf, &one]);
        let product = self.add("Mul", &[x, &above]);
        self.add("Mul", &[&product, &half])
    }

    fn linear(&mut self, x: &str, from: i64, to: i64) -> String {
        let (weight, bias) = (self.tensor(&[from, to]), self.tensor(&[to]));
        let product = self.add("MatMul", &[x, &weight]);
        self.add("Add", &[&product, &bias])
    }

    fn build(self, input: (&str, &[i64]), output: &str, shape: &[i64]) -> Vec<u8> {
        let inputs = vec![value(input.0, FLOAT, input.1)];
        graphs::model(graph(self.nodes, inputs, vec![value(output, FLOAT, shape)], self.initializers))
    }
}

fn integers(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto {
        name: Some(name.into()),
        r#type: Some(AttributeType::Ints as i32),
        ints: values.to_vec(),
        ..AttributeProto::default()
    }
}

const WIDTH: i64 = 64;
const LAYERS: usize = 2;

/// Two layers of a transformer encoder with one head, in the operators of opset 13.
fn encoder() -> Vec<u8> {
    let mut chain = Chain::default();
    let mut x = "x".to_owned();
    for _ in 0..LAYERS {
        let [query, key, values] = [0; 3].map(|_| chain.linear(&x, WIDTH, WIDTH));
        let turned = chain.with("Transpose", &[&key], vec![integers("perm", &[0, 2, 1])]);
        let scores = chain.add("MatMul", &[&query, &turned]);
        let scale = chain.scalar(0.125);
        let scaled = chain.add("Mul", &[&scores, &scale]);
        let weights = chain.add("Softmax", &[&scaled]);
        let mixed = chain.add("MatMul", &[&weights, &values]);
        let projected = chain.linear(&mixed, WIDTH, WIDTH);
        let sum = chain.add("Add", &[&projected, &x]);
        let normalized = chain.layer_normalization(&sum, WIDTH);
        let wide = chain.linear(&normalized, WIDTH, 2 * WIDTH);
        let active = chain.gelu(&wide);
        let narrow = chain.linear(&active, 2 * WIDTH, WIDTH);
        let sum = chain.add("Add", &[&narrow, &normalized]);
        x = chain.layer_normalization(&sum, WIDTH);
    }
    // Something that only a root-mean-square normalization and a Swish are in.
    let root = chain.rms_normalization(&x, WIDTH);
    let gate = chain.add("Sigmoid", &[&root]);
    let swish = chain.add("Mul", &[&root, &gate]);
    let end = chain.linear(&swish, WIDTH, WIDTH);
    chain.build(("x", &[1, 8, WIDTH]), &end, &[1, 8, WIDTH])
}

/// Convolutions with batch normalization and Relu, and a pooling.
fn convolutions() -> Vec<u8> {
    let mut chain = Chain::default();
    let mut x = "x".to_owned();
    for channels in [3, 16, 16] {
        let weight = chain.tensor(&[16, channels, 3, 3]);
        let statistics: Vec<String> = (0..4).map(|_| chain.tensor(&[16])).collect();
        let pads = integers("pads", &[1, 1, 1, 1]);
        let convolved = chain.with("Conv", &[&x, &weight], vec![pads]);
        let [scale, shift, mean, variance] = statistics.as_slice() else { unreachable!() };
        let normalized = chain.add("BatchNormalization", &[&convolved, scale, shift, mean, variance]);
        x = chain.add("Relu", &[&normalized]);
    }
    let pooled = chain.with("MaxPool", &[&x], vec![integers("kernel_shape", &[2, 2]), integers("strides", &[2, 2])]);
    chain.build(("x", &[1, 3, 16, 16]), &pooled, &[1, 16, 8, 8])
}

/// A matrix product, a convolution and a sum between QuantizeLinear and DequantizeLinear.
fn quantized() -> Vec<u8> {
    let mut chain = Chain::default();
    let scale = chain.scalar(0.02);
    let zero = chain.bytes(&[], 2);
    let round = |chain: &mut Chain, x: &str| {
        let quantized = chain.add("QuantizeLinear", &[x, &scale, &zero]);
        chain.add("DequantizeLinear", &[&quantized, &scale, &zero])
    };
    let x = round(&mut chain, "x");
    let weights = chain.bytes(&[8, 4, 3, 3], 3);
    let (weight_scale, weight_zero) = (chain.scalar(0.01), chain.bytes(&[], 3));
    let weight = chain.add("DequantizeLinear", &[&weights, &weight_scale, &weight_zero]);
    let convolved = chain.with("Conv", &[&x, &weight], vec![integers("pads", &[1, 1, 1, 1])]);
    let convolved = round(&mut chain, &convolved);
    let sum = chain.add("Add", &[&convolved, &convolved]);
    let sum = round(&mut chain, &sum);
    let matrix = chain.bytes(&[8, 8], 3);
    let matrix = chain.add("DequantizeLinear", &[&matrix, &weight_scale, &weight_zero]);
    let product = chain.add("MatMul", &[&sum, &matrix]);
    let end = round(&mut chain, &product);
    chain.build(("x", &[1, 4, 8, 8]), &end, &[1, 8, 8, 8])
}

/// A detector's head in small: what passes a threshold is gathered and summed.
fn selective() -> Vec<u8> {
    let mut chain = Chain::default();
    let bound = chain.scalar(0.5);
    let passed = chain.add("Greater", &["x", &bound]);
    let places = chain.add("NonZero", &[&passed]);
    let places = chain.with("Transpose", &[&places], vec![integers("perm", &[1, 0])]);
    let kept = chain.add("GatherND", &["x", &places]);
    let active = chain.add("Erf", &[&kept]);
    let sum = chain.with("ReduceMean", &[&active], vec![integers("axes", &[0])]);
    chain.build(("x", &[8, 64]), &sum, &[1])
}

/// The summaries of one model by optimization level.
fn by_level(name: &str, model: &[u8]) -> BTreeMap<String, Summary> {
    let project = Project::new(&format!("[suite]\nmodels = [\"{name}.onnx\"]\n"));
    project.write(&format!("{name}.onnx"), model);
    let levels = ["run", "--optimization", "disable,basic,extended,all", "--launches", "1", "--save", "report.json"];
    project.run(&levels).expect(0, &[]);
    summaries(&project)
}

fn summaries(project: &Project) -> BTreeMap<String, Summary> {
    let report = Report::read(&project.path().join("report.json")).unwrap();
    let of = |result| match result {
        ScenarioResult::Measured { summary } => *summary,
        ScenarioResult::Failed { reason, log } => panic!("{reason}: {log:?}"),
    };
    let by_level = |summary: Summary| (summary.scenario.optimization.name().to_owned(), summary);
    report.scenarios.into_iter().map(|scenario| by_level(of(scenario.result))).collect()
}

fn side(summary: &Summary) -> Side {
    summary.side(Vec::new(), "", "")
}

fn compared(levels: &BTreeMap<String, Summary>, base: &str, head: &str) -> Comparison {
    compare::compare(&side(&levels[base]), &side(&levels[head]))
}

/// `pattern+2` for two nodes fused, `pattern-2` for two no longer.
fn fusions(comparison: &Comparison) -> Vec<String> {
    let word = |change: &compare::StructuralChange| match &change.kind {
        ChangeKind::Fusion { pattern, won } => {
            Some(format!("{pattern}{}{}", if *won { '+' } else { '-' }, change.nodes))
        }
        _ => None,
    };
    comparison.changes.iter().filter_map(word).collect()
}

/// Operators that no pattern explains.
fn alone(comparison: &Comparison) -> Vec<&str> {
    let single = |change: &&compare::StructuralChange| matches!(change.kind, ChangeKind::Operator { .. });
    comparison.changes.iter().filter(single).map(|change| change.operators[0].key.0.as_str()).collect()
}

#[test]
fn an_encoder_written_in_parts_is_fused_and_undone() {
    let levels = by_level("encoder", &encoder());
    let basic = compared(&levels, "disable", "basic");
    let expected =
        [format!("layer-normalization-fusion+{}", 2 * LAYERS), format!("product-bias-fusion+{}", 6 * LAYERS + 1)];
    assert_eq!(fusions(&basic), expected, "{:#?}", basic.changes);
    let won = [
        "skip-layer-normalization-fusion+4",
        "rms-normalization-fusion+1",
        "gelu-fusion+2",
        "quick-gelu-fusion+1",
        "product-scale-fusion+2",
    ];
    let extended = compared(&levels, "basic", "all");
    assert_eq!(alone(&basic), Vec::<&str>::new());
    assert_eq!(fusions(&extended), won, "{:#?}", extended.changes);
    assert_eq!(alone(&extended), Vec::<&str>::new());
    let undone = compared(&levels, "all", "basic");
    assert_eq!(fusions(&undone), won.map(|word| word.replace('+', "-")));
    assert!(undone.groups.iter().all(|group| group.base_us >= 0.0 && group.head_us >= 0.0));
}

#[test]
fn convolutions_are_folded_fused_and_laid_out_in_blocks() {
    let levels = by_level("convolutions", &convolutions());
    assert_eq!(fusions(&compared(&levels, "disable", "basic")), ["batch-normalization-folding+3"]);
    assert_eq!(fusions(&compared(&levels, "basic", "extended")), ["convolution-activation-fusion+3"]);
    let all = compared(&levels, "extended", "all");
    if cfg!(target_arch = "x86_64") {
        assert_eq!(fusions(&all), ["blocked-convolution+3", "blocked-pooling+1"], "{:#?}", all.changes);
        assert_eq!(alone(&all), Vec::<&str>::new());
    }
    let undone = fusions(&compared(&levels, "all", "disable"));
    assert!(undone.contains(&"batch-normalization-folding-3".to_owned()), "{undone:?}");
    assert_eq!(alone(&compared(&levels, "all", "disable")), Vec::<&str>::new());
}

#[test]
fn quantized_operators_are_fused_and_undone() {
    let levels = by_level("quantized", &quantized());
    let extended = compared(&levels, "basic", "extended");
    let won = ["quantized-convolution-fusion+1", "quantized-product-fusion+1", "quantized-arithmetic-fusion+1"];
    assert_eq!(fusions(&extended), won, "{:#?}", extended.changes);
}

/// Each launch draws other inputs, and what passes the threshold differs.
#[test]
fn what_depends_on_the_data_is_no_structure() {
    let project = Project::new("[suite]\nmodels = [\"selective.onnx\"]\n");
    project.write("selective.onnx", &selective());
    let measured = |launches: &str| {
        project.run(&["run", "--launches", launches, "--save", "report.json"]).expect(0, &[]);
        side(&summaries(&project).remove("all").unwrap())
    };
    let known = |side: &Side| -> Vec<String> {
        let known = side.operators.iter().filter(|operator| !operator.shapes.is_empty());
        let mut keys: Vec<String> = known.map(|operator| operator.key.0.clone()).collect();
        keys.sort();
        keys
    };
    let (two, four) = (measured("2"), measured("4"));
    assert_eq!(known(&two), ["ai.onnx:Greater", "ai.onnx:NonZero"], "the others come behind the selection");
    assert_eq!(known(&four), known(&two));
    assert_eq!(known(&measured("1")), Vec::<String>::new(), "one launch cannot tell");
    assert!(compare::compare(&two, &four).structure.is_empty());
}

#[test]
fn another_precision_and_another_size_are_told_apart() {
    let project = Project::new("[suite]\nmodels = [\"encoder.onnx\"]\n");
    project.write("encoder.onnx", &encoder());
    let of = |flags: &[&str]| {
        let fixed = ["run", "--optimization", "disable", "--launches", "1", "--save", "report.json"];
        project.run(&[&fixed, flags].concat()).expect(0, &[]);
        summaries(&project).remove("disable").unwrap()
    };
    let (single, half) = (of(&[]), of(&["--precision", "fp16"]));
    let comparison = compare::compare(&side(&single), &side(&half));
    let put_in = comparison.changes.iter().find_map(|change| match change.kind {
        ChangeKind::Work { inserted, more: true, .. } => Some(inserted),
        _ => None,
    });
    assert!(put_in.is_some_and(|inserted| inserted > 0), "{:#?}", comparison.changes);
    assert!(compare::compare(&side(&single), &side(&single)).changes.is_empty());
}
