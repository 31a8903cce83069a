//! The detectors whose work depends on what they find: what they compute, against the reference.

use nongemm::onnx::proto::GraphProto;

use super::reference::{Histogram, build, differences, histogram, reference};
use super::runtime::optimized;

/// The models; the reference has them under the same names.
pub const MODELS: [&str; 2] = ["fasterrcnn-resnet50-fpn", "maskrcnn-resnet50-fpn"];

/// Operators that only move data, make constants, or are control flow. The reference was exported in a style that spends
/// thousands of them on shapes that are known; ours are those that the computation needs.
const MOVING: [&str; 20] = [
    "Cast",
    "Concat",
    "Constant",
    "ConstantOfShape",
    "Expand",
    "Flatten",
    "Gather",
    "GatherND",
    "Identity",
    "If",
    "Loop",
    "Pad",
    "Range",
    "Reshape",
    "Shape",
    "Slice",
    "Split",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
];

/// Differences of the computing operators from the reference, bodies of control flow included: operator, our count less
/// the reference's for Faster and for Mask R-CNN, reason.
const ACCEPTED: [(&str, i64, i64, &str); 17] = [
    ("Add", -21, -24, "the exporter adds up shapes; boxes are moved apart by a constant, not by their largest side"),
    ("Ceil", -2, -2, "the exporter computes the padded size"),
    ("Div", -29, -30, "the exporter computes scales, divides by weights of one, and normalizes the image"),
    ("Equal", -6, -11, "the exporter compares shapes before it broadcasts"),
    ("Floor", -2, -2, "the exporter computes the resized size"),
    ("Max", 0, 4, "in the exporter's loop a Concat and a ReduceMax"),
    ("Min", -1, 1, "in the exporter's loop a Concat and a ReduceMin; one is for the resized size"),
    ("Mul", -37, -43, "the exporter multiplies shapes; boxes are not scaled back, the input has its final size"),
    ("Reciprocal", -2, -2, "the exporter computes scales"),
    ("ReduceMax", -6, -10, "see Max; the largest side of boxes, that they may be moved apart, is the image's"),
    ("ReduceMin", -6, -8, "see Min; numbers of candidates are known"),
    ("ReduceProd", -2, -2, "the exporter computes numbers of anchors"),
    ("Resize", -1, -1, "the input has its final size"),
    ("ScatterElements", -4, -8, "ScatterND puts rows in place without an index for each element"),
    ("ScatterND", 4, 8, "see ScatterElements"),
    ("Sub", -5, -5, "the exporter computes the padding; the image is given normalized"),
    ("Where", -4, -9, "the exporter chooses between shapes to broadcast to"),
];

/// What the reference counts too little for the transposed convolution of the mask head: it takes one product for each
/// input of 100 x 256 x 14 x 14, where each has 256 x 2 x 2.
pub const TRANSPOSED_CONVOLUTION: u64 = 100 * 256 * 14 * 14 * (256 * 2 * 2 - 1);

#[test]
fn parameters_and_multiply_accumulates_are_the_references() {
    for (name, uncounted) in MODELS.into_iter().zip([0, TRANSPOSED_CONVOLUTION]) {
        let (ours, reference) = (build(name, 1, None, None), reference(name));
        assert_eq!(ours.parameters, reference.parameters, "{name}");
        assert_eq!(Some(ours.macs - uncounted), reference.macs(), "{name}");
    }
}

#[test]
fn computing_operators_are_the_references_but_for_the_accepted() {
    for (index, name) in MODELS.into_iter().enumerate() {
        let mut ours = Histogram::new();
        count(build(name, 1, None, None).model.graph.as_ref().unwrap(), &mut ours);
        let reference = reference(name);
        let mut theirs = reference.operators;
        for (operator, count) in reference.operators_in_subgraphs {
            *theirs.entry(operator).or_default() += count;
        }
        let mut found = differences(&ours, &theirs);
        found.retain(|operator, _| !MOVING.contains(&operator.as_str()));
        let accepted: Histogram = ACCEPTED
            .iter()
            .map(|(operator, faster, mask, _)| ((*operator).to_owned(), [*faster, *mask][index]))
            .filter(|(_, difference)| *difference != 0)
            .collect();
        assert_eq!(found, accepted, "{name}: found against accepted");
        let nodes = |histogram: &Histogram| histogram.values().sum::<i64>();
        assert!(nodes(&ours) < nodes(&theirs), "{name}: fewer nodes, since none compute what is known");
    }
}

fn count(graph: &GraphProto, counts: &mut Histogram) {
    for node in &graph.node {
        *counts.entry(node.op_type().to_owned()).or_default() += 1;
        node.attribute.iter().filter_map(|attribute| attribute.g.as_ref()).for_each(|body| count(body, counts));
    }
}

/// Products are fused and laid out in blocks as the reference's are.
#[test]
fn optimized_products_are_the_references() {
    for name in MODELS {
        let (ours, reference) =
            (histogram(&optimized(&build(name, 1, None, None))), reference(name).operators_after_onnxruntime_all);
        let blocked = ours.keys().any(|operator| operator.starts_with("com.microsoft.nchwc:"));
        let convolutions = |histogram: &Histogram| -> i64 {
            let kinds = ["Conv", "com.microsoft.nchwc:Conv", "com.microsoft:FusedConv"];
            kinds.iter().filter_map(|kind| histogram.get(*kind)).sum()
        };
        assert_eq!(convolutions(&ours), convolutions(&reference), "{name}");
        let mut compared = vec!["Gemm", "com.microsoft:FusedGemm", "ConvTranspose", "RoiAlign", "TopK", "Softmax"];
        if blocked {
            compared.extend([
                "com.microsoft.nchwc:Conv",
                "com.microsoft.nchwc:MaxPool",
                "com.microsoft.nchwc:Upsample",
            ]);
        }
        for operator in compared {
            assert_eq!(ours.get(operator), reference.get(operator), "{name} {operator}");
        }
    }
}
