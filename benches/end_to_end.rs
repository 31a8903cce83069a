//! Wall time from process start to the share table: against a Python script that does the same, and against the sum of
//! the inference times alone. Prints ratios; run it on a quiet machine:
//!
//!     cargo bench --bench end_to_end [-- MODEL [ITERATIONS]]
//!
//! Needs a Python with onnxruntime and pandas: `python3`, or what NONGEMM_BENCH_PYTHON names. Both sides use that
//! package's library.

#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Instant;

use nongemm::report::{Report, ScenarioResult, Summary};

/// Each side runs this often, one after the other; the medians are compared.
const ROUNDS: usize = 3;

/// Seconds of wall time, and of them in inference.
#[derive(Clone, Copy)]
struct Spent {
    wall: f64,
    inference: f64,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let model = arguments.first().map_or("vit-b-16", String::as_str);
    let iterations: u32 = arguments.get(1).map_or(30, |text| text.parse().expect("ITERATIONS is a number"));
    let python = std::env::var("NONGEMM_BENCH_PYTHON").unwrap_or_else(|_| "python3".into());
    let library = package_folder(&python);
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("model.onnx");
    succeed(Command::new(env!("CARGO_BIN_EXE_cargo-nongemm")).args(["export", model, "--output"]).arg(&file));

    let mut rounds = Vec::new();
    for round in 1..=ROUNDS {
        let ours = nongemm(model, iterations, &library, scratch.path());
        let theirs = script(&python, &file, iterations);
        println!(
            "round {round}: cargo-nongemm {:.2} s ({:.2} s of inference), script {:.2} s ({:.2} s of inference)",
            ours.wall, ours.inference, theirs.wall, theirs.inference
        );
        rounds.push((ours, theirs));
    }
    println!(
        "{model}, {iterations} unprofiled and {iterations} profiled iterations, 1 thread, median of {ROUNDS} rounds:"
    );
    let ratio = |of: fn(&(Spent, Spent)) -> f64| median(rounds.iter().map(of).collect());
    println!("  wall / script's wall              {:.3}", ratio(|(ours, theirs)| ours.wall / theirs.wall));
    println!("  wall / sum of its inference times {:.3}", ratio(|(ours, _)| ours.wall / ours.inference));
    println!(
        "  beyond inference: {:.2} s, script {:.2} s, ratio {:.3}",
        ratio(|(ours, _)| ours.wall - ours.inference),
        ratio(|(_, theirs)| theirs.wall - theirs.inference),
        ratio(|(ours, theirs)| (ours.wall - ours.inference) / (theirs.wall - theirs.inference)),
    );
}

fn nongemm(model: &str, iterations: u32, library: &Path, scratch: &Path) -> Spent {
    let saved = scratch.join("report.json");
    let start = Instant::now();
    succeed(
        Command::new(env!("CARGO_BIN_EXE_cargo-nongemm"))
            .args(["run", model, "--launches", "1", "--iterations", &iterations.to_string(), "--onnxruntime"])
            .arg(library)
            .arg("--save")
            .arg(&saved)
            // No configuration of whatever folder this is.
            .current_dir(scratch),
    );
    let wall = start.elapsed().as_secs_f64();
    let report = Report::read(&saved).unwrap();
    Spent { wall, inference: summary(&report).running_us.0.iter().sum::<f64>() / 1e6 }
}

fn summary(report: &Report) -> &Summary {
    match &report.scenarios[0].result {
        ScenarioResult::Measured { summary } => summary,
        ScenarioResult::Failed { reason, .. } => panic!("{reason}"),
    }
}

fn script(python: &str, model: &Path, iterations: u32) -> Spent {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/breakdown.py");
    let start = Instant::now();
    let output = succeed(Command::new(python).arg(script).arg(model).args([&iterations.to_string(), "1"]));
    let wall = start.elapsed().as_secs_f64();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("inference_seconds ")).expect("the script says its sum");
    Spent { wall, inference: line.parse().unwrap() }
}

/// Where that Python keeps ONNX Runtime's library.
fn package_folder(python: &str) -> PathBuf {
    let code = "import onnxruntime, os, pandas; print(os.path.join(os.path.dirname(onnxruntime.__file__), 'capi'))";
    let output = succeed(Command::new(python).args(["-c", code]));
    String::from_utf8(output.stdout).unwrap().trim().into()
}

fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}:\n{}", String::from_utf8_lossy(&output.stderr));
    output
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
