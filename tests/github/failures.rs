//! What goes wrong between us and GitHub: each failure is told apart, sent again where that helps, and says what to do.

use std::time::{Duration, Instant};

use nongemm::github::{Client, Comment, GitHubError, Limits, PullRequestState, Token};
use serde_json::json;
use wiremock::matchers::{any, method};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::fake::{BASE, HEAD, TOKEN};
use crate::server::{Answer, Reply, Server};
use crate::support::{LIMITS, Waits, client, client_with, repository};

/// A server that gives these answers one after the other, and the last one for ever.
struct Answers {
    runtime: tokio::runtime::Runtime,
    server: MockServer,
}

impl Answers {
    fn of(answers: Vec<ResponseTemplate>) -> Answers {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let server = runtime.block_on(async {
            let server = MockServer::start().await;
            let last = answers.len() - 1;
            for (number, answer) in answers.into_iter().enumerate() {
                let mock = Mock::given(any()).respond_with(answer);
                let mock = if number == last { mock } else { mock.up_to_n_times(1) };
                mock.mount(&server).await;
            }
            server
        });
        Answers { runtime, server }
    }

    fn requests(&self) -> Vec<wiremock::Request> {
        self.runtime.block_on(self.server.received_requests()).unwrap()
    }
}

fn pull() -> ResponseTemplate {
    let side = |branch, sha| json!({"ref": branch, "sha": sha, "repo": {"full_name": "acme/ranker"}});
    let pull = json!({"number": 7, "state": "open", "head": side("fast", HEAD), "base": side("main", BASE)});
    ResponseTemplate::new(200).set_body_json(pull)
}

fn said(status: u16, message: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(json!({"message": message}))
}

/// Reads a pull request.
fn read(answers: &Answers) -> (Result<PullRequestState, GitHubError>, Waits) {
    let (client, waits) = client(&answers.server.uri());
    (client.pull_request(&repository(), 7), waits)
}

#[test]
fn a_request_says_who_asks_for_what() {
    let answers = Answers::of(vec![pull()]);
    read(&answers).0.unwrap();
    let request = answers.requests().remove(0);
    let values = |name: &str| -> Vec<String> {
        request.headers.get_all(name).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
    };
    assert_eq!(values("user-agent"), [concat!("cargo-nongemm/", env!("CARGO_PKG_VERSION"))]);
    assert_eq!(values("authorization"), [format!("Bearer {TOKEN}")]);
    assert_eq!(values("accept"), ["application/vnd.github+json"]);
    assert_eq!(values("x-github-api-version"), ["2022-11-28"]);
}

#[test]
fn a_refusal_is_taken_at_its_word() {
    for status in [301, 400, 401, 403, 404, 409, 410, 422, 501] {
        let answers = Answers::of(vec![said(status, "no")]);
        let (result, waits) = read(&answers);
        let error = result.unwrap_err().to_string();
        assert!(error.contains("GET http://") && error.contains("/repos/acme/ranker/pulls/7"), "{error}");
        assert_eq!((answers.requests().len(), waits.seconds().len()), (1, 0), "{status}");
    }
}

#[test]
fn a_failure_of_the_server_is_asked_again_with_growing_waits() {
    for status in [500, 502, 503, 504] {
        let answers = Answers::of(vec![said(status, "oops"), said(status, "oops"), pull()]);
        let (result, waits) = read(&answers);
        assert!(result.unwrap().open);
        assert_eq!(waits.seconds(), [1, 2], "{status}");
    }
}

#[test]
fn a_failure_that_lasts_is_given_up_after_four_tries() {
    let answers = Answers::of(vec![said(502, "Server Error")]);
    let (result, waits) = read(&answers);
    let error = result.unwrap_err();
    assert!(matches!(error, GitHubError::Server { status: 502, attempts: 4, .. }), "{error}");
    assert_eq!((answers.requests().len(), waits.seconds()), (4, vec![1, 2, 4]));
}

