//! Whom a token stands for: only comments of our own are ever changed.

use serde::Deserialize;

use super::client::Client;
use super::error::GitHubError;

/// The user that comments with a workflow's own token.
const ACTIONS: &str = "github-actions[bot]";
/// What the logins of apps end in. No person's can: brackets are not allowed there.
const BOT: &str = "[bot]";

/// A user of GitHub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    login: String,
}

/// The author of a comment.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct User {
    login: String,
    #[serde(rename = "type", default)]
    kind: String,
}

/// The app through which a comment was written.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct App {
    #[serde(default)]
    slug: Option<String>,
}

impl Identity {
    /// Whether a comment by `author` through `app` is our own.
    pub(super) fn is(&self, author: Option<&User>, app: Option<&App>) -> bool {
        let Some(author) = author else { return false };
        if !author.login.eq_ignore_ascii_case(&self.login) {
            return false;
        }
        let Some(name) = self.login.strip_suffix(BOT) else {
            return author.kind != "Bot";
        };
        let slug = app.and_then(|app| app.slug.as_deref());
        author.kind == "Bot" && slug.is_none_or(|slug| slug.eq_ignore_ascii_case(name))
    }
}

impl Client {
    /// Whom the token stands for: asked of `GET /user`, which only people's tokens may; else of GraphQL, which knows
    /// apps too; else a workflow's own token, the usual one that may not ask.
    pub(super) fn identity(&self) -> Result<&Identity, GitHubError> {
        if let Some(known) = self.identity.get() {
            return Ok(known);
        }
        let login = match self.get::<User>("/user", "pull-requests: read") {
            Ok(user) => user.login,
            Err(GitHubError::ReadOnly { .. } | GitHubError::Forbidden { .. } | GitHubError::NotFound { .. }) => {
                self.app_login()?
            }
            Err(error) => return Err(error),
        };
        Ok(self.identity.get_or_init(|| Identity { login }))
    }

    /// An answer that holds no name is one; no answer is none, and to guess then could post a second comment.
    fn app_login(&self) -> Result<String, GitHubError> {
        match self.viewer() {
            Ok(login) => Ok(login.unwrap_or_else(|| ACTIONS.to_owned())),
            Err(
                GitHubError::ReadOnly { .. }
                | GitHubError::Forbidden { .. }
                | GitHubError::NotFound { .. }
                | GitHubError::Refused { .. }
                | GitHubError::Unreadable { .. },
            ) => Ok(ACTIONS.to_owned()),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(login: &str, kind: &str) -> Option<User> {
        Some(User { login: login.to_owned(), kind: kind.to_owned() })
    }

    fn app(slug: &str) -> Option<App> {
        Some(App { slug: Some(slug.to_owned()) })
    }

    fn is(login: &str, author: Option<User>, app: Option<App>) -> bool {
        Identity { login: login.to_owned() }.is(author.as_ref(), app.as_ref())
    }

    #[test]
    fn a_person_is_known_by_the_login() {
        assert!(is("octocat", user("octocat", "User"), None));
        assert!(is("octocat", user("OctoCat", "User"), app("some-editor")));
        assert!(!is("octocat", user("octocat2", "User"), None));
        assert!(!is("octocat", user("octocat", "Bot"), None));
        assert!(!is("octocat", None, None), "the author's account is gone");
    }

    #[test]
    fn a_workflow_is_known_by_login_kind_and_app() {
        assert!(is(ACTIONS, user(ACTIONS, "Bot"), app("github-actions")));
        assert!(is(ACTIONS, user(ACTIONS, "Bot"), None));
        assert!(!is(ACTIONS, user("github-actions", "User"), app("github-actions")));
        assert!(!is(ACTIONS, user(ACTIONS, "User"), app("github-actions")));
        assert!(!is(ACTIONS, user(ACTIONS, "Bot"), app("something-else")));
        assert!(!is(ACTIONS, user("dependabot[bot]", "Bot"), app("dependabot")));
    }
}
