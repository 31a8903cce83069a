//! Which pull request a run of another workflow was for: asked of GitHub, never of the event.

use nongemm::github::{GitHubError, PullRequest, WorkflowRun};
use serde_json::json;

use crate::fake::{BASE, Fake, HEAD, REPOSITORY, Then, Who};
use crate::server::Answer;
use crate::support::{client, repository};

const OTHER: &str = "3333333333333333333333333333333333333333";
const FORK: &str = "someone/ranker";

fn run(branch: &str) -> WorkflowRun {
    WorkflowRun {
        id: 99,
        head_sha: HEAD.to_owned(),
        head_branch: Some(branch.to_owned()),
        head_owner: Some("someone".to_owned()),
        event: "pull_request".to_owned(),
        conclusion: Some("success".to_owned()),
    }
}

fn found(fake: &Fake, run: &WorkflowRun) -> Result<Option<PullRequest>, GitHubError> {
    client(&fake.url()).0.pull_request_of_run(&repository(), run)
}

#[test]
fn the_open_one_of_that_branch_and_that_commit() {
    let fake = Fake::start(Who::Workflow);
    fake.state().pull(7, "feature/fast", HEAD, Some(FORK));
    fake.state().pull(8, "feature/other", HEAD, Some(FORK));
    fake.state().pull(9, "feature/fast", HEAD, Some("mallory/ranker"));
    let expected = PullRequest { number: 7, head_sha: HEAD.to_owned(), base_sha: BASE.to_owned(), from_fork: true };
    assert_eq!(found(&fake, &run("feature/fast")).unwrap(), Some(expected));
    let request = &fake.seen("GET", "/pulls")[0];
    assert_eq!(request.parameter("head"), Some("someone%3Afeature%2Ffast"));
    assert_eq!(request.parameter("state"), Some("open"));
}

#[test]
fn a_filter_that_github_does_not_understand_lists_all_and_finds_none() {
    let fake = Fake::start(Who::Workflow);
    fake.state().pull(8, "other", HEAD, Some("mallory/ranker"));
    let all = Answer::json(200, &json!(fake.state().pulls));
    fake.accident("GET", "/pulls", Then::Answer(all));
    assert_eq!(found(&fake, &run("fast")).unwrap(), None);
}

#[test]
fn newer_commits_or_an_end_make_it_another_s_business() {
    let fake = Fake::start(Who::Workflow);
    fake.state().pull(7, "fast", OTHER, Some(FORK));
    assert_eq!(found(&fake, &run("fast")).unwrap(), None);
    fake.state().pulls[0]["head"]["sha"] = HEAD.into();
    assert!(found(&fake, &run("fast")).unwrap().is_some());
    fake.state().pulls[0]["state"] = "closed".into();
    assert_eq!(found(&fake, &run("fast")).unwrap(), None);
}

#[test]
fn a_run_without_a_branch_or_an_owner_belongs_to_none_and_asks_nothing() {
    let fake = Fake::start(Who::Workflow);
    assert_eq!(found(&fake, &WorkflowRun { head_owner: None, ..run("fast") }).unwrap(), None);
    assert_eq!(found(&fake, &WorkflowRun { head_branch: None, ..run("fast") }).unwrap(), None);
    assert!(fake.requests().is_empty());
}

#[test]
fn two_for_one_branch_must_be_told_apart_by_the_user() {
    let fake = Fake::start(Who::Workflow);
    fake.state().pull(7, "fast", HEAD, Some(FORK));
    fake.state().pull(8, "fast", HEAD, Some(FORK));
    let error = found(&fake, &run("fast")).unwrap_err().to_string();
    assert!(error.contains("#7 and #8") && error.contains("--pull-request"), "{error}");
}

#[test]
fn a_pull_request_as_it_is_now() {
    let fake = Fake::start(Who::Workflow);
    fake.state().pull(7, "fast", HEAD, Some(FORK));
    fake.state().pull(8, "fast", OTHER, Some(REPOSITORY));
    fake.state().pull(9, "fast", OTHER, None);
    fake.state().pulls[1]["state"] = "closed".into();
    let (client, _) = client(&fake.url());
    let state = |number| client.pull_request(&repository(), number).unwrap();
    assert_eq!((state(7).head_sha.as_str(), state(7).base_sha.as_str()), (HEAD, BASE));
    assert_eq!([7, 8, 9].map(|number| state(number).open), [true, false, true]);
    assert_eq!([7, 8, 9].map(|number| state(number).from_fork), [true, false, true]);
    let error = client.pull_request(&repository(), 10).unwrap_err();
    assert!(matches!(error, GitHubError::NotFound { permission: "pull-requests: read", .. }), "{error}");
}
