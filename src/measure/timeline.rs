//! The events of one profiled run in order of time, for a trace.

use std::fs::File;
use std::path::Path;

use crate::measure::result::{NodeRecord, TimelineEvent};
use crate::measure::runs::RunsError;
use crate::profile::{Category, Interval, NameEncoding, ProfileError, Reader, nest};
use crate::runtime::session::BoundSession;

/// Profiles one more run and keeps all its events. `nodes` are those of the launch, whose corrected times are shared
/// out over a node's executions.
pub(super) fn record(
    session: &mut BoundSession,
    stem: &Path,
    encoding: NameEncoding,
) -> Result<Vec<TimelineEvent>, RunsError> {
    let (_, path) = session.run_profiled(stem).map_err(RunsError::Session)?;
    let file = File::open(&path).map_err(|error| RunsError::Profile(error.into()))?;
    let events = read(Reader::new(file, encoding)).map_err(RunsError::Profile)?;
    // What stays behind goes with the scratch folder.
    let _ = std::fs::remove_file(&path);
    Ok(events)
}

/// Gives each event its node's corrected self time per execution.
pub(super) fn correct(events: &mut [TimelineEvent], nodes: &[NodeRecord]) {
    for event in events {
        let same = |node: &&NodeRecord| node.name == event.name && node.op_type == event.op_type;
        if let Some(node) = nodes.iter().find(same) {
            event.self_us = node.self_us / f64::from(node.executions.max(1));
            event.domain.clone_from(&node.domain);
        }
    }
}

fn read<R: std::io::Read>(mut reader: Reader<R>) -> Result<Vec<TimelineEvent>, ProfileError> {
    let mut events: Vec<TimelineEvent> = Vec::new();
    let mut intervals: Vec<Interval> = Vec::new();
    while let Some(event) = reader.next_event()? {
        if event.category != Category::Node {
            continue;
        }
        let text = |key: &str| event.arg(key).unwrap_or_default().into_owned();
        let op_type = text("op_name");
        intervals.push(Interval {
            thread: event.thread,
            start_us: event.start_us,
            duration_us: event.duration_us,
            node: u32::try_from(events.len()).unwrap_or(u32::MAX),
            runs_subgraphs: matches!(op_type.as_str(), "If" | "Loop" | "Scan"),
        });
        events.push(TimelineEvent {
            name: event.name().into_owned(),
            op_type,
            domain: None,
            provider: text("provider"),
            inputs: event
                .raw_arg("input_type_shape")
                .map(|json| crate::profile::tensor_list(json).text)
                .unwrap_or_default(),
            depth: 0,
            start_us: event.start_us,
            duration_us: event.duration_us,
            self_us: 0.0,
        });
    }
    for nested in nest(&mut intervals) {
        if let Some(event) = usize::try_from(nested.node).ok().and_then(|node| events.get_mut(node)) {
            event.depth = nested.depth;
        }
    }
    events.sort_by_key(|event| (event.start_us, std::cmp::Reverse(event.duration_us)));
    Ok(events)
}
