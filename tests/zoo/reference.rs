//! The reference data, and what is compared with it.

use std::collections::{BTreeMap, BTreeSet};

use nongemm::onnx::proto::tensor_proto::DataType;
use nongemm::onnx::proto::{ModelProto, ValueInfoProto, tensor_shape_proto::dimension, type_proto};
use nongemm::zoo::{self, BuildShape, BuiltModel};

/// Number of nodes of each operator, domains written in front except the default one.
pub type Histogram = BTreeMap<String, i64>;

/// A built-in model with the reference's entry for it.
pub struct Entry {
    pub model: &'static str,
    pub key: &'static str,
    /// The sequence length that the entry was made at; `None` for the model's default.
    pub sequence: Option<u32>,
}

const fn entry(model: &'static str, key: &'static str, sequence: Option<u32>) -> Entry {
    Entry { model, key, sequence }
}

/// The models whose graph follows the reference's exporter node for node.
pub const ENTRIES: [Entry; 15] = [
    entry("bert-base", "bert-base", None),
    entry("gpt2", "gpt2.prefill", Some(512)),
    entry("gpt2-decode", "gpt2.decode", Some(512)),
    entry("gpt2-large", "gpt2-large.prefill", Some(256)),
    entry("gpt2-large-decode", "gpt2-large.decode", Some(512)),
    entry("gpt2-xl", "gpt2-xl.prefill", Some(512)),
    entry("gpt2-xl-decode", "gpt2-xl.decode", Some(512)),
    entry("vit-b-16", "vit-b-16", None),
    entry("vit-l-16", "vit-l-16", None),
    entry("vit-h-14", "vit-h-14", None),
    entry("swin-t", "swin-t", None),
    entry("swin-s", "swin-s", None),
    entry("swin-b", "swin-b", None),
    entry("segformer-b0", "segformer-b0", None),
    entry("detr-resnet-50", "detr-resnet-50", None),
];

/// Models that no reference describes, and why.
pub const WITHOUT_REFERENCE: [(&str, &str); 4] = [
    ("segformer-b5", "other sizes of segformer-b0"),
    ("resnet-50", "`EXPORTED` in fidelity.rs holds what torchvision's resnet50 was exported to"),
    ("fasterrcnn-resnet50-fpn", "the reference is written in another style; detectors.rs compares what it computes"),
    ("maskrcnn-resnet50-fpn", "the same"),
];

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
    /// Multiply-accumulates, where the reference has them.
    pub fn macs(&self) -> Option<u64> {
        self.macs.as_ref().map(|macs| macs.macs.total)
    }
}

#[derive(serde::Deserialize, Debug, PartialEq)]
pub struct Tensors {
    pub name: String,
    pub dtype: String,
    /// -1 where the size depends on data.
    #[serde(deserialize_with = "sizes")]
    pub shape: Vec<i64>,
}

fn sizes<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<i64>, D::Error> {
    let sizes: Vec<serde_json::Value> = serde::Deserialize::deserialize(deserializer)?;
    Ok(sizes.iter().map(|size| size.as_i64().unwrap_or(-1)).collect())
}

#[derive(serde::Deserialize)]
struct Macs {
    macs: MacsTotal,
}

#[derive(serde::Deserialize)]
struct MacsTotal {
    total: u64,
}

/// The reference's entry of that key.
pub fn reference(key: &str) -> Reference {
    let text = include_str!("../data/zoo-reference.json");
    let mut document: serde_json::Value = serde_json::from_str(text).unwrap();
    serde_json::from_value(document["models"][key].take()).unwrap()
}

/// The model at a shape; what is `None` is the default.
pub fn build(name: &str, batch: u32, sequence: Option<u32>, image: Option<(u32, u32)>) -> BuiltModel {
    zoo::build(name, &BuildShape { batch, sequence, image }).unwrap()
}

/// Nodes by operator, those in bodies of control flow not counted.
pub fn histogram(model: &ModelProto) -> Histogram {
    let mut counts = Histogram::new();
    for node in &model.graph.as_ref().unwrap().node {
        let domain = Some(node.domain()).filter(|domain| !["", "ai.onnx"].contains(domain));
        let key = domain.map_or(node.op_type().to_owned(), |domain| format!("{domain}:{}", node.op_type()));
        *counts.entry(key).or_default() += 1;
    }
    counts
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

/// Declared tensors, all of concrete size.
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
                other => panic!("{}: {other:?} is no concrete size", value.name()),
            };
            Tensors {
                name: value.name().to_owned(),
                dtype: DataType::try_from(tensor.elem_type.unwrap()).unwrap().as_str_name().to_owned(),
                shape: dims.iter().map(|dim| size(&dim.value)).collect(),
            }
        })
        .collect()
}
