//! The gate on real measurements: green on what did not change, red on a planted slowdown, and blames the right one.

#![allow(clippy::unwrap_used, dead_code)]

mod support;

use std::fs;
use std::sync::{Mutex, MutexGuard, PoisonError};

use nongemm::baseline::{self, Document};
use nongemm::report::{FindingCode, Report, Severity};
use support::models::{Dim, classifier};
use support::project::Project;

/// Operators of some milliseconds each, in three groups: far above the clock's floor.
const SUITE: &str =
    "[suite]\nmodels = [\"classifier.onnx\"]\n[measure]\nlaunches = 4\niterations = { min = 8, max = 8 }\n";

/// Timings disturb each other, so one test runs at a time.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A project whose baseline is of the same model on the same machine, a moment ago.
fn accepted() -> Project {
    let project = Project::with_configuration(SUITE);
    project.write_model("classifier.onnx", &classifier(Dim::Fixed(2048), 512, 2048));
    project.run(&["run"]).expect(0, &[]);
    project.run(&["accept", "--force"]).expect(0, &[]);
    project
}

/// Divides the baseline's times of the operators that `chosen` names by `factor`: as if they had become that much
/// slower since.
fn plant(project: &Project, factor: f64, chosen: impl Fn(&str) -> bool) {
    let path = project.baseline();
    let mut document: Document = baseline::parse(&path, &fs::read_to_string(&path).unwrap()).unwrap();
    let mut planted = 0;
    for operator in document.operators.iter_mut().filter(|operator| chosen(&operator.key.0)) {
        operator.self_us.0.iter_mut().for_each(|us| *us /= factor);
        planted += 1;
    }
    assert!(planted > 0, "{:?}", document.operators);
    fs::write(&path, document.to_toml()).unwrap();
}

/// Operators that `check` calls regressed, with its exit code.
fn regressed(project: &Project) -> (Option<i32>, Vec<String>) {
    let outcome = project.run(&["check", "--save", "report.json"]);
    let report = Report::read(&project.path().join("report.json")).unwrap();
    let blamed = report.scenarios[0]
        .findings
        .iter()
        .filter(|finding| finding.code == FindingCode::OperatorRegressed && finding.severity == Severity::Error)
        .map(|finding| finding.operator.as_ref().unwrap().0.clone())
        .collect();
    (outcome.code, blamed)
}

#[test]
fn a_planted_slowdown_is_found_and_blamed_and_nothing_else_is() {
    let _alone = alone();
    let project = accepted();
    // A shared machine may be too noisy to judge at all; what it must not do is blame anything.
    let (code, blamed) = regressed(&project);
    assert_eq!((code, blamed), (Some(0), Vec::new()), "nothing changed");
    plant(&project, 3.0, |key| key == "ai.onnx:Erf");
    let (code, blamed) = regressed(&project);
    assert_eq!((code, blamed), (Some(100), vec!["ai.onnx:Erf".to_owned()]), "Erf takes three times as long");
}

#[test]
fn a_machine_that_is_slower_as_a_whole_is_no_regression() {
    let _alone = alone();
    let project = accepted();
    plant(&project, 1.4, |_| true);
    let (code, blamed) = regressed(&project);
    assert_eq!((code, blamed), (Some(0), Vec::new()), "all operators alike");
}

#[test]
fn another_machine_class_is_never_red_for_time() {
    let _alone = alone();
    let project = accepted();
    plant(&project, 3.0, |key| key == "ai.onnx:Erf");
    let path = project.baseline();
    let other = project.path().join("baselines/linux-x86_64-sse2-cpu").join(path.file_name().unwrap());
    let text = fs::read_to_string(&path).unwrap();
    let line = text.lines().find(|line| line.starts_with("instruction-set")).unwrap();
    fs::create_dir_all(other.parent().unwrap()).unwrap();
    let os = std::env::consts::OS;
    let text = text.replace(line, "instruction-set = \"sse2\"");
    assert!(os == "linux" && cfg!(target_arch = "x86_64"), "the folder above names another class on this platform");
    fs::write(other, text).unwrap();
    fs::remove_file(path).unwrap();
    project.run(&["check"]).expect(0, &["fingerprint-differs", "instruction-set", "sse2"]);
}
