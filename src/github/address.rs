//! Where the API of a host lies.

use super::error::GitHubError;

/// The API of the public host or of a GitHub Enterprise Server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// What every REST path is appended to, without a slash at its end.
    rest: String,
    /// Where GraphQL lies.
    graphql: String,
}

impl Address {
    /// Reads what `GITHUB_API_URL` holds, such as `https://api.github.com` or `https://HOST/api/v3`.
    ///
    /// # Errors
    /// It is no such address.
    pub(super) fn of(url: &str) -> Result<Address, GitHubError> {
        let wrong = |reason| GitHubError::Address { url: without_credentials(url), reason };
        let uri: http::Uri = url.trim().parse().map_err(|_| wrong("it is no URL"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(wrong("it does not begin with https:// or http://"));
        }
        if uri.authority().is_none_or(|authority| authority.as_str().contains('@')) {
            return Err(wrong("it holds a user's name or a password"));
        }
        if uri.query().is_some() {
            return Err(wrong("it has a query"));
        }
        let rest = url.trim().trim_end_matches('/').to_owned();
        // On a server the REST API is /api/v3 and GraphQL is beside it; on the public host both are at the top.
        let beside = rest.strip_suffix("/v3").unwrap_or(&rest);
        Ok(Address { graphql: format!("{beside}/graphql"), rest })
    }

    /// The URL of a REST path, which begins with a slash.
    pub(super) fn rest(&self, path: &str) -> String {
        format!("{}{path}", self.rest)
    }

    /// The URL of GraphQL.
    pub(super) fn graphql(&self) -> String {
        self.graphql.clone()
    }
}

/// The URL to be shown in an error.
fn without_credentials(url: &str) -> String {
    match url.rsplit_once('@') {
        Some((_, host)) => format!("…@{host}"),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_host_has_both_at_its_top() {
        let address = Address::of("https://api.github.com").unwrap();
        assert_eq!(address.rest("/user"), "https://api.github.com/user");
        assert_eq!(address.graphql(), "https://api.github.com/graphql");
    }

    #[test]
    fn a_server_has_graphql_beside_the_rest() {
        for url in ["https://ghe.example:8443/api/v3", "https://ghe.example:8443/api/v3/"] {
            let address = Address::of(url).unwrap();
            assert_eq!(address.rest("/repos/a/b"), "https://ghe.example:8443/api/v3/repos/a/b");
            assert_eq!(address.graphql(), "https://ghe.example:8443/api/graphql");
        }
    }

    #[test]
    fn a_tenant_of_the_cloud_is_as_the_public_host() {
        assert_eq!(Address::of("https://api.acme.ghe.com").unwrap().graphql(), "https://api.acme.ghe.com/graphql");
    }

    #[test]
    fn anything_else_is_refused_with_what_it_should_look_like() {
        for url in ["", "api.github.com", "ftp://api.github.com", "https://", "https://a b", "https://h/api?x=1"] {
            let error = Address::of(url).unwrap_err().to_string();
            assert!(error.contains("https://HOST/api/v3"), "{url}: {error}");
        }
    }

    #[test]
    fn a_password_in_it_is_refused_and_not_repeated() {
        let error = Address::of("https://user:secret@ghe.example/api/v3").unwrap_err().to_string();
        assert!(error.contains("ghe.example") && !error.contains("secret"), "{error}");
    }
}
