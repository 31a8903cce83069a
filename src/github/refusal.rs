//! From an answer that is no success to the error that says what to do.

use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::error::GitHubError;
use super::retry::{self, Outcome, Told};
use super::text::quotable;
use super::token::Token;
use super::transport::{Answer, Request};

/// What GitHub says of a token that a workflow was given and that lacks a permission.
const NOT_ACCESSIBLE: &str = "not accessible by integration";

/// What an answer means for sending again.
pub(super) fn outcome(answer: &Answer, now: SystemTime) -> Outcome {
    let told = Told {
        retry_after: answer.number("retry-after"),
        remaining: answer.number("x-ratelimit-remaining"),
        reset: answer.number("x-ratelimit-reset"),
        speaks_of_limit: said(answer).to_lowercase().contains("rate limit"),
    };
    retry::outcome(answer.status, told, now)
}

/// The error that an answer is, after so many tries.
pub(super) fn of(request: &Request, answer: &Answer, token: &Token, attempts: u32, now: SystemTime) -> GitHubError {
    let call = request.call();
    let status = answer.status;
    let permission = request.permission;
    let said = quotable(&token.hidden_in(&said(answer)));
    match outcome(answer, now) {
        Outcome::Limited(told) => return GitHubError::Limited { call, said, until: until(told, now) },
        Outcome::Unclear(_) => return GitHubError::Server { call, status, said, attempts },
        Outcome::Settled => {}
    }
    match status {
        300..=399 => GitHubError::Moved { call, status, to: quotable(&token.hidden_in(answer.header("location"))) },
        401 => GitHubError::Unauthorized { call, said },
        403 if said.to_lowercase().contains(NOT_ACCESSIBLE) => GitHubError::ReadOnly { call, said, permission },
        403 => GitHubError::Forbidden { call, remedy: remedy(&said), said },
        404 => GitHubError::NotFound { call, said, permission },
        500.. => GitHubError::Server { call, status, said, attempts },
        _ => GitHubError::Refused { call, status, remedy: remedy(&said), said },
    }
}

fn until(told: Option<Duration>, now: SystemTime) -> Option<SystemTime> {
    now.checked_add(told?)
}

/// What to do about a refusal that GitHub words itself.
fn remedy(said: &str) -> &'static str {
    let said = said.to_lowercase();
    let says = |words: &str| said.contains(words);
    if says("too long") {
        "what was to be posted is longer than GitHub takes: select fewer scenarios, or give each part its own --comment-id"
    } else if says("locked") {
        "unlock the conversation of the pull request, or leave --comment out"
    } else if says("personal access token") {
        "give the token write access to the repository's pull requests; check runs can only be made with a workflow's token"
    } else if says("github app") {
        "check runs can only be made with a workflow's token: give `${{ github.token }}` in GITHUB_TOKEN"
    } else if says("saml") || says("sso") {
        "authorize the token for the organization's single sign-on"
    } else if says("disabled") || says("archived") {
        "nothing can be posted in this repository until that is changed in its settings"
    } else {
        "check that the repository, the pull request and the commit are the right ones"
    }
}

/// GitHub's message with its details, or what an answer of something else is.
fn said(answer: &Answer) -> String {
    let Ok(value) = serde_json::from_slice::<Value>(&answer.body) else {
        return not_json(answer);
    };
    // Gateways word it after RFC 9457.
    let words = ["message", "detail", "title"].into_iter().find_map(|key| value.get(key)?.as_str());
    let message = words.unwrap_or("no reason given").to_owned();
    let details: Vec<String> = match value.get("errors") {
        Some(Value::Array(errors)) => errors.iter().map(detail).collect(),
        Some(error) => vec![detail(error)],
        None => Vec::new(),
    };
    if details.is_empty() { message } else { format!("{message}: {}", details.join("; ")) }
}

/// One of the errors beside a message: a text, or an object with a message, or with a field and a code.
fn detail(error: &Value) -> String {
    let text = |key: &str| error.get(key).and_then(Value::as_str);
    if let Some(text) = error.as_str().or_else(|| text("message")) {
        return text.to_owned();
    }
    match (text("resource"), text("field"), text("code")) {
        (_, Some(field), Some(code)) => format!("{field}: {code}"),
        (Some(resource), None, Some(code)) => format!("{resource}: {code}"),
        _ => error.to_string(),
    }
}