#[test]
fn what_the_server_says_about_waiting_is_honoured() {
    let busy = said(503, "busy").insert_header("retry-after", "20");
    let secondary = said(403, "You have exceeded a secondary rate limit.");
    let used_up = said(403, "API rate limit exceeded")
        .insert_header("x-ratelimit-remaining", "0")
        .insert_header("x-ratelimit-reset", "1000030");
    let answers = Answers::of(vec![busy, secondary, used_up, pull()]);
    let (result, waits) = read(&answers);
    result.unwrap();
    assert_eq!(waits.seconds(), [21, 61, 31]);
}

#[test]
fn a_long_wait_is_not_made_but_told() {
    let used_up = said(429, "API rate limit exceeded")
        .insert_header("x-ratelimit-remaining", "0")
        .insert_header("x-ratelimit-reset", "1003600");
    let answers = Answers::of(vec![used_up]);
    let (result, waits) = read(&answers);
    let error = result.unwrap_err();
    assert!(error.to_string().contains("until 1970-01-12 14:46:40 UTC"), "{error}");
    assert_eq!((answers.requests().len(), waits.seconds().len()), (1, 0));
}

#[test]
fn a_connection_that_drops_in_mid_answer_is_made_again() {
    let asked = std::sync::atomic::AtomicUsize::new(0);
    let server = Server::start(move |_| {
        let side = |sha| json!({"ref": "b", "sha": sha, "repo": null});
        let pull = json!({"number": 7, "state": "open", "head": side(HEAD), "base": side(BASE)});
        match asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            0 => Reply::Half(Answer::json(200, &pull)),
            1 => Reply::Nothing,
            _ => Reply::Answer(Answer::json(200, &pull)),
        }
    });
    let (client, waits) = client(&server.url());
    assert!(client.pull_request(&repository(), 7).unwrap().open);
    assert_eq!(waits.seconds(), [1, 2]);
}

