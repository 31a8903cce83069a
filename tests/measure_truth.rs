//! The numbers are true: what a launch reports, held against unprofiled timings on real ONNX Runtime.
//!
//! The machine may be busy. Whatever is compared is measured in turns and repeated, and medians are compared.

#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use nongemm::measure::job::{JOB_SCHEMA, LaunchJob, ModelSource, Plan};
use nongemm::measure::launch;
use nongemm::measure::result::LaunchResult;
use nongemm::runtime::session::{
    BoundSession, Engine, FeedTensor, GraphLevel, Model, Prepacking, SessionProvider, SessionSpec,
};
use nongemm::runtime::{LocateOptions, locate};
use nongemm::scenario::{ImageSize, ModelRef, Optimization, Precision, Provider, Scenario};
use nongemm::zoo::{self, Tier};

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
        cuda: None,
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
        memory: Default::default(),
        gpu: None,
        plan,
        scratch_dir: scratch.path().to_owned(),
        trace: false,
        runs: false,
        optimized_model: None,
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
        prepacking: Prepacking::Distinct,
        optimized: None,
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

/// What the calmer runs take: the truth is not to depend on who else uses the machine.
fn lower_quartile(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 4]
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
    let corrected = median(results.iter().map(|result| self_sum(result) / result.latency_us).collect());
    assert!(raw > 3.0, "the profiler's cost has all but gone ({raw:.2}); is the correction still needed?");
    assert!((0.8..=1.2).contains(&corrected), "corrected sum is {corrected:.3} of the unprofiled latency");
}

/// Shares of the tiny nodes in percent, from unprofiled timings alone: of both halves timed by themselves, and of what
/// the tiny nodes add to the products in one graph. The second is larger: between products their code and data have
/// left the inner caches. Where the truth lies is between the two.
fn true_shares(big: &[u8], tiny: &[u8], whole: &[u8], feed: &FeedTensor, row: &FeedTensor) -> (f64, f64) {
    let mut parts = [session(big, feed), session(tiny, row), session(whole, feed)];
    let rounds: Vec<_> = (0..40).map(|_| parts.each_mut().map(unprofiled_us)).collect();
    let [big, tiny, whole] = [0, 1, 2].map(|part| lower_quartile(rounds.iter().map(|round| round[part]).collect()));
    (100.0 * tiny / (big + tiny), 100.0 * (whole - big) / whole)
}

/// What one graph's tiny nodes are said to take, in percent, beside the truth.
#[derive(Debug)]
struct TinyShare {
    alone: f64,
    in_place: f64,
    reported: f64,
    raw: f64,
}

impl TinyShare {
    /// Medians over the calmer half of 12 launches, each with the truth measured beside it.
    fn measure(case: &Mixed) -> TinyShare {
        let [(whole, feed), (big, _), (tiny, row)] =
            [Part::Whole, Part::WithoutTiny, Part::TinyAlone].map(|part| case.build(part));
        let mut rounds: Vec<(f64, TinyShare)> = (0..12)
            .map(|_| {
                let (alone, in_place) = true_shares(&big, &tiny, &whole, &feed, &row);
                let result = launch_bytes(&whole, vec![feed.clone()], 40);
                let of = |time: fn(&nongemm::measure::result::NodeRecord) -> f64| {
                    let tiny: f64 = result.nodes.iter().filter(|node| node.name.starts_with(TINY)).map(time).sum();
                    100.0 * tiny / result.nodes.iter().map(time).sum::<f64>()
                };
                let (reported, raw) = (of(|node| node.self_us), of(|node| node.raw_us));
                (result.latency_us, TinyShare { alone, in_place, reported, raw })
            })
            .collect();
        rounds.sort_by(|a, b| a.0.total_cmp(&b.0));
        let calm = &rounds[..rounds.len() / 2];
        let middle = |of: fn(&TinyShare) -> f64| median(calm.iter().map(|(_, share)| of(share)).collect());
        TinyShare {
            alone: middle(|s| s.alone),
            in_place: middle(|s| s.in_place),
            reported: middle(|s| s.reported),
            raw: middle(|s| s.raw),
        }
    }

