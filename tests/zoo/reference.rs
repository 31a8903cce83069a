//! The reference data, and what is compared with it.

use std::collections::{BTreeMap, BTreeSet};

use nongemm::onnx::proto::tensor_proto::DataType;
use nongemm::onnx::proto::{GraphProto, ModelProto, ValueInfoProto, tensor_shape_proto::dimension, type_proto};
use nongemm::taxonomy::{self, Group};
use nongemm::zoo::{self, BuildShape, BuiltModel};

use super::detectors;

/// Number of nodes of each operator, domains written in front except the default one.
pub type Histogram = BTreeMap<String, i64>;

/// A built-in model with the reference's entry for it.
pub struct Entry {
    pub model: &'static str,
    pub key: &'static str,
    /// The sequence length that the entry was made at; `None` for the model's default.
    pub sequence: Option<u32>,
    pub style: Style,
    /// Multiply-accumulates that the entry's count lacks.
    pub uncounted: u64,
    /// Differences that are accepted. One that no longer exists must go.
    pub accepted: &'static [Accepted],
}

/// How closely a graph follows the exporter of its entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Every operator is compared, before and after the optimizer, those that only move data or make constants too.
    NodeForNode,
    /// The entry comes from the TorchScript exporter, which computes shapes in the graph with the operators that others
    /// compute values with. What is compared is what no shape is computed with, bodies of control flow included:
    /// products, norms, activations, softmax, resampling, pooling, the choice of boxes.
    Computing,
}

/// A difference from the entry that is accepted, and why.
pub struct Accepted {
    pub stage: Stage,
    pub operator: &'static str,
    /// Our count less the entry's.
    pub difference: i64,
    pub reason: &'static str,
}

/// Which of an entry's counts a difference is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(dead_code, reason = "no entry has differences in every stage")]
pub enum Stage {
    /// As exported.
    Exported,
    /// After ONNX Runtime's optimizer at level all.
    Optimized,
}

impl Entry {
    /// Our model at the entry's shape.
    pub fn build(&self) -> BuiltModel {
        build(self.model, 1, self.sequence, None)
    }

    /// What of a graph's operators is compared.
    pub fn compared(&self, mut operators: Histogram) -> Histogram {
        if self.style == Style::Computing {
            operators.retain(|operator, _| is_computing(operator));
        }
        operators
    }

    /// The accepted differences of one stage.
    pub fn accepted_at(&self, stage: Stage) -> Histogram {
        let of_stage = self.accepted.iter().filter(|accepted| accepted.stage == stage);
        of_stage.map(|accepted| (accepted.operator.to_owned(), accepted.difference)).collect()
    }
}

/// True for operators that compute no shapes and move no data.
fn is_computing(operator: &str) -> bool {
    let (domain, name) = operator.rsplit_once(':').unwrap_or(("ai.onnx", operator));
    let group = taxonomy::get(domain, name).unwrap_or_else(|| panic!("`{operator}` is in no group")).group;
    matches!(
        group,
        Group::Gemm
            | Group::Normalization
            | Group::Activation
            | Group::LogitComputation
            | Group::Interpolation
            | Group::Pooling
            | Group::RoiSelection
    )
}

/// A model whose graph follows the entry node for node.
const fn entry(model: &'static str, key: &'static str, sequence: Option<u32>) -> Entry {
    Entry { model, key, sequence, style: Style::NodeForNode, uncounted: 0, accepted: &[] }
}

/// Mixtral, whose one entry is of TorchScript style and has the cache's inputs. `mixtral.rs` says more of it.
const fn experts(model: &'static str) -> Entry {
    const ANGLES: Accepted = Accepted {
        stage: Stage::Exported,
        operator: "MatMul",
        difference: 1,
        reason: "the angles of rotary positions, which the reference looks up in a table",
    };
    let key = "mixtral-8x7b.prefill";
    Entry { model, key, sequence: Some(512), style: Style::Computing, uncounted: 0, accepted: &[ANGLES] }
}

