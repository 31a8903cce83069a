//! Expansion, override and selection, on configurations in temporary projects.

use super::*;
use crate::config::tests::{ZOO, load_in, project};

const TEXT: &str = r#"
[suite]
models = ["bert-base", "vit-b-16", "models/ranker.onnx"]
batch = [1, 8]
image = [224, "256x192"]

[[model]]
path = "models/ranker.onnx"
dimensions = { tokens = 64 }
threads = [1, 2]

[[model]]
name = "bert-base"
sequence = [128, 384]

[[model]]
name = "bert-large"
batch = 4

[[budget]]
scenario = "bert-base"
max-non-gemm-share = 0.35

[[budget]]
scenario = "*-t2"
max-latency-ms = 5
"#;

struct Case {
    dir: tempfile::TempDir,
    config: Config,
}

impl Case {
    fn new(text: &str) -> Case {
        let dir = project(&[
            ("nongemm.toml", text),
            ("models/ranker.onnx", ""),
            ("other/ranker.onnx", ""),
            ("other/gpt2.onnx", ""),
        ]);
        let config = load_in(dir.path()).unwrap();
        Case { dir, config }
    }

    fn plan(&self, overrides: &Overrides, selectors: &[&str]) -> Result<Vec<Planned>, PlanError> {
        let selectors: Vec<String> = selectors.iter().map(|&text| text.to_owned()).collect();
        expand(&self.config, overrides, &selectors, ZOO, self.dir.path())
    }

    fn ids(&self, overrides: &Overrides, selectors: &[&str]) -> Vec<String> {
        self.plan(overrides, selectors).unwrap().into_iter().map(|one| one.id.0).collect()
    }

    fn select(&self, selectors: &[&str]) -> Vec<String> {
        self.ids(&Overrides::default(), selectors)
    }

    fn error(&self, overrides: &Overrides, selectors: &[&str]) -> String {
        self.plan(overrides, selectors).unwrap_err().to_string()
    }
}