    /// Within a point of the truth.
    fn is_true(&self) -> bool {
        let (low, high) = (self.alone.min(self.in_place), self.alone.max(self.in_place));
        (low - 1.0..=high + 1.0).contains(&self.reported)
    }
}

#[test]
fn tiny_nodes_between_matrix_products_get_their_true_share() {
    let _alone = alone();
    let cases = [
        Mixed { blocks: 20, rows: 128, columns: 256, tiny: 10 },
        Mixed { blocks: 12, rows: 256, columns: 256, tiny: 20 },
        Mixed { blocks: 8, rows: 64, columns: 512, tiny: 10 },
    ];
    for case in cases {
        let mut share = TinyShare::measure(&case);
        if !share.is_true() {
            // Neighbours on the host come and go; a wrong correction stays.
            share = TinyShare::measure(&case);
        }
        println!("{case:?}: {share:.2?}");
        assert!(share.raw > 3.0 + share.alone.max(share.in_place), "{case:?}: {share:.2?} proves nothing here");
        assert!(share.is_true(), "{case:?}: {share:.2?}");
    }
}

/// A loop of five turns whose body adds, and branches into one of two nodes.
fn nested_model() -> Vec<u8> {
    use graphs::{BOOL, FLOAT, INT64, body, boolean, graph, ints, node, value};
    let row = [1, 4096];
    let branch = |operator: &str, output: &str| {
        let nodes = vec![node(operator, &format!("branch {operator}"), &["carried"], &[output])];
        graph(nodes, vec![], vec![value(output, FLOAT, &row)], vec![])
    };
    let mut choice = node("If", "the choice", &["go_on"], &["chosen"]);
    choice.attribute = vec![body("then_branch", branch("Exp", "then")), body("else_branch", branch("Neg", "else"))];
    let inner = graph(
        vec![
            node("Identity", "keep going", &["condition"], &["go_on"]),
            node("Add", "step", &["state", "state"], &["carried"]),
            choice,
            node("Tanh", "squash", &["chosen"], &["next"]),
        ],
        vec![value("turn", INT64, &[]), value("condition", BOOL, &[]), value("state", FLOAT, &row)],
        vec![value("go_on", BOOL, &[]), value("next", FLOAT, &row)],
        vec![],
    );
    let mut repeat = node("Loop", "the loop", &["turns", "yes", "first"], &["last"]);
    repeat.attribute = vec![body("body", inner)];
    graphs::model(graph(
        vec![node("Relu", "before", &["x"], &["first"]), repeat, node("Sigmoid", "after", &["last"], &["y"])],
        vec![value("x", FLOAT, &row)],
        vec![value("y", FLOAT, &row)],
        vec![ints("turns", &[], vec![5]), boolean("yes", true)],
    ))
}

#[test]
fn control_flow_is_not_counted_twice() {
    let _alone = alone();
    let model = nested_model();
    let results: Vec<_> = (0..5).map(|_| launch_bytes(&model, vec![graphs::feed("x", &[1, 4096])], 40)).collect();
    for result in &results {
        let ran: Vec<(&str, u32, u32)> =
            result.nodes.iter().map(|node| (node.op_type.as_str(), node.depth, node.executions)).collect();
        for expected in [
            ("Relu", 0, 1),
            ("Loop", 0, 1),
            ("Add", 1, 5),
            ("If", 1, 5),
            ("Exp", 2, 5),
            ("Tanh", 1, 5),
            ("Sigmoid", 0, 1),
        ] {
            assert!(ran.contains(&expected), "{expected:?} is not in {ran:?}");
        }
        assert!(!ran.iter().any(|(operator, ..)| *operator == "Neg"), "the other branch did not run: {ran:?}");
        // The profiled run's own wall time bounds what its nodes took, corrected or not.
        let wall = median(result.profiled_us.clone());
        assert!(raw_sum(result) <= wall * 1.02, "{} us of self time in {wall} us", raw_sum(result));
    }
    let ratio = median(results.iter().map(|result| self_sum(result) / result.latency_us).collect());
    // Bodies counted once more than they run would make it half as much again at least.
    assert!((0.8..=1.25).contains(&ratio), "self times are {ratio:.3} of the unprofiled latency");
}

