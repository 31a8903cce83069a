//! The device's own time beside the profiler's: CUPTI records while a run is profiled, and its records are attributed to
//! the nodes of that run's profile.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::device::{self, Call, HostNode, Joined, Range, What, Why, Work, is_product, readable};
use crate::measure::correct::record_of;
use crate::measure::prepare::Prepared;
use crate::measure::result::{DeviceRecord, KernelUse, LaunchWarning, NodeDevice, NodeRecord, StrayWork, TimelineWork};
use crate::measure::runs::{RunsError, median};
use crate::profile::{DeviceUse, Nested, Run, Tallies};
use crate::runtime::cupti::{Activity, Collector, CuptiError};
use crate::runtime::session::BoundSession;

/// How the providers of a GPU call themselves in a profile.
const ON_DEVICE: &str = "CUDAExecutionProvider";

/// Orphans may hold this much of the device's busy time before a word is said: the copies of inputs and outputs and the
/// clearing of flags between nodes are a few microseconds.
const MAY_BE_STRAY: f64 = 0.02;

/// Of the launching calls, this part must lie in nodes. Calls that lie across the edge of a node, whose times are cut to
/// microseconds, are a few in a hundred.
const MUST_BE_CONTAINED: f64 = 0.9;

/// Beyond this, busy time and latency cannot be of the same inference.
const MAY_BE_BUSY: f64 = 1.05;

/// Records what the device does in each profiled run.
#[derive(Debug)]
pub(super) struct Meter {
    library: PathBuf,
    /// None before the first run is profiled: CUPTI slows what the host launches, also while it records nothing.
    collector: Option<Collector>,
    runs: Vec<DeviceRun>,
}

/// What CUPTI recorded in a run, and the moments between which it was asked for, in the process's clock.
#[derive(Debug)]
pub(super) struct Recorded {
    activity: Activity,
    began_ns: i64,
    ended_ns: i64,
}

/// By node of the profile: pieces and nanoseconds of work, by what it was.
type NodeKernels = BTreeMap<u32, BTreeMap<String, (u32, i64)>>;

/// What the device did in one run.
#[derive(Debug)]
struct DeviceRun {
    duration_us: i64,
    joined: Joined,
    strays: BTreeMap<(String, bool), (u32, i64)>,
    kernels: NodeKernels,
    received_bytes: u64,
    sent_bytes: u64,
    dropped: u64,
    contained: f64,
    play_ns: i64,
}

impl Meter {
    /// One that will use this CUPTI.
    pub(super) fn of(library: PathBuf) -> Meter {
        Meter { library, collector: None, runs: Vec::new() }
    }

    /// CUPTI's version, once it is loaded.
    pub(super) fn version(&self) -> Option<u32> {
        self.collector.as_ref().map(|collector| collector.version().0)
    }

    /// Loads CUPTI, at the first call, and profiles one run while it records.
    pub(super) fn profile(
        &mut self,
        session: &mut BoundSession,
        stem: &Path,
    ) -> Result<(PathBuf, Recorded), RunsError> {
        let collector = match &mut self.collector {
            Some(collector) => collector,
            none => none.insert(Collector::load(&self.library, Instant::now()).map_err(RunsError::Device)?),
        };
        collector.start().map_err(RunsError::Device)?;
        let began_ns = collector.now_ns();
        let profiled = session.run_profiled(stem);
        let ended_ns = collector.now_ns();
        // Whatever became of the run, CUPTI must not go on recording.
        let activity = collector.stop();
        let (_, path) = profiled.map_err(RunsError::Session)?;
        Ok((path, Recorded { activity: activity.map_err(RunsError::Device)?, began_ns, ended_ns }))
    }

    /// Attributes what was recorded to the nodes of the run's profile.
    pub(super) fn attribute(&mut self, run: &mut Run, recorded: &Recorded, tallies: &Tallies) -> Result<(), RunsError> {
        let found = attribute(run, recorded, tallies)?;
        self.runs.push(found);
        Ok(())
    }

    /// What the device did in the runs no longer than the middle one, as a whole and by the number of a node.
    pub(super) fn record(self) -> (DeviceRecord, BTreeMap<u32, Vec<KernelUse>>) {
        let calm = calm(self.runs);
        let kernels = kernels(&calm.runs);
        (summarized(calm), kernels)
    }
}

