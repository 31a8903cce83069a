//! How what waits is shown.

use super::*;
use crate::report::OperatorKey;

fn moved(operator: &str, what: Moved, base_us: Option<f64>, head_us: Option<f64>, ratio: Option<f64>) -> MovedLine {
    let operator = (!operator.is_empty()).then(|| OperatorKey(operator.into()));
    let provider = operator.as_ref().map(|_| "CPUExecutionProvider".to_owned());
    MovedLine { operator, provider, what, base_us, head_us, ratio }
}

fn result(id: &str, standing: &'static str, verdicts: &[(&'static str, u32)], change: Change) -> PendingResult {
    PendingResult {
        id: ScenarioId(id.into()),
        command: "check".into(),
        date: "2026-11-25".into(),
        standing,
        verdicts: verdicts.iter().copied().collect(),
        disturbed: standing == "regressed",
        refused: None,
        change,
    }
}

fn pending() -> Pending {
    let operators = vec![
        moved("ai.onnx:Softmax", Moved::Regressed, Some(800.0), Some(1210.0), Some(1.49)),
        moved("com.microsoft:BiasGelu", Moved::Improved, Some(2600.0), Some(1300.0), Some(0.5)),
        moved("ai.onnx:Erf", Moved::Structure, None, Some(90.0), None),
        moved("ai.onnx:Gather", Moved::Structure, Some(70.0), None, None),
    ];
    let latency = Some(moved("", Moved::Regressed, Some(50_400.0), Some(75_000.0), Some(1.49)));
    let recorded = vec!["model".to_owned(), "onnxruntime".to_owned()];
    let results = vec![
        result(
            "bert-base@cpu-fp32-all-b1-s128-t1",
            "regressed",
            &[("regressed", 1), ("improved", 1), ("unchanged", 7)],
            Change::Lines { operators, latency, recorded },
        ),
        result("gpt2@cpu-fp32-all-b1-s256-t1", "no baseline", &[], Change::New),
        result("vit-b-16@cpu-fp32-all-b1-i224-t1", "pass", &[("unchanged", 9)], Change::Nothing),
        result("swin-t@cpu-fp32-all-b1-i224-t1", "not judged", &[], Change::All { why: "another CPU model".into() }),
    ];
    let refused = Some("the latency varies by 31.0 % between launches; insist with `--force`".to_owned());
    let unstable =
        PendingResult { refused, ..result("gpt2-decode@cpu-fp32-all-b1-s256-t1", "not judged", &[], Change::New) };
    Pending { schema: PENDING_SCHEMA, results: results.into_iter().chain([unstable]).collect() }
}

#[test]
fn as_text() {
    let mut out = Vec::new();
    pending().write_text(&mut out, 100).unwrap();
    insta::assert_snapshot!(String::from_utf8(out).unwrap());
}

#[test]
fn as_json() {
    insta::assert_snapshot!(serde_json::to_string_pretty(&pending()).unwrap());
}

#[test]
fn nothing_says_so() {
    let mut out = Vec::new();
    Pending { schema: PENDING_SCHEMA, results: Vec::new() }.write_text(&mut out, 100).unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), "nothing is pending\n");
}

#[test]
fn many_lines_are_counted_after_the_first() {
    let line = |number: u32| moved(&format!("ai.onnx:Op{number}"), Moved::Improved, Some(2.0), Some(1.0), Some(0.5));
    let operators = (0..10).map(line).collect();
    let text = words(&Change::Lines { operators, latency: None, recorded: Vec::new() });
    assert!(text.ends_with("Op5 improved (2.0 us to 1.0 us, 0.50 times); 4 more"), "{text}");
}
