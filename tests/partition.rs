//! A suite measured in parts on several machines (here: folders), and joined again; and what is refused before it
//! starts.

#![allow(clippy::unwrap_used, dead_code)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use nongemm::report::{Outcome, Report};
use serde_json::Value;
use support::models::{Dim, classifier};
use support::project::Project;

const SUITE: &str = "[suite]\nmodels = [\"a.onnx\", \"b.onnx\", \"c.onnx\"]\n";

/// One machine's checkout of the project.
fn machine() -> Project {
    let project = Project::new(SUITE);
    for (name, width) in [("a.onnx", 64), ("b.onnx", 128), ("c.onnx", 256)] {
        project.write_model(name, &classifier(Dim::Fixed(8), width, 16));
    }
    project
}

fn ids(report: &Report) -> Vec<&str> {
    report.scenarios.iter().map(|scenario| scenario.id.0.as_str()).collect()
}

fn read(project: &Project, name: &str) -> Report {
    Report::read(&project.path().join(name)).unwrap()
}

/// Two machines, each with the report of its part, and both reports on the first.
fn measured() -> [Project; 2] {
    let machines = [machine(), machine()];
    for (project, part) in machines.iter().zip(["1/2", "2/2"]) {
        project.run(&["run", "--partition", part, "--save", "part.json"]).expect(0, &[&format!("part {part} of")]);
    }
    fs::copy(machines[1].path().join("part.json"), machines[0].path().join("other.json")).unwrap();
    machines
}

/// Rewrites one value of a saved report.
fn edit(project: &Project, from: &str, to: &str, change: impl Fn(&mut Value)) {
    let mut json: Value = serde_json::from_slice(&fs::read(project.path().join(from)).unwrap()).unwrap();
    change(&mut json);
    project.write(to, &serde_json::to_vec(&json).unwrap());
}

#[test]
fn two_parts_are_the_whole() {
    let [first, second] = measured();
    first.run(&["run", "--save", "whole.json"]).expect(0, &[]);
    let whole = read(&first, "whole.json");
    let (one, other) = (read(&first, "part.json"), read(&first, "other.json"));
    assert_eq!(ids(&whole).len(), 3);
    assert!(!one.scenarios.is_empty() && !other.scenarios.is_empty(), "{:?} {:?}", ids(&one), ids(&other));
    assert_eq!(one.suite.scenarios, whole.suite.scenarios);

    let merge = ["merge", "other.json", "part.json", "--save", "all.json", "--markdown", "all.md"];
    first.run(&merge).expect(0, &["Measured 3 scenarios"]);
    let merged = read(&first, "all.json");
    assert_eq!((ids(&merged), merged.suite.partition), (ids(&whole), None));
    assert!(fs::read_to_string(first.path().join("all.md")).unwrap().contains("Measured 3 scenarios"));

    // Results of all machines in one folder are accepted together.
    for result in fs::read_dir(second.path().join(".nongemm/results")).unwrap() {
        let result = result.unwrap();
        fs::copy(result.path(), first.path().join(".nongemm/results").join(result.file_name())).unwrap();
    }
    first.run(&["accept", "--force"]).expect(0, &["a@cpu", "b@cpu", "c@cpu"]);
    for part in ["1/2", "2/2"] {
        let report = format!("{}.json", &part[..1]);
        let outcome = first.run(&["check", "--partition", part, "--save", &report]);
        assert!(!outcome.stderr.contains("stale"), "baselines of the other part are not stale: {outcome:?}");
    }
    let judged = first.run(&["merge", "1.json", "2.json", "--message-format", "json"]);
    let judged = Report::from_json(judged.stdout.as_bytes()).unwrap();
    assert_eq!((judged.command.as_str(), ids(&judged)), ("check", ids(&whole)));
    assert!(judged.scenarios.iter().all(|scenario| scenario.comparison.is_some()));
}

