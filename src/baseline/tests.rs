//! The file as a whole: layout, round trip, every way to be wrong, and the store.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::fingerprint::tests::here;
use super::number::rounded;
use super::*;
use crate::scenario::{Provider, ScenarioId};
use crate::summary::testing::{Noise, Op, bert, id, launch, launches, op, summary_of};
use crate::summary::{Clock, GpuFacts, OperatorKey, Sample, SideShape};

const FOLDER: &str = "baselines/linux-x86_64-avx512-cpu";

fn facts() -> Facts {
    Facts { tool: "0.1.0".into(), cpu: "Example CPU \"9\"".into(), date: "2026-11-23".into() }
}

fn document() -> Document {
    let measured = launches(&bert(), 3, 0.02, 0.02, &mut Noise::seeded(1));
    Document::from_summary(&summary_of(&measured), here(), facts())
}

fn path() -> std::path::PathBuf {
    Path::new(FOLDER).join(format!("{}.toml", id()))
}

/// The complaint about a text, as a user reads it.
fn complaint(text: &str) -> String {
    parse(&path(), text).unwrap_err().to_string()
}

/// The complaint about the sample text after one replacement, and the line of that replacement.
fn complaint_after(from: &str, to: &str) -> (String, usize) {
    let text = document().to_toml();
    let at = text.find(from).unwrap_or_else(|| panic!("`{from}` is not in\n{text}"));
    let line = text[..at].lines().count().max(1);
    let line = if text[..at].ends_with('\n') { line + 1 } else { line };
    (complaint(&text.replacen(from, to, 1)), line)
}

#[track_caller]
fn assert_complaint(from: &str, to: &str, expected: &[&str]) {
    let (message, line) = complaint_after(from, to);
    let place = format!("{}:{line}: ", path().display());
    assert!(message.starts_with(&place), "expected `{place}` in front of: {message}");
    for part in expected.iter().chain(&["cargo nongemm accept bert-base@cpu-fp32-all-b1-s128-t1"]) {
        assert!(message.contains(part), "`{part}` is missing from: {message}");
    }
}

