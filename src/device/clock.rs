//! Three clocks made one: the process's own, CUPTI's, and that of a profile, whose zero nobody states.
//!
//! The first two are read one right after the other, which bounds their difference from both sides. A profile's zero is
//! known to lie between the moment before the run was asked for and the first thing that the profile tells of; within these
//! bounds it is found by what must hold: whoever launches work on the device is a node, so that each such call lies inside a
//! node's interval. Of all differences that are possible, those are taken under which most calls do.

use std::collections::HashSet;

use super::activity::Call;
use super::join::HostNode;

/// A reading of CUPTI's clock between two of the process's, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// The process's clock before.
    pub before_ns: i64,
    /// CUPTI's clock.
    pub device_ns: u64,
    /// The process's clock after.
    pub after_ns: i64,
}

/// What a difference between two clocks may be, both ends included, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// At least.
    pub low_ns: i64,
    /// At most.
    pub high_ns: i64,
}

impl Range {
    /// Its middle.
    pub fn middle_ns(&self) -> i64 {
        self.low_ns + self.width_ns() / 2
    }

    /// How uncertain the difference is.
    pub fn width_ns(&self) -> i64 {
        self.high_ns.saturating_sub(self.low_ns)
    }
}

/// What must be added to CUPTI's clock to have the process's. `None` without readings, and where they contradict one
/// another: one of the clocks was set in between.
pub fn offset(pairs: &[Pair]) -> Option<Range> {
    let one = |pair: &Pair| {
        let device = i64::try_from(pair.device_ns).ok()?;
        Some(Range { low_ns: pair.before_ns.checked_sub(device)?, high_ns: pair.after_ns.checked_sub(device)? })
    };
    let ranges = pairs.iter().map(one).collect::<Option<Vec<Range>>>()?;
    let low_ns = ranges.iter().map(|range| range.low_ns).max()?;
    let high_ns = ranges.iter().map(|range| range.high_ns).min()?;
    (low_ns <= high_ns).then_some(Range { low_ns, high_ns })
}

/// How calls fit into nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alignment {
    /// What must be added to CUPTI's clock to have the profile's, in nanoseconds.
    pub shift_ns: i64,
    /// How far it could be moved without losing a call: the remaining doubt.
    pub play_ns: i64,
    /// Calls that then lie inside of a node, of those looked at.
    pub contained: u32,
    /// Calls looked at. Those that a node with others inside of it makes itself, such as a Loop that copies what its body
    /// returned, say nothing of the clocks and are left out.
    pub calls: u32,
}

impl Alignment {
    /// Part of the calls that lie inside of a node, 0 to 1; 1 where there is none.
    pub fn part(&self) -> f64 {
        if self.calls == 0 { 1.0 } else { f64::from(self.contained) / f64::from(self.calls) }
    }
}

/// More calls say nothing more, and each costs time.
const MOST_CALLS: usize = 512;

/// Finds the shift from CUPTI's clock to the profile's within `allowed` under which most of `calls` (those that asked the
/// device for something) lie inside of nodes. Nodes that run others are not looked at: it is those others that make calls.
pub fn align(nodes: &[HostNode], calls: &[Call], allowed: Range) -> Alignment {
    let parents: HashSet<usize> = nodes.iter().filter_map(|node| node.parent).collect();
    let leaves = nodes.iter().enumerate().filter(|(index, _)| !parents.contains(index));
    let mut leaves: Vec<(i64, i64)> = leaves.map(|(_, node)| (node.start_ns, node.end_ns)).collect();
    leaves.sort_unstable();
    let step = calls.len().div_ceil(MOST_CALLS).max(1);
    let looked_at: Vec<(i64, i64)> = calls.iter().step_by(step).filter_map(times).collect();
    let mut edges = Vec::new();
    for &call in &looked_at {
        fits(&leaves, call, allowed, &mut edges);
    }
    let (best, contained) = fullest(edges).unwrap_or((allowed, 0));
    let shift_ns = best.middle_ns();
    let outer: Vec<&HostNode> = parents.iter().filter_map(|&parent| nodes.get(parent)).collect();
    let of_an_outer_node = |&&call: &&(i64, i64)| {
        let (start, end) = (call.0.saturating_add(shift_ns), call.1.saturating_add(shift_ns));
        outer.iter().any(|node| node.start_ns <= start && end <= node.end_ns)
            && !leaves.iter().any(|leaf| leaf.0 < end && start < leaf.1)
    };
    let silent = looked_at.iter().filter(of_an_outer_node).count();
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Alignment {
        shift_ns,
        play_ns: best.width_ns(),
        contained: count(contained),
        calls: count(looked_at.len() - silent),
    }
}

fn times(call: &Call) -> Option<(i64, i64)> {
    Some((i64::try_from(call.start_ns).ok()?, i64::try_from(call.end_ns).ok()?))
}

/// The shifts under which a call lies inside of some node, as the edges of intervals: +1 where one begins, -1 behind its
/// end. `nodes` are apart, so that the intervals of one call are.
fn fits(nodes: &[(i64, i64)], (start, end): (i64, i64), allowed: Range, edges: &mut Vec<(i64, i32)>) {
    let first = nodes.partition_point(|node| node.1 < end.saturating_add(allowed.low_ns));
    for &(from, until) in nodes.get(first..).unwrap_or_default() {
        let low = from.saturating_sub(start).max(allowed.low_ns);
        if low > allowed.high_ns {
            break;
        }
        let high = until.saturating_sub(end).min(allowed.high_ns);
        if low <= high {
            edges.push((low, 1));
            edges.push((high.saturating_add(1), -1));
        }
    }
}