/// Attributes what was recorded in a run to the nodes of its profile, which learn of it.
fn attribute(run: &mut Run, recorded: &Recorded, tallies: &Tallies) -> Result<DeviceRun, RunsError> {
    let nodes = host_nodes(&run.rows, |row| tallies.operator_of(row).map(|(_, provider)| provider));
    let Activity { calls, work, .. } = &recorded.activity;
    let alignment = aligned(&nodes, run.start_us + run.duration_us, recorded)?;
    run.duration_us = until_done_us(run, work, alignment.shift_ns);
    let joined = device::join(&nodes, calls, work, alignment.shift_ns, interval_ns(run));
    run.device = joined.nodes.iter().map(used).collect();
    let names = names(recorded);
    Ok(DeviceRun {
        duration_us: run.duration_us,
        strays: strays(&joined, work, &names),
        kernels: by_node(run, &joined, work, &names),
        received_bytes: copied(work, HOST_TO_DEVICE),
        sent_bytes: copied(work, DEVICE_TO_HOST),
        dropped: recorded.activity.dropped,
        contained: alignment.part(),
        play_ns: alignment.play_ns,
        joined,
    })
}

/// How the clocks of a run fit, whose `model_run` event ends at `end_us`.
fn aligned(nodes: &[HostNode], end_us: i64, recorded: &Recorded) -> Result<device::Alignment, RunsError> {
    let Activity { calls, work, .. } = &recorded.activity;
    let allowed = allowed(end_us, recorded).ok_or(RunsError::Device(CuptiError::Clock))?;
    Ok(device::align(nodes, &launching(calls, work), allowed))
}

/// Kernels by the address of their symbol.
fn names(recorded: &Recorded) -> BTreeMap<u64, String> {
    recorded.activity.names.iter().map(|(address, symbol)| (*address, readable(symbol))).collect()
}

/// Each piece of work in a run, in the profile's clock, with the position of the execution that asked for it. `provider` says
/// where an execution ran; the run's `model_run` event ends at `end_us`.
pub(super) fn work_of<'a>(
    rows: &[Nested],
    provider: impl Fn(&Nested) -> Option<&'a str>,
    end_us: i64,
    recorded: &Recorded,
) -> Result<Vec<(usize, TimelineWork)>, RunsError> {
    let nodes = host_nodes(rows, provider);
    let shift_ns = aligned(&nodes, end_us, recorded)?.shift_ns;
    let Activity { calls, work, .. } = &recorded.activity;
    let joined = device::join(&nodes, calls, work, shift_ns, (0, end_us * 1_000));
    let names = names(recorded);
    let piece = |(work, owner): (&Work, &Option<usize>)| {
        let start_ns = i64::try_from(work.start_ns).ok()?.saturating_add(shift_ns);
        let timed = TimelineWork {
            name: name(work, &names),
            stream: work.stream,
            // Nanoseconds of one run stay far below 2^53.
            start_us: start_ns as f64 / 1e3,
            duration_us: work.duration_ns() as f64 / 1e3,
        };
        Some(((*owner)?, timed))
    };
    Ok(work.iter().zip(&joined.owners).filter_map(piece).collect())
}

/// The runs no longer than the middle one.
struct Calm {
    runs: Vec<DeviceRun>,
    /// Records that CUPTI dropped, of the others too.
    dropped: u64,
}

fn calm(runs: Vec<DeviceRun>) -> Calm {
    let middle = median(&runs.iter().map(|run| run.duration_us as f64).collect::<Vec<_>>());
    let dropped = runs.iter().map(|run| run.dropped).sum();
    Calm { runs: runs.into_iter().filter(|run| run.duration_us as f64 <= middle).collect(), dropped }
}

/// Medians over runs.
fn summarized(Calm { runs: calm, dropped }: Calm) -> DeviceRecord {
    let of = |figure: &dyn Fn(&DeviceRun) -> f64| median(&calm.iter().map(figure).collect::<Vec<_>>());
    let us = |figure: fn(&Joined) -> i64| of(&|run| figure(&run.joined) as f64 / 1e3);
    DeviceRecord {
        run_us: of(&|run| run.duration_us as f64),
        busy_us: us(|joined| joined.busy_ns),
        overlapping_us: us(|joined| joined.overlapping_ns),
        exposed_us: us(|joined| joined.exposed_ns),
        trailing_us: us(|joined| joined.trailing_ns),
        // Every run copies the same.
        received_bytes: calm.first().map_or(0, |run| run.received_bytes),
        sent_bytes: calm.first().map_or(0, |run| run.sent_bytes),
        strays: all_strays(&calm),
        dropped,
        contained: of(&|run| run.contained),
        play_us: of(&|run| run.play_ns as f64 / 1e3),
    }
}

/// `CUPTI_ACTIVITY_MEMCPY_KIND_HTOD`.
const HOST_TO_DEVICE: u8 = 1;
/// `CUPTI_ACTIVITY_MEMCPY_KIND_DTOH`.
const DEVICE_TO_HOST: u8 = 2;

