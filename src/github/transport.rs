//! One request, one answer. The only file that speaks HTTP.
//!
//! octocrab is built on a connection of our own: its usual one sends a second `User-Agent` beside ours, waits for
//! ever to be connected, and follows redirections. Requests are its raw ones, since `update_comment` of 0.54.9 sends
//! POST where GitHub wants PATCH, and read without its `body_to_string`, which has no limit.

use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, HeaderValue, USER_AGENT};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper_util::client::legacy::Client as Connections;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use octocrab::{AuthState, OctoBody, Octocrab, OctocrabBuilder};
use serde_json::Value;

use super::error::GitHubError;
use super::text::quotable;
use super::token::Token;

/// What we call ourselves, as GitHub demands of every caller.
const AGENT: &str = concat!("cargo-nongemm/", env!("CARGO_PKG_VERSION"));
/// How long a connection may lie idle and be used again. Servers close theirs after 5 s or more, and nothing runs here
/// between two calls that would notice.
const IDLE: Duration = Duration::from_secs(2);

/// How long and how much is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Time to be connected.
    pub connect: Duration,
    /// Time for a whole answer, with the connection before it.
    pub answer: Duration,
    /// The longest answer, in bytes. A page of 100 comments of the greatest length has 26 MB where each character takes
    /// four bytes.
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { connect: Duration::from_secs(10), answer: Duration::from_secs(30), bytes: 64 * 1024 * 1024 }
    }
}

/// What is sent.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub method: http::Method,
    /// The whole address.
    pub url: String,
    pub body: Option<Value>,
    /// The line of `permissions:` that a workflow's token needs for it.
    pub permission: &'static str,
}

impl Request {
    /// How it is called in errors.
    pub(super) fn call(&self) -> String {
        format!("{} {}", self.method, self.url)
    }
}

/// What came back, whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    /// A header's text, empty where there is none.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// A header that holds a whole number.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.header(name).trim().parse().ok()
    }
}

/// Why nothing whole came back.
#[derive(Debug)]
pub(super) enum Failure {
    /// The answer is longer than it may be.
    TooLong,
    /// There was none, or only the beginning of one.
    NoAnswer(String),
}

/// The connection to one host, with one token.
pub(super) struct Transport {
    runtime: tokio::runtime::Runtime,
    octocrab: Octocrab,
    authorization: HeaderValue,
    limits: Limits,
}

impl Transport {
    /// Prepares connections; nothing is sent.
    ///
    /// # Errors
    /// The machine has no certificates to trust, or no means to wait for a connection.
    pub(super) fn new(token: &Token, limits: Limits) -> Result<Transport, GitHubError> {
        let setup = |error: &dyn std::error::Error| GitHubError::Setup(error.to_string());
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| setup(&error))?;
        let mut authorization =
            HeaderValue::from_str(&format!("Bearer {}", token.secret())).map_err(|error| setup(&error))?;
        // Keeps it out of whatever prints headers.
        authorization.set_sensitive(true);
        let octocrab = {
            let _inside = runtime.enter();
            octocrab(limits.connect).map_err(|error| setup(&error))?
        };
        Ok(Transport { runtime, octocrab, authorization, limits })
    }

    /// Sends a request and waits for the whole answer, whatever its status.
    ///
    /// # Errors
    /// There was none in time, it broke off, or it is too long.
    pub(super) fn send(&self, request: &Request) -> Result<Answer, Failure> {
        self.runtime.block_on(async {
            match tokio::time::timeout(self.limits.answer, self.exchange(request)).await {
                Ok(result) => result,
                Err(_) => Err(Failure::NoAnswer(format!("nothing whole within {:?}", self.limits.answer))),
            }
        })
    }

    async fn exchange(&self, request: &Request) -> Result<Answer, Failure> {
        let builder = http::Request::builder()
            .method(&request.method)
            .uri(&request.url)
            .header(AUTHORIZATION, &self.authorization)
            .header(USER_AGENT, AGENT)
            .header(ACCEPT, "application/vnd.github+json");
        let request = self.octocrab.build_request(builder, request.body.as_ref()).map_err(|error| lost(&error))?;
        let response = self.octocrab.execute(request).await.map_err(|error| lost(&error))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, self.limits.bytes)
            .collect()
            .await
            .map_err(|error| if error.is::<LengthLimitError>() { Failure::TooLong } else { lost(error.as_ref()) })?;
        Ok(Answer { status: head.status.as_u16(), headers: head.headers, body: body.to_bytes().to_vec() })
    }
}

fn octocrab(connect: Duration) -> std::io::Result<Octocrab> {
    let mut tcp = HttpConnector::new();
    tcp.set_connect_timeout(Some(connect));
    tcp.enforce_http(false);
    let tls = hyper_rustls::HttpsConnectorBuilder::new()
        .with_provider_and_native_roots(rustls::crypto::ring::default_provider())?
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    let connections: Connections<_, OctoBody> =
        Connections::builder(TokioExecutor::new()).pool_idle_timeout(IDLE).retry_canceled_requests(false).build(tls);
    let Ok(octocrab) = OctocrabBuilder::new_empty().with_service(connections).with_auth(AuthState::None).build();
    Ok(octocrab)
}

/// What became of a connection: an error with its causes, each said once.
fn lost(error: &(dyn std::error::Error + 'static)) -> Failure {
    let mut said: Vec<String> = Vec::new();
    let mut cause = Some(error);
    while let Some(error) = cause {
        let text = error.to_string();
        // Wrappers repeat what they wrap.
        said.retain(|outer| !outer.contains(&text));
        said.push(text);
        cause = error.source();
    }
    Failure::NoAnswer(quotable(&said.join(": ")))
}
