//! What the built-in models cost before they run, and whether shared weights flatter them. Prints tables; the timings
//! mean something on a quiet machine only:
//!
//!     cargo bench --bench zoo                                   # the first three parts, on smaller models
//!     cargo bench --bench zoo -- build                          # time to build each graph
//!     cargo bench --bench zoo -- ready mixtral-8x7b@128 [...]   # session-ready time and peak memory in a fresh process
//!     cargo bench --bench zoo -- distinct gpt2-xl@128 [...]     # the arena against weights with bytes of their own
//!     cargo bench --bench zoo -- routing mixtral-8x7b@128 [...] # tokens of each expert, over all layers
//!
//! `MODEL@SEQUENCE` sets the sequence length, `MODEL@SEQUENCE@THREADS` the threads too. The part on distinct weights holds
//! those of its models in memory twice, as they are and packed.

#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nongemm::measure::job::{JOB_SCHEMA, LaunchJob, ModelSource, Plan, WeightsInMemory};
use nongemm::measure::result::LaunchResult;
use nongemm::measure::supervise::{Interrupt, Launcher};
use nongemm::runtime::{LocateOptions, locate};
use nongemm::scenario::{ModelRef, Optimization, Precision, Provider, Scenario};
use nongemm::taxonomy::{self, Group};
use nongemm::zoo::{self, BuildShape};

/// Each graph is built this often; the median counts.
const BUILDS: usize = 5;
/// Each graph is to be built in less, in milliseconds.
const BUILD_LIMIT_MS: f64 = 100.0;
/// Launches of each side in the comparison with distinct weights, in turns.
const ROUNDS: usize = 5;
/// How far shares may lie apart there, in points.
const SHARE_LIMIT: f64 = 2.0;
/// How far latencies may lie apart there, relative to each other.
const LATENCY_LIMIT: f64 = 0.05;

const GIB: f64 = (1_u64 << 30) as f64;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.split_first() {
        None => {
            build();
            ready(&["llama-2-7b@128", "llama-2-7b-decode@128"]);
            distinct(&["gpt2-xl@128", "gpt2-xl-decode@512"]);
        }
        Some((&"build", [])) => build(),
        Some((&"ready", models)) => ready(models),
        Some((&"distinct", models)) => distinct(models),
        Some((&"routing", models)) => routing(models),
        Some(_) => panic!("build, or one of ready, distinct and routing with models, not {arguments:?}"),
    }
}

/// Time to build each graph at its default shape, the encoded model's size, and the slowest.
fn build() {
    println!("{:<24} {:>9} {:>10}", "graph", "build ms", "model MiB");
    let mut slowest = ("", 0.0);
    for model in zoo::models() {
        let shape = BuildShape { batch: 1, sequence: None, image: None };
        let mut bytes = 0;
        let times = (0..BUILDS).map(|_| {
            let start = Instant::now();
            let built = zoo::build(model.name, &shape).unwrap();
            let elapsed = start.elapsed().as_secs_f64() * 1e3;
            bytes = prost::Message::encoded_len(&built.model);
            elapsed
        });
        let time = median(times.collect());
        println!("{:<24} {time:>9.1} {:>10.2}", model.name, bytes as f64 / (1 << 20) as f64);
        if time > slowest.1 {
            slowest = (model.name, time);
        }
    }
    let (name, time) = slowest;
    println!("slowest: {name}, {time:.1} ms = {:.2} of the {BUILD_LIMIT_MS} ms allowed\n", time / BUILD_LIMIT_MS);
}

