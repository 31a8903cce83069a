//! One profiled run as a trace that Chrome's `about:tracing` and Perfetto open.
//!
//! The JSON array form of the trace event format: complete events (`ph: "X"`) with the operator as the name and the
//! group as the category, so that a viewer can filter and colour by group. A body of `If`, `Loop` or `Scan` lies
//! inside its node by time, which is how viewers nest. Of a node on a GPU the event is what the host took to launch its work; the
//! work itself stands on a track for each stream.

use std::collections::BTreeSet;
use std::io::{self, Write};

use serde::Serialize;

use crate::report::{Group, wording};

/// One execution of one node.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceEvent {
    /// Node name after optimization.
    pub name: String,
    /// Operator key, such as `ai.onnx:MatMul`.
    pub operator: String,
    /// Its group; `None` where the taxonomy does not know it.
    pub group: Option<Group>,
    /// Start in microseconds, from any origin.
    pub ts_us: f64,
    /// Duration in microseconds as the profiler reported it, bodies of control flow included.
    pub dur_us: f64,
    /// Self time in microseconds with the profiler's overhead removed; by a GPU's own clock, what it worked for the node.
    pub self_us: f64,
    /// Nesting in control flow; 0 in the main graph.
    pub depth: u32,
    /// Input types and shapes.
    pub shapes: String,
    /// Execution provider, as ONNX Runtime spells it.
    pub provider: String,
    /// What it had a device do.
    pub work: Vec<TraceWork>,
}

/// A piece of a device's work.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceWork {
    /// Kernel, or kind of copy.
    pub name: String,
    /// Queue of the device's.
    pub stream: u32,
    /// Start in microseconds, from the origin of the events.
    pub ts_us: f64,
    /// Duration in microseconds.
    pub dur_us: f64,
}

#[derive(Serialize)]
struct Complete<'a, A> {
    ph: &'static str,
    name: &'a str,
    cat: &'static str,
    ts: f64,
    dur: f64,
    pid: u32,
    tid: u32,
    args: A,
}

/// Of a device's work.
#[derive(Serialize)]
struct WorkArgs<'a> {
    operator: &'a str,
    node: &'a str,
}

#[derive(Serialize)]
struct Args<'a> {
    node: &'a str,
    shapes: &'a str,
    provider: &'a str,
    self_us: f64,
    depth: u32,
}

#[derive(Serialize)]
struct Metadata<'a> {
    ph: &'static str,
    name: &'static str,
    pid: u32,
    tid: u32,
    args: Label<'a>,
}

#[derive(Serialize)]
struct Label<'a> {
    name: &'a str,
}

const PROCESS: u32 = 1;
const THREAD: u32 = 1;

/// Writes the events of one run, one a line, in order of start; `model` labels the process in the viewer.
///
/// The profiler truncates start and duration to whole microseconds, so a body may seem to end one after its node;
/// it is cut to the node's end, since viewers misplace events that overlap.
///
/// # Errors
/// What the writer returns.
pub fn render(model: &str, events: &[TraceEvent], writer: &mut dyn Write) -> io::Result<()> {
    let mut list = List { writer, begun: false };
    list.label("process_name", THREAD, model)?;
    list.label("thread_name", THREAD, "profiled run")?;
    for stream in streams(events) {
        list.label("thread_name", track(stream), &format!("GPU, stream {stream}"))?;
    }
    for (event, dur) in nested(events) {
        list.add(&Complete {
            ph: "X",
            name: &event.operator,
            cat: wording::group(event.group),
            ts: event.ts_us,
            dur,
            pid: PROCESS,
            tid: THREAD,
            args: Args {
                node: &event.name,
                shapes: &event.shapes,
                provider: &event.provider,
                self_us: event.self_us,
                depth: event.depth,
            },
        })?;
        for work in &event.work {
            list.add(&Complete {
                ph: "X",
                name: &work.name,
                cat: wording::group(event.group),
                ts: work.ts_us,
                dur: work.dur_us,
                pid: PROCESS,
                tid: track(work.stream),
                args: WorkArgs { operator: &event.operator, node: &event.name },
            })?;
        }
    }
    list.end()
}

/// The streams of all work, in order.
fn streams(events: &[TraceEvent]) -> BTreeSet<u32> {
    events.iter().flat_map(|event| &event.work).map(|work| work.stream).collect()
}

/// A stream's own thread in the viewer.
fn track(stream: u32) -> u32 {
    stream.saturating_add(THREAD + 1)
}

/// A list of JSON values, one a line.
struct List<'a> {
    writer: &'a mut dyn Write,
    begun: bool,
}

impl List<'_> {
    fn add(&mut self, value: &impl Serialize) -> io::Result<()> {
        self.writer.write_all(if self.begun { b",\n" } else { b"[\n" })?;
        self.begun = true;
        Ok(serde_json::to_writer(&mut *self.writer, value)?)
    }

    fn label(&mut self, name: &'static str, tid: u32, label: &str) -> io::Result<()> {
        self.add(&Metadata { ph: "M", name, pid: PROCESS, tid, args: Label { name: label } })
    }

    fn end(self) -> io::Result<()> {
        self.writer.write_all(b"\n]\n")
    }
}