#[test]
fn a_count_that_varied_is_remembered_as_no_structure() {
    let with = |count| launch(&[op("MatMul", 4, 60.0), op("NonZero", count, 9.0)]);
    let document = Document::from_summary(&summary_of(&[with(2), with(3), with(3)]), here(), facts());
    let text = document.to_toml();
    assert!(text.contains(r#""ai.onnx:NonZero" = { executions = 3, varies = true, self-us"#), "{text}");
    let read = parse(&path(), &text).unwrap();
    assert_eq!(read, document);
    let unsteady: Vec<bool> = read.side().operators.iter().map(|operator| operator.unsteady).collect();
    assert_eq!(unsteady, [false, true]);
}

#[test]
fn the_file_reads_well() {
    let two = [op("MatMul", 96, 41_234.567), op("Add", 25, 1_900.04)];
    let moved = Op { provider: "CUDAExecutionProvider", ..op("Add", 1, 12.0) };
    let measured =
        [launch(&[two[0].clone(), two[1].clone(), moved.clone()]), launch(&[two[0].clone(), two[1].clone(), moved])];
    let document = Document::from_summary(&summary_of(&measured), here(), facts());
    let expected = r#"# Written by `cargo nongemm accept`, compared by `cargo nongemm check`. Times are microseconds per run: the median over
# launches, and each launch, of operators with what all of a launch had in common divided out. A line changes when its
# operator did; between lines of different days the machine's factor is divided out.
schema = 2
protocol = 1
scenario = "bert-base@cpu-fp32-all-b1-s128-t1"

[machine]
os = "linux"
arch = "x86_64"
instruction-set = "avx512"
provider = "cpu"

[recorded]
tool = "0.1.0"
onnxruntime = "1.31.1"
model-sha256 = "abababababababababababababababababababababababababababababababab"
cpu = "Example CPU \"9\""
date = "2026-11-23"
launches = 2
iterations = 40
executions = 122

[latency]
median-us = 43580
spread = 0
launches-us = [43580, 43580]

[operators]
"ai.onnx:Add" = { executions = 25, self-us = 1900, launches-us = [1900, 1900] }
"ai.onnx:Add@CUDAExecutionProvider" = { executions = 1, self-us = 12, launches-us = [12, 12] }
"ai.onnx:MatMul" = { executions = 96, self-us = 41230, launches-us = [41230, 41230] }

[shapes]
"ai.onnx:Add" = ["25x float[1,128,768]"]
"ai.onnx:Add@CUDAExecutionProvider" = ["1x float[1,128,768]"]
"ai.onnx:MatMul" = ["96x float[1,128,768]"]

[history]
1 = { date = "2026-11-23", tool = "0.1.0", onnxruntime = "1.31.1", latency-us = 43580 }
"#;
    assert_eq!(document.to_toml(), expected);
}

#[test]
fn what_is_written_is_read_back() {
    let text = document().to_toml();
    let read = parse(&path(), &text).unwrap();
    assert_eq!(read, document());
    assert_eq!(read.to_toml(), text);
}

#[test]
fn operators_that_most_launches_skip_are_no_part_of_a_baseline() {
    let plain = [op("MatMul", 1, 10.0)];
    let with = [op("MatMul", 1, 10.0), op("NonZero", 1, 1.0)];
    let summary = summary_of(&[launch(&plain), launch(&plain), launch(&with)]);
    let document = Document::from_summary(&summary, here(), facts());
    assert_eq!(document.operators.len(), 1);
    assert!(parse(&path(), &document.to_toml()).is_ok());
}

#[test]
fn an_older_layout_is_outdated_and_not_broken() {
    assert_complaint(
        "schema = 2",
        "schema = 1",
        &["baseline schema is 1", "reads and writes 2", "cargo nongemm check"],
    );
    // Whatever else an older layout had.
    let text = document().to_toml().replace("schema = 2", "schema = 1").replace("[latency]", "[latencies]");
    assert!(matches!(parse(&path(), &text), Err(BaselineError::Outdated { found: 1, .. })));
}

#[test]
fn a_later_layout_or_protocol_wants_a_later_program() {
    assert_complaint(
        "schema = 2",
        "schema = 7",
        &["baseline schema is 7, this program knows 2", "update cargo-nongemm"],
    );
    assert_complaint("protocol = 1", "protocol = 9", &["baseline protocol is 9", "update cargo-nongemm"]);
    let text = document().to_toml().replace("schema = 2", "schema = 3").replace("[latency]", "[latencies]");
    assert!(complaint(&text).contains("baseline schema is 3"), "{}", complaint(&text));
}

#[test]
fn an_earlier_protocol_can_be_read() {
    let text = document().to_toml().replace("protocol = 1", "protocol = 0");
    assert_eq!(parse(&path(), &text).unwrap(), Document { protocol: 0, ..document() });
}

#[test]
fn bad_numbers_are_named_with_their_line() {
    let text = document().to_toml();
    let softmax = text.lines().find(|line| line.contains("Softmax")).unwrap();
    let median = softmax.split("self-us = ").nth(1).unwrap().split(',').next().unwrap();
    let good = format!("{median}, launches-us = [");
    let with = |number: &str| format!("{number}, launches-us = [");
    assert_complaint(&good, &with("nan"), &["`ai.onnx:Softmax`: self-us is NaN"]);
    assert_complaint(&good, &with("inf"), &["self-us is inf"]);
    assert_complaint(&good, &with("-3.5"), &["self-us is -3.5", "no measurement gives"]);
    assert_complaint(&good, &with("\"fast\""), &["invalid type: string \"fast\""]);
    assert_complaint(&good, &with("1"), &["self-us is 1, but the median of its launches is"]);
    assert_complaint(
        &good,
        &with(&format!("{median}, drift = 0")),
        &["`ai.onnx:Softmax`: drift is 0, which is no ratio"],
    );
    assert_complaint(&good, &with(&format!("{median}, inserted = 13")), &["inserted is 13, of 12 executions"]);
    assert_complaint("latency-us = ", "latency-us = -", &["[history] 1: latency-us is -"]);
    assert_complaint("\"ai.onnx:Tanh\" = { executions = 1", "\"ai.onnx:Tanh\" = { executions = 0", &["at least 1"]);
    assert_complaint("\"ai.onnx:Tanh\" = { executions = 1", "\"ai.onnx:Tanh\" = { executions = -1", &["integer `-1`"]);
    assert_complaint("spread = ", "spread = -", &["spread is -0.0"]);
}

#[test]
fn unknown_keys_are_named() {
    assert_complaint("median-us = ", "medien-us = 1\nmedian-us = ", &["unknown field `medien-us`"]);
    assert_complaint("instruction-set", "instructions", &["unknown field `instructions`"]);
    assert_complaint("1 = { date", "first = { date", &["`first` is not the number of an accept"]);
}

#[test]
fn duplicated_operators_are_named() {
    assert_complaint("\"ai.onnx:BiasGelu\"", "\"ai.onnx:Add\"", &["duplicate key"]);
    let text = document().to_toml();
    let add = text.lines().find(|line| line.contains("ai.onnx:Add")).unwrap();
    let again = add.replace("ai.onnx:Add", "ai.onnx:Add@CPUExecutionProvider");
    let message = complaint(&text.replace("\n[shapes]", &format!("{again}\n\n[shapes]")));
    assert!(message.contains("operator `ai.onnx:Add@CPUExecutionProvider` stands on line 30 already"), "{message}");
}

#[test]
fn a_lost_or_edited_line_is_noticed() {
    let text = document().to_toml();
    let without: String = text.lines().filter(|l| !l.contains("Softmax")).map(|l| format!("{l}\n")).collect();
    let message = complaint(&without);
    assert!(message.contains("counts 281 executions, but its operators sum to 269"), "{message}");
    assert_complaint(
        "[\"12x float",
        "[\"11x float",
        &["[shapes] of `ai.onnx:BiasGelu` sum to 11 executions, not to its 12"],
    );
    assert_complaint("[\"12x float", "[\"float", &["is no shape, such as `12x float[1,128]`"]);
    let stray = text.replace("[shapes]\n", "[shapes]\n\"ai.onnx:Erf\" = []\n");
    assert!(
        complaint(&stray).contains("[shapes] of `ai.onnx:Erf`, which is no operator above"),
        "{}",
        complaint(&stray)
    );
    let start = text.find("1 = { date").unwrap();
    assert!(complaint(&text[..start]).contains("[history] has no accept"), "{}", complaint(&text[..start]));
}

#[test]
fn launches_without_a_value_are_named() {
    let text = document().to_toml();
    let tanh = text.lines().find(|line| line.contains("Tanh")).unwrap();
    let start = tanh.find("launches-us").unwrap();
    let message = complaint(&text.replace(&tanh[start..], "launches-us = [] }"));
    assert!(message.contains("`ai.onnx:Tanh`: launches-us is empty"), "{message}");
}

#[test]
fn a_copied_file_is_noticed() {
    assert_complaint("scenario = \"bert-base", "scenario = \"gpt2", &["scenario `gpt2@cpu-fp32", "was it copied?"]);
    let (message, _) = complaint_after("\"avx512\"", "\"avx2\"");
    assert!(message.contains("`linux-x86_64-avx2-cpu`, but it stands under `linux-x86_64-avx512-cpu`"), "{message}");
}

#[test]
fn conflict_markers_are_a_syntax_error_on_their_line() {
    assert_complaint("[latency]", "<<<<<<< HEAD\n[latency]", &["key"]);
}

#[test]
fn every_half_written_file_is_refused() {
    let text = document().to_toml();
    for end in 0..text.trim_end().len() {
        let Some(half) = text.get(..end) else { continue };
        let message = complaint(half);
        assert!(message.contains(&path().display().to_string()), "cut at byte {end}: {message}");
    }
}

#[test]
fn the_store_saves_loads_and_leaves_nothing_else() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::new(root.path().join("baselines"));
    assert_eq!(store.load(&here(), &id()).unwrap(), None);
    let saved = store.save(&document()).unwrap();
    assert_eq!(saved, store.path(&here(), &id()));
    assert_eq!(store.load(&here(), &id()).unwrap(), Some(document()));
    let before = fs::read(&saved).unwrap();
    store.save(&document()).unwrap();
    assert_eq!(fs::read(&saved).unwrap(), before);
    assert_eq!(fs::read_dir(saved.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn a_baseline_that_is_no_file_is_an_error_and_not_a_missing_one() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::new(root.path());
    fs::create_dir_all(store.path(&here(), &id())).unwrap();
    let message = store.load(&here(), &id()).unwrap_err().to_string();
    assert!(message.contains("cannot read") && message.contains(&id().0), "{message}");
    let message = store.save(&document()).unwrap_err().to_string();
    assert!(message.contains("cannot write") && message.contains(&id().0), "{message}");
    assert_eq!(fs::read_dir(root.path().join(here().dir_name())).unwrap().count(), 1, "no temporary is left");
}

#[test]
fn nearest_prefers_the_class_with_the_same_structure() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::new(root.path());
    assert!(store.nearest(&here(), &id()).unwrap().is_empty());
    let other_isa = Fingerprint { instruction_set: "avx2".into(), ..here() };
    let other_os = Fingerprint { os: "windows".into(), gpu: Some("T4".into()), ..here() };
    for fingerprint in [here(), other_isa, other_os] {
        store.save(&Document { fingerprint, ..document() }).unwrap();
    }
    let nearest = store.nearest(&here(), &id()).unwrap();
    let seen: Vec<_> = nearest.iter().map(|n| (n.differs.clone(), n.structure_is_comparable())).collect();
    assert_eq!(seen, [(vec!["os", "gpu"], true), (vec!["instruction-set"], false)]);
}

/// What this repository's own gate compares with.
#[test]
fn the_committed_baselines_are_as_they_would_be_written() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("baselines");
    let mut files = 0;
    for class in fs::read_dir(root).unwrap() {
        for file in fs::read_dir(class.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            let document = parse(&path, &text).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(document.to_toml(), text, "{}", path.display());
            files += 1;
        }
    }
    assert!(files >= 6, "{files}");
}

#[test]
fn a_foreign_baseline_of_an_older_layout_is_passed_over() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::new(root.path());
    let other = Fingerprint { instruction_set: "avx2".into(), ..here() };
    let saved = store.save(&Document { fingerprint: other, ..document() }).unwrap();
    let text = fs::read_to_string(&saved).unwrap();
    fs::write(&saved, text.replace("schema = 2", "schema = 1")).unwrap();
    assert!(store.nearest(&here(), &id()).unwrap().is_empty());
    fs::write(&saved, text.replace("schema = 2", "schema = 3")).unwrap();
    assert!(store.nearest(&here(), &id()).unwrap_err().to_string().contains("update cargo-nongemm"));
}

