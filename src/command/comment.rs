//! `comment`: posts a saved report on the pull request that it is of.
//!
//! In a `workflow_run` workflow the report comes from a run that anyone may have written, with a token here that may
//! write: nothing in it decides where it is posted. That comes from the event and from GitHub itself.

use std::fs::File;
use std::io::{Read, Write};

use anyhow::bail;

use crate::cli::{CommentArgs, GitHubArgs};
use crate::github::{Access, Client, Event, Repository, Workflow};
use crate::report::render::comment;
use crate::report::{Report, ReportError};

use super::announce::{self, Announcer, Channel, Target};
use super::{Exit, Terminal};

/// More than ten times what a report of all 17 models has.
const MOST_BYTES: u64 = 16 << 20;

/// Posts the report, or prints what would be posted.
///
/// # Errors
/// A file that is no report, an event without what is needed, or GitHub's refusal.
pub fn comment(terminal: &mut Terminal, arguments: &CommentArgs) -> anyhow::Result<Exit> {
    let report = read(arguments)?;
    if arguments.dry_run {
        let target = Target { pull_request: arguments.pull_request, head_sha: None, base_sha: None };
        writeln!(terminal.out, "{}", comment::render(&report, &announce::context(&target, None)))?;
        return Ok(Exit::Pass);
    }
    let workflow = Workflow::from_environment(&announce::variable)?;
    let repository = match (&arguments.repository, &workflow) {
        (Some(name), _) => name.parse()?,
        (None, Some(workflow)) => workflow.repository.clone(),
        (None, None) => bail!(
            "this is no GitHub Actions workflow (GITHUB_ACTIONS is not set): say where to post, by --repository and \
             --pull-request"
        ),
    };
    let Access { api_url, token } = Access::from_environment(&announce::variable)?;
    let client = announce::client(&api_url, token.as_ref())?;
    let Some(target) = target(arguments, workflow.as_ref().map(|workflow| &workflow.event), &client, &repository)?
    else {
        terminal.status.say("Skipped", "no open pull request is at the commit of that run, so nothing is posted");
        return Ok(Exit::Pass);
    };
    let channel = Channel { client, repository, target };
    let mut announcer = Announcer::of_saved(asked(arguments), workflow, channel);
    announcer.start_check(&mut terminal.status, verb(&report));
    let done = announcer.finish(&mut terminal.status, &report, None);
    Ok(if done { Exit::Pass } else { Exit::Incomplete })
}

/// Posting is all that this verb is for, so that it must succeed.
fn asked(arguments: &CommentArgs) -> GitHubArgs {
    GitHubArgs {
        github: arguments.github,
        comment: true,
        check_run: arguments.check_run,
        comment_id: arguments.comment_id.clone(),
        require_comment: true,
    }
}

/// Reads no more of a stranger's file than a report can have.
fn read(arguments: &CommentArgs) -> anyhow::Result<Report> {
    let path = &arguments.from;
    let unreadable = |source| ReportError::Unreadable { path: path.clone(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MOST_BYTES {
        bail!("{} has more than {} MiB; no report is as large", path.display(), MOST_BYTES >> 20);
    }
    Ok(Report::from_json(&bytes).map_err(|error| error.in_file(path))?)
}

/// The verb that measured, for the name of the check run. A stranger's file may say anything.
fn verb(report: &Report) -> &'static str {
    ["check", "compare", "signoff"].into_iter().find(|verb| *verb == report.command).unwrap_or("run")
}

/// The pull request that the report is of, by the event and by GitHub; `None` where there is none any more.
fn target(
    arguments: &CommentArgs,
    event: Option<&Event>,
    client: &Client,
    repository: &Repository,
) -> anyhow::Result<Option<Target>> {
    match (event, arguments.pull_request) {
        (Some(Event::WorkflowRun(run)), None) => {
            let found = client.pull_request_of_run(repository, run)?;
            Ok(found.map(|pull_request| Target {
                pull_request: Some(pull_request.number),
                head_sha: Some(pull_request.head_sha),
                base_sha: Some(pull_request.base_sha),
            }))
        }
        (event, Some(number)) => {
            let now = client.pull_request(repository, number)?;
            match event {
                // The number may have come out of what the run left.
                Some(Event::WorkflowRun(run)) if run.head_sha != now.head_sha => bail!(
                    "pull request {number} is not at the commit {} that the run was of; leave --pull-request out",
                    run.head_sha
                ),
                _ => {}
            }
            let (head_sha, base_sha) = (Some(now.head_sha), Some(now.base_sha));
            Ok(now.open.then_some(Target { pull_request: Some(number), head_sha, base_sha }))
        }
        (Some(Event::PullRequest(pull_request)), None) => Ok(Some(Target {
            pull_request: Some(pull_request.number),
            head_sha: Some(pull_request.head_sha.clone()),
            base_sha: Some(pull_request.base_sha.clone()),
        })),
        (_, None) => bail!("this event has no pull request; name one with --pull-request"),
    }
}
