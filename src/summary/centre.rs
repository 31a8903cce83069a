//! What the operators of a launch have in common, taken out: a launch that was slow as a whole says nothing of any one
//! operator.

use super::{Clock, Group, Sample, Summary, median};

/// What a clock resolves: shorter times say more of the clock than of the machine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Resolution {
    /// Operators at or above this median self time tell what a launch has in common, in microseconds.
    pub operator_us: f64,
    /// So long must one execution take, on average.
    pub execution_us: f64,
}

impl Resolution {
    /// Of a clock.
    pub fn of(clock: Clock) -> Resolution {
        match clock {
            // The profiler counts whole microseconds and adds 1 to 2 to each node, which are taken off as a mean, so that
            // hundreds of Reshapes of 2 us vary with the profiler and not with the machine.
            Clock::Host | Clock::DeviceSynchronous => Resolution { operator_us: 50.0, execution_us: 5.0 },
            // It counts nanoseconds and adds nothing. On an H100, operators of 5 us and more varied by 0.1 to 4 % from
            // launch to launch (docs/cuda.md).
            Clock::DeviceCupti => Resolution { operator_us: 5.0, execution_us: 1.0 },
        }
    }
}

/// Of operators that are long enough, those with this part of the time of all tell, as long as they are [`ENOUGH`]: the
/// smaller ones vary more, and the median would be as unsteady as they are.
const TELLING_SHARE: f64 = 0.01;

/// With fewer operators than this there is no telling the machine from the operator.
pub const FEWEST_TELLING: usize = 3;

/// So many tell where there are as many: two of them may change, and the median still is one of the others.
const ENOUGH: usize = 5;

/// What decides whether an operator tells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Timed {
    /// Microseconds in one run, all executions together.
    pub us: f64,
    /// Executions for that.
    pub executions: u32,
    /// Whether it is a matrix product. A faster library makes all of them faster, of which there are many in some models:
    /// they have one voice together, or else what they have in common would be taken for the machine.
    pub gemm: bool,
}

/// Operators that have one voice in what a launch has in common.
struct Voice<T> {
    members: Vec<T>,
    us: f64,
    executions: u32,
}

impl<T> Voice<T> {
    fn is_long(&self, resolution: Resolution) -> bool {
        self.us >= resolution.operator_us && self.us >= resolution.execution_us * f64::from(self.executions)
    }
}

/// Those of `candidates` that are long enough to tell what the machine does, in voices: an operator each, but all matrix
/// products together, as long as there are three without that. By descending time.
///
/// On 250 pairs of launches of each of four models, a choice by [`Resolution::operator_us`] alone left twice as much noise in the
/// large operators; where each product had a voice of its own, all products faster by 30 % made other operators seem slower
/// in three of the four (docs/gate.md).
pub fn telling<T>(candidates: Vec<T>, resolution: Resolution, timed: impl Fn(&T) -> Timed) -> Vec<Vec<T>> {
    let (products, others): (Vec<T>, Vec<T>) = candidates.into_iter().partition(|one| timed(one).gemm);
    let together = others.len() + 1 >= FEWEST_TELLING;
    let products = if together { vec![products] } else { products.into_iter().map(|one| vec![one]).collect() };
    let members = products.into_iter().chain(others.into_iter().map(|one| vec![one]));
    let voice = |members: Vec<T>| {
        let (us, executions) = members
            .iter()
            .map(&timed)
            .fold((0.0, 0), |(us, executions), one| (us + one.us, executions + one.executions));
        Voice { members, us, executions }
    };
    let voices = members.filter(|members| !members.is_empty()).map(voice).collect();
    loudest(voices, resolution).into_iter().map(|voice| voice.members).collect()
}