#[test]
fn stale_files_are_those_of_unknown_scenarios() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::new(root.path());
    let gone = Document { id: ScenarioId("gone-1.5@cpu-fp32-all-b1-t1".into()), ..document() };
    let stale = store.save(&gone).unwrap();
    store.save(&document()).unwrap();
    fs::write(root.path().join("README.md"), "not a baseline").unwrap();
    assert_eq!(store.stale(&[id()]).unwrap(), [stale]);
    assert!(store.stale(&[id(), gone.id]).unwrap().is_empty());
}

prop_compose! {
    fn any_operator()(
        key in "[a-zA-Z.@\"\\\\ \n\u{1}é]{1,12}:[A-Z][a-z0-9]{0,8}",
        provider in prop_oneof![Just("CPUExecutionProvider"), Just("CUDAExecutionProvider"), Just("")],
        counts in prop::collection::btree_map("\\PC*", 1..10_000_u32, 0..4),
        plain in 1..10_000_u32,
        part in 0.0..=1.0_f64,
        varies: bool,
        self_us in prop::collection::vec(0.0..1e9_f64, 1..6),
        held in prop_oneof![Just(1.0), 0.01..100.0_f64],
    ) -> OperatorBaseline {
        let shapes: Vec<SideShape> =
            counts.into_iter().map(|(inputs, executions)| SideShape { inputs, executions }).collect();
        let executions = if shapes.is_empty() { plain } else { shapes.iter().map(|shape| shape.executions).sum() };
        OperatorBaseline {
            key: OperatorKey(key),
            provider: provider.into(),
            executions,
            inserted: (f64::from(executions) * part) as u32,
            varies,
            self_us: Sample(self_us.into_iter().map(rounded).collect()),
            held: rounded(held),
            shapes,
        }
    }
}

