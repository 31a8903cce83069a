//! The arguments of `compare`.

use std::path::PathBuf;

use clap::Args;

use super::{DimensionArgs, GitHubArgs, MeasureArgs, ReportFiles, SuiteArgs};
use crate::runtime::Choice;
use crate::scenario::{Optimization, Precision, Provider};
use crate::zoo::Tier;

/// Two sides, what to measure of them, and how.
#[derive(Debug, Clone, Default, Args)]
pub struct CompareArgs {
    /// Scenarios by glob or path, as for `check`; or, where no option names a side, the sides: two .onnx files, or two
    /// reports that `--save` wrote
    #[arg(value_name = "SELECTION or BASE HEAD")]
    pub operands: Vec<String>,
    /// The sides.
    #[command(flatten)]
    pub sides: SideArgs,
    /// Built-in models of this tier in place of those the configuration names; its files stay
    #[arg(long, value_name = "TIER", help_heading = "Suite")]
    pub tier: Option<Tier>,
    /// Dimensions of the scenarios, on both sides.
    #[command(flatten)]
    pub dimensions: DimensionArgs,
    /// Pairs of launches before each look at them; what is settled then is not measured further [default: 8,12,20]
    #[arg(long, value_delimiter = ',', value_name = "LIST", help_heading = "Measuring")]
    pub pairs: Option<Vec<u32>>,
    /// Exactly so many profiled iterations a launch, and as many unprofiled ones [default: as the time budget allows]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Measuring")]
    pub iterations: Option<u32>,
    /// Seconds a launch may spend on iterations
    #[arg(long, value_name = "SECONDS", help_heading = "Measuring")]
    pub time_budget: Option<f64>,
    /// Show on the smallest scenario that the gate is green on equal sides and finds a known slowdown
    #[arg(long, help_heading = "Measuring")]
    pub self_test: bool,
    /// Start also what is not expected to fit into memory
    #[arg(long, help_heading = "Measuring")]
    pub ignore_memory: bool,
    /// Where the report goes beside the terminal.
    #[command(flatten)]
    pub outputs: ReportFiles,
    /// Show the sides and the plan, measure nothing
    #[arg(long)]
    pub dry_run: bool,
    /// What is told GitHub.
    #[command(flatten)]
    pub github: GitHubArgs,
}

/// The sides of a `compare`, named in one of several ways. Where one side may be left out, it is what holds here.
#[derive(Debug, Clone, Default, PartialEq, Args)]
#[command(next_help_heading = "Sides, in one of these ways; a side that is left out is what holds here")]
pub struct SideArgs {
    /// A git revision, its models and its configuration, against the working tree
    #[arg(long, value_name = "REVISION")]
    pub base: Option<String>,
    /// ONNX Runtime of the base: a version, installed if need be, or the path of a library
    #[arg(long, value_name = "VERSION or PATH")]
    pub base_runtime: Option<Choice>,
    /// ONNX Runtime of the head
    #[arg(long, value_name = "VERSION or PATH")]
    pub head_runtime: Option<Choice>,
    /// Configuration file of the base
    #[arg(long, value_name = "FILE")]
    pub base_config: Option<PathBuf>,
    /// Configuration file of the head
    #[arg(long, value_name = "FILE")]
    pub head_config: Option<PathBuf>,
    /// Execution provider of the base
    #[arg(long, value_name = "NAME")]
    pub base_provider: Option<Provider>,
    /// Execution provider of the head
    #[arg(long, value_name = "NAME")]
    pub head_provider: Option<Provider>,
    /// Number format of the base
    #[arg(long, value_name = "NAME")]
    pub base_precision: Option<Precision>,
    /// Number format of the head
    #[arg(long, value_name = "NAME")]
    pub head_precision: Option<Precision>,
    /// Graph optimization level of the base
    #[arg(long, value_name = "NAME")]
    pub base_optimization: Option<Optimization>,
    /// Graph optimization level of the head
    #[arg(long, value_name = "NAME")]
    pub head_optimization: Option<Optimization>,
    /// Intra-operator threads of the base
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub base_threads: Option<u32>,
    /// Intra-operator threads of the head
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub head_threads: Option<u32>,
}

impl CompareArgs {
    /// What `check` would call the same.
    pub fn measuring(&self) -> MeasureArgs {
        MeasureArgs {
            selection: self.operands.clone(),
            suite: SuiteArgs { tier: self.tier, partition: None },
            dimensions: self.dimensions.clone(),
            iterations: self.iterations,
            time_budget: self.time_budget,
            ignore_memory: self.ignore_memory,
            outputs: self.outputs.clone(),
            dry_run: self.dry_run,
            ..MeasureArgs::default()
        }
    }
}