/// What is no JSON: a proxy's page is better named than quoted.
pub(super) fn not_json(answer: &Answer) -> String {
    match (answer.body.is_empty(), answer.header("content-type")) {
        (true, _) => "an empty answer".to_owned(),
        (false, "") => format!("{} bytes that are no JSON", answer.body.len()),
        (false, kind) => format!("{} bytes of {}, no JSON", answer.body.len(), quotable(kind)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, headers: http::HeaderMap::new(), body: body.as_bytes().to_vec() }
    }

    fn error(status: u16, body: &str) -> String {
        let request = Request {
            method: http::Method::POST,
            url: "https://api.github.com/x".to_owned(),
            body: None,
            permission: "checks: write",
        };
        let token = Token::new("ghs_secret").unwrap();
        of(&request, &answer(status, body), &token, 4, SystemTime::UNIX_EPOCH).to_string()
    }

    #[test]
    fn each_status_says_what_to_do() {
        for (status, message, remedy) in [
            (401, "Bad credentials", "expired or revoked"),
            (403, "Resource not accessible by integration", "add `checks: write` under `permissions:`"),
            (403, "Resource not accessible by integration", "`workflow_run` workflow"),
            (403, "Resource not accessible by personal access token", "give the token write access"),
            (403, "You must authenticate via a GitHub App.", "give `${{ github.token }}`"),
            (403, "Resource protected by organization SAML enforcement.", "single sign-on"),
            (403, "Unable to create comment because issue is locked.", "unlock the conversation"),
            (403, "Repository was archived so is read-only.", "its settings"),
            (403, "You have exceeded a secondary rate limit.", "try again later"),
            (404, "Not Found", "has `checks: write`"),
            (410, "Issues are disabled for this repo", "its settings"),
            (422, "Body is too long (maximum is 65536 characters)", "--comment-id"),
            (422, "No commit found for SHA: abc", "the commit are the right ones"),
            (429, "Too many requests", "try again later"),
            (501, "Not Implemented", "4 tries: try again later"),
            (502, "Server Error", "4 tries: try again later"),
        ] {
            let error = error(status, &json!({"message": message}).to_string());
            assert!(error.starts_with("POST https://api.github.com/x: "), "{error}");
            assert!(error.contains(message) && error.contains(remedy), "{status}: {error}");
        }
    }

    #[test]
    fn the_details_of_a_refusal_are_said() {
        let body = json!({"message": "Validation Failed", "errors": [
            {"resource": "IssueComment", "code": "unprocessable", "field": "data"},
            {"resource": "IssueComment", "code": "custom", "message": "body is too long (maximum is 65536 characters)"},
            "a text",
        ]});
        let error = error(422, &body.to_string());
        assert!(error.contains("Validation Failed: data: unprocessable; body is too long"), "{error}");
        assert!(error.contains("a text") && error.contains("--comment-id"), "{error}");
    }

    #[test]
    fn a_proxy_s_page_is_named_and_not_quoted() {
        let mut page = answer(502, "<html><h1>Bad Gateway</h1></html>");
        page.headers.insert("content-type", http::HeaderValue::from_static("text/html"));
        assert_eq!(said(&page), "33 bytes of text/html, no JSON");
        assert_eq!(said(&answer(502, "")), "an empty answer");
        assert_eq!(said(&answer(502, r#"{"title": "short", "detail": "the reason"}"#)), "the reason");
        assert_eq!(said(&answer(502, "[1]")), "no reason given");
    }

    #[test]
    fn a_repository_that_moved_is_named() {
        let mut moved = answer(301, "{}");
        moved.headers.insert("location", http::HeaderValue::from_static("https://api.github.com/repositories/1"));
        let request =
            Request { method: http::Method::GET, url: "u".to_owned(), body: None, permission: "checks: write" };
        let error = of(&request, &moved, &Token::new("ghs_secret").unwrap(), 1, SystemTime::UNIX_EPOCH).to_string();
        assert!(error.contains("repositories/1"), "{error}");
    }

    #[test]
    fn the_token_and_control_characters_do_not_come_back() {
        let error = error(403, &json!({"message": "no \u{1b}[2J Bearer ghs_secret\nnext"}).to_string());
        assert!(error.contains("no [2J Bearer [token] next"), "{error}");
    }

    #[test]
    fn when_a_limit_ends_is_known_where_it_is_said() {
        let mut limited = answer(403, "{}");
        limited.headers.insert("x-ratelimit-remaining", http::HeaderValue::from_static("0"));
        limited.headers.insert("x-ratelimit-reset", http::HeaderValue::from_static("7200"));
        let request =
            Request { method: http::Method::GET, url: "u".to_owned(), body: None, permission: "checks: write" };
        let error = of(&request, &limited, &Token::new("ghs_secret").unwrap(), 1, SystemTime::UNIX_EPOCH).to_string();
        assert!(error.contains("until 1970-01-01 02:00:00 UTC"), "{error}");
    }
}
