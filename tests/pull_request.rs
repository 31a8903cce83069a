//! What GitHub is told of a run, by the real program in the environment of a workflow's step, with a GitHub that remembers.

#![allow(clippy::unwrap_used, dead_code)]

#[path = "github/fake.rs"]
mod fake;
#[path = "github/server.rs"]
mod server;
mod support;

use std::fs;
use std::path::PathBuf;

use nongemm::baseline::{self, Document};
use serde_json::{Value, json};

use fake::{BASE, Fake, HEAD, REPOSITORY, TOKEN, Then, Who, refusal};
use support::models::{Dim, classifier};
use support::project::{Outcome, Project};

/// Times are left out of it: what is executed is as it is on any machine.
const SUITE: &str = "[suite]\nmodels = [\"classifier.onnx\"]\n[gate]\nmin-effect = 1000.0\n\
                     [[budget]]\nscenario = \"other\"\nmax-latency-ms = 1\n";

/// A step of a workflow in a project.
struct Step {
    project: Project,
    fake: Fake,
}

impl Step {
    /// In a project with a baseline, of a pull request of the repository itself.
    fn new() -> Step {
        let project = Project::new(SUITE);
        project.write_model("classifier.onnx", &classifier(Dim::Fixed(16), 32, 16));
        project.run(&["run"]).expect(0, &[]);
        project.run(&["accept", "--force"]).expect(0, &[]);
        Step::of(project)
    }

    fn of(project: Project) -> Step {
        let fake = Fake::start(Who::Workflow);
        fake.state().pull(7, "faster", HEAD, Some(REPOSITORY));
        Step { project, fake }
    }

