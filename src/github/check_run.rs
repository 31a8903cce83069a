//! The check run: in progress while it is measured, then the result with remarks on lines.
//!
//! Limits of what it may hold: GitHub's documentation, "REST API endpoints for check runs". Where it counts characters
//! and where bytes is not said everywhere; here all are counted in bytes, which is never more than it takes.

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::annotation::{Annotation, AnnotationLevel};
use super::client::Client;
use super::error::GitHubError;
use super::repository::Repository;
use super::text::{cut, encoded};

const READ: &str = "checks: read";
const WRITE: &str = "checks: write";

/// Annotations that one request takes.
const ANNOTATIONS: usize = 50;
/// The longest summary.
const SUMMARY: usize = 65_535;
/// The longest title, of a check run and of an annotation.
const TITLE: usize = 255;
/// The longest message of an annotation.
const MESSAGE: usize = 64 * 1024;

/// What a check run begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckStart<'a> {
    /// Its name, the same in every run, so that it can be made a required check.
    pub name: &'a str,
    /// The commit that it is about: for a pull request the head of its branch, never the merge that a workflow is
    /// started on.
    pub head_sha: &'a str,
    /// Where a browser finds details.
    pub details_url: Option<&'a str>,
}

/// A check run that was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckId(u64);

/// What a check run ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckEnd<'a> {
    /// The result.
    pub conclusion: Conclusion,
    /// One plain sentence; cut to 255 bytes.
    pub title: &'a str,
    /// Markdown; cut to 65,535 bytes.
    pub summary: &'a str,
    /// Remarks on lines, the gravest first. Those without a path are left out.
    pub annotations: &'a [Annotation],
}

/// The result of a check run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conclusion {
    /// Nothing is wrong.
    Success,
    /// The change must not be merged.
    Failure,
    /// Neither: GitHub lets it pass.
    Neutral,
    /// It was stopped.
    Cancelled,
    /// It ran out of time.
    TimedOut,
    /// There was nothing to check.
    Skipped,
    /// Someone has to look.
    ActionRequired,
}

/// How the end of a check run was taken.
#[derive(Debug)]
pub enum Finished {
    /// With all remarks.
    Whole,
    /// It is completed, but without some or all of its remarks.
    WithoutAnnotations {
        /// Why.
        reason: GitHubError,
    },
}

#[derive(Deserialize)]
struct Run {
    id: u64,
    #[serde(default)]
    external_id: Option<String>,
}

#[derive(Deserialize)]
struct Runs {
    check_runs: Vec<Run>,
}

impl Client {
    /// Creates a check run that is in progress.
    ///
    /// # Errors
    /// GitHub did not do it; the error says why and what to do.
    pub fn start_check(&self, repository: &Repository, start: &CheckStart<'_>) -> Result<CheckId, GitHubError> {
        // By this it is found again if GitHub's answer is lost.
        let ours = format!("nongemm-{:032x}", fastrand::u128(..));
        let mut body = json!({
            "name": start.name,
            "head_sha": start.head_sha,
            "status": "in_progress",
            "external_id": ours,
        });
        if let Some(url) = start.details_url {
            body["details_url"] = json!(url);
        }
        let request = self.rest(Method::POST, &path(repository, "check-runs"), Some(body), WRITE);
        let of_commit = format!("commits/{}/check-runs?filter=all", encoded(start.head_sha));
        let named = format!("{}&check_name={}", path(repository, &of_commit), encoded(start.name));
        let look = || {
            let runs = self.list(&named, READ, |page: Runs| page.check_runs)?;
            Ok(runs.into_iter().find(|run| run.external_id.as_deref() == Some(ours.as_str())))
        };
        let run: Run = self.create(&request, &look)?;
        Ok(CheckId(run.id))
    }

    /// Completes a check run. Remarks are sent 50 at a time, which adds them to one another; the last request completes
    /// it. Where one of them fails it is completed without remarks, so that it is not left in progress.
    ///
    /// # Errors
    /// It could not be completed at all; the error says why and what to do.
    pub fn finish_check(
        &self,
        repository: &Repository,
        check: CheckId,
        end: &CheckEnd<'_>,
    ) -> Result<Finished, GitHubError> {
        let run = path(repository, &format!("check-runs/{}", check.0));
        match self.finish_with_annotations(&run, end) {
            Ok(()) => Ok(Finished::Whole),
            Err(error) if end.annotations.is_empty() => Err(error),
            Err(reason) => {
                self.change(&run, &completed(end, &[]))?;
                Ok(Finished::WithoutAnnotations { reason })
            }
        }
    }

    fn finish_with_annotations(&self, run: &str, end: &CheckEnd<'_>) -> Result<(), GitHubError> {
        let annotations: Vec<Value> = end.annotations.iter().filter_map(annotation).collect();
        let mut chunks: Vec<&[Value]> = annotations.chunks(ANNOTATIONS).collect();
        let last = chunks.pop().unwrap_or_default();
        for chunk in chunks {
            self.change(run, &json!({"status": "in_progress", "output": output(end, chunk)}))?;
        }
        self.change(run, &completed(end, last))
    }

    fn change(&self, run: &str, body: &Value) -> Result<(), GitHubError> {
        let request = self.rest(Method::PATCH, run, Some(body.clone()), WRITE);
        self.read::<Run>(&request, &self.send(&request)?).map(drop)
    }
}

fn path(repository: &Repository, rest: &str) -> String {
    format!("/repos/{}/{}/{rest}", encoded(&repository.owner), encoded(&repository.name))
}

fn completed(end: &CheckEnd<'_>, annotations: &[Value]) -> Value {
    json!({"status": "completed", "conclusion": end.conclusion.word(), "output": output(end, annotations)})
}

fn output(end: &CheckEnd<'_>, annotations: &[Value]) -> Value {
    json!({"title": cut(end.title, TITLE), "summary": cut(end.summary, SUMMARY), "annotations": annotations})
}

/// An annotation as GitHub takes it; `None` for one on no file, which it does not.
fn annotation(annotation: &Annotation) -> Option<Value> {
    let line = annotation.line.max(1);
    (!annotation.path.is_empty()).then(|| {
        json!({
            "path": annotation.path,
            "start_line": line,
            "end_line": line,
            "annotation_level": annotation.level.word(),
            "title": cut(&annotation.title, TITLE),
            "message": cut(&annotation.message, MESSAGE),
        })
    })
}

impl Conclusion {
    fn word(self) -> &'static str {
        match self {
            Conclusion::Success => "success",
            Conclusion::Failure => "failure",
            Conclusion::Neutral => "neutral",
            Conclusion::Cancelled => "cancelled",
            Conclusion::TimedOut => "timed_out",
            Conclusion::Skipped => "skipped",
            Conclusion::ActionRequired => "action_required",
        }
    }
}

impl AnnotationLevel {
    fn word(self) -> &'static str {
        match self {
            AnnotationLevel::Notice => "notice",
            AnnotationLevel::Warning => "warning",
            AnnotationLevel::Failure => "failure",
        }
    }
}
