//! Device work -> the node that asked for it.
//!
//! A piece of work and the call that launched it carry the same correlation id; the call was made by the node whose
//! interval it lies in, on the same thread; of nodes inside of one another, by the innermost. What cannot be followed that
//! way stays an orphan and is counted as such. Nothing is attributed twice and nothing is lost: the work of all nodes and
//! orphans adds up to all work, and busy time, idle time before and after it add up to the run.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::activity::{Api, Call, Work};
use super::span::Busy;

/// One execution of a node as the host saw it, in nanoseconds of the profile's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostNode {
    /// Thread that ran it.
    pub thread: i64,
    /// Start.
    pub start_ns: i64,
    /// End.
    pub end_ns: i64,
    /// Position of the node that ran it, where one did.
    pub parent: Option<usize>,
    /// False where its provider works on the host.
    pub on_device: bool,
}

/// What one execution of a node came to, without those inside of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NodeUse {
    /// Time of its work on the device. Pieces that ran at once count each.
    pub work_ns: i64,
    /// Pieces of work: kernels, copies, fills.
    pub pieces: u32,
    /// Time that the host spent in the calls that launched them.
    pub launch_ns: i64,
    /// Time that the device was idle right before a piece of its work: it had nothing to do until this was launched.
    pub waited_ns: i64,
    /// Of a node on the host: its time while the device was idle.
    pub exposed_ns: i64,
}

/// Why a piece of work belongs to no node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    /// No call with its correlation id was recorded.
    NoCall,
    /// The call lies in no node: ONNX Runtime made it between nodes, as for inputs and outputs.
    NoNode,
}

/// A piece of work that belongs to no node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Orphan {
    /// Position in the work that was given.
    pub work: usize,
    /// Why.
    pub why: Why,
}

/// What the device did in one run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Joined {
    /// One entry a node, in the order given.
    pub nodes: Vec<NodeUse>,
    /// The node of each piece of work, in the order given; `None` for one that belongs to none.
    pub owners: Vec<Option<usize>>,
    /// What belongs to none of them, by position.
    pub orphans: Vec<Orphan>,
    /// Time in which the device did anything during the run.
    pub busy_ns: i64,
    /// Time in which it did several things at once, counted for each but one, and what it did before the run.
    pub overlapping_ns: i64,
    /// Time during the run in which it did nothing: `busy_ns + idle_ns` is the run.
    pub idle_ns: i64,
    /// The part of `idle_ns` after its last work of the run.
    pub trailing_ns: i64,
    /// The part of `idle_ns` in which the host ran nodes of its own.
    pub exposed_ns: i64,
}

/// How far outside of every node a call may lie and still be that of the nearest: a profile's times are cut to
/// microseconds, at both ends.
const TOLERANCE_NS: i64 = 2_000;

/// Attributes `work` to `nodes`. `calls` may be more than those that launched it. `shift_ns` is added to CUPTI's clock to
/// have the profile's; `run` is the interval of the whole inference, in the profile's clock.
///
/// Calls are matched by thread where any of them was made on a thread of the nodes, else by time alone: CUPTI may name
/// threads otherwise than the profiler does.
pub fn join(nodes: &[HostNode], calls: &[Call], work: &[Work], shift_ns: i64, run: (i64, i64)) -> Joined {
    let places = Places::of(nodes, calls);
    let launches = Launches::of(calls, work);
    let owner = |work: &Work| -> Result<usize, Why> {
        let call = launches.outermost.get(&work.correlation).ok_or(Why::NoCall)?;
        places.owner(call, shift_ns).ok_or(Why::NoNode)
    };
    let owners: Vec<Result<usize, Why>> = work.iter().map(owner).collect();
    let mut joined = Joined { nodes: vec![NodeUse::default(); nodes.len()], ..Joined::default() };
    let mut total_ns = 0;
    for (index, (piece, owner)) in work.iter().zip(&owners).enumerate() {
        let duration_ns = i64::try_from(piece.duration_ns()).unwrap_or(i64::MAX);
        total_ns += duration_ns;
        match owner.map(|node| joined.nodes.get_mut(node)) {
            Ok(Some(node)) => {
                node.work_ns += duration_ns;
                node.pieces += 1;
            }
            Ok(None) => {}
            Err(why) => joined.orphans.push(Orphan { work: index, why }),
        }
    }
    for (node, launch_ns) in launches.by_node(&places, shift_ns) {
        if let Some(node) = joined.nodes.get_mut(node) {
            node.launch_ns = launch_ns;
        }
    }
    let busy = Busy::of(work.iter().map(|work| (shifted(work.start_ns, shift_ns), shifted(work.end_ns, shift_ns))));
    idle(&mut joined, &busy, &owners, run);
    joined.owners = owners.into_iter().map(Result::ok).collect();
    joined.overlapping_ns = total_ns - joined.busy_ns;
    expose(&mut joined, nodes, &busy, run);
    joined
}

