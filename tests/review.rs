//! Pending results: left by `check`, listed, rejected, accepted line by line; and what CI may write.

#![allow(clippy::unwrap_used, dead_code)]

mod support;

use std::fs;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use nongemm::baseline::{self, Document};
use nongemm::onnx::proto::ModelProto;
use nongemm::report::{FindingCode, Report};
use serde_json::Value;
use support::models::{Dim, classifier, node};
use support::project::Project;

/// Operators of some milliseconds each, and a smallest effect far above what a busy machine does to them: these tests
/// are of what is written, not of what can be measured.
const SUITE: &str = "[suite]\nmodels = [\"classifier.onnx\"]\n\
                     [measure]\nlaunches = 3\niterations = { min = 4, max = 4 }\n\
                     [gate]\nmin-effect = 1.0\nspread-factor = 1.0\nmax-latency-growth = 9.0\nmin-drift = 9.0\n";

const ID: &str = "classifier@cpu-fp32-all-t1";

/// Timings disturb each other, so one test runs at a time.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn project() -> Project {
    let project = Project::with_configuration(SUITE);
    project.write_model("classifier.onnx", &model("Erf"));
    project
}

/// Gemm, `squash`, Tanh, Abs and Softmax.
fn model(squash: &str) -> ModelProto {
    let mut model = classifier(Dim::Fixed(512), 256, 512);
    let nodes = &mut model.graph.as_mut().unwrap().node;
    nodes[2] = node("squash", squash, &["shift_out"], &["squash_out"]);
    nodes[3].input[0] = "abs_out".into();
    nodes.insert(3, node("bend", "Tanh", &["squash_out"], &["bend_out"]));
    nodes.insert(4, node("fold", "Abs", &["bend_out"], &["abs_out"]));
    model
}

/// A project with a baseline of its model.
fn accepted() -> Project {
    let project = project();
    project.run(&["check"]).expect(100, &["no-baseline"]);
    project.run(&["accept", "--force"]).expect(0, &[ID, "a new baseline"]);
    project
}

fn pending(project: &Project) -> Vec<Value> {
    let outcome = project.run(&["pending", "--json"]);
    outcome.expect(0, &[]);
    let json: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(json["schema"], 1);
    json["results"].as_array().unwrap().clone()
}

fn text(project: &Project) -> String {
    fs::read_to_string(project.baseline()).unwrap()
}

/// Divides the baseline's times of one operator by `factor`: as if it had become that much slower since.
fn plant(project: &Project, operator: &str, factor: f64) {
    let path = project.baseline();
    let mut document: Document = baseline::parse(&path, &fs::read_to_string(&path).unwrap()).unwrap();
    let planted = document.operators.iter_mut().find(|one| one.key.0 == operator).unwrap();
    planted.self_us.0.iter_mut().for_each(|us| *us /= factor);
    fs::write(&path, document.to_toml()).unwrap();
}

/// Lines that only one of two texts has, as `-old` and `+new`, and no more than their beginning.
fn diff(before: &str, after: &str) -> Vec<String> {
    let missing = |sign: char, from: &str, other: &str| -> Vec<String> {
        let other: Vec<&str> = other.lines().collect();
        let begin = |line: &str| line.split(" = ").next().unwrap().to_owned();
        from.lines().filter(|line| !other.contains(line)).map(|line| format!("{sign}{}", begin(line))).collect()
    };
    [missing('-', before, after), missing('+', after, before)].concat()
}

/// `check` until it ends with this code: a neighbour may keep one from judging times.
fn check(project: &Project, code: i32, texts: &[&str]) {
    let outcome = (0..3).map(|_| project.run(&["check"])).find(|outcome| outcome.code == Some(code));
    outcome.unwrap_or_else(|| project.run(&["check"])).expect(code, texts);
}

fn exists(project: &Project, name: &str) -> bool {
    Path::new(&project.path().join(name)).exists()
}

