//! The one comment on a pull request that is kept up to date.
//!
//! Several posters may be at work at once, and a creation may succeed without telling us. Both are met by one rule that
//! every poster follows: of our own comments of one name the newest counts. Whoever created one looks again, and where
//! it is not alone, what was created meanwhile and is not the newest is deleted. All come to the same one.

use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::client::Client;
use super::error::GitHubError;
use super::identity::{App, Identity, User};
use super::marker::Marker;
use super::repository::Repository;
use super::text::encoded;

const READ: &str = "pull-requests: read";
const WRITE: &str = "pull-requests: write";

/// A comment as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Comment<'a> {
    /// Tells several comments of one pull request apart: up to 64 letters, digits, `.`, `_` and `-`.
    pub id: &'a str,
    /// Its Markdown, at most 65,536 characters less [`marker_room`](super::marker_room).
    pub body: &'a str,
    /// The verdict is red.
    pub red: bool,
}

/// What became of a comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Posted {
    /// There was none.
    Created {
        /// Where a browser finds it.
        url: String,
    },
    /// It was changed, which notifies nobody.
    Updated {
        /// Where a browser finds it.
        url: String,
    },
    /// It said all that already.
    Unchanged {
        /// Where a browser finds it.
        url: String,
    },
    /// The verdict became red: a new one, which notifies, in place of the old one.
    Replaced {
        /// Where a browser finds the new one.
        url: String,
        /// The old one is folded away as outdated. To fail at that is no error.
        minimised: bool,
    },
}

impl Posted {
    /// Where a browser finds the comment.
    pub fn url(&self) -> &str {
        match self {
            Posted::Created { url }
            | Posted::Updated { url }
            | Posted::Unchanged { url }
            | Posted::Replaced { url, .. } => url,
        }
    }
}

impl Client {
    /// Brings the comment of this name on a pull request up to date, or creates it.
    ///
    /// Comments of other authors are left alone, whatever they hold.
    ///
    /// # Errors
    /// GitHub did not do it; the error says why and what to do.
    pub fn post_comment(
        &self,
        repository: &Repository,
        number: u64,
        comment: &Comment<'_>,
    ) -> Result<Posted, GitHubError> {
        let marker = Marker::of(comment.id, comment.red, comment.body)?;
        let body = marker.before(comment.body);
        let me = self.identity()?;
        let issues = format!("/repos/{}/{}/issues", encoded(&repository.owner), encoded(&repository.name));
        Thread { client: self, issues, number, me, marker, body }.post()
    }
}

/// A conversation, and what is to be in it.
struct Thread<'a> {
    client: &'a Client,
    /// The path of the repository's conversations.
    issues: String,
    number: u64,
    me: &'a Identity,
    marker: Marker,
    body: String,
}

/// A comment as GitHub tells of it.
#[derive(Debug, Clone, Deserialize)]
struct Written {
    id: u64,
    node_id: String,
    html_url: String,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    user: Option<User>,
    #[serde(default)]
    performed_via_github_app: Option<App>,
}

impl Written {
    fn marked(&self) -> Option<(Marker, &str)> {
        Marker::read(self.body.as_deref()?)
    }

    fn is_red(&self) -> bool {
        self.marked().is_some_and(|(marker, _)| marker.red)
    }
}

impl Thread<'_> {
    fn post(&self) -> Result<Posted, GitHubError> {
        let ours = self.ours()?;
        let Some(current) = ours.last() else {
            return Ok(Posted::Created { url: self.create(0)?.html_url });
        };
        if self.is_shown_by(current) {
            return Ok(Posted::Unchanged { url: current.html_url.clone() });
        }
        if self.marker.red && !current.is_red() {
            let url = self.create(current.id)?.html_url;
            let minimised = self.client.minimise(&current.node_id).unwrap_or(false);
            return Ok(Posted::Replaced { url, minimised });
        }
        match self.update(current) {
            Ok(updated) => Ok(Posted::Updated { url: updated.html_url }),
            // Someone deleted it since it was listed.
            Err(GitHubError::NotFound { .. }) => Ok(Posted::Created { url: self.create(current.id)?.html_url }),
            Err(error) => Err(error),
        }
    }

    /// The comments of this name by ourselves, the oldest first.
    fn ours(&self) -> Result<Vec<Written>, GitHubError> {
        let path = format!("{}/{}/comments", self.issues, self.number);
        let mut ours = self.client.list(&path, READ, |page: Vec<Written>| page)?;
        ours.retain(|comment| {
            let named = comment.marked().is_some_and(|(marker, _)| marker.id == self.marker.id);
            named && self.me.is(comment.user.as_ref(), comment.performed_via_github_app.as_ref())
        });
        ours.sort_by_key(|comment| comment.id);
        Ok(ours)
    }

    /// Whether a comment shows what is to be shown, and was not changed by someone else since.
    fn is_shown_by(&self, comment: &Written) -> bool {
        comment.marked().is_some_and(|(marker, text)| marker == self.marker && marker.fits(text))
    }

    fn update(&self, comment: &Written) -> Result<Written, GitHubError> {
        let path = format!("{}/comments/{}", self.issues, comment.id);
        let request = self.client.rest(Method::PATCH, &path, Some(json!({"body": self.body})), WRITE);
        self.client.read(&request, &self.client.send(&request)?)
    }

    /// Creates the comment; `known` is the newest of ours from before, or 0. Gives the one that stays.
    fn create(&self, known: u64) -> Result<Written, GitHubError> {
        let path = format!("{}/{}/comments", self.issues, self.number);
        let request = self.client.rest(Method::POST, &path, Some(json!({"body": self.body})), WRITE);
        let look = || {
            let ours = self.ours()?;
            Ok(ours.into_iter().rfind(|comment| comment.id > known && self.is_shown_by(comment)))
        };
        let created: Written = self.client.create(&request, &look)?;
        Ok(self.settle(created, known))
    }

    /// Deletes what was created meanwhile, by another poster or by a try of ours that seemed to fail, except for the
    /// newest. The comment is there: a failure here is none of posting it.
    fn settle(&self, created: Written, known: u64) -> Written {
        let mut newest = created;
        for other in self.ours().unwrap_or_default() {
            if other.id <= known || other.id == newest.id {
                continue;
            }
            let older = if other.id > newest.id { std::mem::replace(&mut newest, other) } else { other };
            let path = format!("{}/comments/{}", self.issues, older.id);
            // Another poster may have been first.
            let _ = self.client.send(&self.client.rest(Method::DELETE, &path, None, WRITE));
        }
        newest
    }
}
