//! Events -> runs -> one tally a node.

use std::collections::HashMap;
use std::io::Read;
use std::mem;

use super::device::{DeviceTally, DeviceUse};
use super::distribution::Distribution;
use super::event::{Category, Event, NameEncoding};
use super::nesting::{Interval, Nested, nest};
use super::reader::{ProfileError, Reader};
use super::shapes::{TensorList, tensor_list};

/// Operators that run subgraphs.
const RUN_SUBGRAPHS: [&str; 7] = ["If", "Loop", "Scan", "BeamSearch", "GreedySearch", "Sampling", "WhisperBeamSearch"];

/// A node of the executed graph over all runs read so far.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeTally {
    /// Its number, that of its executions ([`Nested::node`]). A node that runs in several places has a tally for each.
    pub node: u32,
    /// Node name after optimization.
    pub name: String,
    /// Operator type, without its domain.
    pub op_type: String,
    /// Execution provider.
    pub provider: String,
    /// Nodes around it; 0 in the main graph.
    pub depth: u32,
    /// Inputs of its first execution.
    pub inputs: TensorList,
    /// Outputs of its first execution.
    pub outputs: TensorList,
    /// Executions in a run, over runs. A run in which it did not execute counts as 0.
    pub executions: Distribution,
    /// Executions that it ran directly inside itself in a run, over runs.
    pub children: Distribution,
    /// Self time in a run in microseconds, over runs.
    pub self_us: Distribution,
    /// From the end of an execution until the next one beside it begins, in microseconds, over executions.
    pub gap_us: Distribution,
    /// What a device did for it.
    pub device: DeviceTally,
}

/// One inference, as its profile tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Start of its `model_run` event in microseconds.
    pub start_us: i64,
    /// Duration of its `model_run` event in microseconds; with a device, until that was done.
    pub duration_us: i64,
    /// Its node executions.
    pub rows: Vec<Nested>,
    /// What a device did for each of them, by whoever found out; empty where nobody did.
    pub device: Vec<DeviceUse>,
}

/// Folds any number of profiles of one session, each with one run or many.
#[derive(Debug, Default)]
pub struct Tallies {
    nodes: Vec<Identity>,
    by_identity: HashMap<Key, u32>,
    /// Node of the preceding event: the next one in `nodes` is likely the next event's.
    previous: u32,
    pending: Vec<Interval>,
    places: Vec<Place>,
    by_place: HashMap<(u32, Option<u32>), u32>,
    counted: u64,
    /// Of those, the ones that know what a device did.
    with_device: u64,
    truncated: bool,
    strays: u64,
}

/// What tells nodes apart: `node_index` restarts in each subgraph and names need not be unique.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    name: Vec<u8>,
    index: Vec<u8>,
    op_type: Vec<u8>,
}

#[derive(Debug)]
struct Identity {
    key: Key,
    name: String,
    op_type: String,
    provider: String,
    inputs: TensorList,
    outputs: TensorList,
    runs_subgraphs: bool,
}

/// A node at one place of the nest.
#[derive(Debug, Default)]
struct Place {
    node: u32,
    depth: u32,
    certain: bool,
    executions: Distribution,
    children: Distribution,
    self_us: Distribution,
    gap_us: Distribution,
    device: DeviceTally,
    this_run: RunSums,
}

#[derive(Debug, Default, Clone, Copy)]
struct RunSums {
    executions: i64,
    children: i64,
    self_us: i64,
    device: DeviceUse,
}

impl Tallies {
    /// Reads one profile to its end and counts its runs. Runs are told apart by their `model_run` events, before or
    /// after their nodes'.
    ///
    /// # Errors
    /// Those of [`Reader::next_event`]; runs that were complete before the error stay counted.
    pub fn read<R: Read>(&mut self, source: R, encoding: NameEncoding) -> Result<(), ProfileError> {
        self.each_run(source, encoding, Tallies::count)
    }

