//! The summary by group, and the two shares that everybody asks for.

use crate::taxonomy::Group;

use super::{OperatorSummary, Sample, Summary};

/// All operators of one group together.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupSummary {
    /// Which; `None` holds the operators that the taxonomy does not know, never mixed into another group.
    pub group: Option<Group>,
    /// Self time per run in microseconds, a value per launch.
    pub self_us: Sample,
    /// Part of the sum of all self times, 0 to 1, a value per launch.
    pub share: Sample,
}

impl Summary {
    /// Share of the operators that contain a matrix product or convolution, 0 to 1, a value per launch.
    pub fn gemm_share(&self) -> Sample {
        self.share_where(|operator| operator.group == Some(Group::Gemm))
    }

    /// Share of all other operators, those that the taxonomy does not know among them, 0 to 1, a value per launch.
    pub fn non_gemm_share(&self) -> Sample {
        self.share_where(|operator| operator.group != Some(Group::Gemm))
    }

    /// The groups that ran, by descending median time.
    pub fn groups(&self) -> Vec<GroupSummary> {
        let mut present: Vec<Option<Group>> = self.operators.iter().map(|operator| operator.group).collect();
        present.sort_unstable();
        present.dedup();
        let sum = |group| {
            let members = || self.operators.iter().filter(move |operator| operator.group == group);
            GroupSummary {
                group,
                self_us: self.add(members().map(|operator| &operator.self_us)),
                share: self.add(members().map(|operator| &operator.share)),
            }
        };
        let mut groups: Vec<GroupSummary> = present.into_iter().map(sum).collect();
        groups.sort_by(|a, b| b.self_us.median().total_cmp(&a.self_us.median()));
        groups
    }

    /// The operators that the taxonomy does not know, by descending median time.
    pub fn unknown_operators(&self) -> Vec<&OperatorSummary> {
        self.operators.iter().filter(|operator| operator.group.is_none()).collect()
    }

    fn share_where(&self, holds: impl Fn(&OperatorSummary) -> bool) -> Sample {
        self.add(self.operators.iter().filter(|operator| holds(operator)).map(|operator| &operator.share))
    }

    /// Adds samples launch by launch; zeros for none.
    fn add<'a>(&self, samples: impl Iterator<Item = &'a Sample>) -> Sample {
        let mut sum = vec![0.0; self.latency_us.len()];
        for sample in samples {
            for (total, value) in sum.iter_mut().zip(&sample.0) {
                *total += value;
            }
        }
        Sample(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::testing::{launch, op, summary_of};

    fn summary() -> Summary {
        let one = launch(&[op("MatMul", 1, 60.0), op("Softmax", 1, 10.0), op("Add", 1, 25.0), op("Mystery", 1, 5.0)]);
        let two = launch(&[op("MatMul", 1, 80.0), op("Softmax", 1, 5.0), op("Add", 1, 10.0), op("Mystery", 1, 5.0)]);
        summary_of(&[one, two])
    }

    #[test]
    fn gemm_and_non_gemm_complement_each_other_in_each_launch() {
        assert_eq!(summary().gemm_share(), Sample(vec![0.6, 0.8]));
        for (gemm, other) in summary().gemm_share().0.iter().zip(&summary().non_gemm_share().0) {
            assert!((gemm + other - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn groups_are_sorted_by_time_and_unknown_operators_stand_alone() {
        let groups: Vec<_> = summary().groups().iter().map(|g| (g.group, g.self_us.median())).collect();
        let expected = [
            (Some(Group::Gemm), 70.0),
            (Some(Group::ElementWise), 17.5),
            (Some(Group::LogitComputation), 7.5),
            (None, 5.0),
        ];
        assert_eq!(groups, expected);
    }

    #[test]
    fn unknown_operators_are_listed_by_name() {
        let summary = summary();
        let unknown: Vec<_> = summary.unknown_operators().iter().map(|o| o.key.0.as_str()).collect();
        assert_eq!(unknown, ["ai.onnx:Mystery"]);
    }
}
