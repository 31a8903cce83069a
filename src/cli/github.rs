//! The arguments of what speaks to GitHub.

use std::path::PathBuf;

use clap::Args;

/// What is told GitHub of a run that judges.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "GitHub")]
pub struct GitHubArgs {
    /// In a workflow: annotations, the job summary, and the step's outputs `verdict`, `regressed`, `improved`,
    /// `comment-url`
    #[arg(long)]
    pub github: bool,
    /// Post the report on the pull request; the token is taken from GITHUB_TOKEN or GH_TOKEN
    #[arg(long)]
    pub comment: bool,
    /// Keep a check run: in progress while it measures, then the result
    #[arg(long)]
    pub check_run: bool,
    /// Tells several comments, and check runs, of a pull request apart
    #[arg(long, value_name = "ID", default_value = "nongemm", value_parser = comment_id)]
    pub comment_id: String,
    /// End with 101 where posting failed [default: a warning]
    #[arg(long)]
    pub require_comment: bool,
}

/// Which saved report to post, and where.
#[derive(Debug, Clone, Args)]
pub struct CommentArgs {
    /// A report that `--save` wrote; read as a stranger's
    #[arg(long, value_name = "FILE")]
    pub from: PathBuf,
    /// The pull request [default: that of the workflow's event, its head commit verified]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    pub pull_request: Option<u64>,
    /// The repository, `OWNER/NAME` [default: that of the workflow]
    #[arg(long, value_name = "OWNER/NAME")]
    pub repository: Option<String>,
    /// Tells several comments, and check runs, of a pull request apart
    #[arg(long, value_name = "ID", default_value = "nongemm", value_parser = comment_id)]
    pub comment_id: String,
    /// Make a check run of it too
    #[arg(long)]
    pub check_run: bool,
    /// In a workflow: the job summary, and the step's outputs
    #[arg(long)]
    pub github: bool,
    /// Print the comment, post nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// A word that fits into the marker of a comment and the name of a check run.
fn comment_id(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !text.is_empty() && text.len() <= 50 && text.chars().all(fits) {
        Ok(text.to_owned())
    } else {
        Err("an id has 1 to 50 letters, digits, `-`, `_` or `.`".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_ends_no_html_comment() {
        assert!(comment_id("gpu-nightly.1").is_ok());
        for bad in ["", "a b", "-->", "ä", &"x".repeat(51)] {
            assert!(comment_id(bad).is_err(), "{bad}");
        }
    }
}