    /// Reads one profile to its end and returns its runs without counting them: the caller chooses which to
    /// [`count`](Tallies::count).
    ///
    /// # Errors
    /// Those of [`Reader::next_event`].
    pub fn runs<R: Read>(&mut self, source: R, encoding: NameEncoding) -> Result<Vec<Run>, ProfileError> {
        let mut runs = Vec::new();
        self.each_run(source, encoding, |_, run| runs.push(run.clone()))?;
        Ok(runs)
    }

    fn each_run<R: Read>(
        &mut self,
        source: R,
        encoding: NameEncoding,
        mut take: impl FnMut(&mut Tallies, &Run),
    ) -> Result<(), ProfileError> {
        let mut reader = Reader::new(source, encoding);
        // The run whose `model_run` came last: events inside it may still follow where the writer sorts by start.
        let mut open: Option<Interval> = None;
        let result = loop {
            let event = match reader.next_event() {
                Ok(Some(event)) => event,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            };
            if event.is_truncation_mark() {
                self.truncated = true;
                continue;
            }
            let interval = Interval {
                thread: event.thread,
                start_us: event.start_us,
                duration_us: event.duration_us,
                node: 0,
                runs_subgraphs: false,
            };
            let begins_run = event.is_model_run();
            if let Some(run) = open.take_if(|run| begins_run || event.start_us > run.end()) {
                let run = self.close(run);
                take(self, &run);
            }
            if begins_run {
                open = Some(interval);
            } else if event.category == Category::Node {
                self.add(&event, interval);
            }
        };
        if let Some(run) = open {
            let run = self.close(run);
            take(self, &run);
        }
        self.strays += u64::try_from(self.pending.len()).unwrap_or(u64::MAX);
        self.pending.clear();
        result
    }

    /// Operator type and provider of the node that an execution is of; `None` for one of other tallies.
    pub fn operator_of(&self, execution: &Nested) -> Option<(&str, &str)> {
        self.nodes.get(index(execution.node)).map(|node| (node.op_type.as_str(), node.provider.as_str()))
    }

    /// Runs that were counted.
    pub fn counted(&self) -> u64 {
        self.counted
    }

    /// True where ONNX Runtime said that it dropped events.
    pub fn truncated(&self) -> bool {
        self.truncated
    }

    /// Node events that lay in no run: the profile lost its `model_run`.
    pub fn strays(&self) -> u64 {
        self.strays
    }

    /// The nodes in order of their first execution.
    pub fn into_nodes(self) -> Vec<NodeTally> {
        let mut certain = vec![false; self.nodes.len()];
        for place in self.places.iter().filter(|place| place.certain) {
            if let Some(seen) = certain.get_mut(index(place.node)) {
                *seen = true;
            }
        }
        // An execution that was too close to call lasted no time, and the node's true place is known from other runs.
        let kept = self
            .places
            .into_iter()
            .filter(|place| place.certain || !certain.get(index(place.node)).copied().unwrap_or(false));
        let nodes = &self.nodes;
        let mut rows: Vec<(u32, NodeTally)> = kept
            .filter_map(|place| {
                let identity = nodes.get(index(place.node))?;
                Some((
                    place.node,
                    NodeTally {
                        node: place.node,
                        name: identity.name.clone(),
                        op_type: identity.op_type.clone(),
                        provider: identity.provider.clone(),
                        depth: place.depth,
                        inputs: identity.inputs.clone(),
                        outputs: identity.outputs.clone(),
                        executions: place.executions,
                        children: place.children,
                        self_us: place.self_us,
                        gap_us: place.gap_us,
                        device: place.device,
                    },
                ))
            })
            .collect();
        rows.sort_by_key(|(node, _)| *node);
        rows.into_iter().map(|(_, row)| row).collect()
    }

    fn add(&mut self, event: &Event<'_>, interval: Interval) {
        let node = self.identify(event);
        let runs_subgraphs = self.nodes.get(index(node)).is_some_and(|node| node.runs_subgraphs);
        self.pending.push(Interval { node, runs_subgraphs, ..interval });
    }