#[test]
fn odd_node_names_survive() {
    let _alone = alone();
    let names = ["say \"hi\"", "back\\slash \\n", "two\nlines", "a\",\"ph\" : \"X", "tab\tand é", "}},"];
    let at = |number: usize| if number == 0 { "x".to_owned() } else { format!("v{number}") };
    let nodes = names
        .iter()
        .enumerate()
        .map(|(number, name)| graphs::node("Relu", name, &[&at(number)], &[&at(number + 1)]))
        .collect();
    let (input, output) = (graphs::value("x", 1, &[4]), graphs::value(&at(names.len()), 1, &[4]));
    let model = graphs::model(graphs::graph(nodes, vec![input], vec![output], vec![]));
    let result = launch_bytes(&model, vec![graphs::feed("x", &[4])], 3);
    let found: Vec<&str> = result.nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(found, names);
}

#[test]
fn built_in_models_reconcile() {
    let _alone = alone();
    let image = |side| Some(ImageSize { height: side, width: side });
    // Small shapes where the model has a choice: many runs average out more of what else the machine does than a few
    // long ones.
    let cases = [
        ("bert-base", Some(32), None, 20),
        ("gpt2", Some(32), None, 15),
        ("gpt2-decode", Some(64), None, 20),
        ("vit-b-16", None, image(224), 8),
        ("swin-t", None, image(224), 12),
        ("segformer-b0", None, image(128), 20),
    ];
    let quick = zoo::models().iter().filter(|model| model.tier == Some(Tier::Quick)).map(|model| model.name);
    assert!(cases.iter().map(|case| case.0).eq(quick), "every model of the quick tier has its line");
    for (name, sequence, image, iterations) in cases {
        let one = |_| {
            let model = ModelRef::Zoo { name: name.into() };
            let source = ModelSource::Zoo { name: name.into() };
            let scenario = Scenario { sequence, image, ..scenario(model, Optimization::All) };
            let result = launch(source, scenario, plan(iterations));
            self_sum(&result) / result.latency_us
        };
        let is_true = |ratio: f64| (0.97..=1.03).contains(&ratio);
        let mut ratio = median((0..5).map(one).collect());
        if !is_true(ratio) {
            // As above: neighbours come and go.
            ratio = median((0..5).map(one).collect());
        }
        assert!(is_true(ratio), "{name}: node times are {ratio:.3} of the unprofiled latency");
    }
}

#[test]
fn a_session_keeps_its_memory_between_runs() {
    let _alone = alone();
    let model = ModelRef::Zoo { name: "segformer-b0".into() };
    let mut small = scenario(model, Optimization::All);
    small.image = Some(ImageSize { height: 256, width: 256 });
    let result = launch(ModelSource::Zoo { name: "segformer-b0".into() }, small, plan(6));
    // Its activations take 13,000 pages: that many faults where each run asks the system for memory.
    assert!(result.page_faults < 1000.0, "{} page faults a run", result.page_faults);
}

#[test]
fn an_operator_that_nobody_has_is_named_with_its_node() {
    let _alone = alone();
    let mut stranger = graphs::node("Frobnicate", "the \"odd\" one", &["x"], &["y"]);
    stranger.domain = Some("my.domain".into());
    let (input, output) = (graphs::value("x", 1, &[4]), graphs::value("y", 1, &[4]));
    let model = graphs::model(graphs::graph(vec![stranger], vec![input], vec![output], vec![]));
    let scratch = tempfile::tempdir().unwrap();
    let job = LaunchJob {
        schema: JOB_SCHEMA,
        library: library(),
        scenario: scenario(ModelRef::Zoo { name: "test".into() }, Optimization::Disable),
        source: ModelSource::Bytes { model, feeds: vec![graphs::feed("x", &[4])] },
        dimensions: Default::default(),
        input_files: Default::default(),
        memory: Default::default(),
        gpu: None,
        plan: plan(1),
        scratch_dir: scratch.path().to_owned(),
        trace: false,
        runs: false,
        optimized_model: None,
    };
    let message = launch::run(&job).unwrap_err().to_string();
    for part in ["Frobnicate", "my.domain", "the \"odd\" one"] {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}