#[test]
fn a_result_waits_until_it_is_rejected_or_accepted() {
    let _alone = alone();
    let project = project();
    assert_eq!(pending(&project), [] as [Value; 0]);
    project.run(&["pending"]).expect(0, &["nothing is pending"]);
    project.run(&["check"]).expect(100, &["no-baseline"]);
    let waiting = pending(&project);
    assert_eq!((waiting[0]["id"].as_str(), waiting[0]["change"]["kind"].as_str()), (Some(ID), Some("new")));
    project.run(&["pending", "other*"]).expect(2, &["no pending result matches", ID]);
    project.run(&["reject", "other*"]).expect(2, &["no pending result matches", ID]);
    project.run(&["reject", "classifier"]).expect(0, &["Rejected", ID]);
    project.run(&["accept"]).expect(4, &["no result to accept"]);
    project.run(&["reject"]).expect(0, &["no result is pending"]);
    assert!(!exists(&project, "baselines"));

    project.run(&["check"]).expect(100, &[]);
    let accepted = project.run(&["accept", "--force"]);
    accepted.expect(0, &["Accepted", "a new baseline"]);
    assert!(accepted.stdout.trim().ends_with(&format!("{ID}.toml")), "{accepted:?}");
    assert_eq!(pending(&project), [] as [Value; 0], "an accepted result waits no longer");
}

#[test]
fn an_accept_rewrites_the_line_that_moved_and_no_other() {
    let _alone = alone();
    let project = accepted();
    let first = text(&project);
    check(&project, 0, &[]);
    project.run(&["accept", "--force"]).expect(0, &["Unchanged", "nothing moved beyond noise"]);
    assert_eq!(text(&project), first, "not a byte");

    plant(&project, "ai.onnx:Erf", 8.0);
    let planted = text(&project);
    assert_eq!(diff(&first, &planted), ["-\"ai.onnx:Erf\"", "+\"ai.onnx:Erf\""]);
    check(&project, 100, &["operator-regressed", "Erf"]);
    let change = pending(&project)[0]["change"].clone();
    assert_eq!(change["kind"], "lines");
    let operators = change["operators"].as_array().unwrap();
    assert_eq!(operators.len(), 1, "{change:#}");
    assert_eq!((&operators[0]["operator"], &operators[0]["what"]), (&"ai.onnx:Erf".into(), &"regressed".into()));

    project.run(&["accept", "--only", "improved,structure", "--force"]).expect(0, &["nothing of what is wanted moved"]);
    assert_eq!((text(&project), pending(&project).len()), (planted.clone(), 1));
    project.run(&["accept", "--force"]).expect(0, &["Erf regressed"]);
    let after = text(&project);
    // The day is the same, unless it is midnight; how many iterations fit may differ.
    let circumstances = ["-date", "+date", "-iterations", "+iterations"];
    let moved: Vec<String> =
        diff(&planted, &after).into_iter().filter(|line| !circumstances.contains(&line.as_str())).collect();
    assert_eq!(moved, ["-\"ai.onnx:Erf\"", "+\"ai.onnx:Erf\"", "+2"]);
    check(&project, 0, &[]);
}

#[test]
fn structure_is_accepted_on_its_own() {
    let _alone = alone();
    let project = accepted();
    project.write_model("classifier.onnx", &model("Sin"));
    project.run(&["check"]).expect(100, &["structure-changed", "possible cause: model"]);
    project.run(&["accept", "--only", "structure", "--force"]).expect(0, &["Sin appeared", "Erf vanished"]);
    let document = baseline::parse(&project.baseline(), &text(&project)).unwrap();
    let keys: Vec<&str> = document.operators.iter().map(|operator| operator.key.0.as_str()).collect();
    assert!(keys.contains(&"ai.onnx:Sin") && !keys.contains(&"ai.onnx:Erf"), "{keys:?}");
}

#[test]
fn a_result_of_another_baseline_is_not_accepted() {
    let _alone = alone();
    let project = accepted();
    check(&project, 0, &[]);
    plant(&project, "ai.onnx:Erf", 8.0);
    let planted = text(&project);
    project.run(&["accept", "--force"]).expect(101, &["has changed since it was compared", "--renew"]);
    assert_eq!((text(&project), pending(&project).len()), (planted, 1));
    project.run(&["accept", "--force", "--renew"]).expect(0, &["every line: asked for"]);
}

