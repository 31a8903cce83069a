//! Takes out of the balance what the patterns explain.

use crate::compare::pattern::{Fusion, Part, patterns};
use crate::summary::OperatorKey;

use super::{Balance, ChangeKind, Entry, Ledger, OperatorDelta, StructuralChange, count};

/// Operators that the optimizer puts in and takes out around whatever it fuses; they move no data.
const GLUE: [&str; 4] = ["ai.onnx:Reshape", "ai.onnx:Squeeze", "ai.onnx:Unsqueeze", "ai.onnx:Identity"];

/// At most so many of each for one fused node.
const GLUE_EACH: i64 = 2;

/// A fusion that took place or was undone, and what it has taken.
struct Found<'a> {
    fusion: &'a Fusion,
    /// 1 where the head has the fused form, -1 where the base has.
    sign: i64,
    nodes: i64,
    taken: Balance,
}

/// First what each fusion must have, for all of them, then what may go along: else the first would take from the others.
pub(super) fn fusions(ledger: &Ledger<'_>, balance: &mut Balance, changes: &mut Vec<StructuralChange>) {
    let mut found: Vec<Found<'_>> = Vec::new();
    for fusion in &patterns().fusions {
        for sign in [-1, 1] {
            let mut one = Found { fusion, sign, nodes: 0, taken: Balance::new() };
            for parts in &fusion.from {
                one.take_nodes(ledger, parts, balance);
            }
            if one.nodes > 0 {
                found.push(one);
            }
        }
    }
    for one in &mut found {
        one.take_along(balance);
    }
    for one in &mut found {
        one.take_glue(balance);
    }
    changes.extend(found.into_iter().map(|one| one.change(ledger)));
}

impl Found<'_> {
    /// Takes as many fused nodes as there are parts for, written in one way.
    fn take_nodes(&mut self, ledger: &Ledger<'_>, parts: &[Part], balance: &mut Balance) {
        let for_parts =
            parts.iter().map(|part| available(balance, &part.any, -self.sign) / i64::from(part.count)).min();
        let for_nodes = if self.fusion.into.is_empty() {
            // Under one name or another: the node that stays may itself be fused on one side.
            let runs = |executions: fn(&Entry) -> u32| {
                let ran = |key: &OperatorKey| ledger.operators.get(key).is_some_and(|entry| executions(entry) > 0);
                self.fusion.beside.iter().any(ran)
            };
            if runs(|entry| entry.base) && runs(|entry| entry.head) { i64::MAX } else { 0 }
        } else {
            available(balance, &self.fusion.into, self.sign)
        };
        let nodes = for_parts.unwrap_or(0).min(for_nodes);
        if nodes == 0 {
            return;
        }
        self.nodes += nodes;
        self.take(balance, &self.fusion.into, self.sign, nodes);
        for part in parts {
            self.take(balance, &part.any, -self.sign, nodes * i64::from(part.count));
        }
    }

    fn take_along(&mut self, balance: &mut Balance) {
        for part in &self.fusion.also {
            self.take(balance, &part.any, -self.sign, self.nodes * i64::from(part.count));
        }
        for part in &self.fusion.leaves {
            self.take(balance, &part.any, self.sign, self.nodes * i64::from(part.count));
        }
    }

    fn take_glue(&mut self, balance: &mut Balance) {
        for glue in GLUE {
            let glue = [OperatorKey(glue.to_owned())];
            for sign in [-1, 1] {
                self.take(balance, &glue, sign, self.nodes * GLUE_EACH);
            }
        }
    }

    /// Takes at most so many executions of this sign from the balance.
    fn take(&mut self, balance: &mut Balance, any: &[OperatorKey], sign: i64, most: i64) {
        let mut wanted = most;
        for key in any {
            let Some(left) = balance.get_mut(key).filter(|left| left.signum() == sign) else { continue };
            let taken = wanted.min(left.abs());
            wanted -= taken;
            *left -= sign * taken;
            *self.taken.entry(key.clone()).or_default() += sign * taken;
            if *left == 0 {
                balance.remove(key);
            }
        }
        self.taken.retain(|_, taken| *taken != 0);
    }

    fn change(self, ledger: &Ledger<'_>) -> StructuralChange {
        let leads = if self.fusion.into.is_empty() { &self.fusion.from[0][0].any } else { &self.fusion.into };
        let mut operators: Vec<OperatorDelta> =
            self.taken.iter().map(|(key, executions)| ledger.delta(key, *executions)).collect();
        // The fused ones first, then those of which most came or went.
        operators.sort_by_key(|o| (!leads.contains(&o.key), std::cmp::Reverse(o.executions.abs())));
        StructuralChange {
            kind: ChangeKind::Fusion { pattern: self.fusion.id.clone(), won: self.sign > 0 },
            nodes: count(self.nodes),
            operators,
            delta_us: None,
            data_dependent: false,
        }
    }
}

/// Executions of this sign that any of these operators has left.
fn available(balance: &Balance, any: &[OperatorKey], sign: i64) -> i64 {
    any.iter().filter_map(|key| balance.get(key)).filter(|left| left.signum() == sign).map(|left| left.abs()).sum()
}

/// Takes what is left of operators that only move, convert and copy.
pub(super) fn works(ledger: &Ledger<'_>, balance: &mut Balance, changes: &mut Vec<StructuralChange>) {
    for work in &patterns().works {
        for sign in [1, -1] {
            let mut operators = Vec::new();
            let mut inserted = 0;
            for key in &work.operators {
                if let Some(left) = balance.remove(key) {
                    if left.signum() == sign {
                        inserted += ledger.operators.get(key).map_or(0, Entry::inserted);
                        operators.push(ledger.delta(key, left));
                    } else {
                        balance.insert(key.clone(), left);
                    }
                }
            }
            if operators.is_empty() {
                continue;
            }
            let nodes = operators.iter().map(|operator| count(operator.executions)).sum();
            let kind = ChangeKind::Work { pattern: work.id.clone(), more: sign > 0, inserted };
            changes.push(StructuralChange { kind, nodes, operators, delta_us: None, data_dependent: false });
        }
    }
}