prop_compose! {
    fn any_accepted()(
        date in "\\PC*",
        tool in "\\PC*",
        latency_us in 0.0..1e9_f64,
        ratios in prop::collection::btree_map(
            ("[a-z@.]{1,9}:[A-Z][a-z]{0,5}", "[A-Z][a-z]{0,9}"), 0.01..100.0_f64, 0..3,
        ),
    ) -> Accepted {
        let ratios = ratios.into_iter().map(|((key, provider), ratio)| ((OperatorKey(key), provider), rounded(ratio)));
        let (number, onnxruntime) = (1, "1.31.1".into());
        Accepted { number, date, tool, onnxruntime, latency_us: rounded(latency_us), ratios: ratios.collect() }
    }
}

prop_compose! {
    fn any_document()(
        mut operators in prop::collection::vec(any_operator(), 0..8),
        latency in prop::collection::vec(1e-6..1e9_f64, 1..6),
        history in prop::collection::vec((1..1000_u32, any_accepted()), 1..12),
        text in "\\PC*",
        iterations in any::<u32>(),
        gpu in prop::option::of("[A-Z][A-Za-z0-9 ]{0,8}"),
        clock in prop_oneof![Just(Clock::Host), Just(Clock::DeviceCupti), Just(Clock::DeviceSynchronous)],
        cudnn in prop::option::of("\\PC*"),
    ) -> Document {
        operators.sort_by(|a, b| (&a.key, &a.provider).cmp(&(&b.key, &b.provider)));
        operators.dedup_by(|a, b| (&a.key, &a.provider) == (&b.key, &b.provider));
        let mut number = 0;
        let history = history.into_iter().map(|(step, accepted)| {
            number += step;
            Accepted { number, ..accepted }
        });
        let driven_by = GpuFacts { cudnn, ..GpuFacts::default() };
        let recorded = Recorded { cpu: text, iterations, gpu: driven_by, ..document().recorded };
        let provider = if gpu.is_some() { Provider::Cuda } else { Provider::Cpu };
        Document {
            fingerprint: Fingerprint { provider, gpu, ..here() },
            clock,
            recorded,
            latency_us: Sample(latency.into_iter().map(rounded).collect()),
            operators,
            history: history.collect(),
            ..document()
        }
    }
}

