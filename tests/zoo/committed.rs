//! Files that follow from the built-in models and are committed, so that a change of a model is seen in review: the
//! hashes of the graphs and the page that compares them with the reference.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use nongemm::zoo::{self, Tier, ZooModel};
use prost::Message;
use sha2::{Digest, Sha256};

use super::fidelity::{exported_differences, optimized_operators};
use super::reference::{ENTRIES, Entry, Histogram, Style, WITHOUT_REFERENCE, build, reference};

/// Writes the file when `NONGEMM_BLESS=1`, else compares it.
fn check(path: &str, text: &str) {
    let full: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("NONGEMM_BLESS").is_some_and(|value| value == "1") {
        std::fs::write(full, text).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(&full).unwrap_or_default();
    let stale = committed.lines().zip(text.lines()).find(|(committed, now)| committed != now);
    assert!(
        committed == text,
        "{path} is stale (first difference: {stale:?}); after a wanted change of a model run \
         `NONGEMM_BLESS=1 cargo test --locked --test zoo committed` and read the diff"
    );
}

/// A hash for each model, which two builds share.
#[test]
fn graphs_have_the_committed_hashes() {
    let mut text = "# SHA-256 of each built-in model's graph at batch 1 and its default shape.\n".to_owned();
    for model in zoo::models() {
        let hash = |batch| hex(&Sha256::digest(build(model.name, batch, None, None).model.encode_to_vec()));
        assert_eq!(hash(2), hash(2), "{}", model.name);
        writeln!(text, "{} {}", hash(1), model.name).unwrap();
    }
    check("tests/data/zoo-hashes.txt", &text);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The whole of docs/zoo.md.
#[test]
fn the_page_on_fidelity_is_current() {
    let mut page = include_str!("zoo.template.md").to_owned();
    for (mark, table) in [
        ("<!-- models -->", models_table()),
        ("<!-- fidelity -->", fidelity_table()),
        ("<!-- accepted -->", accepted_list()),
    ] {
        assert!(page.contains(mark), "{mark}");
        page = page.replace(mark, table.trim_end());
    }
    check("docs/zoo.md", &page);
}

fn models_table() -> String {
    let mut text = "| model | tier | default shape | what it is |\n| --- | --- | --- | --- |\n".to_owned();
    for ZooModel { name, about, default_sequence, default_image, tier, .. } in zoo::models() {
        let tier = match tier {
            Some(Tier::Quick) => "quick",
            Some(Tier::Standard) => "standard",
            Some(Tier::Full) => "full",
            None => "when named",
        };
        let shape = match (default_sequence, default_image) {
            (Some(sequence), _) => format!("sequence {sequence}"),
            (None, Some((height, width))) => format!("image {height}x{width}"),
            (None, None) => "-".to_owned(),
        };
        writeln!(text, "| {name} | {tier} | {shape} | {about} |").unwrap();
    }
    text
}

fn fidelity_table() -> String {
    let mut text = "| model | at | parameters | MACs | nodes | nodes optimized | computing operators |\n\
                    | --- | --- | ---: | ---: | ---: | ---: | --- |\n"
        .to_owned();
    for entry in ENTRIES {
        writeln!(text, "{}", fidelity_row(entry)).unwrap();
    }
    for (model, why) in WITHOUT_REFERENCE {
        writeln!(text, "| {model} | - | - | - | - | - | no reference: {why} |").unwrap();
    }
    text
}

fn fidelity_row(entry: &Entry) -> String {
    let (ours, theirs) = (entry.build(), reference(entry.key));
    let nodes = |histogram: &Histogram| histogram.values().sum::<i64>();
    let exported = nodes(&super::reference::histogram(&ours.model));
    // What a TorchScript export becomes after the optimizer says nothing of ours, and Mixtral's 187 GB of weights would
    // be copied for it.
    let optimized = match entry.style {
        Style::NodeForNode => {
            counts(nodes(&optimized_operators(entry)), nodes(&theirs.operators_after_onnxruntime_all))
        }
        Style::Computing => "-".to_owned(),
    };
    let shape = entry.sequence.map_or("default".to_owned(), |sequence| format!("sequence {sequence}"));
    let macs = theirs.macs().map_or(format!("{} (by formula)", grouped(ours.macs)), |macs| against(ours.macs, macs));
    let agree = match (entry.style, exported_differences(entry).len()) {
        (Style::NodeForNode, 0) => "equal, and all others".to_owned(),
        (Style::Computing, 0) => "equal".to_owned(),
        (_, 1) => "1 differs, see below".to_owned(),
        (_, differences) => format!("{differences} differ, see below"),
    };
    format!(
        "| {} | {shape} | {} | {macs} | {} | {optimized} | {agree} |",
        entry.model,
        against(ours.parameters, theirs.parameters),
        counts(exported, nodes(&theirs.operators)),
    )
}

/// One figure where both agree, else both.
fn against(ours: u64, theirs: u64) -> String {
    if ours == theirs { grouped(ours) } else { format!("{}, reference {}", grouped(ours), grouped(theirs)) }
}

/// Nodes of ours, and where the reference has another number, its and the difference.
fn counts(ours: i64, theirs: i64) -> String {
    if ours == theirs {
        return ours.to_string();
    }
    #[allow(clippy::cast_precision_loss)]
    let percent = (ours - theirs) as f64 / theirs as f64 * 100.0;
    format!("{ours}, reference {theirs} ({percent:+.1} %)")
}

/// Digits in groups of three.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let starts = |index: usize| index > 0 && (digits.len() - index).is_multiple_of(3);
    digits.chars().enumerate().fold(String::new(), |mut text, (index, digit)| {
        if starts(index) {
            text.push(' ');
        }
        text.push(digit);
        text
    })
}

fn accepted_list() -> String {
    let mut text = String::new();
    for entry in ENTRIES {
        for accepted in entry.accepted {
            writeln!(
                text,
                "- {}, {:?}: {} ({:+}): {}",
                entry.model, accepted.stage, accepted.operator, accepted.difference, accepted.reason
            )
            .unwrap();
        }
    }
    if text.is_empty() { "None.".to_owned() } else { text }
}