    /// `cargo-nongemm ARGUMENTS` as a step of a workflow that this event started.
    fn run_on(&self, event: &str, payload: &Value, api: &str, arguments: &[&str]) -> Outcome {
        let file = self.project.write("event.json", payload.to_string().as_bytes());
        let mut command = self.project.nongemm(arguments);
        command
            .env("GITHUB_ACTIONS", "true")
            .env("GITHUB_EVENT_NAME", event)
            .env("GITHUB_EVENT_PATH", file)
            .env("GITHUB_REPOSITORY", REPOSITORY)
            .env("GITHUB_SHA", "3333333333333333333333333333333333333333")
            .env("GITHUB_API_URL", api)
            .env("GITHUB_RUN_ID", "42")
            .env("GITHUB_TOKEN", TOKEN)
            .env("GITHUB_WORKSPACE", self.project.path())
            .env("GITHUB_OUTPUT", self.file("outputs"))
            .env("GITHUB_STEP_SUMMARY", self.file("summary.md"));
        let output = command.output().unwrap();
        let outcome = Outcome {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        assert!(
            !outcome.stdout.contains(TOKEN) && !outcome.stderr.contains(TOKEN),
            "the token is printed: {outcome:#?}"
        );
        outcome
    }

    fn run(&self, arguments: &[&str]) -> Outcome {
        self.run_on("pull_request", &pull_request(), &self.fake.url(), arguments)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.project.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap_or_default()
    }

    /// From now on the baseline expects another number of executions.
    fn change_structure(&self) {
        let path = self.project.baseline();
        let mut document: Document = baseline::parse(&path, &fs::read_to_string(&path).unwrap()).unwrap();
        document.operators[0].executions += 1;
        document.operators.iter_mut().for_each(|operator| operator.shapes.clear());
        fs::write(&path, document.to_toml()).unwrap();
    }

    fn check_run(&self) -> Value {
        let state = self.fake.state();
        assert_eq!(state.checks.len(), 1, "{:#?}", state.checks);
        state.checks[0].clone()
    }
}

/// A pass, which is neutral where the machine that the tests run on was too busy to judge.
fn passed(run: &Value) -> bool {
    run["status"] == json!("completed") && [json!("success"), json!("neutral")].contains(&run["conclusion"])
}

fn pull_request() -> Value {
    json!({"action": "synchronize", "number": 7, "pull_request": {
        "number": 7,
        "head": {"sha": HEAD, "ref": "faster", "repo": {"full_name": REPOSITORY}},
        "base": {"sha": BASE, "ref": "main", "repo": {"full_name": REPOSITORY}},
    }})
}

/// Of a pull request of a fork: GitHub names none here.
fn workflow_run(head_sha: &str) -> Value {
    json!({"action": "completed", "workflow_run": {
        "id": 5,
        "head_sha": head_sha,
        "head_branch": "slower",
        "head_repository": {"full_name": "stranger/ranker", "owner": {"login": "stranger"}},
        "event": "pull_request",
        "conclusion": "failure",
        "pull_requests": [],
    }})
}

#[test]
fn a_pull_request_is_told_first_that_all_is_well_and_then_that_it_is_not() {
    let step = Step::new();
    step.run(&["check", "--github", "--comment", "--check-run"]).expect(0, &["Commented", "#issuecomment-"]);
    let [green] = step.fake.bodies().try_into().unwrap();
    assert!(green.contains("verdict=green") && !green.contains("❌") && green.contains(&HEAD[..7]), "{green}");
    assert!(passed(&step.check_run()), "{:#}", step.check_run());
    assert!(step.text("outputs").contains("pass") && step.text("summary.md").starts_with("## "));

    step.run(&["check", "--comment"]).expect(0, &[]);
    assert_eq!(step.fake.bodies().len(), 1, "edited in place");

    step.change_structure();
    step.fake.state().checks.clear();
    let outcome = step.run(&["check", "--github", "--comment", "--check-run", "--save", "report.json"]);
    outcome.expect(100, &["::error file=baselines/", "Commented"]);
    let bodies = step.fake.bodies();
    assert_eq!(bodies.len(), 2, "who is subscribed hears of it: {bodies:#?}");
    assert!(bodies[1].contains("❌"), "{}", bodies[1]);
    assert_eq!(step.fake.state().minimised.len(), 1);
    let run = step.check_run();
    assert_eq!((&run["status"], &run["conclusion"]), (&json!("completed"), &json!("failure")));
    assert_eq!(run["name"], json!("cargo nongemm check"));
    assert!(run["output"]["annotations_count"].as_u64().unwrap() >= 1, "{run:#}");
    let sent = step.fake.seen("PATCH", run["id"].to_string().as_str()).last().unwrap().json();
    let annotation = &sent["output"]["annotations"][0];
    assert!(annotation["path"].as_str().unwrap().starts_with("baselines/"), "{annotation}");
    assert!(annotation["start_line"].as_u64().unwrap() > 1, "{annotation}");
    assert!(step.text("outputs").contains("gate-failed"), "{}", step.text("outputs"));
}

#[test]
fn what_cannot_be_posted_is_said_and_changes_no_verdict() {
    let step = Step::new();
    let denied = || refusal(403, "Resource not accessible by integration");
    step.fake.accident("POST", "/comments", Then::Answer(denied()));
    step.run(&["check", "--comment"]).expect(0, &["the comment was not posted", "pull-requests: write"]);
    step.fake.accident("POST", "/comments", Then::Answer(denied()));
    step.run(&["check", "--comment", "--require-comment"]).expect(101, &["pull-requests: write"]);
    step.fake.accident("POST", "/check-runs", Then::Answer(denied()));
    step.run(&["check", "--check-run"]).expect(0, &["no check run was started", "checks: write"]);
}

#[test]
fn the_gate_holds_where_github_does_not_answer() {
    let step = Step::new();
    // Nobody listens on a port that was given back.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let api = format!("http://{closed}");
    step.run_on("pull_request", &pull_request(), &api, &["check", "--comment"])
        .expect(0, &["the comment was not posted"]);
    step.change_structure();
    step.run_on("pull_request", &pull_request(), &api, &["check", "--comment", "--require-comment"]).expect(100, &[]);
}

#[test]
fn a_run_that_comes_to_nothing_leaves_no_check_in_progress() {
    let step = Step::new();
    step.project.write("nongemm.toml", b"[suite]\nmodles = []\n");
    step.run(&["check", "--check-run"]).expect(101, &["modles"]);
    let run = step.check_run();
    assert_eq!((&run["status"], &run["conclusion"]), (&json!("completed"), &json!("failure")));
    assert!(run["output"]["summary"].as_str().unwrap().contains("modles"), "{run:#}");
}

#[test]
fn a_newer_commit_is_left_to_its_own_run() {
    let step = Step::new();
    step.fake.state().pulls[0]["head"]["sha"] = json!("4".repeat(40));
    step.run(&["check", "--comment"]).expect(0, &["the pull request has another commit by now"]);
    assert!(step.fake.bodies().is_empty());
}

#[test]
fn an_event_without_a_pull_request_has_no_comment_and_a_check_run() {
    let step = Step::new();
    let push = json!({"ref": "refs/heads/main", "after": HEAD});
    step.run_on("push", &push, &step.fake.url(), &["check", "--comment", "--check-run"])
        .expect(0, &["this event has no pull request"]);
    assert!(passed(&step.check_run()), "{:#}", step.check_run());
    assert!(step.fake.bodies().is_empty());
}

#[test]
fn outside_of_a_workflow_it_is_said_that_nobody_is_told() {
    let step = Step::new();
    let outcome = step.project.nongemm(&["check", "--github"]).env_remove("GITHUB_ACTIONS").output().unwrap();
    let said = String::from_utf8(outcome.stderr).unwrap();
    assert_eq!(outcome.status.code(), Some(0), "{said}");
    assert!(said.contains("GITHUB_ACTIONS is not set"), "{said}");
}

/// A report of a fork's run, red, and the step of the workflow that posts it.
fn of_a_fork() -> Step {
    let step = Step::new();
    step.change_structure();
    step.project.run(&["check", "--save", "report.json"]).expect(100, &[]);
    step.fake.state().pulls.clear();
    step.fake.state().pull(7, "slower", HEAD, Some("stranger/ranker"));
    step
}

#[test]
fn a_forks_report_is_posted_where_github_says_that_it_belongs() {
    let step = of_a_fork();
    let post = |sha: &str, more: &[&str]| {
        let arguments: Vec<&str> = ["comment", "--from", "report.json"].iter().chain(more).copied().collect();
        step.run_on("workflow_run", &workflow_run(sha), &step.fake.url(), &arguments)
    };
    post(&"5".repeat(40), &[]).expect(0, &["no open pull request is at the commit of that run"]);
    post(&"5".repeat(40), &["--pull-request", "7"]).expect(101, &["is not at the commit"]);
    assert!(step.fake.bodies().is_empty());
    post(HEAD, &["--check-run", "--github"]).expect(0, &["Commented"]);
    let [body] = step.fake.bodies().try_into().unwrap();
    assert!(body.contains("❌"), "{body}");
    let run = step.check_run();
    assert_eq!((&run["head_sha"], &run["conclusion"]), (&json!(HEAD), &json!("failure")));
    assert!(step.text("outputs").contains("#issuecomment-"), "{}", step.text("outputs"));
}

#[test]
fn a_strangers_file_is_read_no_further_than_a_report_can_be() {
    let step = of_a_fork();
    let post = |name: &str| {
        let arguments = ["comment", "--from", name];
        step.run_on("workflow_run", &workflow_run(HEAD), &step.fake.url(), &arguments)
    };
    step.project.write("large.json", &vec![b' '; (16 << 20) + 1]);
    post("large.json").expect(101, &["large.json has more than 16 MiB"]);
    step.project.write("other.json", b"{\"schema\": 99}");
    post("other.json").expect(101, &["other.json: report schema 99"]);
    step.project.write("deep.json", "[".repeat(100_000).as_bytes());
    post("deep.json").expect(101, &["deep.json"]);
    post("none.json").expect(101, &["none.json"]);
    assert!(step.fake.requests().is_empty(), "nobody is asked about a file that is no report");
}

#[test]
fn a_comment_can_be_looked_at_before_it_is_posted() {
    let step = of_a_fork();
    let outcome = step.project.run(&["comment", "--from", "report.json", "--dry-run"]);
    outcome.expect(0, &["❌", "cargo nongemm accept"]);
    step.project.run(&["comment", "--from", "report.json"]).expect(101, &["GITHUB_ACTIONS is not set"]);
}

#[test]
fn a_comment_can_be_posted_by_hand() {
    let step = of_a_fork();
    let arguments = ["comment", "--from", "report.json", "--repository", REPOSITORY, "--pull-request", "7"];
    let mut command = step.project.nongemm(&arguments);
    command.env_remove("GITHUB_ACTIONS").env("GITHUB_API_URL", step.fake.url()).env("GITHUB_TOKEN", TOKEN);
    command.assert().code(0);
    assert_eq!(step.fake.bodies().len(), 1);
    let arguments = ["comment", "--from", "report.json", "--repository", REPOSITORY];
    let mut command = step.project.nongemm(&arguments);
    command.env_remove("GITHUB_ACTIONS").env("GITHUB_API_URL", step.fake.url()).env("GITHUB_TOKEN", TOKEN);
    command.assert().code(101);
}