#[test]
fn an_outdated_baseline_fails_until_it_is_renewed() {
    let _alone = alone();
    let project = accepted();
    let current = text(&project);
    for (from, to, judged) in [("schema = 2", "schema = 1", false), ("protocol = 1", "protocol = 0", true)] {
        fs::write(project.baseline(), current.replacen(from, to, 1)).unwrap();
        project
            .run(&["check", "--save", "report.json"])
            .expect(100, &["outdated-baseline", &format!("cargo nongemm accept {ID}")]);
        let report = Report::read(&project.path().join("report.json")).unwrap();
        let codes: Vec<FindingCode> = report.scenarios[0].findings.iter().map(|finding| finding.code).collect();
        assert!(codes.contains(&FindingCode::OutdatedBaseline), "{codes:?}");
        assert_eq!(report.scenarios[0].comparison.is_some(), judged, "structure is compared where it can be read");
        assert_eq!(pending(&project)[0]["change"]["kind"], "all");
        project.run(&["accept", "--force"]).expect(0, &["every line"]);
        check(&project, 0, &[]);
    }
    // The history survived the protocol: an older layout's cannot be read.
    assert!(text(&project).contains("\n2 = { date"), "{}", text(&project));
}

#[test]
fn an_outdated_baseline_hides_no_other_finding() {
    let _alone = alone();
    let project = accepted();
    fs::write(project.baseline(), text(&project).replacen("protocol = 1", "protocol = 0", 1)).unwrap();
    project.write_model("classifier.onnx", &model("Sin"));
    let budget = "\n[[budget]]\nscenario = \"*\"\nmax-non-gemm-share = 0.0001\n";
    project.write("nongemm.toml", format!("{SUITE}{budget}").as_bytes());
    project.run(&["check"]).expect(100, &["outdated-baseline", "structure-changed", "budget-exceeded"]);
}

#[test]
fn ci_writes_nothing_unless_asked() {
    let _alone = alone();
    let project = project();
    let in_ci = |arguments: &[&str]| {
        let output = project.nongemm(arguments).env("CI", "true").output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(in_ci(&["check"]).0, Some(100));
    assert_eq!(in_ci(&["run"]).0, Some(0));
    assert!(!exists(&project, ".nongemm") && !exists(&project, "baselines"));

    assert_eq!(in_ci(&["check", "--pending"]).0, Some(100));
    assert!(exists(&project, ".nongemm/results"));
    let (code, said) = in_ci(&["accept"]);
    assert!(code == Some(2) && said.contains("--in-ci"), "{code:?}: {said}");
    assert!(!exists(&project, "baselines"));
    assert_eq!(in_ci(&["accept", "--in-ci", "--force"]).0, Some(0));
    assert!(project.baseline().exists());
    // Without being asked, what an earlier step left is not to be accepted either.
    in_ci(&["check", "--pending"]);
    in_ci(&["check"]);
    assert_eq!(in_ci(&["accept", "--in-ci"]).0, Some(4));
    for off in ["false", "0", ""] {
        let output = project.nongemm(&["run"]).env("CI", off).output().unwrap();
        assert!(output.status.success() && exists(&project, &format!(".nongemm/results/{ID}.json")), "CI={off}");
        project.run(&["reject"]).expect(0, &[]);
    }
}

#[test]
fn a_damaged_result_is_named() {
    let _alone = alone();
    let project = project();
    project.run(&["run"]).expect(0, &[]);
    let path = project.path().join(format!(".nongemm/results/{ID}.json"));
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, &text[..text.len() / 2]).unwrap();
    for verb in ["pending", "accept", "reject"] {
        project.run(&[verb]).expect(101, &[&format!("{ID}.json is damaged"), "cargo nongemm check"]);
    }
    fs::write(&path, text.replacen("\"schema\":2", "\"schema\":1", 1)).unwrap();
    project.run(&["pending"]).expect(101, &["is of another version"]);
}