/// The detectors, whose entries are of TorchScript style. `detectors.rs` compares more of them.
const fn detector(model: &'static str, uncounted: u64) -> Entry {
    const RESIZE: Accepted = Accepted {
        stage: Stage::Exported,
        operator: "Resize",
        difference: -1,
        reason: "the input has its final size, which the reference computes and resizes to",
    };
    Entry { model, key: model, sequence: None, style: Style::Computing, uncounted, accepted: &[RESIZE] }
}

/// All models that an entry describes.
pub const ENTRIES: &[Entry] = &[
    entry("bert-base", "bert-base", None),
    entry("gpt2", "gpt2.prefill", Some(512)),
    entry("gpt2-decode", "gpt2.decode", Some(512)),
    entry("gpt2-large", "gpt2-large.prefill", Some(256)),
    entry("gpt2-large-decode", "gpt2-large.decode", Some(512)),
    entry("gpt2-xl", "gpt2-xl.prefill", Some(512)),
    entry("gpt2-xl-decode", "gpt2-xl.decode", Some(512)),
    entry("llama-2-7b", "llama-2-7b.prefill", Some(512)),
    entry("llama-2-7b-decode", "llama-2-7b.decode", Some(512)),
    entry("llama-3.1-8b", "llama-3.1-8b.prefill", Some(512)),
    entry("llama-3.1-8b-decode", "llama-3.1-8b.decode", Some(512)),
    experts("mixtral-8x7b"),
    experts("mixtral-8x7b-decode"),
    entry("vit-b-16", "vit-b-16", None),
    entry("vit-l-16", "vit-l-16", None),
    entry("vit-h-14", "vit-h-14", None),
    entry("swin-t", "swin-t", None),
    entry("swin-s", "swin-s", None),
    entry("swin-b", "swin-b", None),
    entry("segformer-b0", "segformer-b0", None),
    entry("segformer-b5", "segformer-b5", None),
    entry("detr-resnet-50", "detr-resnet-50", None),
    detector("fasterrcnn-resnet50-fpn", 0),
    detector("maskrcnn-resnet50-fpn", detectors::TRANSPOSED_CONVOLUTION),
    entry("maskformer-swin-base", "maskformer-swin-base", None),
    entry("maskformer-swin-small", "maskformer-swin-small", None),
    entry("resnet-50", "resnet-50", None),
];

/// Models that no entry describes, and why.
pub const WITHOUT_REFERENCE: &[(&str, &str)] = &[];

/// Facts about one model.
#[derive(serde::Deserialize)]
pub struct Reference {
    pub inputs: Vec<Tensors>,
    pub outputs: Vec<Tensors>,
    pub parameters: u64,
    pub operators: Histogram,
    /// Those in the bodies of control flow.
    #[serde(default)]
    pub operators_in_subgraphs: Histogram,
    pub operators_after_onnxruntime_all: Histogram,
    macs: Option<Macs>,
}

impl Reference {
    /// As exported, bodies of control flow included.
    pub fn all_operators(&self) -> Histogram {
        let mut all = self.operators.clone();
        for (operator, count) in &self.operators_in_subgraphs {
            *all.entry(operator.clone()).or_default() += count;
        }
        all
    }

    /// Multiply-accumulates, where the reference has them.
    pub fn macs(&self) -> Option<u64> {
        self.macs.as_ref().map(|macs| macs.macs.total)
    }
}

#[derive(serde::Deserialize, Debug, PartialEq)]
pub struct Tensors {
    pub name: String,
    pub dtype: String,
    /// -1 for a size that depends on data.
    #[serde(deserialize_with = "sizes")]
    pub shape: Vec<i64>,
}

/// Sizes as numbers; names of sizes as -1.
fn sizes<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<i64>, D::Error> {
    let sizes: Vec<serde_json::Value> = serde::Deserialize::deserialize(deserializer)?;
    Ok(sizes.iter().map(|size| size.as_i64().unwrap_or(-1)).collect())
}

