//! What GitHub is told of a run: a check run from its start on, and at its end annotations, the job summary, the step's
//! outputs and the comment. Whatever goes wrong there is said and never changes what the gate says, unless asked to.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};

use crate::cli::GitHubArgs;
use crate::github::{
    Annotation, AnnotationLevel, CheckEnd, CheckId, CheckStart, Client, Comment, Conclusion, Event, Finished, Posted,
    Repository, Token, Workflow, append_output, append_summary, marker_room, workflow_command,
};
use crate::report::render::annotations::{Note, notes};
use crate::report::render::comment::{self, Context as CommentContext};
use crate::report::render::markdown;
use crate::report::standing::Standing;
use crate::report::{FindingCode, Outcome, Report, Severity};

use super::places::{Place, Places};
use super::status::Status;

/// Characters that GitHub takes as a comment's body.
const MOST_CHARACTERS: usize = 65_536;
/// Bytes that GitHub takes as a check run's summary; as characters, mostly fewer.
const MOST_SUMMARY_CHARACTERS: usize = 60_000;
/// GitHub takes 1 MiB of summary from a step.
const MOST_STEP_SUMMARY_BYTES: usize = 1_000_000;

/// Speaks to GitHub of one run.
#[derive(Default)]
pub(super) struct Announcer {
    asked: GitHubArgs,
    workflow: Option<Workflow>,
    channel: Option<Channel>,
    check: Option<CheckId>,
    failed: bool,
}

/// Where is posted, and as whom.
pub(super) struct Channel {
    pub client: Client,
    pub repository: Repository,
    pub target: Target,
}

/// What a report is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// None for a push, a schedule or a merge queue.
    pub pull_request: Option<u64>,
    pub head_sha: Option<String>,
    pub base_sha: Option<String>,
}

impl Target {
    fn of(event: &Event) -> Target {
        match event {
            Event::PullRequest(pull_request) => Target {
                pull_request: Some(pull_request.number),
                head_sha: Some(pull_request.head_sha.clone()),
                base_sha: Some(pull_request.base_sha.clone()),
            },
            Event::MergeGroup { head_sha, base_sha } => {
                Target { pull_request: None, head_sha: Some(head_sha.clone()), base_sha: Some(base_sha.clone()) }
            }
            other => Target { pull_request: None, head_sha: Some(other.head_sha().to_owned()), base_sha: None },
        }
    }
}

impl Announcer {
    /// Starts what is to be seen from the start. `verb` is what is being run.
    pub fn start(status: &mut Status, asked: &GitHubArgs, verb: &str) -> Announcer {
        let mut announcer = Announcer { asked: asked.clone(), ..Announcer::default() };
        if !announcer.is_asked() {
            return announcer;
        }
        let Some(workflow) = announcer.noted(status, "nothing is told GitHub", workflow()) else { return announcer };
        if asked.comment || asked.check_run {
            let channel = client(&workflow.api_url, workflow.token.as_ref()).map(|client| Channel {
                client,
                repository: workflow.repository.clone(),
                target: Target::of(&workflow.event),
            });
            announcer.channel = announcer.noted(status, "nothing is posted", channel);
        }
        announcer.workflow = Some(workflow);
        announcer.start_check(status, verb);
        announcer
    }

    /// Speaks of what was measured elsewhere.
    pub fn of_saved(asked: GitHubArgs, workflow: Option<Workflow>, channel: Channel) -> Announcer {
        Announcer { asked, workflow, channel: Some(channel), ..Announcer::default() }
    }

    /// True where there is anything to tell.
    pub fn is_asked(&self) -> bool {
        self.asked.github || self.asked.comment || self.asked.check_run
    }

    /// Tells what the run came to. True where nothing failed that was required.
    pub fn finish(&mut self, status: &mut Status, report: &Report, places: Option<&Places>) -> bool {
        let url = if self.asked.comment { self.comment(status, report) } else { None };
        let annotations =
            if self.asked.github || self.check.is_some() { annotations(report, places) } else { Vec::new() };
        if self.asked.github
            && let Some(workflow) = self.workflow.take()
        {
            annotations.iter().for_each(|annotation| status.raw(&workflow_command(annotation)));
            let written = write_files(&workflow, report, url.as_deref());
            self.noted(status, "the summary and the outputs of the step are not whole", written);
        }
        if self.check.is_some() {
            self.end_check(status, &End::of(report), &annotations);
        }
        !(self.failed && self.asked.require_comment)
    }

    /// Ends the check run of a run that came to nothing, so that nobody waits for it.
    pub fn abandon(&mut self, status: &mut Status, why: &str, interrupted: bool) {
        let (conclusion, title) = if interrupted {
            (Conclusion::Cancelled, "Interrupted")
        } else {
            (Conclusion::Failure, "Could not complete")
        };
        // The reason may quote files of the pull request: indented it is text and nothing else.
        let summary = why.lines().map(|line| format!("    {line}\n")).collect();
        self.end_check(status, &End { conclusion, title: title.to_owned(), summary }, &[]);
    }

