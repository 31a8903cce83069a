//! What we send to GitHub and what we understand of its answers, held to GitHub's own description of its API.
//!
//! The client speaks to Prism, which has the description and rejects a request that violates it, passes the others on
//! to a small GitHub that remembers, and turns an answer of that which violates the description into a failure. So the
//! requests are GitHub's, and so are the answers that the client is tested with. GraphQL is not in the description.

// The lint exempts test functions only, not what they share.
#![allow(clippy::unwrap_used)]

#[path = "github/description.rs"]
mod description;
#[allow(dead_code)] // Made for more tests than these.
#[path = "github/fake.rs"]
mod fake;
#[allow(dead_code)]
#[path = "github/server.rs"]
mod server;
#[allow(dead_code)]
#[path = "github/support.rs"]
mod support;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;

use nongemm::github::{
    Annotation, AnnotationLevel, CheckEnd, CheckStart, Client, Comment, Conclusion, Finished, GitHubError, Posted,
    WorkflowRun,
};
use serde_json::{Value, json};

use description::{Description, Prism, packages};
use fake::{BASE, Fake, HEAD, REPOSITORY, TOKEN, Then, Who, refusal, user};
use server::Answer;
use support::{client, repository};

/// The fake behind the proxy.
struct Contract {
    fake: Fake,
    prism: Prism,
}

impl Contract {
    fn start() -> Contract {
        let packages = packages();
        let description = Description::of(&packages);
        let fake = Fake::shaped(Who::Person, shapes(&description));
        let prism = Prism::start(&packages, &description.path, &fake.url());
        Contract { fake, prism }
    }

    fn client(&self) -> Client {
        client(&self.prism.url()).0
    }

    fn post(&self, body: &str, red: bool) -> Posted {
        self.held(self.client().post_comment(&repository(), 7, &Comment { id: "nongemm", body, red }))
    }

    /// What came of a call that nothing was wrong with; else what the proxy found.
    fn held<T>(&self, result: Result<T, GitHubError>) -> T {
        result.unwrap_or_else(|error| panic!("{error}\n{}", self.prism.said()))
    }

    /// Begins a case with nothing remembered.
    fn clear(&self) {
        let mut state = self.fake.state();
        state.comments.clear();
        state.checks.clear();
        state.pulls.clear();
    }

    /// A request that no code of ours would send: the status and the body of the answer.
    fn raw(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, String) {
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut stream = TcpStream::connect(self.prism.url().trim_start_matches("http://")).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: prism\r\nConnection: close\r\nAuthorization: Bearer {TOKEN}\r\n\
             User-Agent: test\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }
}

/// Whole answers, as the description has them.
fn shapes(description: &Description) -> BTreeMap<&'static str, Value> {
    const COMMENTS: &str = "/repos/{owner}/{repo}/issues/{issue_number}/comments";
    const PULL: &str = "/repos/{owner}/{repo}/pulls/{pull_number}";
    // The description's own examples of pull requests violate it: their teams have no type. Ours ask no team.
    let without_teams = |mut pull: Value| {
        pull["requested_teams"] = json!([]);
        pull
    };
    BTreeMap::from([
        ("user", description.example("get", "/user", "200")),
        ("comment", description.example("post", COMMENTS, "201")),
        ("check", description.example("post", "/repos/{owner}/{repo}/check-runs", "201")),
        ("pull", without_teams(description.example("get", PULL, "200"))),
        ("listed pull", without_teams(description.example("get", "/repos/{owner}/{repo}/pulls", "200"))),
    ])
}

