//! The arguments of `signoff`.

use std::path::PathBuf;

use clap::Args;

use super::{DimensionArgs, GitHubArgs, MeasureArgs, SuiteArgs};
use crate::zoo::Tier;

/// What is released, what to measure of it, and what to compare it with.
#[derive(Debug, Clone, Default, Args)]
pub struct SignOffArgs {
    /// Scenarios by glob over id or model name (`bert*`, `*-t1`), or paths of .onnx files [default: the suite]
    pub selection: Vec<String>,
    /// Built-in models of this tier in place of those the configuration names; its files stay [default: `signoff.tier`
    /// of the configuration]
    #[arg(long, value_name = "TIER", help_heading = "Suite")]
    pub tier: Option<Tier>,
    /// Dimensions of the scenarios.
    #[command(flatten)]
    pub dimensions: DimensionArgs,
    /// How thoroughly to measure.
    #[command(flatten)]
    pub effort: EffortArgs,
    /// What is released [default: what `git describe --tags` says]
    #[arg(long, value_name = "NAME", help_heading = "Release")]
    pub release: Option<String>,
    /// signoff.json of the release before, to be compared with; shown, not gated
    #[arg(long, value_name = "FILE", help_heading = "Release")]
    pub previous: Option<PathBuf>,
    /// Measure nothing: sign off this report of `check`, or of `merge` over all parts of one
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Release",
        conflicts_with_all = ["selection", "tier", "DimensionArgs", "EffortArgs"]
    )]
    pub from: Option<PathBuf>,
    /// Folder for signoff.md, signoff.json and signoff.html
    #[arg(long, short, value_name = "DIR", default_value = "nongemm-signoff", help_heading = "Output")]
    pub output: PathBuf,
    /// What is told GitHub.
    #[command(flatten)]
    pub github: GitHubArgs,
}

/// How thoroughly a release is measured.
#[derive(Debug, Clone, Default, PartialEq, Args)]
#[command(next_help_heading = "Measuring")]
pub struct EffortArgs {
    /// Launches (fresh processes) a scenario [default: `signoff.launches` of the configuration, else twice those of a
    /// check]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub launches: Option<u32>,
    /// Exactly so many profiled iterations a launch, and as many unprofiled ones [default: as the time budget allows]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub iterations: Option<u32>,
    /// Seconds a launch may spend on iterations
    #[arg(long, value_name = "SECONDS")]
    pub time_budget: Option<f64>,
    /// Show on the smallest scenario that the gate is green on equal sides and finds a known slowdown
    #[arg(long)]
    pub self_test: bool,
    /// Start also what is not expected to fit into memory
    #[arg(long)]
    pub ignore_memory: bool,
    /// Keep the results for `accept` in CI too, where nothing else is written [default outside CI]
    #[arg(long)]
    pub pending: bool,
    /// Show the plan, measure nothing
    #[arg(long)]
    pub dry_run: bool,
}

impl SignOffArgs {
    /// What `check` would call the same. `tier` and `launches` hold where the command line says nothing of them.
    pub fn measuring(&self, tier: Option<Tier>, launches: u32) -> MeasureArgs {
        MeasureArgs {
            selection: self.selection.clone(),
            suite: SuiteArgs { tier: self.tier.or(tier), partition: None },
            dimensions: self.dimensions.clone(),
            launches: Some(self.effort.launches.unwrap_or(launches)),
            iterations: self.effort.iterations,
            time_budget: self.effort.time_budget,
            ignore_memory: self.effort.ignore_memory,
            pending: self.effort.pending,
            dry_run: self.effort.dry_run,
            ..MeasureArgs::default()
        }
    }
}