    /// Makes the check run that [`Announcer::finish`] or [`Announcer::abandon`] completes, if one is asked for.
    pub fn start_check(&mut self, status: &mut Status, verb: &str) {
        if !self.asked.check_run {
            return;
        }
        let Some(Channel { client, repository, target }) = &self.channel else { return };
        let name = check_name(&self.asked.comment_id, verb);
        let details_url = self.workflow.as_ref().and_then(|workflow| workflow.run_url.as_deref());
        let started = match &target.head_sha {
            Some(head_sha) => {
                let start = CheckStart { name: &name, head_sha, details_url };
                client.start_check(repository, &start).map_err(anyhow::Error::from)
            }
            None => Err(anyhow!("the event names no commit")),
        };
        self.check = self.noted(status, "no check run was started", started);
    }

    fn end_check(&mut self, status: &mut Status, end: &End, annotations: &[Annotation]) {
        let Some((channel, check)) = self.channel.as_ref().zip(self.check.take()) else { return };
        let End { conclusion, title, summary } = end;
        let end = CheckEnd { conclusion: *conclusion, title, summary, annotations };
        let ended = channel.client.finish_check(&channel.repository, check, &end);
        if let Ok(Finished::WithoutAnnotations { reason }) = &ended {
            status.warn(&format!("the check run has not all of its annotations: {reason}"));
        }
        self.noted(status, "the check run was not completed", ended.map_err(anyhow::Error::from));
    }

    /// Posts the comment, where there is a pull request that is still at the commit, and returns its address.
    fn comment(&mut self, status: &mut Status, report: &Report) -> Option<String> {
        let posted = self.channel.as_ref().map(|channel| {
            let run_url = self.workflow.as_ref().and_then(|workflow| workflow.run_url.as_deref());
            channel.post(status, &self.asked.comment_id, report, run_url)
        })?;
        self.noted(status, "the comment was not posted", posted).flatten()
    }

    /// What came of a step; a failure is said and remembered.
    fn noted<T>(&mut self, status: &mut Status, what: &str, result: anyhow::Result<T>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.failed = true;
                status.warn(&format!("{what}: {error:#}"));
                None
            }
        }
    }
}

impl Channel {
    fn post(
        &self,
        status: &mut Status,
        id: &str,
        report: &Report,
        run_url: Option<&str>,
    ) -> anyhow::Result<Option<String>> {
        let Some(number) = self.target.pull_request else {
            status.say("Skipped", "the comment: this event has no pull request");
            return Ok(None);
        };
        let now = self.client.pull_request(&self.repository, number)?;
        if self.target.head_sha.as_ref().is_some_and(|head_sha| *head_sha != now.head_sha) {
            status.say("Skipped", "the comment: the pull request has another commit by now, whose run will comment");
            return Ok(None);
        }
        let body = comment::render(report, &context(&self.target, run_url));
        let comment = Comment { id, body: &body, red: report.outcome != Outcome::Pass };
        let (done, url) = match self.client.post_comment(&self.repository, number, &comment)? {
            Posted::Created { url } => ("Commented", url),
            Posted::Updated { url } => ("Updated", url),
            Posted::Unchanged { url } => ("Unchanged", url),
            Posted::Replaced { url, minimised } => {
                if !minimised {
                    status.warn("the older comment could not be minimised; it stays as it was");
                }
                ("Commented", url)
            }
        };
        status.say(done, &url);
        Ok(Some(url))
    }
}

/// What a comment says of its circumstances.
pub(super) fn context<'a>(target: &'a Target, run_url: Option<&'a str>) -> CommentContext<'a> {
    CommentContext {
        head_sha: target.head_sha.as_deref(),
        base_sha: target.base_sha.as_deref(),
        run_url,
        max_characters: MOST_CHARACTERS - marker_room(),
    }
}

/// A variable of the environment.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The workflow that this process is a step of.
fn workflow() -> anyhow::Result<Workflow> {
    let workflow = Workflow::from_environment(&variable)?;
    workflow.context("this is no GitHub Actions workflow (GITHUB_ACTIONS is not set)")
}

/// A client with the token of the environment.
pub(super) fn client(api_url: &str, token: Option<&Token>) -> anyhow::Result<Client> {
    let token = token.cloned().context(
        "no token: give the step `env: GITHUB_TOKEN: ${{ github.token }}`, and the job `permissions: pull-requests: \
         write, checks: write`",
    )?;
    Ok(Client::new(api_url, token)?)
}

/// What a check run ends with.
struct End {
    conclusion: Conclusion,
    title: String,
    summary: String,
}

