//! The profile reader on whole files, as ONNX Runtime writes them and as disks and versions spoil them.

#![allow(clippy::unwrap_used)]

use std::fmt::Write;
use std::io::{self, Read};

use nongemm::profile::{NameEncoding, ProfileError, Tallies};

fn node(name: &str, op_type: &str, start_us: i64, duration_us: i64) -> String {
    format!(
        r#"{{"cat" : "Node","pid" :1,"tid" :7,"dur" :{duration_us},"ts" :{start_us},"ph" : "X","name" :"{name}_kernel_time","args" : {{"thread_scheduling_stats" : "","op_name" : "{op_type}","provider" : "CPUExecutionProvider","node_index" : "0","input_type_shape" : [{{"float":[1,4]}},{{"float":[4]}}],"output_type_shape" : [{{"float":[1,4]}}]}}}}"#
    )
}

fn session(name: &str, start_us: i64, duration_us: i64) -> String {
    format!(
        r#"{{"cat" : "Session","pid" :1,"tid" :7,"dur" :{duration_us},"ts" :{start_us},"ph" : "X","name" :"{name}","args" : {{}}}}"#
    )
}

fn file(events: &[String]) -> String {
    format!("[\n{}\n]\n", events.join(",\n"))
}

fn read(text: &str) -> Tallies {
    let mut tallies = Tallies::default();
    tallies.read(text.as_bytes(), NameEncoding::Escaped).unwrap();
    tallies
}

/// Three runs of two nodes in one file, each closed by its `model_run`.
fn three_runs() -> Vec<String> {
    let mut events = vec![session("session_initialization", 0, 90)];
    for run in 0..3 {
        let start = 100 + run * 1000;
        events.push(node("a", "Add", start + 10, 20 + run));
        events.push(node("b", "MatMul", start + 40, 100));
        events.push(session("SequentialExecutor::Execute", start + 5, 150));
        events.push(session("model_run", start, 160));
    }
    events
}

#[test]
fn runs_of_one_file_are_told_apart() {
    let tallies = read(&file(&three_runs()));
    assert_eq!((tallies.counted(), tallies.strays(), tallies.truncated()), (3, 0, false));
    let nodes = tallies.into_nodes();
    let times: Vec<(&str, f64, f64)> =
        nodes.iter().map(|node| (node.name.as_str(), node.executions.typical(), node.self_us.typical())).collect();
    assert_eq!(times, [("a", 1.0, 21.0), ("b", 1.0, 100.0)]);
    assert_eq!(nodes[0].inputs.text, "float[1,4] float[4]");
    assert_eq!((nodes[0].inputs.tensors, nodes[0].outputs.tensors), (2, 1));
    assert_eq!(nodes[0].provider, "CPUExecutionProvider");
}

#[test]
fn the_order_of_events_does_not_matter() {
    let expected = read(&file(&three_runs())).into_nodes();
    // A writer that sorts by start puts the run before its nodes.
    let mut sorted = three_runs();
    sorted.sort_by_key(|event| {
        let (_, after) = event.split_once("\"ts\" :").unwrap();
        after.split_once(',').unwrap().0.parse::<i64>().unwrap()
    });
    assert_eq!(read(&file(&sorted)).into_nodes(), expected);
}

#[test]
fn dropped_events_are_noticed() {
    let mut events = three_runs();
    events.push(session("profile_truncated", 5000, 0));
    assert!(read(&file(&events)).truncated());
    // The cap may also have taken the event that closes the last run.
    events.truncate(10);
    let tallies = read(&file(&events));
    assert_eq!((tallies.counted(), tallies.strays()), (2, 1));
}

#[test]
fn a_file_cut_anywhere_is_truncated_and_keeps_its_whole_runs() {
    let text = file(&three_runs());
    for length in (0..text.trim_end().len()).step_by(37) {
        let mut tallies = Tallies::default();
        let error = tallies.read(&text.as_bytes()[..length], NameEncoding::Escaped).unwrap_err();
        assert!(matches!(error, ProfileError::Truncated { .. }), "{length}: {error}");
        assert!(tallies.counted() <= 3);
    }
}

#[test]
fn a_failing_disk_is_reported() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is gone"))
        }
    }
    let error = Tallies::default().read(Failing, NameEncoding::Escaped).unwrap_err();
    assert!(error.to_string().contains("the disk is gone"), "{error}");
}

/// Writes runs as they are asked for: a million events and more without a file.
struct Endless {
    run: usize,
    runs: usize,
    nodes: usize,
    buffer: Vec<u8>,
    at: usize,
}

impl Read for Endless {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.at == self.buffer.len() && self.run <= self.runs {
            let mut text = String::new();
            if self.run == 0 {
                text.push_str("[\n");
            }
            let start = i64::try_from(self.run * self.nodes * 10).unwrap();
            for number in 0..self.nodes {
                let at = start + i64::try_from(number * 10).unwrap();
                writeln!(text, "{},", node(&format!("node {number}"), "Add", at, 5)).unwrap();
            }
            let length = i64::try_from(self.nodes * 10 - 1).unwrap();
            let separator = if self.run == self.runs { "\n]\n" } else { ",\n" };
            write!(text, "{}{separator}", session("model_run", start, length)).unwrap();
            (self.buffer, self.at) = (text.into_bytes(), 0);
            self.run += 1;
        }
        let count = into.len().min(self.buffer.len() - self.at);
        into[..count].copy_from_slice(&self.buffer[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

#[test]
fn a_million_events_leave_one_tally_a_node() {
    let (runs, nodes) = (499, 2001);
    let mut tallies = Tallies::default();
    let source = Endless { run: 0, runs, nodes, buffer: Vec::new(), at: 0 };
    tallies.read(source, NameEncoding::Escaped).unwrap();
    assert_eq!(tallies.counted(), 500);
    let tallied = tallies.into_nodes();
    assert_eq!(tallied.len(), nodes);
    assert!(tallied.iter().all(|node| node.self_us.typical() == 5.0 && node.self_us.count() == 500));
}
