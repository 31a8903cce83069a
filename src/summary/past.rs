//! What a baseline was before it became what it is.

use super::OperatorKey;

/// How the operators of a baseline moved over the accepts that it keeps.
#[derive(Debug, Clone, PartialEq)]
pub struct Past {
    /// Day of the first accept, `YYYY-MM-DD`.
    pub since: String,
    /// Accepts since the first one.
    pub accepts: u32,
    /// The operators that moved.
    pub operators: Vec<OperatorPast>,
}

/// One operator's times at earlier accepts, relative to the first: machine factors divided out step by step, and
/// without the changes that somebody looked at and accepted.
#[derive(Debug, Clone, PartialEq)]
pub struct OperatorPast {
    /// Which.
    pub key: OperatorKey,
    /// Where it runs.
    pub provider: String,
    /// At each accept that is kept, oldest first; the first is 1.
    pub ratios: Vec<f64>,
    /// Of the time that the baseline holds now.
    pub held: f64,
}
