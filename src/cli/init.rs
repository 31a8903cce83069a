//! The arguments of `init`.

use clap::Args;

/// What to write.
#[derive(Debug, Clone, Default, Args)]
pub struct InitArgs {
    /// Replace existing files
    #[arg(long)]
    pub force: bool,
    /// Write workflows for GitHub in place of it: pull requests and their comment, baselines, sign-off of releases
    #[arg(long)]
    pub github: bool,
    /// Divide the suite over so many runners: pull requests are then held against the committed baselines
    #[arg(long, value_name = "N", requires = "github", value_parser = clap::value_parser!(u32).range(2..=256))]
    pub parts: Option<u32>,
    /// The action that the workflows use [default: the release of this version]
    #[arg(long, value_name = "OWNER/NAME@REF", requires = "github")]
    pub action: Option<String>,
}
