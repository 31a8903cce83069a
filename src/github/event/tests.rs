//! Environments and events as the runner makes them, and damaged ones.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

use super::*;

const HEAD: &str = "1111111111111111111111111111111111111111";
const BASE: &str = "2222222222222222222222222222222222222222";
const MERGE: &str = "3333333333333333333333333333333333333333";

/// The environment of a step, with the event in a real file.
struct Step {
    dir: tempfile::TempDir,
    variables: BTreeMap<&'static str, String>,
}

impl Step {
    fn of(event: &str, payload: &Value) -> Step {
        let step = Step { dir: tempfile::tempdir().unwrap(), variables: BTreeMap::new() };
        let path = step.dir.path().join("event.json");
        fs::write(&path, payload.to_string()).unwrap();
        step.with("GITHUB_ACTIONS", "true")
            .with("GITHUB_EVENT_NAME", event)
            .with("GITHUB_EVENT_PATH", &path.to_string_lossy())
            .with("GITHUB_REPOSITORY", "acme/ranker")
            .with("GITHUB_SHA", MERGE)
            .with("GITHUB_RUN_ID", "42")
    }

    fn with(mut self, name: &'static str, value: &str) -> Step {
        self.variables.insert(name, value.to_owned());
        self
    }

    fn without(mut self, name: &str) -> Step {
        self.variables.remove(name);
        self
    }

    fn read(&self) -> Result<Option<Workflow>, EventError> {
        Workflow::from_environment(&|name| self.variables.get(name).cloned())
    }

    fn workflow(&self) -> Workflow {
        self.read().unwrap().unwrap()
    }

    fn error(&self) -> String {
        self.read().unwrap_err().to_string()
    }
}

fn pull_request(head_repository: &Value) -> Value {
    json!({"action": "synchronize", "number": 7, "pull_request": {
        "number": 7,
        "head": {"sha": HEAD, "ref": "faster", "repo": head_repository},
        "base": {"sha": BASE, "ref": "main", "repo": {"full_name": "acme/ranker"}},
    }})
}

fn workflow_run() -> Value {
    json!({"action": "completed", "workflow_run": {
        "id": 99, "head_sha": HEAD, "head_branch": "faster", "event": "pull_request", "conclusion": "failure",
        "head_repository": {"full_name": "someone/ranker", "owner": {"login": "someone"}},
        "pull_requests": [{"number": 666, "head": {"sha": HEAD}}],
    }})
}

#[test]
fn outside_of_actions_there_is_no_workflow() {
    assert!(Workflow::from_environment(&|_| None).unwrap().is_none());
    assert!(Step::of("push", &json!({})).with("GITHUB_ACTIONS", "false").read().unwrap().is_none());
}

#[test]
fn a_pull_request_s_head_is_the_event_s_and_not_the_merge() {
    let ours = json!({"full_name": "Acme/Ranker"});
    for event in ["pull_request", "pull_request_target"] {
        let Event::PullRequest(pull) = Step::of(event, &pull_request(&ours)).workflow().event else {
            panic!("{event}");
        };
        let expected =
            PullRequest { number: 7, head_sha: HEAD.to_owned(), base_sha: BASE.to_owned(), from_fork: false };
        assert_eq!(pull, expected);
    }
}

#[test]
fn a_branch_of_another_or_of_a_deleted_repository_is_a_fork_s() {
    for repository in [json!({"full_name": "someone/ranker"}), Value::Null] {
        let event = Step::of("pull_request", &pull_request(&repository)).workflow().event;
        assert!(matches!(event, Event::PullRequest(PullRequest { from_fork: true, .. })), "{event:?}");
    }
}

#[test]
fn the_run_of_another_workflow() {
    let expected = WorkflowRun {
        id: 99,
        head_sha: HEAD.to_owned(),
        head_branch: Some("faster".to_owned()),
        head_owner: Some("someone".to_owned()),
        event: "pull_request".to_owned(),
        conclusion: Some("failure".to_owned()),
    };
    assert_eq!(Step::of("workflow_run", &workflow_run()).workflow().event, Event::WorkflowRun(expected));
}

#[test]
fn a_run_whose_repository_is_gone_has_no_owner() {
    let mut payload = workflow_run();
    payload["workflow_run"]["head_repository"] = Value::Null;
    payload["workflow_run"]["conclusion"] = Value::Null;
    let event = Step::of("workflow_run", &payload).workflow().event;
    assert!(matches!(event, Event::WorkflowRun(WorkflowRun { head_owner: None, conclusion: None, .. })), "{event:?}");
}

#[test]
fn a_merge_queue_s_try() {
    let payload = json!({"merge_group": {"head_sha": HEAD, "base_sha": BASE}});
    let expected = Event::MergeGroup { head_sha: HEAD.to_owned(), base_sha: BASE.to_owned() };
    assert_eq!(Step::of("merge_group", &payload).workflow().event, expected);
}