proptest! {
    #[test]
    fn writing_what_was_read_gives_the_same_bytes(document in any_document()) {
        let path = Path::new("baselines").join(document.fingerprint.dir_name()).join(format!("{}.toml", id()));
        let text = document.to_toml();
        let read = parse(&path, &text).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        prop_assert_eq!(&read, &document);
        prop_assert_eq!(read.to_toml(), text);
    }

    /// An update takes each line from one of its two documents, as it is told, and nothing from anywhere else.
    #[test]
    fn an_update_takes_each_line_from_one_side(
        held in any_document(),
        new in any_document(),
        chosen in prop::collection::vec(any::<bool>(), 16),
        factor in 0.1..10.0_f64,
    ) {
        let all: Vec<Identity> =
            held.operators.iter().chain(&new.operators).map(OperatorBaseline::identity).collect();
        let operators: BTreeSet<Identity> =
            all.iter().zip(&chosen).filter(|(_, chosen)| **chosen).map(|(identity, _)| identity.clone()).collect();
        let find = |document: &Document, identity: &Identity| {
            document.operators.iter().find(|operator| operator.identity() == *identity).cloned()
        };
        let update = Update { lines: Lines::Some { operators: operators.clone(), factor }, ..Update::default() };
        let next = held.updated(&new, &update).unwrap_or_else(|| held.clone());
        for identity in &all {
            let (before, after) = (find(&held, identity), find(&next, identity));
            match find(&new, identity) {
                Some(new) if operators.contains(identity) => {
                    let after = after.unwrap();
                    prop_assert_eq!((after.executions, &after.shapes), (new.executions, &new.shapes));
                    prop_assert_eq!(after.held, before.map_or(1.0, |before| before.held));
                    let expected: Vec<f64> = new.self_us.0.iter().map(|us| rounded(us / factor)).collect();
                    prop_assert_eq!(after.self_us.0, expected);
                }
                None if operators.contains(identity) => prop_assert_eq!(after, None),
                _ => prop_assert_eq!(after.map(|o| (o.executions, o.self_us)), before.map(|o| (o.executions, o.self_us))),
            }
        }
        prop_assert_eq!(&next.recorded, &held.recorded);
        prop_assert_eq!(&next.latency_us, &held.latency_us);
        if next != held {
            prop_assert_eq!(next.history.last().map(|row| row.number), held.history.last().map(|row| row.number + 1));
        }
    }

    #[test]
    fn taking_over_everything_is_the_new_measurement(held in any_document(), new in any_document()) {
        let update = Update { lines: Lines::All, latency: true, recorded: true, ..Update::default() };
        let Some(next) = held.updated(&new, &update) else { return Ok(()) };
        let lines = |document: &Document| -> Vec<_> {
            document.operators.iter().map(|o| (o.identity(), o.executions, o.self_us.clone())).collect()
        };
        prop_assert_eq!(lines(&next), lines(&new));
        prop_assert_eq!((&next.latency_us, &next.recorded), (&new.latency_us, &new.recorded));
        prop_assert!(next.history.len() <= KEPT.max(held.history.len().saturating_sub(1)) + 1);
        prop_assert_eq!(&next.history[0], &held.history[0]);
    }
}
