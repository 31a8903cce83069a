//! Whether a request is sent again, and when. Pure: what happened goes in, what to do comes out.
//!
//! What GitHub asks of its callers: its documentation, "Best practices for using the REST API", "Handle rate limit
//! errors appropriately". The random part of the waiting: Brooker, "Exponential Backoff And Jitter", 2015, "equal jitter".

use std::time::{Duration, SystemTime};

/// How often a request is sent at most.
pub(super) const ATTEMPTS: u32 = 4;
/// What the first wait is about; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait. Whoever is told to stay away longer gives up and says until when.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// The wait after a limit that does not say how long it holds: GitHub's documentation asks for a minute.
const UNSAID_WAIT: Duration = Duration::from_secs(60);

/// What it means to send a request twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The same as sending it once: reading, changing, deleting.
    Repeatable,
    /// Two of what was wanted once.
    Creation,
}

/// How a try ended, as far as another one depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// An answer that would be the same again.
    Settled,
    /// Turned away by a limit: nothing was done. With how long to stay away, where that was said.
    Limited(Option<Duration>),
    /// No whole answer, or a failure of the server: it may have been done or not.
    Unclear(Option<Duration>),
}

/// What to do after a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Take the answer as it is.
    Accept,
    /// Wait, then send it again.
    Wait(Duration),
    /// Wait, look whether it was done, and send it again only if it was not.
    LookFirst(Duration),
    /// Wait, look whether it was done, and give up if it was not.
    LookLast(Duration),
    /// Give up.
    GiveUp,
}

/// What to do after try number `attempt`, from 1. `jitter` is a random number from 0 to 1.
pub(super) fn decide(attempt: u32, kind: Kind, outcome: Outcome, jitter: f64) -> Step {
    let told = match outcome {
        Outcome::Settled => return Step::Accept,
        Outcome::Limited(told) => Some(told.unwrap_or(UNSAID_WAIT)),
        Outcome::Unclear(told) => told,
    };
    let last = attempt >= ATTEMPTS || told.is_some_and(|told| told > LONGEST_WAIT);
    let wait = wait(attempt, told, jitter);
    match (outcome, kind) {
        (Outcome::Unclear(_), Kind::Creation) if last => Step::LookLast(backoff(1, jitter)),
        _ if last => Step::GiveUp,
        (Outcome::Unclear(_), Kind::Creation) => Step::LookFirst(wait),
        _ => Step::Wait(wait),
    }
}

/// As long as was told and a little more, or as the number of tries has it.
fn wait(attempt: u32, told: Option<Duration>, jitter: f64) -> Duration {
    match told {
        Some(told) => told + FIRST_WAIT.mul_f64(jitter.clamp(0.0, 1.0)),
        None => backoff(attempt, jitter),
    }
}

/// Half of it is fixed, half is chance.
fn backoff(attempt: u32, jitter: f64) -> Duration {
    let full = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1))).min(LONGEST_WAIT);
    full.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0)
}

/// What an answer tells about limits.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Told {
    /// `retry-after`, in seconds.
    pub retry_after: Option<u64>,
    /// `x-ratelimit-remaining`.
    pub remaining: Option<u64>,
    /// `x-ratelimit-reset`, in seconds since 1970.
    pub reset: Option<u64>,
    /// The message speaks of a rate limit.
    pub speaks_of_limit: bool,
}

/// What a status and the headers beside it mean.
pub(super) fn outcome(status: u16, told: Told, now: SystemTime) -> Outcome {
    let used_up = told.remaining == Some(0);
    match status {
        429 => Outcome::Limited(told.wait(now)),
        403 if told.speaks_of_limit || used_up || told.retry_after.is_some() => Outcome::Limited(told.wait(now)),
        408 | 500 | 502 | 503 | 504 => Outcome::Unclear(told.retry_after.map(Duration::from_secs)),
        _ => Outcome::Settled,
    }
}

impl Told {
    /// How long to stay away. The reset is that of the hourly quota and counts only once it is used up.
    fn wait(self, now: SystemTime) -> Option<Duration> {
        if let Some(seconds) = self.retry_after {
            return Some(Duration::from_secs(seconds));
        }
        let reset = self.reset.filter(|_| self.remaining == Some(0))?;
        let until = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(reset))?;
        Some(until.duration_since(now).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Told = Told { retry_after: None, remaining: None, reset: None, speaks_of_limit: false };

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000)
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn an_answer_is_taken_however_often_it_was_asked_for() {
        for (attempt, kind) in [(1, Kind::Repeatable), (1, Kind::Creation), (ATTEMPTS, Kind::Creation)] {
            assert_eq!(decide(attempt, kind, Outcome::Settled, 0.5), Step::Accept);
        }
    }

    #[test]
    fn what_may_be_repeated_is_repeated_with_growing_waits() {
        let step = |attempt| decide(attempt, Kind::Repeatable, Outcome::Unclear(None), 1.0);
        assert_eq!([step(1), step(2), step(3)], [1, 2, 4].map(|wait| Step::Wait(seconds(wait))));
        assert_eq!(step(4), Step::GiveUp);
    }

