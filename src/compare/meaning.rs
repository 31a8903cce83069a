//! What the structural differences mean together: a fusion lost, copies won, a move to the CPU.
//!
//! Every execution that one side has and the other lacks goes into exactly one change, so that nothing is explained
//! away: what no pattern takes stands alone, operator by operator.

mod matching;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::summary::{Group, OperatorKey, Side, SideOperator};

use super::StructuralDifference;

const CPU: &str = "CPUExecutionProvider";

/// One thing that happened to the executed graph.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StructuralChange {
    /// What.
    #[serde(flatten)]
    pub kind: ChangeKind,
    /// How many nodes it is about: fused ones, or executions in one run.
    pub nodes: u32,
    /// The operators in it, those that give it its name first.
    pub operators: Vec<OperatorDelta>,
    /// How much more time its operators take than before, in microseconds, the machine factor divided out; an operator of
    /// several changes is divided among them by executions. `None` without a machine factor.
    pub delta_us: Option<f64>,
    /// True where it may come from the data instead of the graph.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub data_dependent: bool,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum ChangeKind {
    /// Nodes of a pattern are fused now, or no longer.
    Fusion {
        /// Id of the pattern.
        pattern: String,
        /// True where the head has the fused form.
        won: bool,
    },
    /// More or less moving, converting and copying.
    Work {
        /// Id of the pattern.
        pattern: String,
        /// True where the head does more of it.
        more: bool,
        /// How many more executions are of nodes that ONNX Runtime put in; negative for fewer.
        #[serde(default, skip_serializing_if = "is_zero")]
        inserted: i64,
    },
    /// Operators run elsewhere.
    Moved {
        /// Provider before.
        from: String,
        /// Provider now.
        to: String,
    },
    /// Operators compute in other types.
    Types {
        /// Before.
        from: String,
        /// Now.
        to: String,
    },
    /// The same operators run at other shapes.
    Shapes,
    /// ONNX Runtime put in another number of an operator's nodes, while the operator runs as often as before.
    Inserted,
    /// One operator runs more or less often, and no pattern says why.
    Operator {
        /// Executions in one run before, over all providers.
        base: u32,
        /// Executions in one run now.
        head: u32,
    },
}

/// One operator's part in a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorDelta {
    /// Which.
    pub key: OperatorKey,
    /// Its group; `None` for an operator that the taxonomy does not know.
    pub group: Option<Group>,
    /// Executions in one run more than before; negative for fewer, 0 where they differ in something else.
    pub executions: i64,
}

impl StructuralChange {
    /// The operator that the change is named for; `None` where it is as much about others.
    pub fn lead(&self) -> Option<&OperatorKey> {
        let first = self.operators.first().map(|operator| &operator.key);
        first.filter(|_| matches!(self.kind, ChangeKind::Fusion { .. }) || self.operators.len() == 1)
    }

    /// True where operators that another provider ran have come to the CPU.
    pub fn is_fallback(&self) -> bool {
        matches!(&self.kind, ChangeKind::Moved { to, .. } if to == CPU)
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde passes a reference.
fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// The changes that the differences amount to: fusions, work, single operators; then moves, types and shapes.
pub(super) fn changes(
    base: &Side,
    head: &Side,
    differences: &[StructuralDifference],
    factor: Option<f64>,
) -> Vec<StructuralChange> {
    let ledger = Ledger::of(base, head);
    let mut changes = Vec::new();
    let mut balance = ledger.steady_balance();
    matching::fusions(&ledger, &mut balance, &mut changes);
    matching::works(&ledger, &mut balance, &mut changes);
    changes.extend(ledger.singles(&balance));
    changes.extend(ledger.alike(differences));
    ledger.shapes(differences, base.depends_on_data() || head.depends_on_data(), &mut changes);
    ledger.time(factor, &mut changes);
    changes
}

/// What is known of each operator, over all providers.
struct Ledger<'a> {
    operators: BTreeMap<&'a OperatorKey, Entry>,
}

#[derive(Default)]
struct Entry {
    group: Option<Group>,
    base: u32,
    head: u32,
    base_us: f64,
    head_us: f64,
    base_inserted: Option<u32>,
    head_inserted: Option<u32>,
    unsteady: bool,
}

impl Entry {
    fn delta(&self) -> i64 {
        i64::from(self.head) - i64::from(self.base)
    }

    /// What ONNX Runtime put in now and did not before; 0 where that is not known.
    fn inserted(&self) -> i64 {
        let known = |count: Option<u32>, executions: u32| count.or((executions == 0).then_some(0));
        match (known(self.base_inserted, self.base), known(self.head_inserted, self.head)) {
            (Some(base), Some(head)) => i64::from(head) - i64::from(base),
            _ => 0,
        }
    }
}

/// Executions that no change has taken yet, head less base; no zeros.
type Balance = BTreeMap<OperatorKey, i64>;

impl<'a> Ledger<'a> {
    fn of(base: &'a Side, head: &'a Side) -> Self {
        let mut operators: BTreeMap<&'a OperatorKey, Entry> = BTreeMap::new();
        let mut add = |operator: &'a SideOperator, of_base: bool| {
            let entry = operators.entry(&operator.key).or_default();
            let (executions, us, inserted) = if of_base {
                (&mut entry.base, &mut entry.base_us, &mut entry.base_inserted)
            } else {
                (&mut entry.head, &mut entry.head_us, &mut entry.head_inserted)
            };
            *executions += operator.executions;
            *us += operator.self_us.median();
            if let Some(count) = operator.inserted {
                *inserted.get_or_insert(0) += count;
            }
            entry.group = entry.group.or(operator.group);
            entry.unsteady |= operator.unsteady;
        };
        base.operators.iter().for_each(|operator| add(operator, true));
        head.operators.iter().for_each(|operator| add(operator, false));
        Ledger { operators }
    }