/// A moment of CUPTI's clock in the profile's.
fn shifted(device_ns: u64, shift_ns: i64) -> i64 {
    i64::try_from(device_ns).unwrap_or(i64::MAX).saturating_add(shift_ns)
}

/// Busy and idle time of the run, the latter by whose work ended it.
fn idle(joined: &mut Joined, busy: &Busy, owners: &[Result<usize, Why>], (start_ns, end_ns): (i64, i64)) {
    joined.busy_ns = busy.within_ns(start_ns, end_ns);
    joined.idle_ns = (end_ns - start_ns).max(0) - joined.busy_ns;
    let mut idle_since = start_ns;
    for span in busy.spans() {
        let until = span.start_ns.min(end_ns);
        if let Some(node) = owners.get(span.first).and_then(|owner| joined.nodes.get_mut((*owner).ok()?)) {
            node.waited_ns += (until - idle_since).max(0);
        }
        idle_since = idle_since.max(span.end_ns);
    }
    joined.trailing_ns = (end_ns - idle_since).max(0);
}

/// Time of the host's own nodes that the device did not hide, each without the nodes inside of it.
fn expose(joined: &mut Joined, nodes: &[HostNode], busy: &Busy, (from, until): (i64, i64)) {
    let bare = |start: i64, end: i64| (end - start).max(0) - busy.within_ns(start, end);
    let mut own: Vec<i64> = Vec::with_capacity(nodes.len());
    for node in nodes {
        own.push(bare(node.start_ns.max(from), node.end_ns.min(until)));
    }
    let inside: Vec<(usize, i64)> = nodes
        .iter()
        .filter_map(|node| {
            let outer = node.parent.and_then(|parent| Some((parent, nodes.get(parent)?)));
            let (parent, outer) = outer?;
            let (start, end) = (node.start_ns.max(outer.start_ns).max(from), node.end_ns.min(outer.end_ns).min(until));
            Some((parent, bare(start, end)))
        })
        .collect();
    for (parent, bare_ns) in inside {
        if let Some(own) = own.get_mut(parent) {
            *own -= bare_ns;
        }
    }
    for ((node, used), own_ns) in nodes.iter().zip(&mut joined.nodes).zip(own) {
        if !node.on_device {
            used.exposed_ns = own_ns.max(0);
            joined.exposed_ns += used.exposed_ns;
        }
    }
}

/// The calls that launched work.
struct Launches<'a> {
    all: Vec<&'a Call>,
    /// By correlation id: a call of the runtime's makes one of the driver's inside of it.
    outermost: HashMap<u32, &'a Call>,
}

impl<'a> Launches<'a> {
    fn of(calls: &'a [Call], work: &[Work]) -> Self {
        let wanted: HashSet<u32> = work.iter().map(|work| work.correlation).collect();
        let all: Vec<&Call> = calls.iter().filter(|call| wanted.contains(&call.correlation)).collect();
        let mut outermost: HashMap<u32, &Call> = HashMap::new();
        for &call in &all {
            let kept = outermost.entry(call.correlation).or_insert(call);
            if outer_first(call) < outer_first(kept) {
                *kept = call;
            }
        }
        Launches { all, outermost }
    }

    /// Time in these calls by the node that made them; a call inside of another counts once.
    fn by_node(&self, places: &Places<'_>, shift_ns: i64) -> Vec<(usize, i64)> {
        let mut intervals: BTreeMap<usize, Vec<(i64, i64)>> = BTreeMap::new();
        for call in &self.all {
            if let Some(node) = places.owner(call, shift_ns) {
                let interval = (shifted(call.start_ns, shift_ns), shifted(call.end_ns, shift_ns));
                intervals.entry(node).or_default().push(interval);
            }
        }
        intervals.into_iter().map(|(node, intervals)| (node, Busy::of(intervals).total_ns())).collect()
    }
}

