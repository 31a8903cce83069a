//! A document and what an accept takes over -> the next document. Nothing is decided here: which lines moved is told.

use std::collections::{BTreeMap, BTreeSet};

use crate::summary::Sample;

use super::document::{Document, OperatorBaseline, rounded_sample};
use super::history::{Identity, bounded};
use super::number::rounded;

/// What an accept takes over from a new measurement.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Update {
    /// Which operators.
    pub lines: Lines,
    /// Whether the latency.
    pub latency: bool,
    /// Whether what is recorded beside the figures.
    pub recorded: bool,
    /// New/held time of each operator that both sides run, the machine factor divided out. An operator that is missing here
    /// did not change as far as its history goes: its change was looked at, or the sides are not comparable.
    pub unseen: BTreeMap<Identity, f64>,
    /// Whether the history begins anew.
    pub forget: bool,
}

/// Operators that are taken over.
#[derive(Debug, Clone, PartialEq)]
pub enum Lines {
    /// All of them, in the times of the new measurement.
    All,
    /// These, with the machine factor new/held divided out, so that they stand beside lines that are kept.
    Some {
        /// Which, on either side: one that only the new side runs is added, one that only the old side runs goes.
        operators: BTreeSet<Identity>,
        /// New/held of the machine.
        factor: f64,
    },
}

impl Default for Lines {
    fn default() -> Self {
        Lines::Some { operators: BTreeSet::new(), factor: 1.0 }
    }
}

impl Document {
    /// What this baseline becomes; `None` where the update changes nothing. `new` is the baseline that the new measurement
    /// alone would make.
    pub fn updated(&self, new: &Document, update: &Update) -> Option<Document> {
        let mut next =
            Document { operators: self.operators_after(new, update), history: self.history.clone(), ..self.clone() };
        if update.lines == Lines::All {
            next.protocol = new.protocol;
            next.clock = new.clock;
        }
        if update.latency {
            next.latency_us = new.latency_us.clone();
        }
        if update.recorded {
            next.recorded = new.recorded.clone();
        }
        if update.forget {
            next.operators.iter_mut().for_each(|operator| operator.held = 1.0);
            next.history = new.history.clone();
        } else if next == *self {
            return None;
        } else {
            next.history = self.history_after(new, update);
        }
        Some(next)
    }

    fn operators_after(&self, new: &Document, update: &Update) -> Vec<OperatorBaseline> {
        let by_identity = |document: &Document| -> BTreeMap<Identity, OperatorBaseline> {
            document.operators.iter().map(|operator| (operator.identity(), operator.clone())).collect()
        };
        let (mut held, mut measured) = (by_identity(self), by_identity(new));
        let all: BTreeSet<Identity> = held.keys().chain(measured.keys()).cloned().collect();
        let next = |identity: &Identity| {
            let (old, new) = (held.remove(identity), measured.remove(identity));
            let (factor, taken) = match &update.lines {
                Lines::All => (1.0, true),
                Lines::Some { operators, factor } => (*factor, operators.contains(identity)),
            };
            match (old, new) {
                (old, Some(new)) if taken => Some(taken_over(old, new, factor, update.unseen.get(identity).copied())),
                (Some(old), new) if !taken => Some(kept(old, new)),
                _ => None,
            }
        };
        all.iter().filter_map(next).collect()
    }

    fn history_after(&self, new: &Document, update: &Update) -> Vec<super::Accepted> {
        let total_us: f64 = self.operators.iter().map(|operator| operator.self_us.median()).sum();
        let moved = self.operators.iter().map(|operator| {
            let identity = operator.identity();
            let ratio = operator.held * update.unseen.get(&identity).copied().unwrap_or(1.0);
            (identity, operator.self_us.median() / total_us, ratio)
        });
        let row = self.history.last().map(|last| last.next(&new.recorded, &new.latency_us, moved));
        bounded(self.history.iter().cloned().chain(row).collect())
    }
}

/// A line in its new form.
fn taken_over(
    old: Option<OperatorBaseline>,
    new: OperatorBaseline,
    factor: f64,
    unseen: Option<f64>,
) -> OperatorBaseline {
    let self_us = rounded_sample(&Sample(new.self_us.0.iter().map(|us| us / factor).collect()));
    let held = old.map_or(1.0, |old| old.held) * unseen.unwrap_or(1.0);
    OperatorBaseline { self_us, held: rounded(held), ..new }
}

/// A line as it was, with the shapes that a measurement tells where none were known.
fn kept(old: OperatorBaseline, new: Option<OperatorBaseline>) -> OperatorBaseline {
    match new {
        Some(new) if old.shapes.is_empty() && new.executions == old.executions => {
            OperatorBaseline { shapes: new.shapes, ..old }
        }
        _ => old,
    }
}