/// One test, since the proxy takes long to read the description.
#[test]
fn github_s_own_description_holds_for_what_is_sent_and_what_is_understood() {
    let contract = Contract::start();
    type Case = (&'static str, fn(&Contract));
    let cases: [Case; 8] = [
        ("a comment is created, changed, left alone and replaced", comments),
        ("many comments are read page by page", pages),
        ("what another poster left is deleted", deletion),
        ("a check is started and completed", checks),
        ("a check is looked for", check_looked_for),
        ("pull requests are read", pull_requests),
        ("refusals are understood", refusals),
        ("a violation is found", violations),
    ];
    for (name, case) in cases {
        contract.clear();
        println!("{name}");
        case(&contract);
    }
}

fn comments(contract: &Contract) {
    assert!(matches!(contract.post("green", false), Posted::Created { .. }));
    assert!(matches!(contract.post("green", false), Posted::Unchanged { .. }));
    assert!(matches!(contract.post("greener", false), Posted::Updated { .. }));
    // Folding is GraphQL's, which is not described: the proxy knows no such path.
    assert!(matches!(contract.post("red", true), Posted::Replaced { minimised: false, .. }));
    let bodies = contract.fake.bodies();
    assert!(bodies.len() == 2 && bodies[0].ends_with("\ngreener") && bodies[1].ends_with("\nred"), "{bodies:?}");
}

fn pages(contract: &Contract) {
    for number in 0..120 {
        contract.fake.state().comment(&user("someone", "User"), &format!("comment {number}"));
    }
    contract.post("green", false);
    assert!(matches!(contract.post("green", false), Posted::Unchanged { .. }));
}

fn deletion(contract: &Contract) {
    contract.post("theirs", false);
    let theirs = contract.fake.bodies()[0].clone();
    contract.clear();
    let posts = move |state: &mut fake::State| {
        state.comment(&user("octocat", "User"), &theirs);
    };
    contract.fake.accident("POST", "/comments", Then::Meanwhile(Box::new(posts)));
    contract.post("ours", false);
    assert!(contract.fake.bodies().len() == 1 && contract.fake.bodies()[0].ends_with("\nours"));
}

fn start() -> CheckStart<'static> {
    CheckStart { name: "nongemm / quick", head_sha: HEAD, details_url: Some("https://github.com/acme/ranker/runs/1") }
}

fn checks(contract: &Contract) {
    let level = |line| match line % 3 {
        0 => AnnotationLevel::Notice,
        1 => AnnotationLevel::Warning,
        _ => AnnotationLevel::Failure,
    };
    let annotation = |line| Annotation {
        path: "nongemm.toml".to_owned(),
        line,
        level: level(line),
        title: format!("remark {line}"),
        message: "what there is to say".to_owned(),
    };
    let annotations: Vec<Annotation> = (1..=70).map(annotation).collect();
    let conclusions = [
        Conclusion::Success,
        Conclusion::Failure,
        Conclusion::Neutral,
        Conclusion::Cancelled,
        Conclusion::TimedOut,
        Conclusion::Skipped,
        Conclusion::ActionRequired,
    ];
    for conclusion in conclusions {
        let client = contract.client();
        let check = contract.held(client.start_check(&repository(), &start()));
        let end = CheckEnd { conclusion, title: "title", summary: "# Summary", annotations: &annotations };
        let finished = contract.held(client.finish_check(&repository(), check, &end));
        assert!(matches!(finished, Finished::Whole), "{finished:?}");
        let state = contract.fake.state();
        let run = state.checks.last().unwrap();
        assert_eq!((&run["status"], &run["output"]["annotations_count"]), (&json!("completed"), &json!(70)));
    }
}

fn check_looked_for(contract: &Contract) {
    contract.fake.accident("POST", "/check-runs", Then::Lose);
    contract.held(contract.client().start_check(&repository(), &start()));
    assert_eq!(contract.fake.state().checks.len(), 1);
    assert!(!contract.fake.seen("GET", "/check-runs").is_empty());
}

fn pull_requests(contract: &Contract) {
    contract.fake.state().pull(7, "feature/fast", HEAD, Some("someone/ranker"));
    contract.fake.state().pull(8, "main", BASE, Some(REPOSITORY));
    let client = contract.client();
    let state = contract.held(client.pull_request(&repository(), 7));
    assert!(state.open && state.from_fork && state.head_sha == HEAD && state.base_sha == BASE, "{state:?}");
    let run = WorkflowRun {
        id: 99,
        head_sha: HEAD.to_owned(),
        head_branch: Some("feature/fast".to_owned()),
        head_owner: Some("someone".to_owned()),
        event: "pull_request".to_owned(),
        conclusion: None,
    };
    assert_eq!(contract.held(client.pull_request_of_run(&repository(), &run)).unwrap().number, 7);
}

