//! The step-down max-T procedure of Westfall and Young over sign flips.
//!
//! Westfall and Young (1993), Resampling-Based Multiple Testing, algorithm 4.1; Ge, Dudoit and Speed (2003),
//! "Resampling-based multiple testing for microarray data analysis", TEST 12, box 2.

use sha2::{Digest, Sha256};

use super::count;
use super::flips::Flips;

/// Statistics that differ by less than this part of themselves are one: sums of the same numbers in another order.
const TIE: f64 = 1e-9;

/// Something that is no different between the sides on average, says the hypothesis.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Hypothesis {
    /// Logarithms of head/base, a value per pair.
    pub(super) values: Vec<f64>,
    /// Added to the variance of the values; the same for every flip.
    pub(super) prior_variance: f64,
}

/// Probabilities of so extreme a statistic where no pair differs, adjusted for all hypotheses tested together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Adjusted {
    /// Towards head larger than base.
    pub(super) slower: f64,
    /// Towards head smaller than base.
    pub(super) faster: f64,
}

/// What the flips say of all hypotheses together.
pub(super) struct Outcome {
    /// In the order of the hypotheses.
    pub(super) adjusted: Vec<Adjusted>,
    /// For each flip but the identity, the largest statistic, in descending order.
    maxima: Vec<f64>,
    flips: usize,
}

impl Outcome {
    /// The smallest probability that any statistic can have.
    pub(super) fn smallest(&self) -> f64 {
        1.0 / count(self.flips)
    }

    /// What a statistic must exceed to be significant at `alpha`; infinite where so few flips can show nothing at it.
    pub(super) fn critical(&self, alpha: f64) -> f64 {
        // At most this many flips, the identity included, may reach a statistic that is significant.
        let allowed = (1..=self.flips).take_while(|allowed| count(*allowed) <= alpha * count(self.flips)).count();
        match allowed.checked_sub(1) {
            None => f64::INFINITY,
            Some(others) => self.maxima.get(others).copied().unwrap_or(f64::NEG_INFINITY),
        }
    }
}

impl Hypothesis {
    /// Mean of squares: no flip changes it.
    pub(super) fn second_moment(&self) -> f64 {
        self.values.iter().map(|value| value * value).sum::<f64>() / count(self.values.len())
    }

    /// Standard deviation of the values.
    pub(super) fn deviation(&self) -> f64 {
        self.variance(self.values.iter().sum()).sqrt()
    }

    /// Standard error of the mean, as the statistic has it.
    pub(super) fn standard_error(&self) -> f64 {
        self.error(self.values.iter().sum())
    }

    fn variance(&self, sum: f64) -> f64 {
        variance(sum, self.second_moment(), count(self.values.len()))
    }

    fn error(&self, sum: f64) -> f64 {
        ((self.variance(sum) + self.prior_variance) / count(self.values.len())).sqrt()
    }
}

/// Sample variance from a sum and the mean of squares.
fn variance(sum: f64, second_moment: f64, n: f64) -> f64 {
    let mean = sum / n;
    ((second_moment - mean * mean) * n / (n - 1.0)).max(0.0)
}

/// A hypothesis made ready for many flips: sums are looked up eight pairs at a time.
struct Prepared {
    tables: Vec<[f64; 256]>,
    second_moment: f64,
    prior_variance: f64,
    n: f64,
}

impl Prepared {
    fn of(hypothesis: &Hypothesis) -> Prepared {
        let signed = |bits: usize, (pair, value): (usize, &f64)| if bits >> pair & 1 == 1 { -value } else { *value };
        let table = |values: &[f64]| -> [f64; 256] {
            std::array::from_fn(|bits| values.iter().enumerate().map(|item| signed(bits, item)).sum())
        };
        Prepared {
            tables: hypothesis.values.chunks(8).map(table).collect(),
            second_moment: hypothesis.second_moment(),
            prior_variance: hypothesis.prior_variance,
            n: count(hypothesis.values.len()),
        }
    }

