//! One scenario whose two sides were measured in turns.

use crate::summary::{Resolution, Sample, Side, SideOperator, median};

use super::super::factor::{MachineFactor, latency};
use super::super::{Comparison, Design, LatencyChange, OperatorChange, assemble, common_operators};
use super::centring::{self, Common, Paired};
use super::estimate::estimate;
use super::max_t::{Adjusted, Hypothesis, Outcome};

/// Shorter times are read as this, half of what the profiler's clock resolves: the overhead correction ends at zero,
/// and a logarithm must not. Times above it are left as they are, so that a factor stays a factor.
const SHORTEST_US: f64 = 0.5;

/// No spread of logarithms is taken to be less: times are not known to more than a part in ten thousand.
const SMALLEST_DEVIATION: f64 = 1e-4;

/// How much of the variance that is typical of a scenario's operators is added to that of each. With none, some of a
/// hundred operators agree over eight pairs by chance, and these set the bar for all; with all of it, operators steadier
/// than typical lose what they are good for. In simulations of eight pairs this finds a tenth more planted slowdowns
/// than none, whether operators are alike or differ tenfold in noise.
const PRIOR_WEIGHT: f64 = 0.25;

/// Fewer pairs have no spread.
const FEWEST_PAIRS: usize = 2;

/// Which of a scenario's hypotheses: an operator by its index, or the latency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Operator(usize),
    Latency,
}

/// One scenario's two sides, cut to the pairs that both have.
pub(super) struct Turns {
    base: Side,
    head: Side,
    pairs: usize,
    operators: Vec<Paired>,
    latency: (Sample, Sample),
    /// `None` where too few operators tell.
    common: Option<Common>,
    /// What is added to the variance of each hypothesis.
    prior_variance: f64,
}

impl Turns {
    pub(super) fn of(base: &Side, head: &Side) -> Self {
        let shortest = |side: &Side| side.operators.iter().map(|operator| operator.self_us.len()).min();
        let latencies = base.latency_us.len().min(head.latency_us.len());
        let pairs = shortest(base).into_iter().chain(shortest(head)).fold(latencies, usize::min);
        let first = |sample: &Sample| Sample(sample.0.iter().take(pairs).copied().collect());
        let cut = |operator: &SideOperator| SideOperator { self_us: first(&operator.self_us), ..operator.clone() };
        let cut = |side: &Side| Side {
            latency_us: first(&side.latency_us),
            operators: side.operators.iter().map(cut).collect(),
            ..side.clone()
        };
        let (base, head) = (cut(base), cut(head));
        let operator = |(base, head): (&SideOperator, &SideOperator)| Paired {
            logs: logs(&base.self_us, &head.self_us),
            base: base.clone(),
            head: head.clone(),
        };
        let operators: Vec<Paired> = common_operators(&base, &head).into_iter().map(operator).collect();
        let common = Common::of(&operators, pairs, Resolution::of(head.clock));
        let latency = (base.latency_us.clone(), head.latency_us.clone());
        let mut turns = Turns { base, head, pairs, operators, latency, common, prior_variance: 0.0 };
        turns.prior_variance = turns.prior_variance();
        turns
    }

    /// Everything that can be tested.
    pub(super) fn places(&self) -> impl Iterator<Item = Place> {
        let judged = if self.common.is_some() { self.operators.len() } else { 0 };
        let all = (0..judged).map(Place::Operator).chain([Place::Latency]);
        all.take(if self.pairs < FEWEST_PAIRS { 0 } else { usize::MAX })
    }

    /// The operator at a place; `None` for the latency.
    pub(super) fn operator(&self, place: Place) -> Option<&Paired> {
        match place {
            Place::Operator(index) => self.operators.get(index),
            Place::Latency => None,
        }
    }

    /// What is tested at a place: an operator's logarithms with the pair's machine factor taken off, or the latency's
    /// as they are. `None` where there is nothing to take off or too few pairs.
    pub(super) fn hypothesis(&self, place: Place) -> Option<Hypothesis> {
        let values = match self.operator(place) {
            None => logs(&self.latency.0, &self.latency.1),
            Some(operator) => {
                operator.logs.iter().zip(&self.common.as_ref()?.logs).map(|(log, factor)| log - factor).collect()
            }
        };
        (self.pairs >= FEWEST_PAIRS).then_some(Hypothesis { values, prior_variance: self.prior_variance })
    }

    /// True of the latency, and of operators that are long enough to be timed.
    pub(super) fn is_timed(&self, place: Place) -> bool {
        // Times of two clocks are not judged.
        let resolution = Resolution::of(self.head.clock);
        self.operator(place).is_none_or(|operator| centring::is_timed(operator, resolution))
    }

    /// A part of the median over operators of the second moment: no flip changes it, as the test requires.
    fn prior_variance(&self) -> f64 {
        let timed = |place: &Place| *place != Place::Latency && self.is_timed(*place);
        let moments = self.places().filter(timed).filter_map(|place| self.hypothesis(place));
        let moments: Vec<f64> = moments.map(|hypothesis| hypothesis.second_moment()).collect();
        (PRIOR_WEIGHT * median(&moments).unwrap_or(0.0)).max(SMALLEST_DEVIATION * SMALLEST_DEVIATION)
    }

    /// The comparison, given what the test of everything together came to.
    pub(super) fn compared(&self, outcome: &Outcome, adjusted: impl Fn(Place) -> Adjusted) -> Comparison {
        let estimate = |place| {
            let own_part = match (place, &self.common) {
                (Place::Operator(index), Some(common)) => common.own_part(index),
                _ => 0.0,
            };
            self.hypothesis(place).map(|hypothesis| estimate(&hypothesis, own_part, adjusted(place), outcome))
        };
        let both: Vec<_> = self.operators.iter().map(|operator| (&operator.base, &operator.head)).collect();
        let machine = MachineFactor::of(&both, &self.base, &self.head);
        let change = |(index, operator): (usize, &Paired)| {
            let estimate = estimate(Place::Operator(index));
            let normalized_ratio = estimate.map(|estimate| estimate.ratio);
            OperatorChange { estimate, normalized_ratio, ..machine.change(&operator.base, &operator.head) }
        };
        let pairs = u32::try_from(self.pairs).unwrap_or(u32::MAX);
        let latency = LatencyChange { estimate: estimate(Place::Latency), ..latency(&self.latency.0, &self.latency.1) };
        let factor = self.common.as_ref().and_then(|common| median(&common.logs)).map(f64::exp);
        let operators = self.operators.iter().enumerate().map(change).collect();
        assemble(Design::Paired { pairs }, &self.base, &self.head, factor, operators, latency)
    }
}

/// ln(head/base), launch by launch; exchanging the sides changes nothing but the sign.
pub(super) fn logs(base: &Sample, head: &Sample) -> Vec<f64> {
    let log = |us: &f64| us.max(SHORTEST_US).ln();
    base.0.iter().zip(&head.0).map(|(base, head)| log(head) - log(base)).collect()
}