    fn identify(&mut self, event: &Event<'_>) -> u32 {
        let node_index = event.raw_arg("node_index").unwrap_or_default();
        let op_type = event.raw_arg("op_name").unwrap_or_default();
        let is = |identity: &Identity| {
            identity.key.name == event.name && identity.key.index == node_index && identity.key.op_type == op_type
        };
        let guess = if index(self.previous) + 1 < self.nodes.len() { self.previous + 1 } else { 0 };
        if self.nodes.get(index(guess)).is_some_and(is) {
            self.previous = guess;
            return guess;
        }
        let key = Key { name: event.name.to_vec(), index: node_index.to_vec(), op_type: op_type.to_vec() };
        let fresh = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        let node = *self.by_identity.entry(key.clone()).or_insert(fresh);
        if node == fresh {
            self.nodes.push(Identity::of(key, event));
        }
        self.previous = node;
        node
    }

    /// Takes the pending events inside the run; what began before it belongs to no run, what begins after stays.
    fn close(&mut self, run: Interval) -> Run {
        let mut inside = mem::take(&mut self.pending);
        self.pending = inside.iter().copied().filter(|event| event.start_us > run.end()).collect();
        let before = inside.len() - self.pending.len();
        inside.retain(|event| (run.start_us..=run.end()).contains(&event.start_us));
        self.strays += u64::try_from(before - inside.len()).unwrap_or(u64::MAX);
        Run { start_us: run.start_us, duration_us: run.duration_us, rows: nest(&mut inside), device: Vec::new() }
    }

    /// Adds one run to the tallies.
    pub fn count(&mut self, run: &Run) {
        let mut place_of: Vec<u32> = Vec::with_capacity(run.rows.len());
        let looked = !run.device.is_empty();
        for (at, row) in run.rows.iter().enumerate() {
            let parent = row.parent.and_then(|parent| place_of.get(parent).copied());
            let number = self.place(row.node, parent, row.depth);
            place_of.push(number);
            if let Some(place) = self.places.get_mut(index(number)) {
                place.certain |= !row.uncertain;
                place.this_run.executions += 1;
                place.this_run.children += i64::from(row.children);
                place.this_run.self_us += row.self_us;
                place.this_run.device += run.device.get(at).copied().unwrap_or_default();
                if let Some(gap_us) = row.gap_us {
                    place.gap_us.add(gap_us);
                }
            }
        }
        for place in &mut self.places {
            let sums = mem::take(&mut place.this_run);
            place.executions.add(sums.executions);
            place.children.add(sums.children);
            place.self_us.add(sums.self_us);
            if looked {
                place.device.add(sums.device);
            }
        }
        self.counted += 1;
        self.with_device += u64::from(looked);
    }

    fn place(&mut self, node: u32, parent: Option<u32>, depth: u32) -> u32 {
        let fresh = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        let number = *self.by_place.entry((node, parent)).or_insert(fresh);
        if number == fresh {
            let mut place = Place { node, depth, ..Place::default() };
            // Runs counted before had no execution here; the current one is added at its end.
            for _ in 0..self.counted {
                place.executions.add(0);
                place.children.add(0);
                place.self_us.add(0);
            }
            for _ in 0..self.with_device {
                place.device.add(DeviceUse::default());
            }
            self.places.push(place);
        }
        number
    }
}

impl Identity {
    fn of(key: Key, event: &Event<'_>) -> Self {
        let text = |name: &str| event.arg(name).unwrap_or_default().into_owned();
        let tensors = |name: &str| tensor_list(event.raw_arg(name).unwrap_or_default());
        let op_type = text("op_name");
        Identity {
            key,
            name: event.name().into_owned(),
            provider: text("provider"),
            inputs: tensors("input_type_shape"),
            outputs: tensors("output_type_shape"),
            runs_subgraphs: RUN_SUBGRAPHS.contains(&op_type.as_str()),
            op_type,
        }
    }
}

fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