    /// The studentized mean under a flip. Of longer flips the first signs are used.
    fn statistic(&self, flip: &[u8]) -> f64 {
        let sum: f64 = self.tables.iter().zip(flip).map(|(table, bits)| table[usize::from(*bits)]).sum();
        let variance = variance(sum, self.second_moment, self.n) + self.prior_variance;
        sum / self.n / (variance / self.n).sqrt()
    }
}

/// Tests all hypotheses at once, each in both directions. Every one has at least two values and a positive
/// `prior_variance`.
pub(super) fn test(hypotheses: &[Hypothesis]) -> Outcome {
    let pairs = hypotheses.iter().map(|hypothesis| hypothesis.values.len()).max().unwrap_or(0);
    let flips = Flips::of(pairs, seed(hypotheses));
    let prepared: Vec<Prepared> = hypotheses.iter().map(Prepared::of).collect();
    let observed: Vec<f64> = prepared.iter().map(|p| p.statistic(&vec![0; flips.width()])).collect();
    let mut slower = StepDown::of(&observed);
    let mut faster = StepDown::of(&observed.iter().map(|t| -t).collect::<Vec<_>>());
    let mut maxima = Vec::with_capacity(flips.len());
    let mut statistics = vec![0.0; observed.len()];
    for flip in flips.iter() {
        for (statistic, prepared) in statistics.iter_mut().zip(&prepared) {
            *statistic = prepared.statistic(flip);
        }
        maxima.push(slower.enter(|index| statistics[index]));
        faster.enter(|index| -statistics[index]);
    }
    // The first is the identity: what was observed is not what chance does.
    maxima.swap_remove(0);
    maxima.sort_by(|a, b| b.total_cmp(a));
    let (slower, faster) = (slower.adjusted(flips.len()), faster.adjusted(flips.len()));
    let adjusted = slower.into_iter().zip(faster).map(|(slower, faster)| Adjusted { slower, faster }).collect();
    Outcome { adjusted, maxima, flips: flips.len() }
}

/// SHA-256 of what no flip changes, in an order of its own: the draws then depend neither on which side is called head
/// nor on the order of operators, and the test stays exact (were the draws to depend on signs, it would not).
fn seed(hypotheses: &[Hypothesis]) -> [u8; 32] {
    let mut moments: Vec<f64> = hypotheses.iter().map(Hypothesis::second_moment).collect();
    moments.sort_by(f64::total_cmp);
    let mut digest = Sha256::new();
    for moment in moments {
        digest.update(moment.to_le_bytes());
    }
    digest.finalize().into()
}

/// One direction: how often the largest of what is no more extreme than a hypothesis reaches it.
struct StepDown {
    /// Hypotheses, the most extreme first.
    order: Vec<usize>,
    /// In that order, what counts as reached.
    bounds: Vec<f64>,
    /// In that order, flips that reached it.
    reached: Vec<usize>,
}

impl StepDown {
    fn of(observed: &[f64]) -> StepDown {
        let mut order: Vec<usize> = (0..observed.len()).collect();
        order.sort_by(|a, b| observed[*b].total_cmp(&observed[*a]));
        let bounds = order.iter().map(|index| observed[*index] - observed[*index].abs() * TIE).collect();
        StepDown { reached: vec![0; order.len()], order, bounds }
    }

    /// Counts a flip; gives the largest statistic in it.
    fn enter(&mut self, statistic: impl Fn(usize) -> f64) -> f64 {
        let mut largest = f64::NEG_INFINITY;
        for rank in (0..self.order.len()).rev() {
            largest = largest.max(statistic(self.order[rank]));
            self.reached[rank] += usize::from(largest >= self.bounds[rank]);
        }
        largest
    }

    /// Adjusted probabilities in the order of the hypotheses. None is smaller than that of a more extreme hypothesis.
    fn adjusted(&self, flips: usize) -> Vec<f64> {
        let mut adjusted = vec![1.0; self.order.len()];
        let mut most = 0;
        for (index, reached) in self.order.iter().zip(&self.reached) {
            most = most.max(*reached);
            adjusted[*index] = count(most) / count(flips);
        }
        adjusted
    }
}