/// Time until a session is ready and the peak memory of its process with one inference, against nominal weights.
fn ready(models: &[&str]) {
    let bench = Bench::new();
    let plan = Plan { warmup_runs: 1, min_iterations: 1, max_iterations: 1, time_budget_s: 0.0, seed: 1 };
    println!(
        "{:<24} {:>9} {:>8} {:>11} {:>11} {:>12} {:>12} {:>11}",
        "session", "prepacked", "ready s", "nominal GB", "planned GiB", "peak RSS GiB", "RSS/nominal", "latency s"
    );
    for model in models {
        for without_prepacking in [false, true] {
            let memory = WeightsInMemory { without_prepacking, ..Default::default() };
            let case = Case::of(model);
            let shape = BuildShape { batch: 1, sequence: case.scenario.sequence, image: None };
            let planned = zoo::build(&case.name, &shape).unwrap().weights;
            let result = bench.launch(&case, memory, &plan);
            let peak = result.peak_rss_bytes.unwrap_or(0) as f64;
            println!(
                "{model:<24} {:>9} {:>8.1} {:>11.2} {:>11.2} {:>12.2} {:>12.4} {:>11.3}",
                if without_prepacking { "no" } else { "yes" },
                result.ready_us / 1e6,
                planned.nominal_bytes as f64 / 1e9,
                planned.resident_bytes(!without_prepacking) as f64 / GIB,
                peak / GIB,
                peak / planned.nominal_bytes as f64,
                result.latency_us / 1e6,
            );
        }
    }
    println!();
}

/// Latency and shares of groups with weights in the arena and with distinct weights, launched in turns.
fn distinct(models: &[&str]) {
    let bench = Bench::new();
    let plan = Plan { warmup_runs: 1, min_iterations: 3, max_iterations: 20, time_budget_s: 15.0, seed: 1 };
    for model in models {
        let case = Case::of(model);
        let mut sides: [Vec<Side>; 2] = [vec![], vec![]];
        for round in 0..ROUNDS {
            // The first of a pair changes, so that a drift of the machine falls on both alike.
            for side in [round % 2, 1 - round % 2] {
                let memory = WeightsInMemory { distinct: side == 1, ..Default::default() };
                sides[side].push(Side::of(&bench.launch(&case, memory, &plan)));
            }
        }
        let [arena, distinct] = &sides;
        let middle = |side: &[Side], of: &dyn Fn(&Side) -> f64| median(side.iter().map(of).collect());
        println!("{model}, {} threads, {ROUNDS} launches each: medians", case.scenario.threads);
        println!("  {:<22} {:>10} {:>10} {:>12}", "", "arena", "distinct", "apart");
        let [a, d] = [arena, distinct].map(|side| middle(side, &|side| side.peak_gib));
        println!("  {:<22} {a:>10.2} {d:>10.2}", "peak RSS GiB");
        let [a, d] = [arena, distinct].map(|side| middle(side, &|side| side.latency_ms));
        let ratios = arena.iter().zip(distinct).map(|(arena, distinct)| arena.latency_ms / distinct.latency_ms);
        let ratio = median(ratios.collect());
        println!("  {:<22} {a:>10.2} {d:>10.2} {:>10.2} %", "latency ms", (ratio - 1.0) * 100.0);
        let mut widest = 0.0_f64;
        for group in Group::all() {
            let share = |side: &Side| side.shares.get(&group).copied().unwrap_or(0.0);
            let [a, d] = [arena, distinct].map(|side| middle(side, &share));
            let apart =
                median(arena.iter().zip(distinct).map(|(arena, distinct)| share(arena) - share(distinct)).collect());
            widest = widest.max(apart.abs());
            if a.max(d) > 0.0 {
                println!("  {:<22} {a:>9.2}% {d:>9.2}% {apart:>9.2} pt", group.name());
            }
        }
        println!(
            "  latency {:.2} of the {:.0} % allowed, shares {:.2} of the {SHARE_LIMIT} points allowed\n",
            (ratio - 1.0).abs() / LATENCY_LIMIT,
            LATENCY_LIMIT * 100.0,
            widest / SHARE_LIMIT
        );
    }
}

