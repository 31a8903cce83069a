//! Rules: what the configuration, or a commit under test, says of findings about some operators of some scenarios.
//!
//! Reads no clock and no repository: the day and the trailers' text come in as values.

use globset::{Glob, GlobMatcher};
use serde::{Deserialize, Serialize};

use crate::scenario::ScenarioId;
use crate::summary::OperatorKey;

use super::Severity;
use super::code::{FindingCode, Ruled};

/// A glob over names, such as `bert*` or `com.microsoft:*`.
#[derive(Debug, Clone)]
pub struct NameGlob {
    text: String,
    matcher: GlobMatcher,
}

impl NameGlob {
    /// Reads a glob.
    ///
    /// # Errors
    /// What is wrong with it, in a few words.
    pub fn new(text: &str) -> Result<NameGlob, String> {
        let glob = Glob::new(text).map_err(|error| error.kind().to_string())?;
        Ok(NameGlob { text: text.to_owned(), matcher: glob.compile_matcher() })
    }

    /// As typed.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn matches_all(&self) -> bool {
        self.text == "*"
    }

    /// True for a scenario's id, or its model's name.
    pub fn matches_scenario(&self, id: &ScenarioId, model: &str) -> bool {
        self.matcher.is_match(&id.0) || self.matcher.is_match(model)
    }

    /// True for an operator's `domain:OpType`, or its type alone.
    pub fn matches_operator(&self, key: &OperatorKey) -> bool {
        let op_type = key.0.rsplit_once(':').map_or(key.0.as_str(), |(_, op_type)| op_type);
        self.matcher.is_match(&key.0) || self.matcher.is_match(op_type)
    }
}

impl PartialEq for NameGlob {
    fn eq(&self, other: &NameGlob) -> bool {
        self.text == other.text
    }
}

/// What somebody says of findings.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// How they count.
    pub level: Severity,
    /// In which scenarios.
    pub scenario: NameGlob,
    /// Of which operators; `None` for any, and for findings that are about none.
    pub operator: Option<NameGlob>,
    /// Which findings; empty for all that are about operators.
    pub findings: Vec<FindingCode>,
    /// Why.
    pub reason: Option<String>,
    /// Who says so.
    pub source: RuleSource,
}

/// Where a rule stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "from")]
pub enum RuleSource {
    /// A `[[rule]]` of the configuration.
    Configuration {
        /// Its place among them, from 1.
        number: usize,
        /// The last day on which it holds, `YYYY-MM-DD`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires: Option<String>,
    },
    /// A `Nongemm-Allow` trailer.
    Commit {
        /// Abbreviated hash.
        id: String,
    },
}

/// That a rule changed how a finding counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ruling {
    /// How it would have counted.
    pub was: Severity,
    /// Who changed it.
    #[serde(flatten)]
    pub source: RuleSource,
    /// The rule's globs, as typed: scenario, then operator where it has one.
    pub scope: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A trailer that says nothing that could be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "commit {commit}: `Nongemm-Allow: {text}` allows nothing: {problem}; write `Nongemm-Allow: SCENARIO/OPERATOR REASON`, \
     such as `Nongemm-Allow: bert*/LayerNormalization the new exporter writes it in parts`"
)]
pub struct BadTrailer {
    /// Abbreviated hash.
    pub commit: String,
    /// The trailer's value.
    pub text: String,
    /// What is wrong.
    pub problem: String,
}

impl Rule {
    /// Reads the value of a `Nongemm-Allow` trailer: `SCENARIO/OPERATOR REASON`, both globs, told apart by the first `/`.
    ///
    /// # Errors
    /// [`BadTrailer`] says what is missing.
    pub fn from_trailer(commit: &str, text: &str) -> Result<Rule, BadTrailer> {
        let bad = |problem: String| BadTrailer { commit: commit.to_owned(), text: text.to_owned(), problem };
        let (target, reason) = text.trim().split_once(char::is_whitespace).unwrap_or((text.trim(), ""));
        let Some((scenario, operator)) = target.split_once('/').filter(|(a, b)| !a.is_empty() && !b.is_empty()) else {
            return Err(bad("there is no scenario and operator with a `/` between them".to_owned()));
        };
        let reason = reason.trim();
        if reason.is_empty() {
            return Err(bad("it gives no reason".to_owned()));
        }
        let glob = |text: &str| NameGlob::new(text).map_err(|kind| bad(format!("`{text}` is not a glob ({kind})")));
        Ok(Rule {
            level: Severity::Note,
            scenario: glob(scenario)?,
            operator: Some(glob(operator)?),
            findings: Vec::new(),
            reason: Some(reason.to_owned()),
            source: RuleSource::Commit { id: commit.to_owned() },
        })
    }

    /// True from the day after the rule's last one. Days are `YYYY-MM-DD`, which sort as text.
    pub fn has_expired(&self, today: &str) -> bool {
        match &self.source {
            RuleSource::Configuration { expires: Some(last), .. } => last.as_str() < today,
            _ => false,
        }
    }

    /// True where the rule speaks of a finding. What loosens must name the operator that gives the finding its name (all
    /// of them, where none does); what makes it an error may name any in it.
    pub(super) fn is_about(&self, code: FindingCode, lead: Option<&OperatorKey>, operators: &[OperatorKey]) -> bool {
        let of_code = match (code.ruled(), self.findings.as_slice()) {
            (Ruled::Never, _) => false,
            (Ruled::ByDefault, []) => true,
            (Ruled::WhenNamed, []) => false,
            (_, named) => named.contains(&code),
        };
        of_code && self.operator.as_ref().is_none_or(|glob| glob.matches_all() || self.names(glob, lead, operators))
    }

    fn names(&self, glob: &NameGlob, lead: Option<&OperatorKey>, operators: &[OperatorKey]) -> bool {
        let matches = |key: &OperatorKey| glob.matches_operator(key);
        match (self.level, lead) {
            (Severity::Error, _) => lead.is_some_and(matches) || operators.iter().any(matches),
            (_, Some(lead)) => matches(lead),
            (_, None) => !operators.is_empty() && operators.iter().all(matches),
        }
    }

    /// The globs as typed: `bert*`, or `bert*/LayerNormalization`.
    pub fn scope(&self) -> String {
        match &self.operator {
            Some(operator) => format!("{}/{}", self.scenario.as_str(), operator.as_str()),
            None => self.scenario.as_str().to_owned(),
        }
    }

    /// True where the rule could speak of something here: `scenarios` are the suite's, each with its model's name and the
    /// operators that ran on either side (`None` where that is not known, which may be anything).
    pub fn can_match<'a>(
        &self,
        scenarios: impl IntoIterator<Item = (&'a ScenarioId, &'a str, Option<Vec<&'a OperatorKey>>)>,
    ) -> bool {
        scenarios.into_iter().filter(|(id, model, _)| self.scenario.matches_scenario(id, model)).any(
            |(_, _, operators)| match (&self.operator, operators) {
                (Some(glob), Some(operators)) => {
                    glob.matches_all() || operators.iter().any(|key| glob.matches_operator(key))
                }
                _ => true,
            },
        )
    }
}

#[cfg(test)]
mod tests;
