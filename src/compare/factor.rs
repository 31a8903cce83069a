//! What a whole machine has in common, taken out: across operators of one launch, and across the two sides.

use crate::summary::{Sample, SideOperator, median};

use super::{OperatorChange, UNKNOWN_SPREAD};

/// Operators at or above this median self time on both sides tell the machine factor; the profiler's clock counts
/// whole microseconds, so that a ratio of shorter times says more of the clock than of the machine.
pub(super) const CLOCK_FLOOR_US: f64 = 50.0;

/// With fewer operators than this there is no telling the machine from the operator.
pub(super) const FEWEST: usize = 3;

/// Where fewer than [`FEWEST`] reach the floor, this many of the largest are taken.
pub(super) const LARGEST: usize = 5;

/// The machine factor, for each side what its launches have in common, and the spread that is typical of an operator.
pub(super) struct MachineFactor {
    value: Option<f64>,
    base: Vec<f64>,
    head: Vec<f64>,
    typical_spread: f64,
}

impl MachineFactor {
    /// From the operators that stand on both sides.
    pub(super) fn of(pairs: &[(&SideOperator, &SideOperator)]) -> Self {
        let references = references(pairs);
        let mut factor = MachineFactor {
            value: None,
            base: common(references.iter().map(|(base, _)| &base.self_us)),
            head: common(references.iter().map(|(_, head)| &head.self_us)),
            typical_spread: 0.0,
        };
        let spreads: Vec<f64> = references.iter().filter_map(|(base, head)| factor.own_spread(base, head)).collect();
        factor.typical_spread = median(&spreads).unwrap_or(0.0);
        // The median of logarithms, so that exchanging the sides inverts the factor also for an even number.
        let logs: Vec<f64> =
            references.iter().filter_map(|(base, head)| factor.ratio(base, head)).map(f64::ln).collect();
        if logs.len() >= FEWEST {
            factor.value = median(&logs).map(f64::exp);
        }
        factor
    }

    /// Head/base of the machine; `None` where too few operators tell.
    pub(super) fn value(&self) -> Option<f64> {
        self.value
    }

    /// One operator on both sides.
    pub(super) fn change(&self, base: &SideOperator, head: &SideOperator) -> OperatorChange {
        OperatorChange {
            key: head.key.clone(),
            provider: head.provider.clone(),
            base_executions: base.executions,
            head_executions: head.executions,
            base_us: base.self_us.median(),
            head_us: head.self_us.median(),
            base_share: base.share,
            head_share: head.share,
            normalized_ratio: self.value.and_then(|factor| self.ratio(base, head).map(|ratio| ratio / factor)),
            spread: self.own_spread(base, head).map_or(UNKNOWN_SPREAD, |own| own.max(self.typical_spread)),
            estimate: None,
        }
    }

    /// The larger spread of an operator's two sides, each launch's common factor divided out; `None` where neither side
    /// has two launches.
    fn own_spread(&self, base: &SideOperator, head: &SideOperator) -> Option<f64> {
        let base = centred(&base.self_us, &self.base).relative_spread();
        let head = centred(&head.self_us, &self.head).relative_spread();
        base.into_iter().chain(head).max_by(f64::total_cmp)
    }

    /// Head/base of medians, each launch's common factor divided out; `None` unless both are above zero.
    fn ratio(&self, base: &SideOperator, head: &SideOperator) -> Option<f64> {
        let base = centred(&base.self_us, &self.base).median();
        let head = centred(&head.self_us, &self.head).median();
        (base > 0.0 && head > 0.0).then(|| head / base)
    }
}

/// The operators that tell the machine factor: run equally often on both sides and long enough to be timed.
fn references<'a>(pairs: &[(&'a SideOperator, &'a SideOperator)]) -> Vec<(&'a SideOperator, &'a SideOperator)> {
    let shorter = |pair: &(&SideOperator, &SideOperator)| pair.0.self_us.median().min(pair.1.self_us.median());
    let mut candidates: Vec<_> =
        pairs.iter().copied().filter(|pair| pair.0.executions == pair.1.executions && shorter(pair) > 0.0).collect();
    candidates.sort_by(|a, b| shorter(b).total_cmp(&shorter(a)));
    let above = candidates.iter().take_while(|pair| shorter(pair) >= CLOCK_FLOOR_US).count();
    candidates.truncate(if above >= FEWEST { above } else { LARGEST });
    candidates
}

/// For each launch, the median over operators of the operator's time against its own median over launches: how much
/// slower the whole launch was. All ones where too few operators tell.
fn common<'a>(samples: impl Iterator<Item = &'a Sample> + Clone) -> Vec<f64> {
    let launches = samples.clone().map(Sample::len).min().unwrap_or(0);
    let factor = |launch: usize| {
        let relative: Vec<f64> = samples.clone().map(|sample| sample.0[launch] / sample.median()).collect();
        let enough = relative.len() >= FEWEST;
        median(&relative).filter(|factor| enough && *factor > 0.0).unwrap_or(1.0)
    };
    (0..launches).map(factor).collect()
}

/// The sample with each launch's common factor divided out.
fn centred(sample: &Sample, common: &[f64]) -> Sample {
    if sample.len() != common.len() {
        return sample.clone();
    }
    Sample(sample.0.iter().zip(common).map(|(value, common)| value / common).collect())
}