fn copied(work: &[Work], wanted: u8) -> u64 {
    let bytes = |work: &Work| match work.what {
        What::Copy { direction, bytes } if direction == wanted => bytes,
        _ => 0,
    };
    work.iter().map(bytes).sum()
}

/// The interval of a run in its profile's clock.
fn interval_ns(run: &Run) -> (i64, i64) {
    (run.start_us * 1_000, (run.start_us + run.duration_us + 1) * 1_000)
}

/// How long a run takes until the device is done with it: ONNX Runtime ends its `model_run` event when all is launched, and
/// waits for the device after that. On an H100, gpt2-xl at batch 8 was launched in 22 ms and done after 70.
fn until_done_us(run: &Run, work: &[Work], shift_ns: i64) -> i64 {
    let last_ns = work.iter().filter_map(|work| i64::try_from(work.end_ns).ok()).max();
    let done_us = last_ns.map_or(0, |last_ns| last_ns.saturating_add(shift_ns) / 1_000 - run.start_us);
    run.duration_us.max(done_us)
}

/// Executions as intervals. Starts and durations are cut to whole microseconds, so that what they stand for lies half of
/// one later, or is half of one longer, on average; but never beyond the start of the next.
fn host_nodes<'a>(rows: &[Nested], provider: impl Fn(&Nested) -> Option<&'a str>) -> Vec<HostNode> {
    let node = |row: &Nested| {
        let start_ns = row.start_us * 1_000 + 500;
        let beyond_ns = row.gap_us.map_or(500, |gap_us| (gap_us * 1_000).min(500));
        HostNode {
            thread: row.thread,
            start_ns,
            end_ns: start_ns + row.duration_us * 1_000 + beyond_ns,
            parent: row.parent,
            on_device: provider(row) == Some(ON_DEVICE),
        }
    };
    rows.iter().map(node).collect()
}

/// What may have to be added to CUPTI's clock to have the profile's: the profile begins after the run was asked for, and
/// its run is over before the call returns.
fn allowed(end_us: i64, recorded: &Recorded) -> Option<Range> {
    let host = device::offset(&recorded.activity.clocks)?;
    let earliest_zero_ns = recorded.began_ns;
    let latest_zero_ns = (recorded.ended_ns - end_us * 1_000).max(earliest_zero_ns);
    Some(Range { low_ns: host.low_ns - latest_zero_ns, high_ns: host.high_ns - earliest_zero_ns })
}

/// The calls that launched work.
fn launching(calls: &[Call], work: &[Work]) -> Vec<Call> {
    let wanted: std::collections::HashSet<u32> = work.iter().map(|work| work.correlation).collect();
    calls.iter().copied().filter(|call| wanted.contains(&call.correlation)).collect()
}

fn used(node: &device::NodeUse) -> DeviceUse {
    DeviceUse {
        work_ns: node.work_ns,
        pieces: node.pieces.into(),
        launch_ns: node.launch_ns,
        waited_ns: node.waited_ns,
        exposed_ns: node.exposed_ns,
    }
}

/// What belongs to no node: pieces and time by what it was and whether somebody asked for it.
fn strays(joined: &Joined, work: &[Work], names: &BTreeMap<u64, String>) -> BTreeMap<(String, bool), (u32, i64)> {
    let mut strays: BTreeMap<(String, bool), (u32, i64)> = BTreeMap::new();
    for orphan in &joined.orphans {
        let Some(work) = work.get(orphan.work) else { continue };
        add(strays.entry((name(work, names), orphan.why == Why::NoCall)).or_default(), work);
    }
    strays
}

/// What belongs to the nodes of a run.
fn by_node(run: &Run, joined: &Joined, work: &[Work], names: &BTreeMap<u64, String>) -> NodeKernels {
    let mut kernels = NodeKernels::new();
    for (work, owner) in work.iter().zip(&joined.owners) {
        let Some(row) = owner.and_then(|owner| run.rows.get(owner)) else { continue };
        add(kernels.entry(row.node).or_default().entry(name(work, names)).or_default(), work);
    }
    kernels
}

fn add((pieces, work_ns): &mut (u32, i64), work: &Work) {
    *pieces += 1;
    *work_ns += i64::try_from(work.duration_ns()).unwrap_or(i64::MAX);
}

