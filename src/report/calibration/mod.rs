//! What `calibrate` finds out about the gate itself: how often it is red where nothing changed, what it could see, and
//! whether it finds a slowdown that was put in on purpose.

mod advice;
mod build;
#[cfg(test)]
pub(crate) mod fixtures;
mod rate;
mod verdict;
pub mod words;

use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use super::{Expected, Machine, OperatorKey, Outcome, ScenarioId};

pub use advice::Advice;
pub use build::{ControlRun, Trial, false_reds};
pub use rate::Rate;
pub use verdict::{Blame, ControlState};

/// Version of the JSON document.
pub const CALIBRATION_SCHEMA: u32 = 1;

/// A calibration of the gate over some scenarios.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// [`CALIBRATION_SCHEMA`] of the program that wrote it.
    pub schema: u32,
    /// Version of `cargo-nongemm`.
    pub tool: String,
    /// Where it was measured.
    pub machine: Machine,
    /// How the gate decides.
    pub rules: Rules,
    /// Runs of the gate over equal sides that were planned.
    pub comparisons: u32,
    /// Of the runs of the whole gate over equal sides, those that were red.
    pub red: Rate,
    /// One entry a scenario, in the order of the suite.
    pub scenarios: Vec<ScenarioCalibration>,
    /// What follows for the configuration.
    pub advice: Vec<Advice>,
    /// What was expected before the first launch, in seconds; `None` for models that tell nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_s: Option<Expected>,
    /// From the first launch to the last, in seconds.
    pub wall_s: f64,
    /// What it comes to.
    pub outcome: Outcome,
}

impl Calibration {
    /// Writes the document as one indented JSON object and a newline.
    ///
    /// # Errors
    /// What the writer returns.
    pub fn write_json(&self, writer: &mut dyn Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *writer, self)?;
        writer.write_all(b"\n")
    }
}

/// How the gate that was calibrated decides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rules {
    /// Pairs of launches before each look, as planned.
    pub pairs: Vec<u32>,
    /// Probability of a red verdict on two equal sides, over all looks and all that is compared.
    pub alpha: f64,
    /// Smallest relative change that counts.
    pub min_effect: f64,
    /// Smallest change that counts, in microseconds.
    pub floor_us: f64,
    /// What stands in place of the two above where times are a GPU's own; there where scenarios run on one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<GpuRules>,
}

/// How the gate decides on times that a GPU's own clock took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GpuRules {
    /// See [`Rules::min_effect`].
    pub min_effect: f64,
    /// See [`Rules::floor_us`].
    pub floor_us: f64,
}

/// What was found out with one scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScenarioCalibration {
    /// Which.
    pub id: ScenarioId,
    /// Intra-operator threads.
    pub threads: u32,
    /// Of the comparisons of equal sides, those that were red.
    pub red: Rate,
    /// Of the same, those that were red until fresh pairs did not show it again, or did.
    pub measured_again: u32,
    /// What was red, one entry a finding.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub false_reds: Vec<FalseRed>,
    /// Pairs of launches that the last look of a comparison had: the median over comparisons.
    pub pairs: u32,
    /// The latency.
    pub latency: Noise,
    /// The operators, by descending share.
    pub operators: Vec<OperatorNoise>,
    /// The slowdown that was put in.
    pub control: Control,
    /// Why some comparisons gave nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<String>,
}

/// What can be seen of one quantity: medians over the comparisons of equal sides.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Noise {
    /// Time per run, in microseconds.
    pub time_us: f64,
    /// Relative standard deviation of the ratio of paired launches, an operator's with the machine factor divided out;
    /// `None` where it was not estimated.
    pub deviation: Option<f64>,
    /// Smallest relative growth that the gate would most likely (80 %) find with so many pairs; `None` where no growth
    /// would show.
    pub detectable: Option<f64>,
    /// The same without regard to the smallest change that counts: what more pairs make smaller.
    pub resolvable: Option<f64>,
}

/// A finding on two equal sides that failed the gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FalseRed {
    /// Which operator it blamed; `None` for the latency.
    pub operator: Option<OperatorKey>,
    /// What it said.
    pub message: String,
}

/// What can be seen of one operator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OperatorNoise {
    /// Which.
    pub key: OperatorKey,
    /// Where it runs.
    pub provider: String,
    /// Its part of the sum of all operators' times, 0 to 1.
    pub share: f64,
    /// How steady it is.
    #[serde(flatten)]
    pub noise: Noise,
}

/// A slowdown that was put in on purpose, and what the gate made of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Control {
    /// What was made slower; `None` where nothing could be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<Made>,
    /// Pairs of launches at the last look; 0 where launches were not paired or nothing was measured.
    pub pairs: u32,
    /// The operator's time with the extra work / without, the machine factor divided out; `None` where that is not known.
    pub measured_ratio: Option<f64>,
    /// Smallest relative growth of the operator that these pairs would most likely have shown.
    pub detectable: Option<f64>,
    /// Whether the gate found it.
    #[serde(flatten)]
    pub state: ControlState,
}

/// Extra work in a graph.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Made {
    /// The operator that does more.
    pub operator: OperatorKey,
    /// The extra work that was wished for / the operator's own.
    pub wished: f64,
    /// The extra work / the operator's own, by the times of the nodes that were copied.
    pub reached: f64,
    /// The operator's part of all operators' time, 0 to 1.
    pub share: f64,
    /// Copies of its nodes.
    pub copies: u32,
}
