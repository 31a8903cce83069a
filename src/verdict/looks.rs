//! The plan of a sequential measurement: after how many pairs it is looked at, and at what level each time.

/// Probability of a red verdict on two equal sides, over all looks, operators and scenarios of a run.
pub const ALPHA: f64 = 0.01;

/// Pairs at the looks of the usual plan.
const USUAL: [u32; 3] = [8, 12, 20];

/// More pairs than this take longer than anyone waits, and are a slip of the keyboard.
const MOST_PAIRS: u32 = 1000;

/// When a measurement in turns is looked at.
///
/// The levels of all looks add up to that of the plan, so that however the looks hang together, the chance that any of
/// them is red on equal sides is no more (Bonferroni). Each look has an equal part, but for looks with so few pairs that
/// sign flips could never reach theirs: these have the smallest level that they can reach, and the others share what is
/// left. The usual plan of 8, 12 and 20 pairs spends 0.0039, 0.0030 and 0.0030 of 0.01. What this costs against a plan
/// of one look: at 20 pairs a quantity must stand 2.75 standard errors out where 2.33 would do.
#[derive(Debug, Clone, PartialEq)]
pub struct Looks(Vec<Look>);

/// One look.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Look {
    /// Pairs that have been measured by then.
    pub pairs: u32,
    /// Level at which it judges.
    pub alpha: f64,
}

/// A plan that cannot do what it is for.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PlanError {
    /// No sign flip test of so few pairs gives so small a probability, so that nothing could ever be red.
    #[error(
        "{pairs} pairs cannot turn the gate red: the smallest probability they can show is {smallest}, above the level \
         of {alpha} that is left for them; measure at least {enough} pairs"
    )]
    TooFewPairs {
        /// Pairs at the look.
        pairs: u32,
        /// 2^-pairs.
        smallest: f64,
        /// The level that they would have to reach.
        alpha: f64,
        /// The fewest that would do.
        enough: u32,
    },
    /// Looks must follow one another.
    #[error("a plan's looks must have more and more pairs, up to {MOST_PAIRS}; these are {0:?}")]
    Order(Vec<u32>),
    /// A level that is none.
    #[error("a plan's level must lie between 0 and 1; this is {0}")]
    Level(f64),
}

impl Looks {
    /// Looks after these numbers of pairs, which together spend `alpha`.
    ///
    /// # Errors
    /// Where there is no look or they do not ascend, or where one has too few pairs to be ever red.
    pub fn new(pairs: &[u32], alpha: f64) -> Result<Looks, PlanError> {
        if pairs.is_empty()
            || pairs[0] == 0
            || !pairs.is_sorted_by(|a, b| a < b)
            || pairs.iter().any(|k| *k > MOST_PAIRS)
        {
            return Err(PlanError::Order(pairs.to_vec()));
        }
        if !(alpha > 0.0 && alpha < 1.0) {
            return Err(PlanError::Level(alpha));
        }
        let mut left = alpha;
        let mut looks_left = f64::from(u32::try_from(pairs.len()).unwrap_or(u32::MAX));
        let mut looks = Vec::new();
        for &pairs in pairs {
            let smallest = smallest_p(pairs);
            if smallest > left {
                let enough = (pairs..).find(|k| smallest_p(*k) <= left).unwrap_or(MOST_PAIRS);
                return Err(PlanError::TooFewPairs { pairs, smallest, alpha: left, enough });
            }
            let alpha = smallest.max(left / looks_left);
            looks.push(Look { pairs, alpha });
            left -= alpha;
            looks_left -= 1.0;
        }
        Ok(Looks(looks))
    }

    /// One look, with the whole level.
    ///
    /// # Errors
    /// Where the pairs are too few to be ever red.
    pub fn fixed(pairs: u32) -> Result<Looks, PlanError> {
        Looks::new(&[pairs], ALPHA)
    }

    /// The looks in order.
    pub fn iter(&self) -> impl Iterator<Item = Look> {
        self.0.iter().copied()
    }

    /// The level of the look after so many pairs; `None` where the plan has no look then.
    pub fn alpha_at(&self, pairs: u32) -> Option<f64> {
        self.iter().find(|look| look.pairs == pairs).map(|look| look.alpha)
    }

    /// Pairs at the last look.
    pub fn most_pairs(&self) -> u32 {
        self.0.last().map_or(0, |look| look.pairs)
    }
}

impl Default for Looks {
    fn default() -> Self {
        // A test holds that this is what `new` makes of the usual pairs.
        Looks::new(&USUAL, ALPHA).unwrap_or(Looks(Vec::new()))
    }
}

/// The smallest probability that the sign flips of so many pairs can give.
pub(super) fn smallest_p(pairs: u32) -> f64 {
    0.5_f64.powi(i32::try_from(pairs).unwrap_or(i32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alphas(pairs: &[u32], alpha: f64) -> Vec<f64> {
        Looks::new(pairs, alpha).unwrap().iter().map(|look| look.alpha).collect()
    }

    #[test]
    fn the_usual_plan_spends_one_percent_and_its_first_look_can_be_red() {
        let plan = Looks::default();
        assert_eq!(plan.iter().map(|look| look.pairs).collect::<Vec<_>>(), [8, 12, 20]);
        assert_eq!(plan.alpha_at(8), Some(1.0 / 256.0));
        assert!((plan.iter().map(|look| look.alpha).sum::<f64>() - ALPHA).abs() < 1e-15);
        assert_eq!((plan.alpha_at(12), plan.alpha_at(9)), (plan.alpha_at(20), None));
        assert_eq!(plan.most_pairs(), 20);
    }

    #[test]
    fn a_fixed_number_of_pairs_has_the_whole_level() {
        assert_eq!(Looks::fixed(8).unwrap().alpha_at(8), Some(ALPHA));
        assert_eq!(alphas(&[10, 20], 0.02), [0.01, 0.01]);
    }

    #[test]
    fn a_gate_that_cannot_fail_is_no_plan() {
        assert!(Looks::fixed(7).is_ok());
        let error = Looks::fixed(6).unwrap_err();
        assert_eq!(
            error.to_string(),
            "6 pairs cannot turn the gate red: the smallest probability they can show is 0.015625, above the level of \
             0.01 that is left for them; measure at least 7 pairs"
        );
        // The first look may take so much that nothing is left for the second.
        assert!(matches!(Looks::new(&[7, 8], 0.01), Err(PlanError::TooFewPairs { pairs: 8, .. })));
    }

    #[test]
    fn looks_ascend_and_levels_are_probabilities() {
        for pairs in [&[][..], &[0], &[8, 8], &[12, 8], &[1001]] {
            assert_eq!(Looks::new(pairs, ALPHA), Err(PlanError::Order(pairs.to_vec())));
        }
        for alpha in [0.0, 1.0, -1.0] {
            assert_eq!(Looks::new(&[8], alpha), Err(PlanError::Level(alpha)));
        }
        assert!(matches!(Looks::new(&[8], f64::NAN), Err(PlanError::Level(_))));
    }
}
