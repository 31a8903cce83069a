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

    /// How many flips, the identity included, may reach a statistic that is significant at `alpha`.
    pub(super) fn allowed(&self, alpha: f64) -> usize {
        (1..=self.flips).take_while(|allowed| count(*allowed) <= alpha * count(self.flips)).count()
    }

    /// What a statistic must exceed to be significant at `alpha`; infinite where so few flips can show nothing at it.
    pub(super) fn critical(&self, alpha: f64) -> f64 {
        match self.allowed(alpha).checked_sub(1) {
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

/// A hypothesis made ready for many flips: sums are looked up eight pairs at a time, and of the statistic
///
/// > (S / n) / sqrt((s^2 + prior) / n) = S / sqrt(a - S^2 / (n - 1))
///
/// all but the sum S is the same for every flip.
struct Prepared {
    tables: Vec<[f64; 256]>,
    /// n times the variance that there would be if the mean were zero, and the prior.
    a: f64,
    /// Degrees of freedom, n - 1.
    freedom: f64,
    /// What a - S^2 / (n - 1) is where all values are alike: n times the prior.
    least: f64,
}

impl Prepared {
    fn of(hypothesis: &Hypothesis) -> Prepared {
        let signed = |bits: usize, (pair, value): (usize, &f64)| if bits >> pair & 1 == 1 { -value } else { *value };
        let table = |values: &[f64]| -> [f64; 256] {
            std::array::from_fn(|bits| values.iter().enumerate().map(|item| signed(bits, item)).sum())
        };
        let n = count(hypothesis.values.len());
        let freedom = n - 1.0;
        let least = n * hypothesis.prior_variance;
        let a = n * n * hypothesis.second_moment() / freedom + least;
        Prepared { tables: hypothesis.values.chunks(8).map(table).collect(), a, freedom, least }
    }

    /// The studentized mean under a flip. Of longer flips the first signs are used.
    fn statistic(&self, flip: &[u8]) -> f64 {
        let mut sum = 0.0;
        for (table, bits) in self.tables.iter().zip(flip) {
            sum += table[usize::from(*bits)];
        }
        // What rounding leaves of a variance of none is no less than none.
        sum / (self.a - sum * sum / self.freedom).max(self.least).sqrt()
    }
}

/// Tests all hypotheses at once, each in both directions. Every one has at least two values and a positive
/// `prior_variance`.
pub(super) fn test(hypotheses: &[Hypothesis]) -> Outcome {
    let pairs = hypotheses.iter().map(|hypothesis| hypothesis.values.len()).max().unwrap_or(0);
    over(hypotheses, &Flips::of(pairs, seed(hypotheses)))
}

/// The same over given flips.
pub(super) fn over(hypotheses: &[Hypothesis], flips: &Flips) -> Outcome {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::summary::testing::Noise;

    fn hypothesis(values: &[f64], prior_variance: f64) -> Hypothesis {
        Hypothesis { values: values.to_vec(), prior_variance }
    }

    // ---- Published examples ------------------------------------------------------------------------------------

    /// Darwin's maize, crossed less self-fertilized, in eighths of an inch: Fisher (1935), The Design of Experiments,
    /// section 21.
    const MAIZE: [f64; 15] = [49.0, -67.0, 8.0, 16.0, 6.0, 23.0, 28.0, 41.0, 14.0, 29.0, 56.0, 24.0, 75.0, 60.0, -48.0];

    /// Hours of sleep gained by ten patients, the second drug less the first: Student (1908), "The probable error of a
    /// mean", Biometrika 6.
    const SLEEP: [f64; 10] = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4];

    #[test]
    fn darwins_maize_is_as_likely_as_fisher_counted() {
        // 863 of 32,768 sums are as large as that of the 314 eighths observed.
        let exact = over(&[hypothesis(&MAIZE, 1e-8)], &Flips::all(15));
        assert_eq!(exact.adjusted[0].slower, 863.0 / 32_768.0);
        // All that are not larger, and those that are equal again: 28 of them.
        assert_eq!(exact.adjusted[0].faster, (32_768.0 - 863.0 + 28.0) / 32_768.0);
        let drawn = test(&[hypothesis(&MAIZE, 1e-8)]).adjusted[0].slower;
        assert!((drawn - 863.0 / 32_768.0).abs() < 0.003, "{drawn}");
    }

    #[test]
    fn equal_statistics_count_as_reached() {
        // No patient slept less, and the sign of one zero is free: 2 of 1024 sums are as large.
        assert_eq!(test(&[hypothesis(&SLEEP, 1e-8)]).adjusted[0], Adjusted { slower: 2.0 / 1024.0, faster: 1.0 });
        let nothing = [hypothesis(&[0.0; 8], 1e-8), hypothesis(&[0.0; 8], 1e-8)];
        assert_eq!(test(&nothing).adjusted, [Adjusted { slower: 1.0, faster: 1.0 }; 2]);
    }

    #[test]
    fn the_statistic_is_students_where_nothing_is_added() {
        // t = 2.148 (Fisher 1935, section 17) and 4.0621 (Student 1908).
        for (values, expected) in [(&MAIZE[..], 2.148), (&SLEEP[..], 4.0621)] {
            let flip = [0; 2];
            let t = Prepared::of(&hypothesis(values, 0.0)).statistic(&flip);
            assert!((t - expected).abs() < 5e-4, "{t}");
        }
    }

    // ---- Against the definition --------------------------------------------------------------------------------

    /// Adjusted probabilities of large means, straight from the definition: for each hypothesis the share of all flips
    /// in which the largest statistic among it and all less extreme ones is as large, made monotone.
    fn defined(hypotheses: &[Hypothesis], pairs: usize) -> Vec<f64> {
        let statistic = |hypothesis: &Hypothesis, flip: usize| {
            let n = hypothesis.values.len();
            let sign = |pair: usize| if (flip >> pair) % 2 == 1 { -1.0 } else { 1.0 };
            let flipped: Vec<f64> = (0..n).map(|pair| sign(pair) * hypothesis.values[pair]).collect();
            let mean = flipped.iter().sum::<f64>() / n as f64;
            let squares: f64 = flipped.iter().map(|value| (value - mean) * (value - mean)).sum();
            mean * (n as f64).sqrt() / (squares / (n as f64 - 1.0) + hypothesis.prior_variance).sqrt()
        };
        let flips = 1_usize << pairs;
        let observed: Vec<f64> = hypotheses.iter().map(|hypothesis| statistic(hypothesis, 0)).collect();
        let alone = |index: usize| {
            let rivals: Vec<&Hypothesis> =
                (0..hypotheses.len()).filter(|i| observed[*i] <= observed[index]).map(|i| &hypotheses[i]).collect();
            let reaches = |flip: &usize| {
                rivals.iter().any(|rival| statistic(rival, *flip) >= observed[index] - 1e-9 * observed[index].abs())
            };
            (0..flips).filter(reaches).count() as f64 / flips as f64
        };
        let alone: Vec<f64> = (0..hypotheses.len()).map(alone).collect();
        let monotone = |index: usize| {
            let above = (0..alone.len()).filter(|i| observed[*i] >= observed[index]);
            above.map(|i| alone[i]).fold(0.0, f64::max)
        };
        (0..alone.len()).map(monotone).collect()
    }

    fn negated(hypotheses: &[Hypothesis]) -> Vec<Hypothesis> {
        let negate = |h: &Hypothesis| Hypothesis { values: h.values.iter().map(|v| -v).collect(), ..h.clone() };
        hypotheses.iter().map(negate).collect()
    }

    /// Hypotheses of 2 to 9 values, some drawn from few numbers so that statistics tie.
    fn families() -> impl Strategy<Value = Vec<Hypothesis>> {
        let smooth = prop::collection::vec(-0.2..0.3_f64, 2..10);
        let coarse = prop::collection::vec((-3..4_i32).prop_map(|step| f64::from(step) * 0.25), 2..10);
        let values = prop_oneof![smooth, coarse];
        let one = (values, 1e-6..0.01_f64).prop_map(|(values, prior)| hypothesis(&values, prior));
        prop::collection::vec(one, 1..8)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn the_fast_path_is_the_definition(family in families()) {
            let pairs = family.iter().map(|h| h.values.len()).max().unwrap();
            let outcome = test(&family);
            let (slower, faster) = (defined(&family, pairs), defined(&negated(&family), pairs));
            for (index, adjusted) in outcome.adjusted.iter().enumerate() {
                prop_assert_eq!(adjusted.slower, slower[index]);
                prop_assert_eq!(adjusted.faster, faster[index]);
            }
        }

        #[test]
        fn exchanging_the_sides_exchanges_the_directions(family in families()) {
            let (there, back) = (test(&family), test(&negated(&family)));
            for (there, back) in there.adjusted.iter().zip(&back.adjusted) {
                prop_assert_eq!((there.slower, there.faster), (back.faster, back.slower));
            }
        }

        #[test]
        fn the_critical_value_is_where_significance_begins(family in families(), level in 0.01..0.5_f64) {
            // What lies above it is significant, single-step and so step-down too; the largest below it is not.
            let outcome = test(&family);
            let critical = outcome.critical(level);
            let observed: Vec<f64> = family.iter().map(|h| Prepared::of(h).statistic(&[0; 2])).collect();
            let largest = (0..family.len()).max_by(|a, b| observed[*a].total_cmp(&observed[*b])).unwrap();
            if (observed[largest] - critical).abs() > 1e-6 {
                prop_assert_eq!(observed[largest] > critical, outcome.adjusted[largest].slower <= level);
            }
        }
    }

    #[test]
    fn draws_mirror_too_and_do_not_hang_on_the_order() {
        let mut noise = Noise::seeded(5);
        let family: Vec<Hypothesis> =
            (0..6).map(|_| hypothesis(&std::array::from_fn::<f64, 20, _>(|_| noise.normal() + 0.5), 0.1)).collect();
        let (one, other) = (test(&family), test(&negated(&family)));
        let mirrored: Vec<_> = other.adjusted.iter().map(|a| Adjusted { slower: a.faster, faster: a.slower }).collect();
        assert_eq!(one.adjusted, mirrored);
        let reversed: Vec<Hypothesis> = family.iter().rev().cloned().collect();
        let back: Vec<Adjusted> = test(&reversed).adjusted.into_iter().rev().collect();
        assert_eq!(one.adjusted, back);
        assert!(one.adjusted.iter().all(|a| a.slower >= 1.0 / 20_001.0));
    }

    #[test]
    fn too_few_flips_have_no_critical_value() {
        let outcome = test(&[hypothesis(&[1.0, 2.0, 1.0], 0.1)]);
        assert_eq!((outcome.smallest(), outcome.critical(0.1)), (0.125, f64::INFINITY));
        assert!(outcome.critical(0.13).is_finite());
        assert_eq!(test(&[]).critical(0.01), f64::INFINITY);
    }

    // ---- How often it is right ---------------------------------------------------------------------------------

    /// Families of 60 whose noise differs up to tenfold, the first one moved by `effect`; how many of 300 have an
    /// adjusted probability of at most `alpha` for the first, and for any other.
    fn found(effect: f64, prior_weight: f64, alpha: f64) -> (usize, usize) {
        let mut noise = Noise::seeded(11);
        let (mut hits, mut others) = (0, 0);
        for _ in 0..300 {
            let draw = |index: usize, noise: &mut Noise| -> Vec<f64> {
                let deviation = 0.02 * (0.6 * noise.normal()).exp();
                let centre = if index == 0 { effect } else { 0.0 };
                (0..8).map(|_| centre + deviation * noise.normal()).collect()
            };
            let all: Vec<Hypothesis> = (0..60).map(|index| hypothesis(&draw(index, &mut noise), 0.0)).collect();
            let typical =
                crate::summary::median(&all.iter().map(Hypothesis::second_moment).collect::<Vec<_>>()).unwrap();
            let prior_variance = (prior_weight * typical).max(1e-12);
            let all: Vec<Hypothesis> = all.into_iter().map(|h| Hypothesis { prior_variance, ..h }).collect();
            let adjusted = test(&all).adjusted;
            hits += usize::from(adjusted[0].slower <= alpha);
            others += usize::from(adjusted[1..].iter().any(|adjusted| adjusted.slower <= alpha));
        }
        (hits, others)
    }

    #[test]
    fn what_is_typical_added_to_each_variance_finds_more_and_no_more_that_is_not_there() {
        let alpha = 1.0 / 256.0;
        let ((without, red_without), (with, red_with)) = (found(0.07, 0.0, alpha), found(0.07, 0.25, alpha));
        assert!(with >= without + 20, "{without} without, {with} with");
        assert!(red_without <= 5 && red_with <= 5, "{red_without} and {red_with} of 300 at a level of 0.004");
    }
}
