//! What a whole machine has in common, taken out: across operators of one launch, and across the two sides.

use crate::summary::{
    FEWEST_TELLING, Group, Resolution, Sample, Side, SideOperator, Timed, common, error_of_median, median, telling,
};

use super::{LatencyChange, OperatorChange, UNKNOWN_SPREAD};

/// The machine factor, and for each side how its launches vary.
pub(super) struct MachineFactor {
    value: Option<f64>,
    /// Standard error of its logarithm.
    error: f64,
    base: Launches,
    head: Launches,
}

/// How the launches of one side vary.
struct Launches {
    /// What each has in common over operators; empty where that is divided out already.
    common: Vec<f64>,
    /// The relative standard deviation that is typical of operators that are long enough to be timed; `None` of a single
    /// launch.
    typical: Option<f64>,
}

impl MachineFactor {
    /// From the operators that stand on both sides.
    pub(super) fn of(pairs: &[(&SideOperator, &SideOperator)], base: &Side, head: &Side) -> Self {
        // Times of two clocks are not judged.
        let resolution = Resolution::of(head.clock);
        let references = references(pairs, resolution);
        let timed = pairs.iter().filter(|pair| shorter(pair) >= resolution.operator_us);
        let mut factor = MachineFactor {
            value: None,
            error: 0.0,
            base: Launches::of(
                references.iter().map(|(base, _)| base),
                timed.clone().map(|(base, _)| &base.self_us),
                base.centred,
            ),
            head: Launches::of(
                references.iter().map(|(_, head)| head),
                timed.map(|(_, head)| &head.self_us),
                head.centred,
            ),
        };
        // The median of logarithms, so that exchanging the sides inverts the factor also for an even number.
        let logs: Vec<f64> =
            references.iter().filter_map(|(base, head)| factor.ratio(base, head)).map(f64::ln).collect();
        if logs.len() >= FEWEST_TELLING {
            factor.value = median(&logs).map(f64::exp);
            let errors: Vec<f64> = references.iter().map(|(base, head)| factor.error_of(base, head)).collect();
            factor.error = error_of_median(median(&errors).unwrap_or(0.0), references.len());
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
            group: head.group,
            provider: head.provider.clone(),
            base_executions: base.executions,
            head_executions: head.executions,
            base_us: base.self_us.median(),
            head_us: head.self_us.median(),
            base_share: base.share,
            head_share: head.share,
            normalized_ratio: self
                .value
                .and_then(|factor| self.ratio(&base.self_us, &head.self_us).map(|ratio| ratio / factor)),
            standard_error: self.error_of(&base.self_us, &head.self_us).hypot(self.error),
            estimate: None,
        }
    }

    /// Standard error of the logarithm of head/base.
    fn error_of(&self, base: &Sample, head: &Sample) -> f64 {
        standard_error((self.base.deviation(base), self.head.deviation(head)), base.len(), head.len())
    }

    /// Head/base of medians, each launch's common factor divided out; `None` unless both are above zero.
    fn ratio(&self, base: &Sample, head: &Sample) -> Option<f64> {
        let (base, head) = (base.centred(&self.base.common).median(), head.centred(&self.head.common).median());
        (base > 0.0 && head > 0.0).then(|| head / base)
    }
}

impl Launches {
    /// `references` tell what a launch has in common, `timed` what is typical.
    fn of<'a>(
        references: impl Iterator<Item = &'a Sample> + Clone,
        timed: impl Iterator<Item = &'a Sample>,
        centred: bool,
    ) -> Launches {
        let common = if centred { Vec::new() } else { common(references) };
        let spreads: Vec<f64> = timed.filter_map(|sample| sample.centred(&common).relative_spread()).collect();
        Launches { typical: median(&spreads), common }
    }

    /// Relative standard deviation of an operator's time in one launch: its own, but no less than is typical, since few
    /// launches can agree by chance and their neighbours say how much they ought to. `None` of a single launch.
    fn deviation(&self, sample: &Sample) -> Option<f64> {
        let own = sample.centred(&self.common).relative_spread();
        own.into_iter().chain(self.typical).max_by(f64::total_cmp)
    }
}

/// The latency on both sides. No factor is divided out, of a launch or of a machine.
pub(super) fn latency(base: &Sample, head: &Sample) -> LatencyChange {
    let deviations = (base.relative_spread(), head.relative_spread());
    LatencyChange {
        base_us: base.median(),
        head_us: head.median(),
        standard_error: standard_error(deviations, base.len(), head.len()),
        estimate: None,
    }
}

/// Standard error of the logarithm of head/base, two independent medians with these relative deviations of one launch: a
/// relative error is that of the logarithm to first order, and the squares of independent errors add. A side that cannot
/// tell its own deviation has the other's.
fn standard_error(deviations: (Option<f64>, Option<f64>), base_launches: usize, head_launches: usize) -> f64 {
    let base = deviations.0.or(deviations.1).unwrap_or(UNKNOWN_SPREAD);
    let head = deviations.1.or(deviations.0).unwrap_or(UNKNOWN_SPREAD);
    error_of_median(base, base_launches).hypot(error_of_median(head, head_launches))
}

fn shorter(pair: &(&SideOperator, &SideOperator)) -> f64 {
    pair.0.self_us.median().min(pair.1.self_us.median())
}

/// What tells the machine factor, on both sides: operators that run equally often on both and are long enough to be timed,
/// all matrix products together.
fn references(pairs: &[(&SideOperator, &SideOperator)], resolution: Resolution) -> Vec<(Sample, Sample)> {
    let same = |pair: &&(&SideOperator, &SideOperator)| pair.0.executions == pair.1.executions && shorter(pair) > 0.0;
    let told = telling(pairs.iter().filter(same).copied().collect(), resolution, |pair| Timed {
        us: shorter(pair),
        executions: pair.0.executions,
        gemm: pair.0.group == Some(Group::Gemm),
    });
    let both = |members: Vec<(&SideOperator, &SideOperator)>| {
        let base = Sample::sum(members.iter().map(|(base, _)| &base.self_us));
        (base, Sample::sum(members.iter().map(|(_, head)| &head.self_us)))
    };
    told.into_iter().map(both).collect()
}
