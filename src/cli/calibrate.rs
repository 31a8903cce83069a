//! The arguments of `calibrate`.

use std::path::PathBuf;

use clap::Args;

use super::{DimensionArgs, MeasureArgs, SuiteArgs};

/// What to calibrate the gate with, and how thoroughly.
#[derive(Debug, Clone, Default, Args)]
pub struct CalibrateArgs {
    /// Scenarios by glob over id or model name, or paths of .onnx files [default: the suite]
    pub selection: Vec<String>,
    /// Which scenarios there are to select from.
    #[command(flatten)]
    pub suite: SuiteArgs,
    /// Dimensions of the scenarios.
    #[command(flatten)]
    pub dimensions: DimensionArgs,
    /// Runs of the gate over two equal sides; forty of them bound the rate of red ones below 9 %
    #[arg(
        long,
        value_name = "N",
        default_value_t = 3,
        value_parser = clap::value_parser!(u32).range(1..),
        help_heading = "Measuring"
    )]
    pub comparisons: u32,
    /// Pairs of launches before each look at them, as in `compare` [default: the configuration's]
    #[arg(long, value_delimiter = ',', value_name = "LIST", help_heading = "Measuring")]
    pub pairs: Option<Vec<u32>>,
    /// Exactly so many profiled iterations a launch, and as many unprofiled ones [default: as the time budget allows]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Measuring")]
    pub iterations: Option<u32>,
    /// Seconds a launch may spend on iterations
    #[arg(long, value_name = "SECONDS", help_heading = "Measuring")]
    pub time_budget: Option<f64>,
    /// Start also what is not expected to fit into memory
    #[arg(long, help_heading = "Measuring")]
    pub ignore_memory: bool,
    /// How the known slowdown is chosen.
    #[command(flatten)]
    pub control: ControlArgs,
    /// Save the calibration as JSON
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub save: Option<PathBuf>,
    /// Write it as Markdown
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub markdown: Option<PathBuf>,
    /// Say what would be measured and how long it would take, measure nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// The known slowdown that is put into each scenario.
#[derive(Debug, Clone, Default, PartialEq, Args)]
#[command(next_help_heading = "The known slowdown")]
pub struct ControlArgs {
    /// Operator that does more work, by glob over `domain:OpType` or `OpType` of the optimized graph; must mean one
    /// [default: the largest without a matrix product]
    #[arg(long, value_name = "GLOB")]
    pub operator: Option<String>,
    /// Extra work, as a fraction of the operator's time [default: 0.2, or twice what counts at all]
    #[arg(long, value_name = "FRACTION", value_parser = positive)]
    pub size: Option<f64>,
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(size) if size > 0.0 && size.is_finite() => Ok(size),
        _ => Err("must be a fraction above 0, such as 0.2 for 20 %".to_owned()),
    }
}

impl CalibrateArgs {
    /// What `check` would call the same.
    pub fn measuring(&self) -> MeasureArgs {
        MeasureArgs {
            selection: self.selection.clone(),
            suite: self.suite.clone(),
            dimensions: self.dimensions.clone(),
            iterations: self.iterations,
            time_budget: self.time_budget,
            ignore_memory: self.ignore_memory,
            dry_run: self.dry_run,
            ..MeasureArgs::default()
        }
    }
}
