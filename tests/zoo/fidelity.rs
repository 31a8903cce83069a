//! Graphs against the reference, before and after ONNX Runtime's optimizer.

use std::collections::BTreeSet;

use nongemm::zoo;

use super::reference::{
    ENTRIES, Entry, Histogram, Tensors, WITHOUT_REFERENCE, build, differences, histogram, reference, tensors,
};
use super::runtime::optimized;

/// Differences from the reference after ONNX Runtime's optimizer that are accepted: model, operator, our count less the
/// reference's, reason. One that no longer exists must go. There is none today: all agree node for node.
const TOLERATED: [(&str, &str, i64, &str); 0] = [];

/// Share of the reference's nodes that accepted differences may sum to.
const TOLERATED_SHARE: f64 = 0.05;

#[test]
fn every_model_has_a_reference() {
    let covered = ENTRIES.iter().map(|entry| entry.model).chain(WITHOUT_REFERENCE.iter().map(|(model, _)| *model));
    let known: BTreeSet<&str> = zoo::models().iter().map(|model| model.name).collect();
    assert_eq!(covered.collect::<BTreeSet<_>>(), known);
}

#[test]
fn inputs_and_outputs_are_the_references() {
    for Entry { model: name, key, sequence } in ENTRIES {
        let (ours, reference) = (build(name, 1, sequence, None), reference(key));
        let graph = ours.model.graph.as_ref().unwrap();
        // The reference lists the first eight of a cache's tensors.
        let inputs = tensors(&graph.input);
        assert_eq!(inputs[..reference.inputs.len()], reference.inputs, "{name}");
        // Where the exporter was given no name for an output it made one up (`cat_24`); those are not compared.
        let described = |tensors: &[Tensors]| -> Vec<(String, Vec<i64>)> {
            tensors.iter().map(|tensor| (tensor.dtype.clone(), tensor.shape.clone())).collect()
        };
        let outputs = described(&tensors(&graph.output));
        assert_eq!(outputs[..reference.outputs.len()], described(&reference.outputs), "{name}");
        if !reference.inputs.is_empty() && !name.ends_with("-decode") {
            assert_eq!((graph.input.len(), graph.output.len()), (reference.inputs.len(), reference.outputs.len()));
        }
    }
}

#[test]
fn parameters_and_multiply_accumulates_are_the_references() {
    for Entry { model: name, key, sequence } in ENTRIES {
        let (ours, reference) = (build(name, 1, sequence, None), reference(key));
        assert_eq!(ours.parameters, reference.parameters, "{name}");
        assert_eq!(ours.macs, reference.macs().unwrap_or(ours.macs), "{name}");
    }
}

/// Every operator is compared, those that only move data or make constants too.
#[test]
fn operators_are_the_references() {
    for Entry { model: name, key, sequence } in ENTRIES {
        let ours = histogram(&build(name, 1, sequence, None).model);
        assert_eq!(differences(&ours, &reference(key).operators), Histogram::new(), "{name}");
    }
}

#[test]
fn optimized_operators_are_the_references_but_for_the_tolerated() {
    for Entry { model: name, key, sequence } in ENTRIES {
        let mut ours = histogram(&optimized(&build(name, 1, sequence, None)));
        let mut reference = reference(key).operators_after_onnxruntime_all;
        let total: i64 = reference.values().sum();
        // The reference comes from a machine with blocked convolutions, which ONNX Runtime has on x86-64 with AVX.
        if !ours.keys().any(|operator| operator.starts_with("com.microsoft.nchwc:")) {
            for histogram in [&mut ours, &mut reference] {
                without_blocked_layout(histogram);
            }
        }
        let found = differences(&ours, &reference);
        let tolerated: Histogram = TOLERATED
            .iter()
            .filter(|(model, ..)| *model == name)
            .map(|(_, operator, difference, _)| ((*operator).to_owned(), *difference))
            .collect();
        assert_eq!(found, tolerated, "{name}: found against tolerated");
        let sum: i64 = found.values().map(|difference| difference.abs()).sum();
        #[allow(clippy::cast_precision_loss)]
        let share = sum as f64 / total as f64;
        assert!(share <= TOLERATED_SHARE, "{name}: {share}");
    }
}

/// Counts blocked convolutions and poolings as plain ones and leaves out the reorderings around them.
fn without_blocked_layout(histogram: &mut Histogram) {
    histogram.retain(|operator, _| !operator.starts_with("com.microsoft.nchwc:Reorder"));
    for operator in ["Conv", "MaxPool"] {
        if let Some(blocked) = histogram.remove(&format!("com.microsoft.nchwc:{operator}")) {
            *histogram.entry(operator.to_owned()).or_default() += blocked;
        }
    }
}
