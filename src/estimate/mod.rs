//! What a scenario will cost, before anything runs: memory and time, from the graph alone.
//!
//! Estimates say whether a scenario fits and how to spread a suite over machines; they are never shown as measurements.
//! How good they are stands in `docs/scaling.md`. Pure: a graph in, figures out.

mod extent;
mod memory;
mod products;
mod refusal;
mod time;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::onnx::proto::ModelProto;
use crate::scenario::Provider;

pub use refusal::{Refusal, refuse};
pub use time::{Effort, Rates};

use extent::Extents;

/// What one process takes with ONNX Runtime loaded and nothing in it.
const PROCESS_BYTES: u64 = 72 << 20;

/// ONNX Runtime takes memory for activations in steps that double and packs what it needs into them imperfectly; it then
/// takes the planned pattern once more. Measured on the quick tier: see `docs/scaling.md`.
const ACTIVATION_FACTOR: f64 = 3.0;

/// What is known of a model before it runs.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The graph.
    pub model: &'a ModelProto,
    /// Where its weights are.
    pub storage: Storage,
    /// Shapes of inputs whose declared one leaves sizes open.
    pub inputs: &'a BTreeMap<String, Vec<u64>>,
    /// Multiply-accumulates of one inference, where they are known exactly; counted from the graph otherwise.
    pub macs: Option<u64>,
    /// Where it runs.
    pub provider: Provider,
}

/// Where the bytes of a model's weights are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// In an arena of this size, which ONNX Runtime uses in place.
    Arena {
        /// Its size.
        bytes: u64,
    },
    /// In the model's file, or files beside it.
    File,
}

/// What a launch of a scenario is expected to cost.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Estimate {
    /// Nominal size of the weights.
    pub weights_bytes: u64,
    /// Largest resident set of the process that runs it.
    pub peak_rss_bytes: u64,
    /// Multiply-accumulates of one inference.
    pub macs: u64,
    /// From the start of the process to the first inference, in seconds.
    pub start_s: f64,
    /// One inference, in seconds.
    pub inference_s: f64,
}

impl Estimate {
    /// Estimates a model on a machine of these rates.
    pub fn of(subject: &Subject<'_>, rates: &Rates) -> Estimate {
        let extents = Extents::of(subject.model, subject.inputs);
        let weights_bytes = memory::nominal_bytes(subject.model);
        let resident = memory::resident_bytes(subject.model, subject.storage, subject.provider);
        let alive = subject.model.graph.as_ref().map_or(0, |graph| memory::live_bytes(graph, &extents));
        let work = time::Work::of(subject.model, &extents, subject.macs);
        Estimate {
            weights_bytes,
            peak_rss_bytes: PROCESS_BYTES.saturating_add(resident).saturating_add(scaled(alive, ACTIVATION_FACTOR)),
            macs: work.macs,
            start_s: rates.start_s(weights_bytes),
            inference_s: rates.inference_s(&work),
        }
    }

    /// The whole measurement of a scenario, in seconds: its launches, each with its start, warm-up and iterations.
    pub fn measuring_s(&self, effort: &Effort) -> f64 {
        f64::from(effort.launches) * (self.start_s + f64::from(effort.runs(self.inference_s)) * self.inference_s)
    }
}

#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an estimate; the cast back saturates"
)]
fn scaled(bytes: u64, factor: f64) -> u64 {
    (bytes as f64 * factor) as u64
}

#[cfg(test)]
mod tests;