/// Means over runs, of each node by descending time.
fn kernels(runs: &[DeviceRun]) -> BTreeMap<u32, Vec<KernelUse>> {
    let mut sums = NodeKernels::new();
    for (node, kernels) in runs.iter().flat_map(|run| &run.kernels) {
        for (name, (pieces, work_ns)) in kernels {
            let sum = sums.entry(*node).or_default().entry(name.clone()).or_default();
            *sum = (sum.0 + pieces, sum.1 + work_ns);
        }
    }
    let count = runs.len().max(1) as f64;
    let used = |(name, (pieces, work_ns)): (String, (u32, i64))| KernelUse {
        product: is_product(&name),
        name,
        // Saturates by definition of the conversion; pieces are counts of records.
        pieces: (f64::from(pieces) / count).round() as u32,
        work_us: work_ns as f64 / 1e3 / count,
    };
    let of_node = |kernels: BTreeMap<String, (u32, i64)>| {
        let mut kernels: Vec<KernelUse> = kernels.into_iter().map(used).collect();
        kernels.sort_by(|a, b| b.work_us.total_cmp(&a.work_us));
        kernels
    };
    sums.into_iter().map(|(node, kernels)| (node, of_node(kernels))).collect()
}

fn name(work: &Work, names: &BTreeMap<u64, String>) -> String {
    match work.what {
        What::Kernel { name } => names.get(&name).cloned().unwrap_or_else(|| "unnamed kernel".to_owned()),
        What::Copy { direction: HOST_TO_DEVICE, .. } => "copy to the device".to_owned(),
        What::Copy { direction: DEVICE_TO_HOST, .. } => "copy from the device".to_owned(),
        What::Copy { .. } => "copy on the device".to_owned(),
        What::Set { .. } => "fill".to_owned(),
    }
}

/// The strays of several runs, by descending time.
fn all_strays(runs: &[DeviceRun]) -> Vec<StrayWork> {
    let mut sums: BTreeMap<&(String, bool), (u32, i64)> = BTreeMap::new();
    for (key, (pieces, work_ns)) in runs.iter().flat_map(|run| &run.strays) {
        let sum = sums.entry(key).or_default();
        *sum = (sum.0 + pieces, sum.1 + work_ns);
    }
    let stray = |((what, unasked), (pieces, work_ns)): (&(String, bool), (u32, i64))| StrayWork {
        what: what.clone(),
        unasked: *unasked,
        pieces,
        work_us: work_ns as f64 / 1e3 / runs.len() as f64,
    };
    let mut strays: Vec<StrayWork> = sums.into_iter().map(stray).collect();
    strays.sort_by(|a, b| b.work_us.total_cmp(&a.work_us));
    strays
}

/// The nodes with the device's time as theirs: what it worked for them, and what the host's own took while it had nothing
/// to do. Together with the rest of the idle time that is the latency.
pub(super) fn records(
    tallies: Tallies,
    mut kernels: BTreeMap<u32, Vec<KernelUse>>,
    prepared: &Prepared,
) -> Vec<NodeRecord> {
    let record = |node: crate::profile::NodeTally| {
        let us = |figure: &crate::profile::Distribution| figure.typical() / 1e3;
        let device = NodeDevice {
            work_us: us(&node.device.work_ns),
            // Saturates by definition of the conversion; pieces are counts of records.
            pieces: node.device.pieces.median().round() as u32,
            launch_us: us(&node.device.launch_ns),
            waited_us: us(&node.device.waited_ns),
            exposed_us: us(&node.device.exposed_ns),
            // A node that runs in several places has them at the first.
            kernels: kernels.remove(&node.node).unwrap_or_default(),
        };
        let (executions, raw_us) = (node.executions.typical(), node.self_us.typical());
        let self_us = device.work_us + device.exposed_us;
        NodeRecord { device: Some(device), ..record_of(node, executions, raw_us, self_us, prepared) }
    };
    tallies.into_nodes().into_iter().map(record).collect()
}

/// What in the records speaks against them.
pub(super) fn doubts(record: &DeviceRecord, latency_us: f64) -> Vec<LaunchWarning> {
    let mut doubts = Vec::new();
    if record.contained < MUST_BE_CONTAINED {
        doubts.push(LaunchWarning::ClocksDisagree { contained: record.contained });
    }
    let stray_us: f64 = record.strays.iter().map(|stray| stray.work_us).sum();
    let share = stray_us / (record.busy_us + record.overlapping_us).max(f64::MIN_POSITIVE);
    if share > MAY_BE_STRAY || record.dropped > 0 {
        doubts.push(LaunchWarning::Unattributed { share: share.min(1.0), dropped: record.dropped });
    }
    // The device cannot work longer than the inference takes.
    let ratio = (record.busy_us + record.exposed_us) / latency_us;
    if latency_us > 0.0 && ratio > MAY_BE_BUSY {
        doubts.push(LaunchWarning::NotReconciled { ratio });
    }
    doubts
}

#[cfg(test)]
pub(super) mod recorded;
#[cfg(test)]
mod tests;