/// The voices that are long enough, and of these the large ones, if they are enough.
fn loudest<T>(voices: Vec<Voice<T>>, resolution: Resolution) -> Vec<Voice<T>> {
    let descending = |a: &Voice<T>, b: &Voice<T>| b.us.total_cmp(&a.us);
    let total: f64 = voices.iter().map(|voice| voice.us).sum();
    let (mut long, mut short): (Vec<_>, Vec<_>) = voices.into_iter().partition(|voice| voice.is_long(resolution));
    if long.len() < FEWEST_TELLING {
        // What is short tells little, but more than nothing.
        long.append(&mut short);
    }
    long.sort_by(descending);
    let large = long.iter().take_while(|voice| voice.is_long(resolution) && voice.us >= TELLING_SHARE * total).count();
    long.truncate(large.max(ENOUGH));
    long
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
    /// Launch by launch, the sum of samples of the same launches.
    pub fn sum<'a>(samples: impl Iterator<Item = &'a Sample>) -> Sample {
        let mut sum: Vec<f64> = Vec::new();
        for sample in samples {
            sum.resize(sum.len().max(sample.len()), 0.0);
            sum.iter_mut().zip(&sample.0).for_each(|(sum, value)| *sum += value);
        }
        Sample(sum)
    }

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
        let timed = self.operators.iter().filter(|operator| operator.self_us.median() > 0.0);
        let told = telling(timed.collect(), Resolution::of(self.clock), |operator| Timed {
            us: operator.self_us.median(),
            executions: operator.executions,
            gemm: operator.group == Some(Group::Gemm),
        });
        let voices: Vec<Sample> =
            told.into_iter().map(|members| Sample::sum(members.into_iter().map(|one| &one.self_us))).collect();
        common(voices.iter())
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

    fn told(operators: &[(f64, u32)]) -> Vec<f64> {
        let timed = |one: &(f64, u32)| Timed { us: one.0, executions: one.1, gemm: false };
        telling(operators.to_vec(), Resolution::of(Clock::Host), timed)
            .into_iter()
            .flatten()
            .map(|(us, _)| us)
            .collect()
    }

    #[test]
    fn what_is_mostly_the_profilers_own_does_not_tell() {
        // 192 Reshapes of 2 us each, as BERT has them.
        let operators = [(5000.0, 25), (375.0, 192), (900.0, 12), (400.0, 12), (530.0, 48), (300.0, 10)];
        assert_eq!(told(&operators), [5000.0, 900.0, 530.0, 400.0, 300.0]);
    }

    #[test]
    fn large_operators_tell_and_small_ones_only_where_few_are_large() {
        let large = [(9000.0, 1), (800.0, 1), (700.0, 1), (600.0, 1), (500.0, 1), (90.0, 1), (60.0, 1)];
        assert_eq!(told(&large).len(), 5);
        let one_large = [(90_000.0, 1), (800.0, 1), (700.0, 1), (90.0, 1), (80.0, 1), (70.0, 1)];
        assert_eq!(told(&one_large), [90_000.0, 800.0, 700.0, 90.0, 80.0]);
        let tiny = [(30.0, 1), (20.0, 40), (10.0, 1), (60.0, 1)];
        assert_eq!(told(&tiny), [60.0, 30.0, 20.0, 10.0]);
    }

    #[test]
    fn what_a_clock_resolves_may_tell() {
        // Softmax, Gelu, Transpose, LayerNormalization and 200 Reshapes of BERT on a GPU, and what the profiler makes of them.
        let operators = [(26.0, 12), (30.0, 12), (71.0, 48), (47.0, 25), (60.0, 200)];
        let timed = |one: &(f64, u32)| Timed { us: one.0, executions: one.1, gemm: false };
        let told = |clock: Clock| -> Vec<f64> {
            let voices = telling(operators.to_vec(), Resolution::of(clock), timed);
            voices.into_iter().flatten().map(|(us, _)| us).collect()
        };
        assert_eq!(told(Clock::DeviceCupti), [71.0, 47.0, 30.0, 26.0]);
        // Nothing is long enough: all that there is has to do.
        assert_eq!(told(Clock::DeviceSynchronous), [71.0, 60.0, 47.0, 30.0, 26.0]);
    }

    #[test]
    fn products_have_one_voice_where_there_are_others() {
        let voices = |operators: &[(f64, bool)]| -> Vec<usize> {
            let timed = |one: &(f64, bool)| Timed { us: one.0, executions: 1, gemm: one.1 };
            telling(operators.to_vec(), Resolution::of(Clock::Host), timed).iter().map(Vec::len).collect()
        };
        assert_eq!(voices(&[(300.0, false), (9000.0, true), (800.0, true), (200.0, false)]), [2, 1, 1]);
        assert_eq!(voices(&[(300.0, false), (9000.0, true), (800.0, true)]), [1, 1, 1]);
    }

    #[test]
    fn samples_add_up_launch_by_launch() {
        let sum = Sample::sum([Sample(vec![1.0, 2.0]), Sample(vec![10.0, 20.0])].iter());
        assert_eq!(sum, Sample(vec![11.0, 22.0]));
    }

    #[test]
    fn launches_of_another_run_are_left_as_they_are() {
        let sample = Sample(vec![10.0, 20.0]);
        assert_eq!(sample.centred(&[2.0]), sample);
        assert_eq!(sample.centred(&[2.0, 1.0]), Sample(vec![5.0, 20.0]));
    }
}