/// True where a shape is one that was declared; -1 stands for any size.
pub fn fits(shape: &[i64], declared: &[i64]) -> bool {
    shape.len() == declared.len()
        && shape.iter().zip(declared).all(|(size, declared)| *declared == -1 || *size == -1 || size == declared)
}

#[derive(serde::Deserialize)]
struct Macs {
    macs: MacsTotal,
}

#[derive(serde::Deserialize)]
struct MacsTotal {
    total: u64,
}

/// The reference's entry of that key; of a model that it lacks, the entry of our own exports.
pub fn reference(key: &str) -> Reference {
    let texts = [include_str!("../data/zoo-reference.json"), include_str!("../data/zoo-exports.json")];
    let mut entries = texts.into_iter().map(|text| {
        let mut document: serde_json::Value = serde_json::from_str(text).unwrap();
        document["models"][key].take()
    });
    serde_json::from_value(entries.find(|entry| !entry.is_null()).unwrap()).unwrap()
}

/// The model at a shape; what is `None` is the default.
pub fn build(name: &str, batch: u32, sequence: Option<u32>, image: Option<(u32, u32)>) -> BuiltModel {
    zoo::build(name, &BuildShape { batch, sequence, image }).unwrap()
}

/// Nodes by operator, those in bodies of control flow not counted.
pub fn histogram(model: &ModelProto) -> Histogram {
    let mut counts = Histogram::new();
    count(model.graph.as_ref().unwrap(), false, &mut counts);
    counts
}

/// Nodes by operator, those in bodies of control flow too.
pub fn all_operators(model: &ModelProto) -> Histogram {
    let mut counts = Histogram::new();
    count(model.graph.as_ref().unwrap(), true, &mut counts);
    counts
}

fn count(graph: &GraphProto, bodies: bool, counts: &mut Histogram) {
    for node in &graph.node {
        let domain = Some(node.domain()).filter(|domain| !["", "ai.onnx"].contains(domain));
        let key = domain.map_or(node.op_type().to_owned(), |domain| format!("{domain}:{}", node.op_type()));
        *counts.entry(key).or_default() += 1;
        for body in node.attribute.iter().filter_map(|attribute| attribute.g.as_ref()).filter(|_| bodies) {
            count(body, true, counts);
        }
    }
}

/// Our count less the reference's, where they differ.
pub fn differences(ours: &Histogram, reference: &Histogram) -> Histogram {
    let operators: BTreeSet<&String> = ours.keys().chain(reference.keys()).collect();
    let count = |histogram: &Histogram, operator: &String| histogram.get(operator).copied().unwrap_or(0);
    operators
        .into_iter()
        .map(|operator| (operator.clone(), count(ours, operator) - count(reference, operator)))
        .filter(|(_, difference)| *difference != 0)
        .collect()
}

/// Declared tensors.
pub fn tensors(values: &[ValueInfoProto]) -> Vec<Tensors> {
    values
        .iter()
        .map(|value| {
            let Some(type_proto::Value::TensorType(tensor)) =
                value.r#type.as_ref().and_then(|kind| kind.value.as_ref())
            else {
                panic!("{} is no tensor", value.name())
            };
            let dims = &tensor.shape.as_ref().unwrap().dim;
            let size = |dim: &Option<dimension::Value>| match dim {
                Some(dimension::Value::DimValue(size)) => *size,
                Some(dimension::Value::DimParam(_)) => -1,
                None => panic!("{} has a dimension without a size or a name", value.name()),
            };
            Tensors {
                name: value.name().to_owned(),
                dtype: DataType::try_from(tensor.elem_type.unwrap()).unwrap().as_str_name().to_owned(),
                shape: dims.iter().map(|dim| size(&dim.value)).collect(),
            }
        })
        .collect()
}