#[test]
fn other_events_take_the_commit_of_the_environment_and_need_no_file() {
    let step = |name| Step::of(name, &json!({"after": HEAD})).without("GITHUB_EVENT_PATH");
    assert_eq!(step("push").workflow().event, Event::Push { head_sha: MERGE.to_owned() });
    for name in ["schedule", "workflow_dispatch"] {
        let expected = Event::Other { name: name.to_owned(), head_sha: MERGE.to_owned() };
        assert_eq!(step(name).workflow().event, expected);
    }
}

#[test]
fn the_public_host_is_meant_where_the_environment_names_none() {
    let workflow = Step::of("push", &json!({})).workflow();
    assert_eq!(workflow.api_url, "https://api.github.com");
    assert_eq!(workflow.run_url.as_deref(), Some("https://github.com/acme/ranker/actions/runs/42"));
    assert_eq!((workflow.output_file, workflow.summary_file), (None, None));
}

#[test]
fn an_enterprise_server_and_the_files_of_the_step() {
    let workflow = Step::of("push", &json!({}))
        .with("GITHUB_API_URL", "https://ghe.example/api/v3")
        .with("GITHUB_SERVER_URL", "https://ghe.example")
        .with("GITHUB_OUTPUT", "/runner/output")
        .with("GITHUB_STEP_SUMMARY", "/runner/summary")
        .workflow();
    assert_eq!(workflow.api_url, "https://ghe.example/api/v3");
    assert_eq!(workflow.run_url.as_deref(), Some("https://ghe.example/acme/ranker/actions/runs/42"));
    assert_eq!(workflow.output_file, Some(PathBuf::from("/runner/output")));
    assert_eq!(workflow.summary_file, Some(PathBuf::from("/runner/summary")));
}

#[test]
fn the_token_is_of_either_name_and_is_never_shown() {
    let step = || Step::of("push", &json!({}));
    assert!(step().workflow().token.is_none());
    assert!(step().with("GITHUB_TOKEN", "").workflow().token.is_none(), "set to nothing is not set");
    let workflow = step().with("GH_TOKEN", "ghp_other").with("GITHUB_TOKEN", "ghs_secret").workflow();
    assert_eq!(workflow.token.as_ref().unwrap().secret(), "ghs_secret");
    assert!(!format!("{workflow:?}").contains("secret"));
    assert_eq!(step().with("GH_TOKEN", "ghp_other").workflow().token.unwrap().secret(), "ghp_other");
    let error = step().with("GH_TOKEN", "ghp_other and more").error();
    assert!(error.starts_with("GH_TOKEN is no token") && !error.contains("ghp_other"), "{error}");
}

#[test]
fn a_variable_that_is_missing_is_named() {
    for name in ["GITHUB_REPOSITORY", "GITHUB_EVENT_NAME", "GITHUB_SHA"] {
        let error = Step::of("push", &json!({})).without(name).error();
        assert!(error.contains(name) && error.contains("unset GITHUB_ACTIONS"), "{error}");
    }
    let error = Step::of("pull_request", &json!({})).without("GITHUB_EVENT_PATH").error();
    assert!(error.contains("GITHUB_EVENT_PATH"), "{error}");
}

#[test]
fn a_variable_that_cannot_be_right_is_named() {
    let error = Step::of("push", &json!({})).with("GITHUB_SHA", "main").error();
    assert!(error.contains("GITHUB_SHA is `main`"), "{error}");
    let error = Step::of("push", &json!({})).with("GITHUB_REPOSITORY", "ranker").error();
    assert!(error.contains("GITHUB_REPOSITORY: `ranker`"), "{error}");
}

#[test]
fn a_file_that_is_missing_or_no_json_is_named_with_the_remedy() {
    let error = Step::of("pull_request", &json!({})).with("GITHUB_EVENT_PATH", "/nowhere/event.json").error();
    assert!(error.contains("/nowhere/event.json") && error.contains("mount"), "{error}");
    let step = Step::of("pull_request", &json!({}));
    fs::write(step.dir.path().join("event.json"), "<html>").unwrap();
    let error = step.error();
    assert!(error.contains("event.json") && error.contains("line 1 column 1"), "{error}");
}

#[test]
fn each_field_that_is_missing_or_wrong_is_named() {
    let ours = json!({"full_name": "acme/ranker"});
    let merge_group = json!({"merge_group": {"head_sha": HEAD, "base_sha": BASE}});
    let needed: [(&str, Value, &[&str]); 3] = [
        (
            "pull_request",
            pull_request(&ours),
            &["pull_request.number", "pull_request.head.sha", "pull_request.base.sha"],
        ),
        ("workflow_run", workflow_run(), &["workflow_run.id", "workflow_run.head_sha", "workflow_run.event"]),
        ("merge_group", merge_group, &["merge_group.head_sha", "merge_group.base_sha"]),
    ];
    for (event, payload, fields) in needed {
        for field in fields {
            for wrong in [Value::Null, json!("no sha"), json!([])] {
                if *field == "workflow_run.event" && wrong.is_string() {
                    continue;
                }
                let mut payload = payload.clone();
                *payload.pointer_mut(&format!("/{}", field.replace('.', "/"))).unwrap() = wrong.clone();
                let error = Step::of(event, &payload).error();
                assert!(error.contains(&format!("`{event}` has no usable `{field}`")), "{wrong}: {error}");
            }
        }
    }
}