/// Which of the calls of one id is the outermost, whatever order they come in.
fn outer_first(call: &Call) -> (u64, std::cmp::Reverse<u64>, Api, u32, u32) {
    (call.start_ns, std::cmp::Reverse(call.end_ns), call.api, call.function, call.thread)
}

/// The nodes of each thread by start, so that the one around a moment is found by bisection.
struct Places<'a> {
    nodes: &'a [HostNode],
    by_thread: HashMap<i64, Vec<usize>>,
    depths: Vec<u32>,
    /// False where threads have other names on the two sides.
    threads_agree: bool,
}

/// Where all nodes are looked through, whatever their thread.
const ANY_THREAD: i64 = i64::MIN;

impl<'a> Places<'a> {
    fn of(nodes: &'a [HostNode], calls: &[Call]) -> Self {
        let threads: HashSet<i64> = nodes.iter().map(|node| node.thread).collect();
        let threads_agree = calls.iter().any(|call| threads.contains(&i64::from(call.thread)));
        let depths = depths(nodes);
        let mut by_thread: HashMap<i64, Vec<usize>> = HashMap::new();
        for (index, node) in nodes.iter().enumerate() {
            by_thread.entry(if threads_agree { node.thread } else { ANY_THREAD }).or_default().push(index);
        }
        for indices in by_thread.values_mut() {
            indices.sort_unstable_by_key(|&index| {
                (nodes.get(index).map(|node| node.start_ns), depths.get(index).copied(), index)
            });
        }
        Places { nodes, by_thread, depths, threads_agree }
    }

    /// The node that made a call: the one around the call's middle that began last, else the nearest within the tolerance.
    fn owner(&self, call: &Call, shift_ns: i64) -> Option<usize> {
        let middle = call.start_ns + (call.end_ns - call.start_ns) / 2;
        let moment = shifted(middle, shift_ns);
        let thread = if self.threads_agree { i64::from(call.thread) } else { ANY_THREAD };
        let order = self.by_thread.get(&thread)?;
        let next = order.partition_point(|&index| self.start_of(index) <= moment);
        let mut candidates: Vec<usize> = Vec::new();
        // The last one that began, and those around it.
        let mut before = next.checked_sub(1).and_then(|last| order.get(last)).copied();
        while let Some(index) = before
            && candidates.len() < self.nodes.len()
        {
            candidates.push(index);
            before = self.nodes.get(index).and_then(|node| node.parent);
        }
        // The next one, and those that begin with it.
        let follows = order.get(next).map(|&index| self.start_of(index));
        candidates.extend(order.iter().skip(next).copied().take_while(|&index| Some(self.start_of(index)) == follows));
        let ranked = candidates.into_iter().filter_map(|index| self.rank(index, moment));
        ranked.min().filter(|rank| rank.0 <= TOLERANCE_NS).map(|rank| rank.3)
    }

    fn start_of(&self, index: usize) -> i64 {
        self.nodes.get(index).map_or(i64::MAX, |node| node.start_ns)
    }

    fn rank(&self, index: usize, moment: i64) -> Option<Rank> {
        Some(rank(self.nodes.get(index)?, self.depths.get(index).copied()?, index, moment))
    }
}

/// By what a node is chosen for a moment, the smallest first: how far it lies away, then how late it began, then how deep
/// it lies.
type Rank = (i64, std::cmp::Reverse<i64>, std::cmp::Reverse<u32>, usize);

fn rank(node: &HostNode, depth: u32, index: usize, moment: i64) -> Rank {
    let distance = if moment < node.start_ns {
        node.start_ns - moment
    } else if moment < node.end_ns {
        0
    } else {
        moment - node.end_ns + 1
    };
    (distance, std::cmp::Reverse(node.start_ns), std::cmp::Reverse(depth), index)
}

/// Nodes around each node; what claims to lie in itself lies as deep as there are nodes.
fn depths(nodes: &[HostNode]) -> Vec<u32> {
    let depth = |node: &HostNode| {
        let mut parent = node.parent;
        let mut depth = 0_usize;
        while let Some(index) = parent
            && depth < nodes.len()
        {
            depth += 1;
            parent = nodes.get(index).and_then(|node| node.parent);
        }
        u32::try_from(depth).unwrap_or(u32::MAX)
    };
    nodes.iter().map(depth).collect()
}

#[cfg(test)]
mod tests;