impl End {
    fn of(report: &Report) -> End {
        let context =
            CommentContext { head_sha: None, base_sha: None, run_url: None, max_characters: MOST_SUMMARY_CHARACTERS };
        End {
            conclusion: conclusion(report),
            title: comment::headline(report),
            summary: comment::render(report, &context),
        }
    }
}

/// Stable, so that a branch's protection can name it.
fn check_name(id: &str, verb: &str) -> String {
    let verb = format!("cargo nongemm {verb}");
    if id == "nongemm" { verb } else { format!("{verb} ({id})") }
}

/// A pass that rests on measurements too noisy to judge says neither yes nor no.
fn conclusion(report: &Report) -> Conclusion {
    let unsure = |standing: Standing| {
        matches!(
            standing,
            Standing::NotJudged(FindingCode::Unstable | FindingCode::TimesNotJudged)
                | Standing::Warned(FindingCode::Unstable | FindingCode::Inconclusive)
        )
    };
    match report.outcome {
        Outcome::Pass if report.scenarios.iter().map(Standing::of).any(unsure) => Conclusion::Neutral,
        Outcome::Pass => Conclusion::Success,
        Outcome::GateFailed | Outcome::Incomplete | Outcome::NothingMeasured => Conclusion::Failure,
    }
}

/// The report's notes at their places; those that no file says anything of stand at none.
fn annotations(report: &Report, places: Option<&Places>) -> Vec<Annotation> {
    let annotation = |note: Note| {
        // One that no file says anything of has no path.
        let Place { path, line } =
            places.and_then(|places| places.find(&note)).unwrap_or(Place { path: String::new(), line: 1 });
        let level = match note.severity {
            Severity::Error => AnnotationLevel::Failure,
            Severity::Warning => AnnotationLevel::Warning,
            Severity::Note => AnnotationLevel::Notice,
        };
        Annotation { path, line, level, title: note.title, message: note.message }
    };
    notes(report).into_iter().map(annotation).collect()
}

/// The job summary, and what later steps may ask for.
fn write_files(workflow: &Workflow, report: &Report, comment_url: Option<&str>) -> anyhow::Result<()> {
    if let Some(path) = &workflow.summary_file {
        append_summary(path, &markdown::render_within(report, MOST_STEP_SUMMARY_BYTES))?;
    }
    let Some(path) = &workflow.output_file else { return Ok(()) };
    let verdict = serde_json::to_value(report.outcome)?;
    let count = |codes: [FindingCode; 2], least: Severity| {
        let findings = report.scenarios.iter().flat_map(|scenario| &scenario.findings);
        findings.filter(|finding| codes.contains(&finding.code) && finding.severity >= least).count().to_string()
    };
    let regressed = count([FindingCode::OperatorRegressed, FindingCode::LatencyRegressed], Severity::Error);
    let improved = count([FindingCode::OperatorImproved, FindingCode::LatencyImproved], Severity::Note);
    append_output(path, "verdict", verdict.as_str().unwrap_or_default())?;
    append_output(path, "regressed", &regressed)?;
    append_output(path, "improved", &improved)?;
    append_output(path, "comment-url", comment_url.unwrap_or_default())?;
    Ok(())
}

/// The root that annotations' paths are relative to: what the workflow checked out, else the current folder.
pub(super) fn workspace(cwd: &Path) -> PathBuf {
    std::env::var_os("GITHUB_WORKSPACE").map_or_else(|| cwd.to_owned(), PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixtures;

    #[test]
    fn a_pass_that_rests_on_noise_is_neutral() {
        assert_eq!(conclusion(&fixtures::run()), Conclusion::Success);
        assert_eq!(conclusion(&fixtures::check()), Conclusion::Failure);
        let mut report = fixtures::check();
        report.scenarios.truncate(2);
        report.scenarios.remove(0);
        report.outcome = Outcome::Pass;
        assert_eq!(conclusion(&report), Conclusion::Success);
        let mut noisy = report.scenarios[0].clone();
        noisy.findings.truncate(1);
        (noisy.findings[0].code, noisy.findings[0].severity) = (FindingCode::Unstable, Severity::Warning);
        report.scenarios.push(noisy);
        assert_eq!(conclusion(&report), Conclusion::Neutral);
        report.outcome = Outcome::Incomplete;
        assert_eq!(conclusion(&report), Conclusion::Failure);
    }

    #[test]
    fn a_check_run_is_named_for_its_verb_and_its_id() {
        assert_eq!(check_name("nongemm", "compare"), "cargo nongemm compare");
        assert_eq!(check_name("gpu", "check"), "cargo nongemm check (gpu)");
    }

    #[test]
    fn what_was_not_asked_for_is_not_done() {
        let mut status = Status::new(true);
        let mut announcer = Announcer::start(&mut status, &GitHubArgs::default(), "check");
        assert!(!announcer.is_asked());
        assert!(announcer.finish(&mut status, &fixtures::check(), None));
    }
}
