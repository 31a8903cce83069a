//! One profiled run as a trace that Chrome's `about:tracing` and Perfetto open.
//!
//! The JSON array form of the trace event format: complete events (`ph: "X"`) with the operator as the name and the
//! group as the category, so that a viewer can filter and colour by group. A body of `If`, `Loop` or `Scan` lies
//! inside its node by time, which is how viewers nest.

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
    /// Self time in microseconds with the profiler's overhead removed.
    pub self_us: f64,
    /// Nesting in control flow; 0 in the main graph.
    pub depth: u32,
    /// Input types and shapes.
    pub shapes: String,
    /// Execution provider, as ONNX Runtime spells it.
    pub provider: String,
}

#[derive(Serialize)]
struct Complete<'a> {
    ph: &'static str,
    name: &'a str,
    cat: &'static str,
    ts: f64,
    dur: f64,
    pid: u32,
    tid: u32,
    args: Args<'a>,
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
    writer.write_all(b"[\n")?;
    for (name, label) in [("process_name", model), ("thread_name", "profiled run")] {
        let metadata = Metadata { ph: "M", name, pid: PROCESS, tid: THREAD, args: Label { name: label } };
        serde_json::to_writer(&mut *writer, &metadata)?;
        writer.write_all(if name == "thread_name" && events.is_empty() { b"\n" } else { b",\n" })?;
    }
    let nested = nested(events);
    for (position, (event, dur)) in nested.iter().enumerate() {
        let complete = Complete {
            ph: "X",
            name: &event.operator,
            cat: wording::group(event.group),
            ts: event.ts_us,
            dur: *dur,
            pid: PROCESS,
            tid: THREAD,
            args: Args {
                node: &event.name,
                shapes: &event.shapes,
                provider: &event.provider,
                self_us: event.self_us,
                depth: event.depth,
            },
        };
        serde_json::to_writer(&mut *writer, &complete)?;
        writer.write_all(if position + 1 == nested.len() { b"\n" } else { b",\n" })?;
    }
    writer.write_all(b"]\n")
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
        }
    }

    fn parsed(events: &[TraceEvent]) -> Vec<Value> {
        let mut out = Vec::new();
        render("my \"model\"\n", events, &mut out).unwrap();
        serde_json::from_slice(&out).unwrap()
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
