//! `calibrate` on real ONNX Runtime: a known slowdown is found and blamed, and one that is too small fails the command.

#![allow(clippy::unwrap_used, dead_code)]

mod support;

use std::fs;
use std::sync::{Mutex, MutexGuard, PoisonError};

use nongemm::report::calibration::{Calibration, ControlState};
use nongemm::report::{OperatorKey, Outcome, Report};
use support::models::{Dim, model, node, value, weights};
use support::project::Project;

/// Launches that are short and steady enough.
const SUITE: &str = "[suite]\nmodels = [\"steps.onnx\"]\n[measure]\niterations = { min = 10, max = 10 }\n";

/// Timings disturb each other, so one test runs at a time.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A product and five steps of some hundred microseconds each, so that there are others to tell the machine by, and one of
/// a few microseconds.
fn steps() -> nongemm::onnx::proto::ModelProto {
    use nongemm::onnx::proto::tensor_proto::DataType::Float;
    let shape = [Dim::Fixed(512), Dim::Fixed(1024)];
    model(nongemm::onnx::proto::GraphProto {
        name: Some("steps".into()),
        input: vec![value("x", Float, &[Dim::Fixed(512), Dim::Fixed(128)]), value("small", Float, &[Dim::Fixed(1024)])],
        output: vec![value("y", Float, &shape), value("z", Float, &[Dim::Fixed(1024)])],
        initializer: vec![weights("w", &[128, 1024])],
        node: vec![
            node("product", "MatMul", &["x", "w"], &["a"]),
            node("erf", "Erf", &["a"], &["b"]),
            node("sigmoid", "Sigmoid", &["b"], &["c"]),
            node("exp", "Exp", &["c"], &["d"]),
            node("tanh", "Tanh", &["d"], &["e"]),
            node("softmax", "Softmax", &["e"], &["y"]),
            node("sine", "Sin", &["small"], &["z"]),
        ],
        ..Default::default()
    })
}

/// Calibrates with these arguments; the exit code, and what was saved.
fn calibrated(arguments: &[&str]) -> (Option<i32>, Calibration, String) {
    let _alone = alone();
    let project = Project::with_configuration(SUITE);
    project.write_model("steps.onnx", &steps());
    let all = ["calibrate", "--comparisons", "1", "--pairs", "8", "--save", "calibration.json", "--markdown", "it.md"];
    let outcome = project.run(&[&all[..], arguments].concat());
    let saved = fs::read(project.path().join("calibration.json")).unwrap_or_else(|_| panic!("{outcome:#?}"));
    assert!(fs::read_to_string(project.path().join("it.md")).unwrap().starts_with("# Calibration of the gate"));
    (outcome.code, serde_json::from_slice(&saved).unwrap(), format!("{outcome:#?}"))
}

#[test]
fn a_doubled_operator_is_found_and_blamed() {
    let (code, calibration, said) = calibrated(&["--operator", "Softmax", "--size", "1"]);
    let [scenario] = calibration.scenarios.as_slice() else { panic!("{said}") };
    let control = &scenario.control;
    let made = control.made.as_ref().unwrap();
    assert_eq!((made.operator.clone(), made.copies), (OperatorKey("ai.onnx:Softmax".into()), 1));
    // As measured: a copy costs about what its original does.
    assert!((0.5..2.0).contains(&made.reached), "one copy of its one node: {made:?}");
    assert_eq!(control.state, ControlState::Found, "{said}");
    assert!(control.measured_ratio.is_some_and(|ratio| ratio > 1.3), "{control:?}");
    assert!(scenario.operators.len() >= 6 && scenario.operators.iter().all(|one| one.noise.deviation.is_some()));
    assert_eq!((scenario.red.of, scenario.pairs), (1, 8));
    assert_eq!(code, Some(if scenario.red.count == 0 { 0 } else { 100 }), "{said}");
}

/// The proof that the proof can fail.
#[test]
fn what_is_too_small_to_count_is_missed_and_fails() {
    // Twice a few microseconds: real work, and too little of it.
    let (code, calibration, said) = calibrated(&["--operator", "Sin", "--size", "1"]);
    let state = &calibration.scenarios[0].control.state;
    assert!(matches!(state, ControlState::Missed { .. }), "{said}");
    assert_eq!(code, Some(100), "{said}");
    assert!(said.contains("not found in 8 pairs"), "{said}");
}

#[test]
fn an_operator_that_is_not_there_proves_nothing() {
    let (code, calibration, said) = calibrated(&["--operator", "Resize"]);
    let ControlState::Failed { reason } = &calibration.scenarios[0].control.state else { panic!("{said}") };
    assert!(reason.contains("no operator of the optimized graph matches `Resize`; it runs"), "{reason}");
    assert_eq!(code, Some(101), "{said}");
}

#[test]
fn it_says_first_what_it_will_take_and_refuses_a_plan_that_cannot_be_red() {
    let project = Project::with_configuration(SUITE);
    project.write_model("steps.onnx", &steps());
    project.run(&["calibrate", "--dry-run"]).expect(0, &["1 scenario", "8, 12, 20 pairs of launches each: about"]);
    project.run(&["calibrate", "--pairs", "4"]).expect(2, &["4 pairs cannot turn the gate red"]);
    project.run(&["calibrate", "--size", "0"]).expect(2, &["a fraction above 0"]);
}

#[test]
fn a_self_test_rides_along_with_a_check_and_is_of_its_own_gate() {
    let _alone = alone();
    let project = Project::with_configuration(&format!("{SUITE}launches = 4\n[gate]\nmissing-baseline = \"allow\"\n"));
    project.write_model("steps.onnx", &steps());
    let outcome = project.run(&["check", "--self-test", "--save", "report.json"]);
    let report = Report::read(&project.path().join("report.json")).unwrap();
    let test = report.self_test.unwrap_or_else(|| panic!("{outcome:#?}"));
    // Against a baseline there are no pairs, and what is put in is twice the quarter that `check` fails for.
    assert_eq!((test.scenario.red.of, test.scenario.control.pairs), (1, 0), "{outcome:#?}");
    let made = test.scenario.control.made.as_ref().unwrap_or_else(|| panic!("{outcome:#?}"));
    assert!(made.wished >= 0.5, "{outcome:#?}");
    // A machine too busy to see a fifth makes a gate that is not shown to work, and the exit code says so.
    let (code, word) = if test.outcome == Outcome::Pass { (0, "passed") } else { (101, "failed") };
    outcome.expect(code, &[&format!("self-test {word}:")]);
}

#[test]
fn a_self_test_of_what_cannot_be_slowed_proves_nothing() {
    use nongemm::onnx::proto::tensor_proto::DataType::Float;
    let _alone = alone();
    let project = Project::with_configuration(&format!("{SUITE}launches = 2\n[gate]\nmissing-baseline = \"allow\"\n"));
    let shape = [Dim::Fixed(4)];
    let random = model(nongemm::onnx::proto::GraphProto {
        name: Some("random".into()),
        input: vec![value("x", Float, &shape)],
        output: vec![value("y", Float, &shape)],
        node: vec![node("draw", "RandomNormalLike", &["x"], &["y"])],
        ..Default::default()
    });
    project.write_model("steps.onnx", &random);
    project.run(&["check", "--self-test"]).expect(101, &["self-test failed:", "the gate was not shown to work"]);
}
