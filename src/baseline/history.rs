//! What earlier accepts were, so that changes too small for any of them do not add up unseen.

use std::collections::BTreeMap;

use crate::summary::{OperatorKey, Sample};

use super::document::Recorded;
use super::number::rounded;

/// An operator on a provider.
pub type Identity = (OperatorKey, String);

/// How many accepts are kept beside the first.
pub const KEPT: usize = 8;

/// Smallest share, 0 to 1, of an operator whose ratio a row of the history holds.
const NOTABLE_SHARE: f64 = 0.01;

/// A ratio that is less than this away from 1 is not written, so that a row stays a line.
const NOTABLE_CHANGE: f64 = 0.02;

/// One accept.
#[derive(Debug, Clone, PartialEq)]
pub struct Accepted {
    /// Its number: 1 for the first.
    pub number: u32,
    /// Day of the measurement, `YYYY-MM-DD`.
    pub date: String,
    /// Version of cargo-nongemm.
    pub tool: String,
    /// Version of ONNX Runtime.
    pub onnxruntime: String,
    /// Median unprofiled latency in microseconds, as it was that day.
    pub latency_us: f64,
    /// Time relative to the first accept, of operators above a hundredth of the time that moved by two hundredths or
    /// more: the machine factor of each step divided out, without the changes that the gate named when they were
    /// accepted.
    pub ratios: BTreeMap<Identity, f64>,
}

impl Accepted {
    /// The first accept.
    pub(super) fn first(recorded: &Recorded, latency_us: &Sample) -> Accepted {
        Accepted {
            number: 1,
            date: recorded.date.clone(),
            tool: recorded.tool.clone(),
            onnxruntime: recorded.onnxruntime.clone(),
            latency_us: rounded(latency_us.median()),
            ratios: BTreeMap::new(),
        }
    }

    /// The one after it, with the ratios that are worth a place. `moved` gives operator, share and ratio.
    pub(super) fn next(
        &self,
        recorded: &Recorded,
        latency_us: &Sample,
        moved: impl Iterator<Item = (Identity, f64, f64)>,
    ) -> Accepted {
        let notable = |(identity, share, ratio): (Identity, f64, f64)| {
            let written = share >= NOTABLE_SHARE && (ratio - 1.0).abs() >= NOTABLE_CHANGE;
            written.then(|| (identity, rounded(ratio)))
        };
        Accepted {
            number: self.number.saturating_add(1),
            ratios: moved.filter_map(notable).collect(),
            ..Accepted::first(recorded, latency_us)
        }
    }

    /// An operator's time then relative to the first accept.
    pub fn ratio(&self, identity: &Identity) -> f64 {
        self.ratios.get(identity).copied().unwrap_or(1.0)
    }
}

/// Keeps the first row, which everything is relative to, and the last few.
pub(super) fn bounded(mut history: Vec<Accepted>) -> Vec<Accepted> {
    if let Some(excess) = history.len().checked_sub(KEPT + 1) {
        history.drain(1..1 + excess);
    }
    history
}
