//! What the operators of a launch have in common, taken out: a launch that was slow as a whole says nothing of any one
//! operator.

use super::{Sample, Summary, median};

/// Operators at or above this median self time tell what a launch has in common; the profiler's clock counts whole
/// microseconds, so that shorter times say more of the clock than of the machine.
pub const CLOCK_FLOOR_US: f64 = 50.0;

/// With fewer operators than this there is no telling the machine from the operator.
pub const FEWEST_TELLING: usize = 3;

/// Where fewer than [`FEWEST_TELLING`] reach the floor, this many of the largest are taken.
const LARGEST: usize = 5;

/// Those of `candidates` that are long enough to tell what the machine does, by descending time. `us` is a candidate's
/// time in microseconds.
pub fn telling<T>(mut candidates: Vec<T>, us: impl Fn(&T) -> f64) -> Vec<T> {
    candidates.sort_by(|a, b| us(b).total_cmp(&us(a)));
    let above = candidates.iter().take_while(|candidate| us(candidate) >= CLOCK_FLOOR_US).count();
    candidates.truncate(if above >= FEWEST_TELLING { above } else { LARGEST });
    candidates
}

/// For each launch, the median over operators of the operator's time against its own median over launches: how much
/// slower the whole launch was. All ones where too few operators tell.
pub fn common<'a>(samples: impl Iterator<Item = &'a Sample> + Clone) -> Vec<f64> {
    let launches = samples.clone().map(Sample::len).min().unwrap_or(0);
    let factor = |launch: usize| {
        let relative: Vec<f64> = samples.clone().map(|sample| sample.0[launch] / sample.median()).collect();
        let enough = relative.len() >= FEWEST_TELLING;
        median(&relative).filter(|factor| enough && *factor > 0.0).unwrap_or(1.0)
    };
    (0..launches).map(factor).collect()
}

impl Sample {
    /// The sample with each launch's common factor divided out; as it is where the launches are not those of `common`.
    #[must_use]
    pub fn centred(&self, common: &[f64]) -> Sample {
        if self.len() != common.len() {
            return self.clone();
        }
        Sample(self.0.iter().zip(common).map(|(value, common)| value / common).collect())
    }
}

impl Summary {
    /// How much slower each launch was as a whole than the median launch, as its own operators tell.
    pub fn common(&self) -> Vec<f64> {
        let timed = self.operators.iter().map(|operator| &operator.self_us).filter(|sample| sample.median() > 0.0);
        common(telling(timed.collect(), |sample| sample.median()).into_iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::testing::{Op, bert, launch, summary_of};

    #[test]
    fn what_a_launch_has_in_common_goes_and_what_an_operator_has_alone_stays() {
        let scaled = |all: f64, softmax: f64| {
            let scale = |o: &Op| Op {
                self_us: o.self_us * all * if o.op_type == "Softmax" { softmax } else { 1.0 },
                ..o.clone()
            };
            launch(&bert().iter().map(scale).collect::<Vec<_>>())
        };
        let summary = summary_of(&[scaled(1.0, 1.0), scaled(1.5, 1.0), scaled(0.8, 1.2)]);
        let common = summary.common();
        let of = |key: &str| {
            let operator = summary.operators.iter().find(|operator| operator.key.0 == key).unwrap();
            operator.self_us.centred(&common).0.iter().map(|us| us.round()).collect::<Vec<_>>()
        };
        assert_eq!(of("ai.onnx:Add"), [1900.0; 3]);
        assert_eq!(of("ai.onnx:Softmax"), [800.0, 800.0, 960.0]);
    }

    #[test]
    fn launches_of_another_run_are_left_as_they_are() {
        let sample = Sample(vec![10.0, 20.0]);
        assert_eq!(sample.centred(&[2.0]), sample);
        assert_eq!(sample.centred(&[2.0, 1.0]), Sample(vec![5.0, 20.0]));
    }
}