#[test]
fn a_missing_part_is_named_and_no_pass() {
    let [first, _] = measured();
    let other = read(&first, "other.json");
    let outcome = first.run(&["merge", "part.json", "--save", "all.json"]);
    outcome.expect(101, &["part 2/2 is missing", &format!("{} is missing", ids(&other)[0])]);
    assert_eq!(read(&first, "all.json").outcome, Outcome::Incomplete);
}

#[test]
fn pieces_that_do_not_belong_together_are_refused() {
    let [first, _] = measured();
    let foreign: [(&str, &str, Value); 3] = [
        ("/machine/fingerprint", "the machine class", "macos-aarch64-neon-cpu".into()),
        ("/tool", "measure all parts with one version", "0.0.1".into()),
        ("/suite/scenarios/0/id", "different suites", "other@cpu-fp32-all-t1".into()),
    ];
    for (pointer, said, value) in foreign {
        edit(&first, "other.json", "foreign.json", |json| *json.pointer_mut(pointer).unwrap() = value.clone());
        first
            .run(&["merge", "part.json", "foreign.json", "--save", "all.json"])
            .expect(101, &["part.json", "foreign.json", said]);
    }
    edit(&first, "other.json", "old.json", |json| json["schema"] = 1.into());
    first.run(&["merge", "part.json", "old.json"]).expect(101, &["old.json: report schema 1"]);
    first.run(&["merge", "part.json", "part.json"]).expect(101, &["part 1/2 is in part.json and in part.json"]);
    assert!(!first.path().join("all.json").exists(), "nothing was merged");
}

#[test]
fn a_part_without_a_scenario_does_not_fail_a_matrix() {
    let project = machine();
    let empty = project.run(&["run", "--partition", "4/4", "--save", "part.json"]);
    empty.expect(0, &["the other parts measure 3 scenarios"]);
    project.run(&["merge", "part.json"]).expect(101, &["part 1/4 is missing", "part 3/4 is missing"]);
    // Nothing in the whole suite stays what it was.
    project.write("nongemm.toml", b"[suite]\nmodels = []\n");
    project.run(&["run", "--partition", "1/2"]).expect(4, &["no scenario was selected"]);
}

#[test]
fn every_tier_is_divided_without_loss() {
    let project = Project::new("");
    let list = |arguments: &[&str]| -> Vec<String> {
        let all = [&["list", "scenarios", "--tier", "full", "--message-format", "json"], arguments].concat();
        let json: Value = serde_json::from_str(&project.run(&all).expect(0, &[]).stdout).unwrap();
        let rows = json["scenarios"].as_array().unwrap();
        assert!(rows.iter().all(|row| row["cost"]["peak-rss-bytes"].as_u64() > Some(1 << 26)), "{rows:#?}");
        rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
    };
    let whole = list(&[]);
    let parts = ["1/3", "2/3", "3/3"].map(|part| list(&["--partition", part]));
    assert_eq!(parts.iter().map(Vec::len).sum::<usize>(), whole.len());
    assert_eq!(parts.iter().flatten().collect::<BTreeSet<_>>(), whole.iter().collect());
    assert!(parts.iter().all(|part| !part.is_empty()));
}

#[test]
fn what_does_not_fit_is_refused_with_the_numbers_before_it_starts() {
    let project = Project::new("");
    // More than any machine has: never to be started.
    let huge = ["bert-base", "--batch", "1000000"];
    project
        .run(&[&["run", "--save", "report.json"], &huge[..]].concat())
        .expect(101, &["not measured", "GiB of memory and", "are available", "--ignore-memory"]);
    assert_eq!(read(&project, "report.json").outcome, Outcome::Incomplete);
    project.run(&[&["check", "--dry-run"], &huge[..]].concat()).expect(0, &["will be refused: bert-base@"]);
    assert!(!Path::new(&project.path().join(".nongemm/results")).exists(), "nothing was measured");
}