fn refusals(contract: &Contract) {
    let comment = Comment { id: "nongemm", body: "text", red: false };
    let refused = |answer: Answer| {
        contract.fake.accident("POST", "/comments", Then::Answer(answer));
        contract.client().post_comment(&repository(), 7, &comment).unwrap_err()
    };
    let denied = refused(refusal(403, "Resource not accessible by integration"));
    assert!(matches!(denied, GitHubError::ReadOnly { .. }), "{denied}");
    let missing = refused(refusal(404, "Not Found"));
    assert!(matches!(missing, GitHubError::NotFound { .. }), "{missing}");
    let gone = refused(refusal(410, "Issues are disabled for this repo"));
    assert!(matches!(gone, GitHubError::Refused { status: 410, .. }), "{gone}");
    let too_long = json!({
        "message": "Validation Failed",
        "documentation_url": "https://docs.github.com/rest",
        "errors": [{"resource": "IssueComment", "code": "custom", "field": "body", "message": "body is too long"}],
    });
    let too_long = refused(Answer::json(422, &too_long));
    assert!(matches!(too_long, GitHubError::Refused { status: 422, .. }), "{too_long}");
}

/// A contract that nothing breaks would hold nothing.
fn violations(contract: &Contract) {
    contract.post("green", false);
    let id = contract.fake.state().comments[0]["id"].clone();
    let comment = format!("/repos/{REPOSITORY}/issues/comments/{id}");
    let comments = format!("/repos/{REPOSITORY}/issues/7/comments");
    let before = contract.fake.requests().len();
    // What octocrab's own `update_comment` sends.
    let (status, said) = contract.raw("POST", &comment, Some(&json!({"body": "text"})));
    assert!(status == 405 && said.contains("NO_METHOD_MATCHED"), "{status} {said}");
    let (status, said) = contract.raw("POST", &comments, Some(&json!({"text": "text"})));
    assert!(status == 422 && said.contains("required property 'body'"), "{status} {said}");
    let run = json!({"name": "n", "head_sha": HEAD, "status": "in progress"});
    let (status, said) = contract.raw("POST", &format!("/repos/{REPOSITORY}/check-runs"), Some(&run));
    assert!(status == 422 && said.contains("must be equal to one of the allowed values"), "{status} {said}");
    let (status, said) = contract.raw("GET", &format!("{comments}?per_page=many"), None);
    assert!(status == 422 && said.contains("must be integer"), "{status} {said}");
    assert_eq!(contract.fake.requests().len(), before, "nothing of that was passed on");
    // The same request as it should be.
    assert_eq!(contract.raw("PATCH", &comment, Some(&json!({"body": "text"}))).0, 200);
    // Answers that GitHub would not give, on every route that something is read from.
    let check = json!({"status": "completed", "conclusion": "success"});
    let routes = [
        ("GET", "/user".to_owned(), None, json!({})),
        ("GET", format!("{comments}?per_page=100"), None, json!([{}])),
        ("POST", comments.clone(), Some(json!({"body": "text"})), json!({})),
        ("PATCH", comment, Some(json!({"body": "text"})), json!({})),
        ("POST", format!("/repos/{REPOSITORY}/check-runs"), Some(json!({"name": "n", "head_sha": HEAD})), json!({})),
        ("PATCH", format!("/repos/{REPOSITORY}/check-runs/1"), Some(check), json!({})),
        ("GET", format!("/repos/{REPOSITORY}/commits/{HEAD}/check-runs"), None, json!({"check_runs": []})),
        ("GET", format!("/repos/{REPOSITORY}/pulls/7"), None, json!({})),
        ("GET", format!("/repos/{REPOSITORY}/pulls?head=a:b"), None, json!([{}])),
    ];
    for (method, path, body, answer) in routes {
        let status = if method == "POST" { 201 } else { 200 };
        contract.fake.accident(method, "", Then::Answer(Answer::json(status, &answer)));
        let (status, said) = contract.raw(method, &path, body.as_ref());
        assert!(status == 500 && said.contains("VIOLATIONS"), "{method} {path}: {status} {said}");
    }
}