/// Events by start, outer before inner, with durations cut so that each lies inside the one around it.
fn nested(events: &[TraceEvent]) -> Vec<(&TraceEvent, f64)> {
    let mut order: Vec<&TraceEvent> = events.iter().collect();
    order.sort_by(|a, b| a.ts_us.total_cmp(&b.ts_us).then(a.depth.cmp(&b.depth)));
    // Ends of the events that are open, with their depths.
    let mut open: Vec<(u32, f64)> = Vec::new();
    order
        .into_iter()
        .map(|event| {
            while open.last().is_some_and(|&(depth, _)| depth >= event.depth) {
                open.pop();
            }
            let end = event.ts_us + event.dur_us;
            let end = open.last().map_or(end, |&(_, outer)| end.min(outer)).max(event.ts_us);
            open.push((event.depth, end));
            (event, end - event.ts_us)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn event(name: &str, operator: &str, ts_us: f64, dur_us: f64, depth: u32) -> TraceEvent {
        TraceEvent {
            name: name.into(),
            operator: operator.into(),
            group: (operator != "my:Op").then_some(if operator == "ai.onnx:Loop" {
                Group::ControlFlow
            } else {
                Group::Gemm
            }),
            ts_us,
            dur_us,
            self_us: dur_us / 2.0,
            depth,
            shapes: "float[1,8]".into(),
            provider: "CPUExecutionProvider".into(),
            work: Vec::new(),
        }
    }

    fn parsed(events: &[TraceEvent]) -> Vec<Value> {
        let mut out = Vec::new();
        render("my \"model\"\n", events, &mut out).unwrap();
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn work_of_a_device_stands_on_tracks_of_its_own() {
        let work = |name: &str, stream, ts_us| TraceWork { name: name.into(), stream, ts_us, dur_us: 2.5 };
        let mut launched = event("/fc/Gemm", "ai.onnx:Gemm", 10.0, 9.0, 0);
        launched.work = vec![work("BroadcastBiasKernel", 29, 14.25), work("nvjet", 7, 16.75)];
        let parsed = parsed(&[launched]);
        let of = |key: &str, value: &str| parsed.iter().find(|one| one[key] == value).unwrap().clone();
        let bias = of("name", "BroadcastBiasKernel");
        assert_eq!((&bias["ts"], &bias["dur"], &bias["cat"]), (&14.25.into(), &2.5.into(), &"GEMM".into()));
        assert_eq!(bias["args"], serde_json::json!({ "operator": "ai.onnx:Gemm", "node": "/fc/Gemm" }));
        let labels: Vec<(&Value, &Value)> =
            parsed.iter().filter(|one| one["ph"] == "M").map(|one| (&one["tid"], &one["args"]["name"])).collect();
        assert_eq!(labels[2..], [(&9.into(), &"GPU, stream 7".into()), (&31.into(), &"GPU, stream 29".into())]);
        assert_eq!(of("name", "nvjet")["tid"], 9);
        assert_eq!(of("name", "ai.onnx:Gemm")["tid"], 1);
    }

    fn loops() -> Vec<TraceEvent> {
        vec![
            event("after", "ai.onnx:MatMul", 41.0, 5.0, 0),
            // Ends one microsecond after its loop, as truncated clocks have it.
            event("body/last\\\"\n\x01", "my:Op", 30.0, 11.0, 1),
            event("loop", "ai.onnx:Loop", 10.0, 30.0, 0),
            event("body/first", "ai.onnx:MatMul", 10.0, 12.0, 1),
        ]
    }

    #[test]
    fn the_document_of_a_loop() {
        let mut out = Vec::new();
        render("my-model", &loops(), &mut out).unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap());
    }

    #[test]
    fn it_parses_with_hostile_names_and_nests_by_time() {
        let events = parsed(&loops());
        assert_eq!(events[0]["args"]["name"], "my \"model\"\n");
        let complete: Vec<&Value> = events.iter().filter(|event| event["ph"] == "X").collect();
        assert_eq!(complete[2]["args"]["node"], "body/last\\\"\n\x01");
        let interval = |event: &Value| {
            let ts = event["ts"].as_f64().unwrap();
            (ts, ts + event["dur"].as_f64().unwrap())
        };
        for (i, a) in complete.iter().enumerate() {
            for b in &complete[i + 1..] {
                let ((start, end), (inner_start, inner_end)) = (interval(a), interval(b));
                assert!(inner_start >= end || (inner_start >= start && inner_end <= end), "{a} and {b} overlap");
            }
        }
        // The loop comes before the body that starts with it.
        assert_eq!(complete[0]["name"], "ai.onnx:Loop");
        assert_eq!(complete[0]["cat"], "control flow");
        assert_eq!(complete[2]["cat"], "unknown");
    }

    #[test]
    fn a_run_without_events_is_still_a_trace() {
        assert_eq!(parsed(&[]).len(), 2);
    }
}
