//! Which nodes to repeat so that the extra work has the wanted size.

/// Steps into which the wanted size is divided; sums that fall on the same step count as equal.
const STEPS: usize = 1000;

/// How many copies of each node (of these times) come nearest to `wanted_us` together, at least one copy in all. Each
/// node as often as every other as far as whole rounds go, the rest once each.
pub(super) fn choose(times_us: &[f64], wanted_us: f64) -> Vec<u32> {
    let total: f64 = times_us.iter().filter(|time| **time > 0.0).sum();
    let mut copies = vec![0; times_us.len()];
    if total <= 0.0 || wanted_us <= 0.0 {
        return copies;
    }
    // Saturates: nobody waits for so many copies.
    let rounds = (wanted_us / total).floor() as u32;
    for (copies, time) in copies.iter_mut().zip(times_us) {
        *copies = if *time > 0.0 { rounds } else { 0 };
    }
    let rest = wanted_us - f64::from(rounds) * total;
    for node in nearest_subset(times_us, rest, rounds > 0) {
        copies[node] += 1;
    }
    copies
}

/// A set of nodes found on the way to another one.
#[derive(Clone, Copy)]
struct Step {
    node: usize,
    before: Option<usize>,
    sum_us: f64,
}

/// The nodes whose times add up nearest to the size: subset sum by dynamic programming over rounded sums.
fn nearest_subset(times_us: &[f64], wanted_us: f64, may_be_empty: bool) -> Vec<usize> {
    let width = wanted_us / STEPS as f64;
    // More than twice the size is farther from it than nothing at all.
    let mut at: Vec<Option<usize>> = vec![None; 2 * STEPS + 1];
    let mut steps: Vec<Step> = Vec::new();
    let bin = |sum_us: f64| (sum_us / width).round() as usize;
    for (node, time_us) in times_us.iter().copied().enumerate().filter(|(_, time)| *time > 0.0) {
        for from in (0..at.len()).rev() {
            let (before, sum_us) = match (from, at[from]) {
                (0, _) => (None, time_us),
                (_, Some(step)) => (Some(step), steps[step].sum_us + time_us),
                (_, None) => continue,
            };
            if let Some(place) = at.get_mut(bin(sum_us)).filter(|place| place.is_none()) {
                *place = Some(steps.len());
                steps.push(Step { node, before, sum_us });
            }
        }
    }
    let off = |sum_us: f64| (sum_us - wanted_us).abs();
    let best = at.into_iter().flatten().min_by(|a, b| off(steps[*a].sum_us).total_cmp(&off(steps[*b].sum_us)));
    let Some(best) = best.filter(|best| !may_be_empty || off(steps[*best].sum_us) < wanted_us) else {
        return if may_be_empty { Vec::new() } else { smallest(times_us).into_iter().collect() };
    };
    let mut nodes = Vec::new();
    let mut step = Some(best);
    while let Some(Step { node, before, .. }) = step.map(|step| steps[step]) {
        nodes.push(node);
        step = before;
    }
    nodes
}

fn smallest(times_us: &[f64]) -> Option<usize> {
    let positive = times_us.iter().enumerate().filter(|(_, time)| **time > 0.0);
    positive.min_by(|a, b| a.1.total_cmp(b.1)).map(|(node, _)| node)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reached(times_us: &[f64], copies: &[u32]) -> f64 {
        times_us.iter().zip(copies).map(|(time, copies)| time * f64::from(*copies)).sum()
    }

    #[test]
    fn the_nearest_sum_wins() {
        assert_eq!(choose(&[50.0, 30.0, 21.0], 50.0), [1, 0, 0]);
        assert_eq!(choose(&[50.0, 30.0, 21.0], 52.0), [0, 1, 1]);
        assert_eq!(choose(&[50.0, 30.0, 20.0], 130.0), [1, 2, 1], "one whole round, then the rest");
    }

    #[test]
    fn at_least_one_copy_is_made_however_large() {
        assert_eq!(choose(&[100.0, 90.0], 5.0), [0, 1]);
    }

    #[test]
    fn what_takes_no_time_is_never_copied() {
        assert_eq!(choose(&[0.0, 10.0], 26.0), [0, 3]);
        assert_eq!(choose(&[0.0, 0.0], 25.0), [0, 0]);
        assert!(choose(&[], 25.0).is_empty());
        assert_eq!(choose(&[1.0], 0.0), [0]);
    }

    proptest! {
        /// No single node more or less would come nearer, by more than the steps are wide.
        #[test]
        fn the_size_is_reached_within_the_smallest_node(
            times in proptest::collection::vec(0.5..200.0_f64, 1..40),
            fraction in 0.05..3.0_f64,
        ) {
            let total: f64 = times.iter().sum();
            let (wanted, smallest) = (total * fraction, times.iter().copied().fold(f64::INFINITY, f64::min));
            let copies = choose(&times, wanted);
            let off = (reached(&times, &copies) - wanted).abs();
            prop_assert!(copies.iter().any(|copies| *copies > 0));
            let largest = times.iter().copied().fold(0.0, f64::max);
            prop_assert!(off <= largest / 2.0 + wanted / 100.0 || reached(&times, &copies) <= smallest, "{off} {copies:?}");
            let (least, most) = (copies.iter().min().unwrap(), copies.iter().max().unwrap());
            prop_assert!(most - least <= 1, "spread evenly: {copies:?}");
        }
    }
}
