//! The two things that only GraphQL can do: tell a workflow's token who it is, and fold a comment away.

use http::Method;
use serde_json::{Value, json};

use super::client::Client;
use super::error::GitHubError;
use super::transport::Request;

const VIEWER: &str = "query { viewer { login } }";
const MINIMISE: &str = "mutation($subject: ID!) { minimizeComment(input: {subjectId: $subject, classifier: OUTDATED}) \
                        { minimizedComment { isMinimized } } }";

impl Client {
    /// The login that a token stands for. `None` where GraphQL answers without one.
    pub(super) fn viewer(&self) -> Result<Option<String>, GitHubError> {
        let answer = self.graphql(json!({"query": VIEWER}), "pull-requests: read")?;
        Ok(answer.pointer("/data/viewer/login").and_then(Value::as_str).map(str::to_owned))
    }

    /// Folds a comment away as outdated; whether it is folded now.
    pub(super) fn minimise(&self, node_id: &str) -> Result<bool, GitHubError> {
        let body = json!({"query": MINIMISE, "variables": {"subject": node_id}});
        let answer = self.graphql(body, "pull-requests: write")?;
        Ok(answer.pointer("/data/minimizeComment/minimizedComment/isMinimized") == Some(&Value::Bool(true)))
    }

    /// Both may be sent twice: to fold what is folded changes nothing.
    fn graphql(&self, body: Value, permission: &'static str) -> Result<Value, GitHubError> {
        let request = Request { method: Method::POST, url: self.address.graphql(), body: Some(body), permission };
        self.read(&request, &self.send(&request)?)
    }
}
