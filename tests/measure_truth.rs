//! The numbers are true: what a launch reports, held against unprofiled timings on real ONNX Runtime.
//!
//! The machine may be busy. Whatever is compared is measured in turns and repeated, and medians are compared.

#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use nongemm::measure::job::{JOB_SCHEMA, LaunchJob, ModelSource, Plan};
use nongemm::measure::launch;
use nongemm::measure::result::LaunchResult;
use nongemm::runtime::session::{BoundSession, Engine, FeedTensor, GraphLevel, Model, SessionProvider, SessionSpec};
use nongemm::runtime::{LocateOptions, locate};
use nongemm::scenario::{ModelRef, Optimization, Precision, Provider, Scenario};

#[path = "support/graphs.rs"]
mod graphs;

use graphs::{Mixed, Part, TINY};

/// Timings disturb each other, so one test runs at a time.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn library() -> PathBuf {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY
        .get_or_init(|| locate(&LocateOptions::from_environment(None, false), &mut |_| {}).expect("ONNX Runtime").path)
        .clone()
}

fn scenario(model: ModelRef, optimization: Optimization) -> Scenario {
    Scenario {
        model,
        provider: Provider::Cpu,
        precision: Precision::Fp32,
        optimization,
        batch: None,
        sequence: None,
        image: None,
        threads: 1,
    }
}

fn plan(iterations: u32) -> Plan {
    Plan { warmup_runs: 3, min_iterations: iterations, max_iterations: iterations, time_budget_s: 60.0, seed: 1 }
}

fn launch(source: ModelSource, scenario: Scenario, plan: Plan) -> LaunchResult {
    let scratch = tempfile::tempdir().unwrap();
    let job = LaunchJob {
        schema: JOB_SCHEMA,
        library: library(),
        scenario,
        source,
        dimensions: Default::default(),
        input_files: Default::default(),
        plan,
        scratch_dir: scratch.path().to_owned(),
    };
    launch::run(&job).unwrap()
}

fn launch_bytes(model: &[u8], feeds: Vec<FeedTensor>, iterations: u32) -> LaunchResult {
    let name = ModelRef::Zoo { name: "test".into() };
    let source = ModelSource::Bytes { model: model.to_vec(), feeds };
    launch(source, scenario(name, Optimization::Disable), plan(iterations))
}

fn session(model: &[u8], feed: &FeedTensor) -> BoundSession {
    let spec = SessionSpec {
        model: Model::Bytes(model),
        external: Vec::new(),
        provider: SessionProvider::Cpu,
        level: GraphLevel::Disable,
        threads: 1,
    };
    BoundSession::new(&Engine::load(&library()).unwrap(), &spec, std::slice::from_ref(feed)).unwrap()
}

/// Wall time of a run in microseconds, the second of two in a row.
fn unprofiled_us(session: &mut BoundSession) -> f64 {
    session.run().unwrap();
    session.run().unwrap().as_secs_f64() * 1e6
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn self_sum(result: &LaunchResult) -> f64 {
    result.nodes.iter().map(|node| node.self_us).sum()
}

fn raw_sum(result: &LaunchResult) -> f64 {
    result.nodes.iter().map(|node| node.raw_us).sum()
}

#[test]
fn a_chain_of_tiny_nodes_is_many_times_too_long_raw_and_reconciles_corrected() {
    let _alone = alone();
    let model = graphs::tiny_chain(600);
    let results: Vec<_> = (0..7).map(|_| launch_bytes(&model, vec![graphs::feed("x", &[1, 1])], 20)).collect();
    let raw = median(results.iter().map(|result| raw_sum(result) / result.latency_us).collect());
    let corrected: Vec<f64> = results.iter().map(|result| self_sum(result) / result.latency_us).collect();
    println!("raw {raw:.2}, corrected {corrected:.3?}, {:?}", results[0].overhead);
    assert!(raw > 3.0, "the profiler's cost has all but gone ({raw:.2}); is the correction still needed?");
    let corrected = median(corrected);
    assert!((0.8..=1.2).contains(&corrected), "corrected sum is {corrected:.3} of the unprofiled latency");
}

#[test]
fn tiny_nodes_between_matrix_products_get_their_true_share() {
    let _alone = alone();
    let cases = [
        Mixed { blocks: 20, rows: 128, columns: 256, tiny: 10 },
        Mixed { blocks: 12, rows: 256, columns: 256, tiny: 20 },
        Mixed { blocks: 8, rows: 64, columns: 512, tiny: 6 },
    ];
    let mut report = Vec::new();
    for case in cases {
        let [(whole, feed), (big, _), (tiny, row)] =
            [Part::Whole, Part::WithoutTiny, Part::TinyAlone].map(|part| case.build(part));
        let mut errors = Vec::new();
        let mut raws = Vec::new();
        for _ in 0..7 {
            let truth = {
                let (mut big, mut tiny) = (session(&big, &feed), session(&tiny, &row));
                let pairs: Vec<_> = (0..15).map(|_| (unprofiled_us(&mut big), unprofiled_us(&mut tiny))).collect();
                let (big, tiny): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
                let (big, tiny) = (median(big), median(tiny));
                tiny / (big + tiny)
            };
            let result = launch_bytes(&whole, vec![feed.clone()], 25);
            let of = |time: fn(&nongemm::measure::result::NodeRecord) -> f64| {
                let tiny: f64 = result.nodes.iter().filter(|node| node.name.starts_with(TINY)).map(time).sum();
                tiny / result.nodes.iter().map(time).sum::<f64>()
            };
            let pw: Vec<f64> = result.profiled_us.iter().zip(&result.unprofiled_us).map(|(a, b)| a - b).collect();
            let n: f64 = result.nodes.iter().map(|n| n.executions as f64).sum();
            println!(
                "n {n} p-w {:.0} w {:.0} {:?}",
                median(pw.clone()),
                median(result.unprofiled_us.clone()),
                result.overhead
            );
            println!(
                "truth {truth:.4} reported {:.4} raw {:.4} sum {:.3} scale {:.3} latency {:.0}",
                of(|n| n.self_us),
                of(|n| n.raw_us),
                self_sum(&result) / result.latency_us,
                result.overhead.scale,
                result.latency_us
            );
            errors.push(100.0 * (of(|node| node.self_us) - truth));
            raws.push(100.0 * (of(|node| node.raw_us) - truth));
        }
        report.push((case, median(errors), median(raws)));
    }
    println!("{report:#?}");
    for (case, error, raw) in report {
        assert!(raw > 3.0, "{case:?}: the raw profile is off by {raw:.2} points only; it proves nothing here");
        assert!(error.abs() < 1.0, "{case:?}: off by {error:.2} points");
    }
}
