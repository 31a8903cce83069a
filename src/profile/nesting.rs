//! Which node ran inside which, and what each took without those inside it.
//!
//! ONNX Runtime's executor runs the nodes of one thread one after another, so that the intervals of two of them are
//! apart unless one is a control-flow node that runs the other. Both ends are truncated to microseconds: a start and a
//! duration may each lack up to one, therefore the end that they add up to may lie one before the true end's.

use std::cmp::Reverse;

/// One execution of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// Thread that ran it.
    pub thread: i64,
    /// Start in microseconds.
    pub start_us: i64,
    /// Duration in microseconds; what is negative counts as 0.
    pub duration_us: i64,
    /// Number of the node, which is handed back.
    pub node: u32,
    /// True for operators that run subgraphs; it decides which of two equal intervals is the outer one.
    pub runs_subgraphs: bool,
}

impl Interval {
    fn duration(&self) -> i64 {
        self.duration_us.max(0)
    }

    pub(super) fn end(&self) -> i64 {
        self.start_us.saturating_add(self.duration())
    }
}

/// One execution with its place in the nest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nested {
    /// Node of the interval.
    pub node: u32,
    /// Position of the node that ran it among the nested; always before it.
    pub parent: Option<usize>,
    /// Thread that ran it.
    pub thread: i64,
    /// Start in microseconds.
    pub start_us: i64,
    /// Nodes around it.
    pub depth: u32,
    /// Executions directly inside it.
    pub children: u32,
    /// Duration in microseconds.
    pub duration_us: i64,
    /// Duration without its children's, in microseconds; never negative.
    pub self_us: i64,
    /// From its end until the next execution inside the same parent begins, in microseconds; `None` for the last one.
    pub gap_us: Option<i64>,
    /// True where it lies so close to the edge of an operator with subgraphs that it could as well be on the other side.
    pub uncertain: bool,
}

/// Nests the executions of one run. The order in which they come does not matter; `intervals` is sorted in place.
/// The self times add up to the durations at depth 0.
pub fn nest(intervals: &mut [Interval]) -> Vec<Nested> {
    intervals.sort_unstable_by_key(|interval| {
        (interval.thread, interval.start_us, Reverse(interval.duration()), !interval.runs_subgraphs, interval.node)
    });
    let mut nested: Vec<Nested> = Vec::with_capacity(intervals.len());
    let mut open: Vec<usize> = Vec::new();
    for interval in intervals.iter() {
        let mut uncertain = false;
        // The last one that ends here is the preceding execution inside the same parent.
        let mut preceding = None;
        while let Some(&candidate) = open.last() {
            // `nested` and `intervals` run in step.
            let (Some(outer), Some(tally)) = (intervals.get(candidate), nested.get(candidate)) else { break };
            if contains(outer, interval) && tally.self_us >= interval.duration() {
                uncertain |= interval.duration() == 0 && interval.start_us == outer.start_us;
                break;
            }
            uncertain |= outer.runs_subgraphs && interval.end() <= outer.end().saturating_add(1);
            preceding = open.pop();
        }
        if let Some((before, row)) = preceding.and_then(|at| Some((intervals.get(at)?, nested.get_mut(at)?)))
            && before.thread == interval.thread
        {
            row.gap_us = Some(interval.start_us.saturating_sub(before.end()).max(0));
        }
        let parent = open.last().copied();
        let depth = parent.and_then(|parent| nested.get_mut(parent)).map_or(0, |outer| {
            outer.self_us -= interval.duration();
            outer.children += 1;
            outer.depth + 1
        });
        open.push(nested.len());
        nested.push(Nested {
            node: interval.node,
            parent,
            thread: interval.thread,
            start_us: interval.start_us,
            depth,
            children: 0,
            duration_us: interval.duration(),
            self_us: interval.duration(),
            gap_us: None,
            uncertain,
        });
    }
    nested
}