#[test]
fn a_matrix() {
    let case = Case::new(TEXT);
    let lines: Vec<String> = case
        .plan(&Overrides::default(), &[])
        .unwrap()
        .iter()
        .map(|one| {
            let limits: Vec<&str> = one.budgets.iter().map(|budget| budget.scenario.as_str()).collect();
            format!("{:<40} {:?} {:?}", one.id, one.dimensions, limits)
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn the_quick_suite() {
    let case = Case::new("");
    assert_eq!(
        case.select(&[]),
        [
            "bert-base@cpu-fp32-all-b1-s128-t1",
            "gpt2@cpu-fp32-all-b1-s128-t1",
            "gpt2-decode@cpu-fp32-all-b1-s128-t1",
            "vit-b-16@cpu-fp32-all-b1-i224-t1",
            "swin-t@cpu-fp32-all-b1-i224-t1",
            "segformer-b0@cpu-fp32-all-b1-i512-t1",
        ]
    );
}

#[test]
fn the_command_line_comes_before_everything() {
    let case = Case::new(TEXT);
    let overrides = Overrides {
        batch: Some(vec![2]),
        sequence: Some(vec![64]),
        threads: Some(vec![4]),
        optimization: Some(vec![Optimization::Disable, Optimization::All]),
        ..Overrides::default()
    };
    assert_eq!(
        case.ids(&overrides, &["bert-base", "ranker"]),
        [
            "bert-base@cpu-fp32-disable-b2-s64-t4",
            "bert-base@cpu-fp32-all-b2-s64-t4",
            "ranker@cpu-fp32-disable-b2-s64-t4",
            "ranker@cpu-fp32-all-b2-s64-t4",
        ]
    );
}

#[test]
fn selectors_match_ids_and_models_in_the_order_of_the_suite() {
    let case = Case::new(TEXT);
    assert_eq!(case.select(&["ranker", "*-s384-*"]), case.select(&["*-s384-*", "ranker"]));
    assert_eq!(
        case.select(&["ranker", "*-s384-*"]),
        [
            "bert-base@cpu-fp32-all-b1-s384-t1",
            "bert-base@cpu-fp32-all-b8-s384-t1",
            "ranker@cpu-fp32-all-t1",
            "ranker@cpu-fp32-all-t2",
        ]
    );
    assert_eq!(case.select(&["bert*"]).len(), 4, "a glob that the suite matches goes no further");
    assert_eq!(case.select(&["ranker@cpu-fp32-all-t2"]), ["ranker@cpu-fp32-all-t2"]);
}

#[test]
fn models_outside_of_the_suite_are_found_by_name() {
    let case = Case::new(TEXT);
    assert_eq!(case.select(&["bert-large"]), ["bert-large@cpu-fp32-all-b4-s384-t1"]);
    assert_eq!(
        case.select(&["gpt2*"]),
        [
            "gpt2@cpu-fp32-all-b1-s128-t1",
            "gpt2@cpu-fp32-all-b8-s128-t1",
            "gpt2-decode@cpu-fp32-all-b1-s128-t1",
            "gpt2-decode@cpu-fp32-all-b8-s128-t1",
        ]
    );
}

#[test]
fn files_are_found_by_path() {
    let case = Case::new(TEXT);
    assert_eq!(case.select(&["models/ranker.onnx"]), ["ranker@cpu-fp32-all-t1", "ranker@cpu-fp32-all-t2"]);
    assert_eq!(case.select(&["./models/ranker.onnx"]).len(), 2);
    let absolute = case.dir.path().join("models/ranker.onnx");
    assert_eq!(case.select(&[absolute.to_str().unwrap()]).len(), 2);
    // Names that are taken: the configured ranker's, the built-in gpt2's.
    assert_eq!(case.select(&["other/*.onnx"]), ["gpt2.onnx@cpu-fp32-all-t1", "ranker.onnx@cpu-fp32-all-t1"]);
    assert_eq!(case.select(&["other/gpt2.onnx", "other/gpt2.onnx"]), ["gpt2.onnx@cpu-fp32-all-t1"]);
}

#[test]
fn what_selects_nothing_is_an_error() {
    let case = Case::new(TEXT);
    let none = Overrides::default();
    assert!(case.error(&none, &["bert-bse"]).contains("did you mean `bert-base`?"));
    assert!(case.error(&none, &["resnet*"]).starts_with("no scenario or model matches `resnet*`\n"));
    assert!(case.error(&none, &["vit-b-16", "none.onnx"]).contains("`none.onnx` is no file"));
    assert!(case.error(&none, &["other/*.ort"]).contains("other/*.ort"));
    assert!(case.error(&none, &["a[b"]).contains("not a glob"));
}

#[test]
fn flags_that_cannot_be_are_errors() {
    let case = Case::new(TEXT);
    let batch = |sizes: &[u32]| Overrides { batch: Some(sizes.to_vec()), ..Overrides::default() };
    assert_eq!(case.plan(&batch(&[1, 0]), &[]), Err(PlanError::Zero { flag: "--batch" }));
    let sequence = Overrides { sequence: Some(vec![64]), ..Overrides::default() };
    assert_eq!(case.plan(&sequence, &["vit-b-16"]), Err(PlanError::Idle { flag: "--sequence" }));
    let twice = case.plan(&batch(&[2, 2]), &["gpt2"]);
    assert_eq!(twice, Err(PlanError::Duplicate { id: ScenarioId("gpt2@cpu-fp32-all-b2-s128-t1".to_owned()) }));
}

#[test]
fn a_budget_that_holds_for_nothing_is_told() {
    let case = Case::new(&TEXT.replace("scenario = \"bert-base\"", "scenario = \"brt*\""));
    let planned = case.plan(&Overrides::default(), &[]).unwrap();
    let idle: Vec<&str> = idle_budgets(&case.config, &planned).iter().map(|budget| budget.scenario.as_str()).collect();
    assert_eq!(idle, ["brt*"]);
}