#[test]
fn a_host_that_nobody_answers_at_is_named() {
    let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let (client, waits) = client(&format!("http://127.0.0.1:{port}"));
    let error = client.pull_request(&repository(), 7).unwrap_err();
    assert!(matches!(error, GitHubError::NoAnswer { attempts: 4, .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains(&port.to_string()) && text.contains("refused"), "{text}");
    assert_eq!(waits.seconds(), [1, 2, 4]);
}

#[test]
fn an_answer_that_takes_too_long_is_none() {
    let answers = Answers::of(vec![pull().set_delay(Duration::from_secs(60))]);
    let limits = Limits { answer: Duration::from_millis(100), ..LIMITS };
    let (client, _) = client_with(&answers.server.uri(), limits);
    let start = Instant::now();
    let error = client.pull_request(&repository(), 7).unwrap_err().to_string();
    assert!(error.contains("nothing whole within 100ms"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(30));
}

#[test]
fn an_answer_without_an_end_is_not_read_to_it() {
    let answers = Answers::of(vec![ResponseTemplate::new(200).set_body_string("x".repeat(10_000))]);
    let (client, _) = client_with(&answers.server.uri(), Limits { bytes: 5000, ..LIMITS });
    let error = client.pull_request(&repository(), 7).unwrap_err();
    assert!(matches!(error, GitHubError::TooLong { .. }) && error.to_string().contains("5000 bytes"), "{error}");
    assert_eq!(answers.requests().len(), 1);
}

#[test]
fn a_list_without_an_end_is_not_read_to_it() {
    let comment = json!({"id": 1, "node_id": "n", "html_url": "u", "body": "b", "user": null});
    let server = Server::start(move |request| {
        Reply::Answer(match request.path.as_str() {
            "/user" => Answer::json(200, &json!({"login": "octocat", "type": "User"})),
            _ => Answer::json(200, &json!(vec![&comment; 100])),
        })
    });
    let (client, _) = client(&server.url());
    let comment = Comment { id: "nongemm", body: "b", red: false };
    let error = client.post_comment(&repository(), 7, &comment).unwrap_err().to_string();
    assert!(error.contains("longer than 100 pages"), "{error}");
}

#[test]
fn a_page_of_a_proxy_is_not_taken_for_an_answer() {
    let page = || ResponseTemplate::new(200).set_body_raw("<html>please log in</html>", "text/html");
    let error = read(&Answers::of(vec![page()])).0.unwrap_err();
    assert!(matches!(error, GitHubError::Unreadable { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("26 bytes of text/html") && text.contains("GITHUB_API_URL"), "{text}");
    assert!(!text.contains("log in"), "{text}");
}

#[test]
fn an_answer_that_lacks_something_says_what() {
    let answers = Answers::of(vec![ResponseTemplate::new(200).set_body_json(json!({"number": 7, "state": "open"}))]);
    let error = read(&answers).0.unwrap_err().to_string();
    assert!(error.contains("missing field `head`"), "{error}");
}

#[test]
fn nobody_else_is_shown_the_token() {
    let elsewhere = Answers::of(vec![pull()]);
    let moved = said(301, "Moved Permanently").insert_header("location", elsewhere.server.uri().as_str());
    let error = read(&Answers::of(vec![moved])).0.unwrap_err();
    assert!(matches!(error, GitHubError::Moved { .. }), "{error}");
    assert!(elsewhere.requests().is_empty());
}

#[test]
fn no_error_holds_the_token_whatever_comes_back() {
    let echo = format!("you sent Authorization: Bearer {TOKEN}");
    let location = format!("https://elsewhere.example/?token={TOKEN}");
    for status in [200, 301, 400, 401, 403, 404, 410, 422, 429, 500, 502] {
        for body in
            [json!({"message": echo, "errors": [{"message": echo}, echo]}), json!({ TOKEN: TOKEN }), json!(TOKEN)]
        {
            let answer = ResponseTemplate::new(status).insert_header("location", location.as_str()).set_body_json(body);
            let error = read(&Answers::of(vec![answer])).0.unwrap_err();
            assert!(!format!("{error} {error:?}").contains(TOKEN), "{error:?}");
        }
        let kind = format!("text/{TOKEN}");
        let answer = ResponseTemplate::new(status).set_body_raw(echo.clone(), &kind);
        let error = read(&Answers::of(vec![answer])).0.unwrap_err();
        assert!(!format!("{error} {error:?}").contains(TOKEN), "{error:?}");
    }
    let client = Client::new("https://api.github.com", Token::new(TOKEN).unwrap()).unwrap();
    assert!(!format!("{client:?}").contains(TOKEN));
}

#[test]
fn a_permission_that_is_missing_is_named_with_the_way_for_forks() {
    let answers = Answers::of(vec![said(200, "unused")]);
    answers.runtime.block_on(async {
        answers.server.reset().await;
        let user = ResponseTemplate::new(200).set_body_json(json!({"login": "octocat", "type": "User"}));
        Mock::given(wiremock::matchers::path("/user")).respond_with(user).mount(&answers.server).await;
        let none = ResponseTemplate::new(200).set_body_json(json!([]));
        Mock::given(method("GET")).respond_with(none).mount(&answers.server).await;
        let denied = said(403, "Resource not accessible by integration");
        Mock::given(method("POST")).respond_with(denied).mount(&answers.server).await;
    });
    let (client, waits) = client(&answers.server.uri());
    let comment = Comment { id: "nongemm", body: "b", red: false };
    let error = client.post_comment(&repository(), 7, &comment).unwrap_err().to_string();
    for part in ["POST ", "/issues/7/comments", "`pull-requests: write`", "forks", "Dependabot", "workflow_run"] {
        assert!(error.contains(part), "{part}: {error}");
    }
    let start = nongemm::github::CheckStart { name: "nongemm", head_sha: HEAD, details_url: None };
    let error = client.start_check(&repository(), &start).unwrap_err().to_string();
    assert!(error.contains("`checks: write`"), "{error}");
    assert!(waits.seconds().is_empty(), "asking again would change nothing");
}
