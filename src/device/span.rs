//! The time in which the device was busy: intervals of several queues laid over one another.

/// A union of intervals, in nanoseconds of one clock.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Busy {
    /// Disjoint, not touching, in order.
    spans: Vec<Span>,
    /// Length of all spans before the one of the same index.
    before_ns: Vec<i64>,
}

/// One stretch without a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub start_ns: i64,
    pub end_ns: i64,
    /// Which interval begins it, as numbered by the caller.
    pub first: usize,
}

impl Busy {
    /// The union of `(start, end)`; of intervals that begin together, the first one counts as beginning a stretch.
    pub fn of(intervals: impl IntoIterator<Item = (i64, i64)>) -> Busy {
        let mut sorted: Vec<(i64, i64, usize)> =
            intervals.into_iter().enumerate().map(|(index, (start, end))| (start, end.max(start), index)).collect();
        sorted.sort_unstable_by_key(|&(start, end, index)| (start, std::cmp::Reverse(end), index));
        let mut busy = Busy::default();
        for (start_ns, end_ns, first) in sorted {
            match busy.spans.last_mut() {
                Some(last) if start_ns <= last.end_ns => last.end_ns = last.end_ns.max(end_ns),
                _ => busy.spans.push(Span { start_ns, end_ns, first }),
            }
        }
        let mut total = 0;
        for span in &busy.spans {
            busy.before_ns.push(total);
            total += span.end_ns - span.start_ns;
        }
        busy
    }

    /// How much of the time from `start_ns` to `end_ns` is covered.
    pub fn within_ns(&self, start_ns: i64, end_ns: i64) -> i64 {
        if start_ns >= end_ns { 0 } else { self.until_ns(end_ns) - self.until_ns(start_ns) }
    }

    /// Length of the union.
    pub fn total_ns(&self) -> i64 {
        self.spans.iter().map(|span| span.end_ns - span.start_ns).sum()
    }

    /// What is covered up to a moment.
    fn until_ns(&self, moment_ns: i64) -> i64 {
        let after = self.spans.partition_point(|span| span.start_ns < moment_ns);
        let Some(index) = after.checked_sub(1) else { return 0 };
        match (self.spans.get(index), self.before_ns.get(index)) {
            (Some(span), Some(before)) => before + span.end_ns.min(moment_ns) - span.start_ns,
            _ => 0,
        }
    }

    /// The stretches, in order.
    pub(super) fn spans(&self) -> &[Span] {
        &self.spans
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn queues_that_work_at_once_count_once() {
        let busy = Busy::of([(10, 20), (15, 30), (40, 50), (30, 31)]);
        assert_eq!(busy.total_ns(), 31);
        assert_eq!(busy.within_ns(0, 100), 31);
        assert_eq!(busy.within_ns(12, 45), 24);
        assert_eq!(busy.within_ns(31, 40), 0);
        assert_eq!(busy.within_ns(45, 12), 0);
        assert_eq!(busy.spans().iter().map(|span| span.first).collect::<Vec<_>>(), [0, 2]);
    }

    proptest! {
        #[test]
        fn the_union_is_what_counting_each_nanosecond_says(
            intervals in prop::collection::vec((0_i64..80, 0_i64..20), 0..20), from in 0_i64..100, length in 0_i64..60
        ) {
            let busy = Busy::of(intervals.iter().map(|&(start, length)| (start, start + length)));
            let covered = |moment: i64| intervals.iter().any(|&(start, length)| (start..start + length).contains(&moment));
            let counted = (from..from + length).filter(|&moment| covered(moment)).count();
            prop_assert_eq!(busy.within_ns(from, from + length), i64::try_from(counted).unwrap());
            prop_assert_eq!(busy.total_ns(), busy.within_ns(-1, 1_000));
        }
    }
}
