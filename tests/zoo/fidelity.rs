//! Graphs against the reference, before and after ONNX Runtime's optimizer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use nongemm::zoo;

use super::reference::{
    ENTRIES, Entry, Histogram, Stage, Style, Tensors, WITHOUT_REFERENCE, all_operators, differences, fits, histogram,
    reference, tensors,
};
use super::runtime::optimized;

/// Share of the reference's nodes that accepted differences after the optimizer may sum to.
const ACCEPTED_SHARE: f64 = 0.05;

#[test]
fn every_model_has_a_reference() {
    let covered = ENTRIES.iter().map(|entry| entry.model).chain(WITHOUT_REFERENCE.iter().map(|(model, _)| *model));
    let known: BTreeSet<&str> = zoo::models().iter().map(|model| model.name).collect();
    assert_eq!(covered.collect::<BTreeSet<_>>(), known);
    for accepted in ENTRIES.iter().flat_map(|entry| entry.accepted) {
        assert!(accepted.difference != 0 && !accepted.reason.is_empty(), "{}", accepted.operator);
    }
}

#[test]
fn inputs_and_outputs_are_the_references() {
    for entry in ENTRIES.iter().filter(|entry| entry.style == Style::NodeForNode) {
        let (ours, reference, name) = (entry.build(), reference(entry.key), entry.model);
        let graph = ours.model.graph.as_ref().unwrap();
        // The reference lists the first eight of a cache's tensors.
        let inputs = tensors(&graph.input);
        assert_eq!(inputs[..reference.inputs.len()], reference.inputs, "{name}");
        // Where the exporter was given no name for an output it made one up (`cat_24`); those are not compared.
        let outputs = tensors(&graph.output);
        let alike =
            |(ours, theirs): (&Tensors, &Tensors)| ours.dtype == theirs.dtype && fits(&ours.shape, &theirs.shape);
        assert!(outputs.iter().zip(&reference.outputs).all(alike), "{name}: {outputs:?}");
        assert!(outputs.len() >= reference.outputs.len(), "{name}");
        if !reference.inputs.is_empty() && !name.ends_with("-decode") {
            assert_eq!((inputs.len(), outputs.len()), (reference.inputs.len(), reference.outputs.len()), "{name}");
        }
    }
}

#[test]
fn parameters_and_multiply_accumulates_are_the_references() {
    for entry in ENTRIES {
        let (ours, reference) = (entry.build(), reference(entry.key));
        assert_eq!(ours.parameters, reference.parameters, "{}", entry.model);
        let counted = ours.macs - entry.uncounted;
        assert_eq!(counted, reference.macs().unwrap_or(counted), "{}", entry.model);
    }
}

#[test]
fn operators_are_the_references_but_for_the_accepted() {
    for entry in ENTRIES {
        let found = exported_differences(entry);
        assert_eq!(found, entry.accepted_at(Stage::Exported), "{}: found against accepted", entry.model);
    }
}

#[test]
fn optimized_operators_are_the_references_but_for_the_accepted() {
    for entry in ENTRIES.iter().filter(|entry| entry.style == Style::NodeForNode) {
        let (mut ours, mut reference) =
            (optimized_operators(entry), reference(entry.key).operators_after_onnxruntime_all);
        let total: i64 = reference.values().sum();
        // The reference comes from a machine with blocked convolutions, which ONNX Runtime has on x86-64 with AVX.
        if !ours.keys().any(|operator| operator.starts_with("com.microsoft.nchwc:")) {
            for histogram in [&mut ours, &mut reference] {
                without_blocked_layout(histogram);
            }
        }
        let found = differences(&ours, &reference);
        assert_eq!(found, entry.accepted_at(Stage::Optimized), "{}: found against accepted", entry.model);
        let sum: i64 = found.values().map(|difference| difference.abs()).sum();
        #[allow(clippy::cast_precision_loss)]
        let share = sum as f64 / total as f64;
        assert!(share <= ACCEPTED_SHARE, "{}: {share}", entry.model);
    }
}

/// Where our graph differs from the exporter's, in what the entry's style compares.
pub fn exported_differences(entry: &Entry) -> Histogram {
    let ours = entry.build().model;
    let (ours, reference) = match entry.style {
        Style::NodeForNode => (histogram(&ours), reference(entry.key).operators),
        Style::Computing => (all_operators(&ours), reference(entry.key).all_operators()),
    };
    differences(&entry.compared(ours), &entry.compared(reference))
}

/// Our nodes by operator after the optimizer; worked out once for all tests.
pub fn optimized_operators(entry: &Entry) -> Histogram {
    static KNOWN: Mutex<BTreeMap<&str, Histogram>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap();
    known.entry(entry.model).or_insert_with(|| histogram(&optimized(&entry.build()))).clone()
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
