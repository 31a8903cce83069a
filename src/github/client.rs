//! The client: requests that are sent again as [`super::retry`] decides, and lists read to their end.

use std::sync::OnceLock;

use http::Method;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::address::Address;
use super::clock::{Clock, SystemClock};
use super::error::GitHubError;
use super::identity::Identity;
use super::refusal;
use super::retry::{self, Kind, Outcome, Step};
use super::text::quotable;
use super::token::Token;
use super::transport::{Answer, Failure, Limits, Request, Transport};

/// Entries a page: the most that GitHub gives.
const PAGE: usize = 100;
/// Pages read at most. GitHub closes a conversation after 2,500 comments, so more than these never end.
const PAGES: usize = 100;

/// GitHub, as one token sees it. Every call blocks until it has its answer.
pub struct Client {
    transport: Transport,
    pub(super) address: Address,
    token: Token,
    limits: Limits,
    clock: Box<dyn Clock>,
    /// Whom the token stands for; asked for once.
    pub(super) identity: OnceLock<Identity>,
}

impl Client {
    /// A client of the API at `api_url`, as `GITHUB_API_URL` holds it. Nothing is sent yet.
    ///
    /// # Errors
    /// The address is none, or this machine cannot make connections.
    pub fn new(api_url: &str, token: Token) -> Result<Client, GitHubError> {
        Client::with(api_url, token, Limits::default(), Box::new(SystemClock))
    }

    /// The same with limits and a clock of one's own.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn with(api_url: &str, token: Token, limits: Limits, clock: Box<dyn Clock>) -> Result<Client, GitHubError> {
        let address = Address::of(api_url)?;
        let transport = Transport::new(&token, limits)?;
        Ok(Client { transport, address, token, limits, clock, identity: OnceLock::new() })
    }

    /// A request of the REST API.
    pub(super) fn rest(&self, method: Method, path: &str, body: Option<Value>, permission: &'static str) -> Request {
        Request { method, url: self.address.rest(path), body, permission }
    }

    /// Sends what may be sent twice.
    pub(super) fn send(&self, request: &Request) -> Result<Answer, GitHubError> {
        let mut attempt = 1;
        loop {
            let (outcome, result) = self.attempt(request, attempt);
            match retry::decide(attempt, Kind::Repeatable, outcome, self.clock.jitter()) {
                Step::Wait(wait) => self.clock.sleep(wait),
                _ => return result,
            }
            attempt += 1;
        }
    }

    /// Sends what would be there twice if it were sent twice. `look` tells whether it is there after all.
    pub(super) fn create<T: DeserializeOwned>(
        &self,
        request: &Request,
        look: &dyn Fn() -> Result<Option<T>, GitHubError>,
    ) -> Result<T, GitHubError> {
        let mut attempt = 1;
        loop {
            let (outcome, result) = self.attempt(request, attempt);
            match retry::decide(attempt, Kind::Creation, outcome, self.clock.jitter()) {
                Step::Accept | Step::GiveUp => return self.read(request, &result?),
                Step::Wait(wait) => self.clock.sleep(wait),
                Step::LookFirst(wait) => {
                    self.clock.sleep(wait);
                    if let Some(found) = look()? {
                        return Ok(found);
                    }
                }
                Step::LookLast(wait) => {
                    self.clock.sleep(wait);
                    return match look()? {
                        Some(found) => Ok(found),
                        None => self.read(request, &result?),
                    };
                }
            }
            attempt += 1;
        }
    }

    /// One try: what it means for another one, and what it comes to if there is none.
    fn attempt(&self, request: &Request, attempt: u32) -> (Outcome, Result<Answer, GitHubError>) {
        match self.transport.send(request) {
            Ok(answer) if (200..300).contains(&answer.status) => (Outcome::Settled, Ok(answer)),
            Ok(answer) => {
                let now = self.clock.now();
                let error = refusal::of(request, &answer, &self.token, attempt, now);
                (refusal::outcome(&answer, now), Err(error))
            }
            Err(Failure::NoAnswer(reason)) => {
                let reason = self.token.hidden_in(&reason);
                (Outcome::Unclear(None), Err(GitHubError::NoAnswer { call: request.call(), reason, attempts: attempt }))
            }
            Err(Failure::TooLong) => {
                let limit = format!("{} bytes", self.limits.bytes);
                (Outcome::Settled, Err(GitHubError::TooLong { call: request.call(), limit }))
            }
        }
    }

    /// Reads one thing.
    pub(super) fn get<T: DeserializeOwned>(&self, path: &str, permission: &'static str) -> Result<T, GitHubError> {
        let request = self.rest(Method::GET, path, None, permission);
        self.read(&request, &self.send(&request)?)
    }

    /// Reads a list to its end. `path` has a query already or none; `entries` takes the list out of a page.
    ///
    /// Pages are asked for by number and not by the addresses that GitHub gives, which need not be reachable through
    /// the proxy that this address is.
    pub(super) fn list<P: DeserializeOwned, T>(
        &self,
        path: &str,
        permission: &'static str,
        entries: fn(P) -> Vec<T>,
    ) -> Result<Vec<T>, GitHubError> {
        let mark = if path.contains('?') { '&' } else { '?' };
        let mut all = Vec::new();
        for page in 1..=PAGES {
            let path = format!("{path}{mark}per_page={PAGE}&page={page}");
            let request = self.rest(Method::GET, &path, None, permission);
            let answer = self.send(&request)?;
            let found = entries(self.read(&request, &answer)?);
            let more = found.len() >= PAGE || (!found.is_empty() && answer.header("link").contains("rel=\"next\""));
            all.extend(found);
            if !more {
                return Ok(all);
            }
        }
        let call = self.rest(Method::GET, path, None, permission).call();
        Err(GitHubError::TooLong { call, limit: format!("{PAGES} pages") })
    }

    /// Reads an answer into what was expected.
    pub(super) fn read<T: DeserializeOwned>(&self, request: &Request, answer: &Answer) -> Result<T, GitHubError> {
        serde_json::from_slice(&answer.body).map_err(|error| {
            // An error in the contents names the field, one in the syntax is not GitHub's.
            let reason = if error.is_data() { error.to_string() } else { refusal::not_json(answer) };
            GitHubError::Unreadable { call: request.call(), reason: quotable(&self.token.hidden_in(&reason)) }
        })
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Client").field("address", &self.address).finish_non_exhaustive()
    }
}
