//! The one place where policy changes how a finding counts.

use crate::scenario::ScenarioId;
use crate::summary::OperatorKey;

use super::{Finding, FindingCode, Policy, Ruling, Severity};

/// A finding before policy has spoken.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// Its code.
    pub code: FindingCode,
    /// How it counts at most, whatever policy says: what is known is not enough for more.
    pub bound: Severity,
    /// The operator it blames, if one.
    pub operator: Option<OperatorKey>,
    /// All operators that it is about, where they are several.
    pub operators: Vec<OperatorKey>,
    /// One sentence: what, from what to what.
    pub message: String,
    /// One sentence: what to do.
    pub remedy: String,
}

impl Draft {
    /// A finding about the scenario as a whole that counts as its code does.
    pub fn new(code: FindingCode, message: String, remedy: impl Into<String>) -> Draft {
        let (operator, operators, remedy) = (None, Vec::new(), remedy.into());
        Draft { code, bound: Severity::Error, operator, operators, message, remedy }
    }

    /// The same, counting at most as `bound`.
    #[must_use]
    pub fn at_most(self, bound: Severity) -> Draft {
        Draft { bound, ..self }
    }

    /// The same, about an operator.
    #[must_use]
    pub fn blaming(self, operator: &OperatorKey) -> Draft {
        Draft { operator: Some(operator.clone()), ..self }
    }

    /// The finding under a policy: the severity of its code, or what the last rule that is about it says.
    pub fn settle(self, scenario: &ScenarioId, policy: &Policy) -> Finding {
        let was = policy.severity(self.code).min(self.bound);
        let rule = policy.rules.iter().rfind(|rule| rule.is_about(self.code, self.operator.as_ref(), &self.operators));
        let severity = rule.map_or(was, |rule| rule.level.min(self.bound));
        let ruling = rule.filter(|_| severity != was).map(|rule| Ruling {
            was,
            source: rule.source.clone(),
            scope: rule.scope(),
            reason: rule.reason.clone(),
        });
        Finding {
            code: self.code,
            severity,
            scenario: scenario.clone(),
            operator: self.operator,
            operators: self.operators,
            message: self.message,
            remedy: self.remedy,
            ruling,
        }
    }
}
