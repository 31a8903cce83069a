//! A release sign-off: a report of the gate, with all that somebody who is to release something, or who asks later why it
//! was released, has to know of it. Pure: what was read from the clock, the repository and the configuration comes in as
//! values.

mod admission;
mod document;
#[cfg(test)]
pub(crate) mod fixtures;
mod policy;
mod previous;

use serde::{Deserialize, Serialize};

use super::Report;
use super::standing;

pub use admission::{Refusal, admit};
pub use document::SignOffError;
pub use policy::{Budget, GpuLimits, GroupLimits, Policy, Rule, Stated};
pub use previous::{OtherSuite, Previous, Since};

/// Version of the JSON document.
pub const SIGN_OFF_SCHEMA: u32 = 2;

/// What tells the document from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// A release sign-off.
    #[serde(rename = "sign-off")]
    SignOff,
}

/// One release, signed off or refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SignOff {
    /// What this is.
    pub document: Kind,
    /// [`SIGN_OFF_SCHEMA`] of the program that wrote it.
    pub schema: u32,
    /// When, by whom it was asked for, and of what.
    #[serde(flatten)]
    pub facts: Facts,
    /// What the whole comes to, in a sentence.
    pub verdict: String,
    /// The exit code of the program: 0 where the release may go out, as far as the gate can say.
    pub exit_code: u8,
    /// What the gate held against the release.
    pub policy: Policy,
    /// What was measured, and what the gate says of it.
    pub report: Report,
    /// What became of it since the release before, where that one's sign-off was given. Shown, and no part of the verdict:
    /// the two were measured on different days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Previous>,
}

/// The circumstances of a sign-off.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// What is released, as it was named or as the repository describes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// The day, in UTC, as `YYYY-MM-DD`.
    pub date: String,
    /// What was checked out when it began; `None` outside of a repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
    /// Which scenarios were asked for, as typed; empty for the whole suite.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub selection: Vec<String>,
    /// The file of the report, where nothing was measured for the sign-off itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// A state of the sources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// Full name of the commit.
    pub commit: String,
    /// The commit by the tags before it; `None` where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// True where no tracked file differed from the commit.
    pub clean: bool,
}

impl SignOff {
    /// Puts together what is known of a release. `report` has its verdict; `before` is the sign-off of the release before.
    pub fn of(report: Report, facts: Facts, policy: Policy, before: Option<&SignOff>) -> SignOff {
        SignOff {
            document: Kind::SignOff,
            schema: SIGN_OFF_SCHEMA,
            facts,
            verdict: standing::verdict(&report),
            exit_code: report.outcome.exit_code(),
            policy,
            previous: before.map(|before| Previous::of(before, &report)),
            report,
        }
    }

    /// What the release is called, as far as anything is known: its name, else its commit, else the day.
    pub fn name(&self) -> String {
        self.facts.name()
    }
}

impl Facts {
    /// See [`SignOff::name`].
    pub fn name(&self) -> String {
        let commit = || self.revision.as_ref().map(|revision| revision.short().to_owned());
        self.release.clone().or_else(commit).unwrap_or_else(|| format!("the state of {}", self.date))
    }
}

impl Revision {
    /// The beginning of the commit's name, enough to find it by.
    pub fn short(&self) -> &str {
        self.commit.get(..12).unwrap_or(&self.commit)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures as reports;
    use super::*;

    #[test]
    fn the_verdict_and_the_exit_code_are_those_of_the_gate() {
        for (report, code) in [(reports::gate_failed(), 100), (reports::incomplete(), 101), (reports::run(), 0)] {
            let sign_off = SignOff::of(report.clone(), Facts::default(), fixtures::policy(), None);
            assert_eq!((sign_off.exit_code, &sign_off.verdict), (code, &standing::verdict(&report)));
        }
    }

    #[test]
    fn a_release_is_called_by_the_best_name_there_is() {
        let mut facts = fixtures::facts();
        assert_eq!(facts.name(), "v1.2.0");
        facts.release = None;
        assert_eq!(facts.name(), "9f3c1d20a7b4");
        facts.revision = None;
        assert_eq!(facts.name(), "the state of 2026-11-26");
    }
}
