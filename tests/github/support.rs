//! A client that does not wait, and the comment that most tests post.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use nongemm::github::{Client, Clock, Comment, GitHubError, Limits, Posted, Repository, Token};

use crate::fake::{Fake, REPOSITORY, TOKEN};

/// The waits that a client was told to make.
#[derive(Debug, Clone, Default)]
pub struct Waits(Arc<Mutex<Vec<Duration>>>);

impl Waits {
    /// In whole seconds, rounded down.
    pub fn seconds(&self) -> Vec<u64> {
        self.0.lock().unwrap().iter().map(Duration::as_secs).collect()
    }
}

impl Clock for Waits {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000)
    }

    fn sleep(&self, how_long: Duration) {
        self.0.lock().unwrap().push(how_long);
    }

    fn jitter(&self) -> f64 {
        1.0
    }
}

pub const LIMITS: Limits =
    Limits { connect: Duration::from_secs(5), answer: Duration::from_secs(20), bytes: 64 * 1024 * 1024 };

pub fn client_with(url: &str, limits: Limits) -> (Client, Waits) {
    let waits = Waits::default();
    let client = Client::with(url, Token::new(TOKEN).unwrap(), limits, Box::new(waits.clone())).unwrap();
    (client, waits)
}

pub fn client(url: &str) -> (Client, Waits) {
    client_with(url, LIMITS)
}

pub fn repository() -> Repository {
    REPOSITORY.parse().unwrap()
}

/// Posts under the usual name, as a process of its own would.
pub fn post(fake: &Fake, body: &str, red: bool) -> Result<Posted, GitHubError> {
    let (client, _) = client(&fake.url());
    client.post_comment(&repository(), 7, &Comment { id: "nongemm", body, red })
}