    #[test]
    fn half_of_a_wait_is_chance() {
        let step = |jitter| decide(2, Kind::Repeatable, Outcome::Unclear(None), jitter);
        assert_eq!([step(0.0), step(1.0)], [Step::Wait(seconds(1)), Step::Wait(seconds(2))]);
    }

    #[test]
    fn a_creation_is_never_repeated_unseen() {
        let step = |attempt| decide(attempt, Kind::Creation, Outcome::Unclear(None), 1.0);
        assert_eq!([step(1), step(2), step(3)], [1, 2, 4].map(|wait| Step::LookFirst(seconds(wait))));
        assert_eq!(step(4), Step::LookLast(seconds(1)));
    }

    #[test]
    fn a_creation_that_was_turned_away_was_not_done() {
        assert_eq!(decide(1, Kind::Creation, Outcome::Limited(Some(seconds(5))), 0.0), Step::Wait(seconds(5)));
    }

    #[test]
    fn as_long_as_was_told_is_waited_and_a_little_more() {
        let step = |jitter| decide(3, Kind::Repeatable, Outcome::Limited(Some(seconds(5))), jitter);
        assert_eq!([step(0.0), step(1.0)], [Step::Wait(seconds(5)), Step::Wait(seconds(6))]);
        assert_eq!(decide(1, Kind::Repeatable, Outcome::Unclear(Some(seconds(7))), 0.0), Step::Wait(seconds(7)));
    }

    #[test]
    fn a_limit_that_says_nothing_is_given_a_minute() {
        assert_eq!(decide(1, Kind::Repeatable, Outcome::Limited(None), 0.0), Step::Wait(seconds(60)));
    }

    #[test]
    fn a_longer_wait_than_a_minute_is_not_worth_it() {
        assert_eq!(decide(1, Kind::Repeatable, Outcome::Limited(Some(seconds(60))), 0.0), Step::Wait(seconds(60)));
        assert_eq!(decide(1, Kind::Repeatable, Outcome::Limited(Some(seconds(61))), 0.0), Step::GiveUp);
        assert_eq!(decide(1, Kind::Creation, Outcome::Limited(Some(seconds(61))), 0.0), Step::GiveUp);
        assert_eq!(decide(1, Kind::Repeatable, Outcome::Unclear(Some(seconds(61))), 0.0), Step::GiveUp);
        // Nobody knows whether it was done.
        assert_eq!(decide(1, Kind::Creation, Outcome::Unclear(Some(seconds(61))), 1.0), Step::LookLast(seconds(1)));
    }

    #[test]
    fn a_try_that_nobody_counts_on_waits_no_longer_than_the_longest() {
        assert_eq!(backoff(40, 1.0), LONGEST_WAIT);
    }

    #[test]
    fn which_answers_are_settled() {
        for status in [200, 201, 204, 301, 400, 401, 403, 404, 409, 410, 422, 501] {
            assert_eq!(outcome(status, NONE, now()), Outcome::Settled, "{status}");
        }
    }

    #[test]
    fn which_answers_leave_it_open() {
        for status in [408, 500, 502, 503, 504] {
            assert_eq!(outcome(status, NONE, now()), Outcome::Unclear(None), "{status}");
        }
        let told = Told { retry_after: Some(3), ..NONE };
        assert_eq!(outcome(503, told, now()), Outcome::Unclear(Some(seconds(3))));
    }

    #[test]
    fn which_answers_are_limits() {
        assert_eq!(outcome(429, NONE, now()), Outcome::Limited(None));
        assert_eq!(outcome(403, Told { speaks_of_limit: true, ..NONE }, now()), Outcome::Limited(None));
        assert_eq!(outcome(403, Told { retry_after: Some(9), ..NONE }, now()), Outcome::Limited(Some(seconds(9))));
        let used_up = Told { remaining: Some(0), reset: Some(1_000_030), ..NONE };
        assert_eq!(outcome(403, used_up, now()), Outcome::Limited(Some(seconds(30))));
        let past = Told { reset: Some(5), ..used_up };
        assert_eq!(outcome(429, past, now()), Outcome::Limited(Some(Duration::ZERO)));
    }

    #[test]
    fn a_permission_that_is_missing_is_no_limit() {
        // Every answer of GitHub's has these two headers.
        let usual = Told { remaining: Some(4999), reset: Some(1_003_600), ..NONE };
        assert_eq!(outcome(403, usual, now()), Outcome::Settled);
        assert_eq!(outcome(429, usual, now()), Outcome::Limited(None), "the reset is not that of this limit");
    }

    #[test]
    fn a_reset_beyond_all_time_is_no_panic() {
        let told = Told { remaining: Some(0), reset: Some(u64::MAX), ..NONE };
        assert_eq!(outcome(403, told, now()), Outcome::Limited(None));
    }
}