/// How many tokens the router of each layer sends to each expert, read off the products that ran.
fn routing(models: &[&str]) {
    let bench = Bench::new();
    let plan = Plan { warmup_runs: 0, min_iterations: 1, max_iterations: 1, time_budget_s: 0.0, seed: 1 };
    for model in models {
        let memory = WeightsInMemory { without_prepacking: true, ..Default::default() };
        let result = bench.launch(&Case::of(model), memory, &plan);
        let mut layers: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for node in result.nodes.iter().filter(|node| node.name.ends_with("/w1/MatMul")) {
            let number = |text: &str, before: &str, after: char| {
                let rest = text.split_once(before).unwrap().1;
                rest.split(after).next().unwrap().parse::<u32>().unwrap()
            };
            let layer = number(&node.name, "layers.", '/');
            layers.entry(layer).or_default().push(number(&node.inputs, "[", ','));
        }
        println!("{model}: tokens of each expert, by layer");
        for (layer, tokens) in &layers {
            println!("  {layer:>3} {tokens:?}");
        }
        let all = || layers.values().flatten();
        let (least, most) = (all().min().unwrap(), all().max().unwrap());
        let mean = f64::from(all().sum::<u32>()) / all().count() as f64;
        println!(
            "  from {least} to {most}, {mean:.1} on average: {:.2} to {:.2} of it\n",
            f64::from(*least) / mean,
            f64::from(*most) / mean
        );
    }
}

/// A model with its sizes, as the command line names it.
struct Case {
    name: String,
    scenario: Scenario,
}

impl Case {
    fn of(text: &str) -> Case {
        let mut parts = text.split('@');
        let name = parts.next().unwrap_or_default().to_owned();
        let mut number = || parts.next().map(|part| part.parse::<u32>().expect("MODEL@SEQUENCE@THREADS"));
        let row = zoo::find(&name).unwrap_or_else(|| panic!("there is no built-in model `{name}`"));
        let scenario = Scenario {
            model: ModelRef::Zoo { name: name.clone() },
            provider: Provider::Cpu,
            precision: Precision::Fp32,
            optimization: Optimization::All,
            batch: Some(1),
            sequence: number().or(row.default_sequence),
            image: None,
            threads: number().unwrap_or(1),
            cuda: None,
        };
        Case { name, scenario }
    }
}

/// What one launch says for the comparison.
struct Side {
    latency_ms: f64,
    peak_gib: f64,
    /// Percent of all nodes' time.
    shares: BTreeMap<Group, f64>,
}

impl Side {
    fn of(result: &LaunchResult) -> Side {
        let total: f64 = result.nodes.iter().map(|node| node.self_us).sum();
        let mut shares = BTreeMap::new();
        for node in &result.nodes {
            let group = taxonomy::resolve(&node.op_type, node.domain.as_deref(), &node.name).group();
            *shares.entry(group.unwrap_or(Group::Other)).or_default() += node.self_us / total * 100.0;
        }
        let peak_gib = result.peak_rss_bytes.unwrap_or(0) as f64 / GIB;
        Side { latency_ms: result.latency_us / 1e3, peak_gib, shares }
    }
}

/// The program, started as it starts itself for each launch.
struct Bench {
    launcher: Launcher,
    library: PathBuf,
    scratch: tempfile::TempDir,
}

impl Bench {
    fn new() -> Bench {
        let library = locate(&LocateOptions::from_environment(None, false), &mut |_| {}).unwrap().path;
        let launcher = Launcher {
            program: Path::new(env!("CARGO_BIN_EXE_cargo-nongemm")).to_owned(),
            arguments: Vec::new(),
            timeout: Duration::from_secs(1800),
            interrupt: Interrupt::default(),
            environment: Vec::new(),
        };
        Bench { launcher, library, scratch: tempfile::tempdir().unwrap() }
    }

    fn launch(&self, case: &Case, memory: WeightsInMemory, plan: &Plan) -> LaunchResult {
        let scratch = tempfile::tempdir_in(self.scratch.path()).unwrap();
        let job = LaunchJob {
            schema: JOB_SCHEMA,
            library: self.library.clone(),
            scenario: case.scenario.clone(),
            source: ModelSource::Zoo { name: case.name.clone() },
            dimensions: Default::default(),
            input_files: Default::default(),
            memory,
            gpu: None,
            plan: plan.clone(),
            trace: false,
            runs: false,
            optimized_model: None,
            scratch_dir: scratch.path().to_owned(),
        };
        let job = serde_json::to_string(&job).unwrap();
        self.launcher.launch(&job, scratch.path()).unwrap_or_else(|error| panic!("{}: {error}", case.name))
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