/// The widest of the stretches that most intervals cover, and how many do.
fn fullest(mut edges: Vec<(i64, i32)>) -> Option<(Range, usize)> {
    // Ends first: an interval that ends where another begins does not overlap it.
    edges.sort_unstable();
    let mut best: Option<(Range, i32)> = None;
    let mut covering = 0;
    for (index, &(at, change)) in edges.iter().enumerate() {
        covering += change;
        let Some(&(next, _)) = edges.get(index + 1) else { break };
        if next == at {
            continue;
        }
        let stretch = Range { low_ns: at, high_ns: next - 1 };
        let better = best
            .is_none_or(|(kept, most)| covering > most || (covering == most && stretch.width_ns() > kept.width_ns()));
        if covering > 0 && better {
            best = Some((stretch, covering));
        }
    }
    best.map(|(range, most)| (range, usize::try_from(most).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::super::activity::Api;
    use super::*;

    fn pair(before_ns: i64, device_ns: u64, after_ns: i64) -> Pair {
        Pair { before_ns, device_ns, after_ns }
    }

    #[test]
    fn readings_bound_the_difference_from_both_sides() {
        assert_eq!(offset(&[pair(100, 1_000, 140)]), Some(Range { low_ns: -900, high_ns: -860 }));
        let several = [pair(100, 1_000, 140), pair(200, 1_110, 230), pair(300, 1_195, 400)];
        assert_eq!(offset(&several), Some(Range { low_ns: -895, high_ns: -880 }));
    }

    #[test]
    fn no_readings_and_contradicting_ones_say_nothing() {
        assert_eq!(offset(&[]), None);
        assert_eq!(offset(&[pair(100, 1_000, 140), pair(200, 5_000, 240)]), None);
        assert_eq!(offset(&[pair(0, u64::MAX, 1)]), None);
    }

    fn node(start_ns: i64, end_ns: i64) -> HostNode {
        HostNode { thread: 1, start_ns, end_ns, parent: None, on_device: true }
    }

    fn call(start_ns: u64, end_ns: u64) -> Call {
        Call { api: Api::Runtime, function: 0, start_ns, end_ns, thread: 1, correlation: 0 }
    }

    #[test]
    fn calls_find_the_nodes_that_made_them() {
        let nodes = [node(10, 20), node(25, 60), node(70, 74)];
        let calls = [call(1_012, 1_016), call(1_030, 1_055), call(1_070, 1_074)];
        let alignment = align(&nodes, &calls, Range { low_ns: -2_000, high_ns: 0 });
        assert_eq!(alignment, Alignment { shift_ns: -1_000, play_ns: 0, contained: 3, calls: 3 });
        assert_eq!(alignment.part(), 1.0);
    }

    #[test]
    fn what_the_clocks_forbid_is_not_looked_for() {
        let nodes = [node(0, 100), node(500, 600)];
        let alignment = align(&nodes, &[call(540, 560)], Range { low_ns: -540, high_ns: -460 });
        assert_eq!((alignment.contained, alignment.play_ns), (1, 80), "{alignment:?}");
        assert!((-540..=-460).contains(&alignment.shift_ns));
    }

    #[test]
    fn calls_that_fit_nowhere_leave_the_middle_and_say_so() {
        let alignment = align(&[node(0, 10)], &[call(0, 50)], Range { low_ns: -100, high_ns: 100 });
        assert_eq!((alignment.shift_ns, alignment.contained, alignment.part()), (0, 0, 0.0));
        assert_eq!(align(&[], &[], Range { low_ns: 3, high_ns: 5 }).part(), 1.0);
    }

    #[test]
    fn what_a_node_with_others_inside_does_itself_says_nothing_of_the_clocks() {
        let inside = |start_ns, end_ns| HostNode { parent: Some(0), ..node(start_ns, end_ns) };
        let nodes = [node(0, 1_000), inside(100, 200), inside(300, 400)];
        // The second call is the outer node's own, the last lies across the edge of an inner one.
        let calls = [call(1_100, 1_200), call(1_220, 1_280), call(1_300, 1_400), call(1_390, 1_410)];
        let alignment = align(&nodes, &calls, Range { low_ns: -1_000, high_ns: -1_000 });
        assert_eq!(alignment, Alignment { shift_ns: -1_000, play_ns: 0, contained: 2, calls: 3 });
    }

    #[test]
    fn equal_layers_are_told_apart_by_their_ends() {
        let layer = |number: i64| [node(100 * number, 100 * number + 30), node(100 * number + 40, 100 * number + 95)];
        let nodes: Vec<HostNode> = (0..12).flat_map(layer).collect();
        let calls: Vec<Call> =
            nodes.iter().map(|node| call((node.start_ns + 7_005) as u64, (node.end_ns + 6_995) as u64)).collect();
        let alignment = align(&nodes, &calls, Range { low_ns: -7_450, high_ns: -6_550 });
        assert_eq!((alignment.contained, alignment.shift_ns), (24, -7_000), "{alignment:?}");
    }
}
