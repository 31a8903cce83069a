//! Parsing a profile: this library against Python's `json.load` and pandas, on one real profile of ONNX Runtime.
//!
//! `cargo bench --bench profile_parse`. Needs an interpreter with pandas (`NONGEMM_BENCH_PYTHON`, else `python3`) and
//! ONNX Runtime where `cargo nongemm` finds it. Prints both times, their ratio, and the peak memory of parsing few and
//! many events, each in a process of its own.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, missing_docs)]

use std::env;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use nongemm::profile::{NameEncoding, Tallies};
use nongemm::runtime::session::{BoundSession, Engine, GraphLevel, Model, Prepacking, SessionProvider, SessionSpec};
use nongemm::runtime::{LocateOptions, locate};

#[path = "../tests/support/graphs.rs"]
mod graphs;

/// Nodes of the profiled chain, and runs of it: 201,000 node events.
const NODES: usize = 3000;
const RUNS: usize = 67;

/// Each side is timed this often, in turns; the fastest counts.
const ROUNDS: usize = 3;

/// What a script does: per node, how often it ran and for how long; per operator the sum.
const SCRIPT: &str = r#"
import json, sys, time
try:
    import pandas
except ImportError:
    sys.exit("pandas is missing")
start = time.perf_counter()
with open(sys.argv[1]) as file:
    events = json.load(file)
table = pandas.DataFrame(
    [(e["name"], e["args"].get("op_name"), e["args"].get("provider"), e["dur"]) for e in events if e["cat"] == "Node"],
    columns=["name", "op", "provider", "dur"],
)
nodes = table.groupby(["name", "op", "provider"], sort=False)["dur"].agg(["count", "sum"])
operators = table.groupby("op")["dur"].sum()
print(time.perf_counter() - start, len(table), len(nodes), int(operators.sum()))
"#;

fn main() -> ExitCode {
    // `cargo bench` adds `--bench`; a path makes this process the one whose memory is looked at.
    if let Some(path) = env::args().skip(1).find(|argument| !argument.starts_with("--")) {
        let (seconds, ..) = parse(Path::new(&path));
        println!("{seconds} {}", peak_rss_kib());
        return ExitCode::SUCCESS;
    }
    let python = env::var("NONGEMM_BENCH_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let found = Command::new(&python).args(["-c", "import pandas"]).output();
    if !found.is_ok_and(|output| output.status.success()) {
        eprintln!("`{python}` has no pandas; set NONGEMM_BENCH_PYTHON to an interpreter that has");
        return ExitCode::FAILURE;
    }
    let folder = tempfile::tempdir().unwrap();
    let (many, events) = profile(folder.path());
    let few = first_part(&many, folder.path());
    compare(&python, &many, events);
    memory(&few, &many);
    ExitCode::SUCCESS
}

/// A session-level profile would need a setting that launches never use; runs profiled one by one are put together.
fn profile(folder: &Path) -> (PathBuf, usize) {
    let library = locate(&LocateOptions::from_environment(None, false), &mut |_| {}).unwrap();
    let engine = Engine::load(&library.path).unwrap();
    let model = graphs::tiny_chain(NODES);
    let spec = SessionSpec {
        model: Model::Bytes(&model),
        external: Vec::new(),
        provider: SessionProvider::Cpu,
        level: GraphLevel::Disable,
        threads: 1,
        prepacking: Prepacking::Distinct,
        optimized: None,
    };
    let mut session = BoundSession::new(&engine, &spec, &[graphs::feed("x", &[1, 1])]).unwrap();
    let path = folder.join("many.json");
    let mut out = File::create(&path).unwrap();
    let (mut lines, mut offset) = (Vec::new(), 0i64);
    for run in 0..RUNS {
        let (_, part) = session.run_profiled(&folder.join(format!("run-{run}"))).unwrap();
        let text = fs::read_to_string(&part).unwrap();
        fs::remove_file(part).unwrap();
        // Each run's clock starts at zero, and one file has one clock.
        for line in text.lines().filter(|line| line.starts_with('{')) {
            lines.push(shifted(line.trim_end_matches(','), offset));
        }
        offset += 1_000_000;
    }
    write!(out, "[\n{}\n]\n", lines.join(",\n")).unwrap();
    (path, lines.len())
}

fn shifted(line: &str, offset: i64) -> String {
    let (before, rest) = line.split_once("\"ts\" :").unwrap();
    let (start, after) = rest.split_once(',').unwrap();
    format!("{before}\"ts\" :{},{after}", start.parse::<i64>().unwrap() + offset)
}

/// The first tenth of the events.
fn first_part(many: &Path, folder: &Path) -> PathBuf {
    let path = folder.join("few.json");
    let mut out = File::create(&path).unwrap();
    let lines: Vec<String> = BufReader::new(File::open(many).unwrap())
        .lines()
        .map(Result::unwrap)
        .skip(1)
        .take((NODES + 2) * RUNS / 10)
        .collect();
    write!(out, "[\n{}\n]\n", lines.join("\n").trim_end_matches(',')).unwrap();
    path
}

/// Seconds, nodes, and the sum of the node durations in microseconds.
fn parse(path: &Path) -> (f64, usize, f64) {
    let start = Instant::now();
    let mut tallies = Tallies::default();
    tallies.read(File::open(path).unwrap(), NameEncoding::Raw).unwrap();
    let runs = tallies.counted() as f64;
    let nodes = tallies.into_nodes();
    let sum = nodes.iter().map(|node| node.self_us.mean_between(0.0, 1.0) * runs).sum();
    (start.elapsed().as_secs_f64(), nodes.len(), sum)
}

fn compare(python: &str, path: &Path, events: usize) {
    let (mut theirs, mut ours) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..ROUNDS {
        let output = Command::new(python).args(["-c", SCRIPT]).arg(path).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let figures: Vec<f64> = text.split_whitespace().map(|figure| figure.parse().unwrap()).collect();
        let (seconds, nodes, sum) = parse(path);
        assert_eq!(nodes as f64, figures[2], "both count the same nodes");
        assert!((sum / figures[3] - 1.0).abs() < 1e-6, "both add up the same time: {sum} and {}", figures[3]);
        theirs = theirs.min(figures[0]);
        ours = ours.min(seconds);
    }
    let size = fs::metadata(path).unwrap().len() as f64 / 1e6;
    println!("{events} events, {size:.0} MB");
    println!("json.load + pandas  {theirs:8.3} s");
    println!("nongemm::profile    {ours:8.3} s   {:.0} MB/s", size / ours);
    println!("ratio               {:8.1}", theirs / ours);
}

fn memory(few: &Path, many: &Path) {
    for path in [few, many] {
        let output = Command::new(env::current_exe().unwrap()).arg(path).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let peak = text.split_whitespace().nth(1).unwrap_or("?").to_owned();
        let size = fs::metadata(path).unwrap().len() as f64 / 1e6;
        println!("peak memory of parsing {size:6.0} MB: {peak} KiB");
    }
}

/// `getrusage` would also tell what the parent had before this program was put in its place.
fn peak_rss_kib() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|rest| rest.split_whitespace().next()).unwrap_or("?").to_owned()
}
