//! The gate on real measurements: green on what did not change, red on a planted slowdown, and blames the right one.

#![allow(clippy::unwrap_used, dead_code)]

mod support;

use std::fs;
use std::sync::{Mutex, MutexGuard, PoisonError};

use nongemm::baseline::{self, Document};
use nongemm::report::{Finding, FindingCode, Judged, Report, ScenarioReport, Severity};
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

/// `check`, with its exit code and what it says of the only scenario.
fn check(project: &Project) -> (Option<i32>, ScenarioReport) {
    let outcome = project.run(&["check", "--save", "report.json"]);
    let report = Report::read(&project.path().join("report.json")).unwrap();
    (outcome.code, report.scenarios.into_iter().next().unwrap())
}

/// Operators that are called regressed.
fn regressed(scenario: &ScenarioReport) -> Vec<String> {
    let fails = |f: &&Finding| f.code == FindingCode::OperatorRegressed && f.severity == Severity::Error;
    scenario.findings.iter().filter(fails).map(|finding| finding.operator.as_ref().unwrap().0.clone()).collect()
}

/// True where `check` says that it would have seen Erf take twice as long.
fn sees_erf(scenario: &ScenarioReport) -> bool {
    let erf = |judged: &&Judged| judged.operator.as_ref().is_some_and(|key| key.0 == "ai.onnx:Erf");
    scenario.verdicts.iter().find(erf).and_then(|judged| judged.detectable).is_some_and(|growth| growth < 1.0)
}

#[test]
fn a_planted_slowdown_is_found_and_blamed_and_nothing_else_is() {
    let _alone = alone();
    // A shared machine may be too noisy to judge, and so may a baseline that was made on it; what neither may do is blame
    // an operator that did not change.
    for _ in 0..4 {
        let project = accepted();
        let (code, unchanged) = check(&project);
        assert_eq!((code, regressed(&unchanged)), (Some(0), Vec::new()), "nothing changed");
        plant(&project, 3.0, |key| key == "ai.onnx:Erf");
        let (code, slower) = check(&project);
        if sees_erf(&slower) {
            assert_eq!(
                (code, regressed(&slower)),
                (Some(100), vec!["ai.onnx:Erf".to_owned()]),
                "{:#?}",
                slower.findings
            );
            return;
        }
        assert!(regressed(&slower).iter().all(|key| key == "ai.onnx:Erf"), "{:#?}", slower.findings);
    }
    panic!("the machine is too noisy to tell whether a slowdown is found");
}

#[test]
fn a_machine_that_is_slower_as_a_whole_is_no_regression() {
    let _alone = alone();
    let project = accepted();
    plant(&project, 1.4, |_| true);
    let (code, slower) = check(&project);
    assert_eq!((code, regressed(&slower)), (Some(0), Vec::new()), "all operators alike");
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
