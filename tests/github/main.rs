//! What GitHub does that its API description does not say: comments by others and of others, more than a page of them,
//! two posters at once, limits, failures, answers that are lost on the way. Nothing here waits and nothing leaves the
//! machine. What the description says is held by `tests/github_contract.rs`.

// The lint exempts test functions only, not what they share.
#![allow(clippy::unwrap_used)]

mod checks;
mod comments;
mod failures;
mod fake;
mod posters;
mod pull_requests;
mod server;
mod support;