fn contains(outer: &Interval, inner: &Interval) -> bool {
    // Two neighbours of less than a microsecond have equal intervals, or touch; only an operator with subgraphs can
    // hold another at its very edge.
    let starts_inside = inner.start_us < outer.end() || (outer.runs_subgraphs && inner.start_us == outer.start_us);
    outer.thread == inner.thread
        && starts_inside
        && (outer.runs_subgraphs || inner.duration() > 0)
        && inner.end() <= outer.end().saturating_add(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(start_us: i64, duration_us: i64, node: u32) -> Interval {
        Interval { thread: 1, start_us, duration_us, node, runs_subgraphs: false }
    }

    fn outer(start_us: i64, duration_us: i64, node: u32) -> Interval {
        Interval { runs_subgraphs: true, ..at(start_us, duration_us, node) }
    }

    /// (node, depth, self time) by node.
    fn of(mut intervals: Vec<Interval>) -> Vec<(u32, u32, i64)> {
        let mut rows: Vec<_> = nest(&mut intervals).iter().map(|row| (row.node, row.depth, row.self_us)).collect();
        rows.sort_unstable();
        rows
    }

    #[test]
    fn neighbours_are_not_nested() {
        let rows = of(vec![at(0, 5, 1), at(5, 0, 2), at(5, 0, 3), at(5, 3, 4), at(8, 1, 5)]);
        assert!(rows.iter().all(|row| row.1 == 0), "{rows:?}");
    }

    #[test]
    fn any_depth_and_either_order() {
        let events =
            vec![outer(0, 100, 1), outer(10, 50, 2), at(12, 20, 3), at(33, 7, 4), at(70, 10, 5), at(101, 4, 6)];
        let expected = vec![(1, 0, 40), (2, 1, 23), (3, 2, 20), (4, 2, 7), (5, 1, 10), (6, 0, 4)];
        assert_eq!(of(events.iter().copied().rev().collect()), expected);
        assert_eq!(of(events), expected);
    }

    #[test]
    fn the_operator_with_subgraphs_is_the_outer_of_two_equal_intervals() {
        assert_eq!(of(vec![at(3, 4, 1), outer(3, 4, 2)]), vec![(1, 1, 4), (2, 0, 0)]);
    }

    #[test]
    fn truncated_ends_are_allowed_for() {
        // 5.9..8.1 around 6.0..8.05.
        assert_eq!(of(vec![outer(5, 2, 1), at(6, 2, 2)]), vec![(1, 0, 0), (2, 1, 2)]);
    }

    #[test]
    fn threads_do_not_nest_in_each_other() {
        let other = Interval { thread: 2, ..at(2, 3, 2) };
        assert_eq!(of(vec![outer(0, 10, 1), other]), vec![(1, 0, 10), (2, 0, 3)]);
    }

    prop_compose! {
        fn intervals()(rows in prop::collection::vec((0i64..2, 0i64..60, -1i64..30, any::<bool>()), 0..40)) -> Vec<Interval> {
            rows.into_iter()
                .enumerate()
                .map(|(node, (thread, start_us, duration_us, runs_subgraphs))| Interval {
                    thread, start_us, duration_us, node: node as u32, runs_subgraphs,
                })
                .collect()
        }
    }

    proptest! {
        #[test]
        fn self_times_add_up_and_are_never_negative(mut events in intervals()) {
            let nested = nest(&mut events);
            let top: i64 = nested.iter().filter(|row| row.depth == 0).map(|row| row.duration_us).sum();
            prop_assert_eq!(nested.iter().map(|row| row.self_us).sum::<i64>(), top);
            prop_assert!(nested.iter().all(|row| row.self_us >= 0));
        }

        #[test]
        fn order_does_not_matter(events in intervals(), seed in any::<u64>()) {
            let mut shuffled = events.clone();
            fastrand::Rng::with_seed(seed).shuffle(&mut shuffled);
            prop_assert_eq!(of(events), of(shuffled));
        }
    }
}