    /// What patterns may explain. An unsteady operator's count is a matter of the data.
    fn steady_balance(&self) -> Balance {
        let steady = self.operators.iter().filter(|(_, entry)| !entry.unsteady && entry.delta() != 0);
        steady.map(|(key, entry)| ((*key).clone(), entry.delta())).collect()
    }

    fn delta(&self, key: &OperatorKey, executions: i64) -> OperatorDelta {
        let group = self.operators.get(key).and_then(|entry| entry.group);
        OperatorDelta { key: key.clone(), group, executions }
    }

    /// What is left of operators that run more or less often, one by one.
    fn singles(&self, balance: &Balance) -> Vec<StructuralChange> {
        let single = |(key, entry): (&&OperatorKey, &Entry)| {
            let left = if entry.unsteady { entry.delta() } else { balance.get(*key).copied().unwrap_or(0) };
            (left != 0).then(|| StructuralChange {
                kind: ChangeKind::Operator { base: entry.base, head: entry.head },
                nodes: count(left),
                operators: vec![self.delta(key, left)],
                delta_us: None,
                data_dependent: entry.unsteady,
            })
        };
        self.operators.iter().filter_map(single).collect()
    }

    /// Moves from one provider to another, and changes from one type to another, each told once for all operators; then
    /// nodes put in that no count shows.
    fn alike(&self, differences: &[StructuralDifference]) -> Vec<StructuralChange> {
        let mut kinds: Vec<(ChangeKind, u32, Vec<OperatorDelta>)> = Vec::new();
        for difference in differences {
            let (kind, executions) = match difference {
                StructuralDifference::Moved { from, to, executions, .. } => {
                    (ChangeKind::Moved { from: from.clone(), to: to.clone() }, *executions)
                }
                StructuralDifference::Types { from, to, executions, .. } => {
                    (ChangeKind::Types { from: from.clone(), to: to.clone() }, *executions)
                }
                StructuralDifference::Inserted { key, base, head, .. }
                    if self.operators.get(key).is_some_and(|entry| entry.delta() == 0) =>
                {
                    (ChangeKind::Inserted, base.abs_diff(*head))
                }
                _ => continue,
            };
            let index = kinds.iter().position(|(other, ..)| *other == kind).unwrap_or_else(|| {
                kinds.push((kind, 0, Vec::new()));
                kinds.len() - 1
            });
            let (_, nodes, operators) = &mut kinds[index];
            *nodes += executions;
            operators.push(self.delta(difference.key(), 0));
        }
        let change = |(kind, nodes, mut operators): (ChangeKind, u32, Vec<OperatorDelta>)| {
            operators.dedup_by(|a, b| a.key == b.key);
            let data_dependent = operators.iter().all(|operator| self.is_unsteady(&operator.key));
            StructuralChange { kind, nodes, operators, delta_us: None, data_dependent }
        };
        kinds.into_iter().map(change).collect()
    }

    fn is_unsteady(&self, key: &OperatorKey) -> bool {
        self.operators.get(key).is_some_and(|entry| entry.unsteady)
    }

    /// All operators at other shapes together: a change of a size goes through the whole graph.
    fn shapes(&self, differences: &[StructuralDifference], depends_on_data: bool, changes: &mut Vec<StructuralChange>) {
        let mut nodes = 0;
        let mut operators: Vec<OperatorDelta> = Vec::new();
        for difference in differences {
            if let StructuralDifference::Shapes { key, head, .. } = difference {
                nodes += head.iter().map(|shape| shape.executions).sum::<u32>();
                operators.push(self.delta(key, 0));
            }
        }
        operators.dedup_by(|a, b| a.key == b.key);
        if !operators.is_empty() {
            let kind = ChangeKind::Shapes;
            changes.push(StructuralChange { kind, nodes, operators, delta_us: None, data_dependent: depends_on_data });
        }
    }

    /// Gives each change the time of its operators. Changes of counts come first, so an operator that several of the
    /// others are about too is counted once.
    fn time(&self, factor: Option<f64>, changes: &mut [StructuralChange]) {
        let Some(factor) = factor else { return };
        let mut moved: BTreeMap<OperatorKey, u64> = BTreeMap::new();
        for operator in changes.iter().flat_map(|change| &change.operators) {
            *moved.entry(operator.key.clone()).or_default() += operator.executions.unsigned_abs();
        }
        let mut told: BTreeSet<OperatorKey> = BTreeSet::new();
        for change in changes {
            let part = |operator: &OperatorDelta| {
                let entry = self.operators.get(&operator.key)?;
                let all = moved.get(&operator.key).copied().unwrap_or(0);
                let share = match (operator.executions, all) {
                    (0, 0) => f64::from(u8::from(told.insert(operator.key.clone()))),
                    (0, _) => 0.0,
                    (own, all) => own.unsigned_abs() as f64 / all as f64,
                };
                Some((entry.head_us - entry.base_us * factor) * share)
            };
            change.delta_us = Some(change.operators.iter().filter_map(part).sum());
        }
    }
}

/// Executions as a number of nodes.
fn count(executions: i64) -> u32 {
    u32::try_from(executions.unsigned_abs()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
