//! The events of one profiled run in order of time, for a trace.

use std::fs::File;
use std::path::Path;

use crate::measure::device::{Meter, Recorded, work_of};
use crate::measure::result::{NodeRecord, TimelineEvent};
use crate::measure::runs::RunsError;
use crate::profile::{Category, Interval, NameEncoding, Nested, ProfileError, Reader, nest};
use crate::runtime::session::BoundSession;

/// Profiles one more run and keeps all its events, with the work of a device's where there is a `meter`.
pub(super) fn record(
    session: &mut BoundSession,
    stem: &Path,
    encoding: NameEncoding,
    meter: Option<&mut Meter>,
) -> Result<Vec<TimelineEvent>, RunsError> {
    let (path, recorded) = match meter {
        Some(meter) => meter.profile(session, stem).map(|(path, recorded)| (path, Some(recorded)))?,
        None => (session.run_profiled(stem).map_err(RunsError::Session)?.1, None),
    };
    let file = File::open(&path).map_err(|error| RunsError::Profile(error.into()))?;
    let mut timeline = read(Reader::new(file, encoding)).map_err(RunsError::Profile)?;
    // What stays behind goes with the scratch folder.
    let _ = std::fs::remove_file(&path);
    if let Some(recorded) = recorded {
        timeline.take(&recorded)?;
    }
    Ok(timeline.sorted())
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

/// The events of a run, in the order of the file, and how they lie inside of one another.
struct Timeline {
    events: Vec<TimelineEvent>,
    /// [`Nested::node`] is the position of an event.
    nested: Vec<Nested>,
    /// End of the `model_run` event in microseconds.
    end_us: i64,
}

impl Timeline {
    /// Gives each event the work that it asked for.
    fn take(&mut self, recorded: &Recorded) -> Result<(), RunsError> {
        let event = |row: &Nested| usize::try_from(row.node).ok();
        let provider =
            |row: &Nested| event(row).and_then(|at| self.events.get(at)).map(|event| event.provider.as_str());
        let found = work_of(&self.nested, provider, self.end_us, recorded)?;
        for (row, work) in found {
            if let Some(event) = self.nested.get(row).and_then(event).and_then(|at| self.events.get_mut(at)) {
                event.work.push(work);
            }
        }
        Ok(())
    }

    fn sorted(self) -> Vec<TimelineEvent> {
        let mut events = self.events;
        for nested in &self.nested {
            if let Some(event) = usize::try_from(nested.node).ok().and_then(|node| events.get_mut(node)) {
                event.depth = nested.depth;
            }
        }
        events.sort_by_key(|event| (event.start_us, std::cmp::Reverse(event.duration_us)));
        events
    }
}

fn read<R: std::io::Read>(mut reader: Reader<R>) -> Result<Timeline, ProfileError> {
    let mut events: Vec<TimelineEvent> = Vec::new();
    let mut intervals: Vec<Interval> = Vec::new();
    let mut end_us = 0;
    while let Some(event) = reader.next_event()? {
        if event.is_model_run() {
            end_us = event.start_us + event.duration_us;
        }
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
            work: Vec::new(),
        });
    }
    Ok(Timeline { events, nested: nest(&mut intervals), end_us })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::device::recorded::unpacked;

    #[test]
    fn work_stands_with_the_execution_that_asked_for_it() {
        let (recorded, profile) = unpacked("bert-base");
        let mut timeline = read(Reader::new(profile.as_bytes(), NameEncoding::Escaped)).unwrap();
        timeline.take(&recorded).unwrap();
        let events = timeline.sorted();
        assert_eq!(events.iter().map(|event| event.work.len()).sum::<usize>(), 280);
        for event in &events {
            let names: Vec<&str> = event.work.iter().map(|work| work.name.as_str()).collect();
            match event.op_type.as_str() {
                "Reshape" => assert!(names.is_empty(), "{names:?}"),
                "Gelu" => assert_eq!(names, ["_UnaryElementWise<OP_Gelu>"]),
                "BiasSoftmax" => assert_eq!(names, ["BiasSoftmaxWarpForward"]),
                _ => {}
            }
            // Asked for before it was done, in the same clock; to the microseconds that a profile is cut to.
            let early = event.work.iter().find(|work| work.start_us < event.start_us as f64 - 2.0);
            assert_eq!(early, None, "{} at {}", event.op_type, event.start_us);
        }
    }

    #[test]
    fn without_a_device_there_is_no_work() {
        let (_, profile) = unpacked("swin-t");
        let events = read(Reader::new(profile.as_bytes(), NameEncoding::Escaped)).unwrap().sorted();
        assert!(events.len() > 500 && events.iter().all(|event| event.work.is_empty()));
        assert!(events.is_sorted_by_key(|event| event.start_us));
    }
}
