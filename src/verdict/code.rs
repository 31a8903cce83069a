//! The table of finding codes: name, default severity, meaning. `list`, `explain` and the tests walk it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Severity;

/// Stable codes of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingCode {
    /// An operator's normalized time grew beyond its threshold.
    OperatorRegressed,
    /// An operator's normalized time shrank beyond its threshold.
    OperatorImproved,
    /// The latency grew, nothing divided out.
    LatencyRegressed,
    /// The latency shrank, nothing divided out.
    LatencyImproved,
    /// Operators, counts or placement differ from the baseline.
    StructureChanged,
    /// Operators run a different number of times from launch to launch.
    StructureVaries,
    /// A budget of the configuration is exceeded.
    BudgetExceeded,
    /// There is no baseline for the scenario.
    NoBaseline,
    /// The baseline is of an older layout or of an older way to measure.
    OutdatedBaseline,
    /// A baseline file belongs to no scenario of the configuration.
    StaleBaseline,
    /// The baseline holds for another machine class: times are shown, never judged.
    FingerprintDiffers,
    /// An operator that the taxonomy does not know.
    UnknownOperator,
    /// The launches of the scenario vary too much to judge times.
    Unstable,
    /// Too few operators to tell the machine from the code.
    TimesNotJudged,
    /// Two machine factors explain the times.
    AmbiguousFactor,
    /// Changes too small for any one accept added up.
    Drift,
    /// Operators whose thresholds are so wide that hardly anything could exceed them.
    BlindSpot,
    /// Shares moved only because other operators' times did.
    SharesShifted,
    /// Neither a change nor its absence is shown.
    Inconclusive,
    /// Only the head has the scenario.
    NewScenario,
    /// The scenario could not be measured.
    NotMeasured,
}

/// One row of the table.
struct Row {
    code: FindingCode,
    name: &'static str,
    severity: Severity,
    rules: Ruled,
    summary: &'static str,
    description: &'static str,
}

/// Whether rules of the configuration and trailers of commits change how a code counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ruled {
    /// Those that name no finding do: it is about operators.
    ByDefault,
    /// Only rules that name it do.
    WhenNamed,
    /// Nothing does: it is no matter of policy.
    Never,
}

/// Every code once, in the order of the enum.
const TABLE: &[Row] = &[
    Row {
        code: FindingCode::OperatorRegressed,
        name: "operator-regressed",
        severity: Severity::Error,
        rules: Ruled::ByDefault,
        summary: "an operator takes longer than the baseline, beyond noise and machine",
        description: "\
An operator takes longer than before, beyond what the machine explains. Against a baseline: its time, divided by the \
machine factor (the median over operators of new/old time), grew by more than `min-effect` and by more than \
`spread-factor` standard errors of the ratio (from how much launches vary), and by at least `floor-us` microseconds. Only judged on the machine \
class that the baseline was measured on, measured again before it fails, and a warning where the baseline is of another \
CPU model (`other-cpu` under `[gate]`). With both sides measured in turns (`compare`): the growth is significant among \
all that was tested, its median over pairs is at least the smallest effect, it amounts to at least the floor, and fresh \
pairs show it again. Look first at structure-changed findings and at what else differs (model, ONNX Runtime, \
CPU): they are usually the cause. If the new time is intended, `cargo nongemm accept` makes it the baseline.",
    },
    Row {
        code: FindingCode::OperatorImproved,
        name: "operator-improved",
        severity: Severity::Note,
        rules: Ruled::WhenNamed,
        summary: "an operator takes less time than in the baseline",
        description: "\
An operator became faster by more than the threshold that would have made it a regression in the other direction. \
Run `cargo nongemm accept` to keep the gain: until then, losing it again goes unnoticed.",
    },
    Row {
        code: FindingCode::LatencyRegressed,
        name: "latency-regressed",
        severity: Severity::Error,
        rules: Ruled::ByDefault,
        summary: "the latency grew, whatever its operators did",
        description: "\
The latency of the model grew. Nothing is divided out of it, so that a slowdown of all operators alike shows here and \
nowhere else; the operators that regressed along with it say where, and if none did, the change is in all of them or \
between them. With both sides measured in turns (`compare`): the growth is significant among all that was tested, its \
median over pairs is at least the smallest effect, it amounts to at least the floor, and fresh pairs show it again. \
Against a baseline of another time it may as well be the machine: shared ones vary by 15 % and more. It is said from \
`max-latency-growth` on and is a warning there, unless `latency` under `[gate]` makes it fail.",
    },
    Row {
        code: FindingCode::LatencyImproved,
        name: "latency-improved",
        severity: Severity::Note,
        rules: Ruled::WhenNamed,
        summary: "the latency is shorter than it was",
        description: "\
The latency of the model shrank: with both sides measured in turns, significantly, by at least the smallest effect and \
the floor; against a baseline of another time, by more than `max-latency-growth` allows in the other direction.",
    },
    Row {
        code: FindingCode::StructureChanged,
        name: "structure-changed",
        severity: Severity::Error,
        rules: Ruled::ByDefault,
        summary: "other operators, counts, types, shapes or placement than in the baseline",
        description: "\
ONNX Runtime executes other operators than the baseline records: some appeared, vanished, run more or less often, at \
other types or shapes, or on another execution provider. What belongs together is one finding: a fusion that no longer \
applies or now does, copies and conversions, a move to the CPU, another precision (`cargo nongemm list patterns`). This \
has no noise in it, so any difference counts. Usual causes are a new exporter or exporter option, another ONNX Runtime, a \
quantization step. Look at the model before and after with `cargo nongemm export`; if the change is intended, run \
`cargo nongemm accept`. An operator that appeared has no baseline time, so this finding is the only one that guards its \
cost. It is an error only where provider, architecture and instruction set are those of the baseline; elsewhere it is a \
note. What may come from the data (operators that launches do not run equally often, shapes behind a suppression) is a \
warning.",
    },
    Row {
        code: FindingCode::StructureVaries,
        name: "structure-varies",
        severity: Severity::Warning,
        rules: Ruled::WhenNamed,
        summary: "launches execute some operators a different number of times",
        description: "\
Launches of the same scenario executed some operators a different number of times, as loops and branches do whose \
course depends on the data. Their executions are the median over launches, and a structural difference in them is only \
a warning. Give the scenario fixed inputs (an `.npz` file) to make the graph's course the same in each launch.",
    },
    Row {
        code: FindingCode::BudgetExceeded,
        name: "budget-exceeded",
        severity: Severity::Error,
        rules: Ruled::WhenNamed,
        summary: "a budget of the configuration is exceeded",
        description: "\
The scenario exceeds a budget of the configuration. `max-non-gemm-share` bounds the share of operators without a \
matrix product, `max-group-share` those of single groups, on every machine. `max-latency-ms` is a promise for a machine \
class: it is an error where the launches agree and the budget names this class by `machine`, or a baseline of the class is \
committed; else a warning. Make the model meet the budget, or change the budget where the change is intended.",
    },
    Row {
        code: FindingCode::NoBaseline,
        name: "no-baseline",
        severity: Severity::Warning,
        rules: Ruled::WhenNamed,
        summary: "no baseline of the scenario is committed",
        description: "\
No baseline of this scenario is committed for any machine class, so nothing but budgets was judged. Run \
`cargo nongemm accept` on the machine that runs the check and commit the file it writes. `check` fails \
on it, so that a lost folder of baselines is no green build; `missing-baseline` under `[gate]` says otherwise.",
    },
    Row {
        code: FindingCode::OutdatedBaseline,
        name: "outdated-baseline",
        severity: Severity::Warning,
        rules: Ruled::Never,
        summary: "the baseline was measured in a way that this version cannot compare with",
        description: "\
The baseline was written by an older cargo-nongemm whose file has another layout (`schema`), or whose way to measure was \
another (`protocol`: warm-up, choice of iterations, correction of the profiler's overhead). Its times are not comparable \
and were not judged; its structure was, where the layout is known. `check` fails on it as on a missing baseline \
(`missing-baseline` under `[gate]`), so that an update of the tool is no green build. Run `cargo nongemm accept` on the \
machine that runs the check, and commit the file it writes.",
    },
    Row {
        code: FindingCode::StaleBaseline,
        name: "stale-baseline",
        severity: Severity::Warning,
        rules: Ruled::Never,
        summary: "a baseline file belongs to no scenario",
        description: "\
A committed baseline file belongs to no scenario of the configuration: the scenario was removed or renamed, or one of \
its dimensions changed, and the new id may now lack a baseline. Delete the file, or restore the scenario.",
    },
    Row {
        code: FindingCode::FingerprintDiffers,
        name: "fingerprint-differs",
        severity: Severity::Warning,
        rules: Ruled::WhenNamed,
        summary: "the only baselines are of another machine class",
        description: "\
The only baselines of this scenario were measured on another machine class (operating system, architecture, \
instruction-set level, provider or GPU). Times are shown and never judged; the executed structure is judged where \
provider, architecture and instruction set agree. Run `cargo nongemm accept` on this class of machine and commit the \
file it writes.",
    },
    Row {
        code: FindingCode::UnknownOperator,
        name: "unknown-operator",
        severity: Severity::Warning,
        rules: Ruled::ByDefault,
        summary: "the taxonomy does not know an operator",
        description: "\
The model runs an operator that the taxonomy does not know, such as one of a custom domain. It stands in a line of \
its own, counts as non-GEMM, and belongs to no group.",
    },
    Row {
        code: FindingCode::Unstable,
        name: "unstable",
        severity: Severity::Warning,
        rules: Ruled::WhenNamed,
        summary: "launches vary too much to judge times",
        description: "\
The latency varies so much between launches that times are not judged, or the operators' times add up to far more than \
the latency, because a neighbour hit some runs and not others; with both sides measured in turns, no change short of a \
doubling would have shown. Something else uses the machine: close it, use \
fewer threads than cores, pin the frequency, and see `cargo nongemm doctor`. Structure and shares are still judged.",
    },
    Row {
        code: FindingCode::TimesNotJudged,
        name: "times-not-judged",
        severity: Severity::Warning,
        rules: Ruled::WhenNamed,
        summary: "too few operators to tell the machine from the code",
        description: "\
The scenario has fewer than three operators in common with what it is compared with, so a slower machine cannot be told \
from a slower operator, and no operator's time was judged; or too few pairs of launches were measured to show anything. \
Structure and budgets were judged, and the latency where both sides were measured in turns. Give such a model a latency \
budget, or measure more pairs.",
    },
    Row {
        code: FindingCode::AmbiguousFactor,
        name: "ambiguous-factor",
        severity: Severity::Warning,
        rules: Ruled::WhenNamed,
        summary: "all operators are slower or faster alike",
        description: "\
The machine factor is the median over operators of new/old time, and here another number would do as well: the operators \
fall into two groups with a ratio each, or most of the time does not follow the median operator. Either the machine \
changed by one of the two factors and the code of the other operators changed, or the other way round; a stored baseline \
cannot tell. Operators that changed under both factors are judged, all others are inconclusive. `cargo nongemm compare \
--base REVISION` measures both states in turns on one machine and does tell. `ambiguous-factor` under `[gate]` makes it \
fail.",
    },
    Row {
        code: FindingCode::Drift,
        name: "drift",
        severity: Severity::Warning,
        rules: Ruled::ByDefault,
        summary: "an operator drifted over several accepts, none of which named it",
        description: "\
An operator takes longer (or less) than when the baseline was first accepted, by `min-drift` or more, although no accept \
since changed it enough for the gate to name it. Each accept that rewrites a baseline notes under [history] what became \
of the operators above a hundredth of the time, the machine factor of each step divided out. A drift is reported where \
these figures have a trend (Mann and Kendall's test, 1 % over all operators of the scenario), or where the first baseline \
would make this measurement red were it still the baseline. Changes that the gate named when they were accepted do not \
count. `cargo nongemm accept --forget` begins the history anew; `drift` under `[gate]` makes it fail.",
    },
    Row {
        code: FindingCode::BlindSpot,
        name: "blind-spot",
        severity: Severity::Warning,
        rules: Ruled::WhenNamed,
        summary: "operators would have to double before the gate noticed",
        description: "\
Some operators vary so much between launches that they would have to double before the gate noticed: it is all but \
blind to them. Measure with more launches or iterations, or on a quieter machine, and accept anew.",
    },
    Row {
        code: FindingCode::SharesShifted,
        name: "shares-shifted",
        severity: Severity::Note,
        rules: Ruled::WhenNamed,
        summary: "shares moved because other operators' times did",
        description: "\
The share of an operator moved although its own time did not: shares sum to one, so when one operator becomes faster \
all others take a larger part. Nothing to do; look at the operators whose time changed.",
    },
    Row {
        code: FindingCode::Inconclusive,
        name: "inconclusive",
        severity: Severity::Warning,
        rules: Ruled::WhenNamed,
        summary: "pairs show neither a change nor its absence",
        description: "\
The pairs of launches neither show a change nor that there is none which matters. The finding says what growth would \
most likely have shown. Measure more pairs, or on a quieter machine. A regression that fresh pairs did not show again \
is reported under this code too, and so is one whose median effect is below the smallest that counts.",
    },
    Row {
        code: FindingCode::NewScenario,
        name: "new-scenario",
        severity: Severity::Note,
        rules: Ruled::WhenNamed,
        summary: "only the head has the scenario, so it was compared with nothing",
        description: "\
`compare` found the scenario on the head alone, so it was measured and compared with nothing. That is as it should be \
for a new model or a new dimension. Where a model was renamed, give it its old `name` in the configuration, or compare \
the two files themselves.",
    },
    Row {
        code: FindingCode::NotMeasured,
        name: "not-measured",
        severity: Severity::Error,
        rules: Ruled::Never,
        summary: "the scenario could not be measured",
        description: "\
The scenario could not be measured, so nothing is known of it; the rest of the suite went on. The report holds the \
reason and the last lines that the launch wrote. This is not a failed gate: the exit code tells the two apart.",
    },
];

/// A text that is no code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no finding code; the codes are {}", all_names())]
pub struct UnknownCode {
    /// The text.
    pub text: String,
}

/// Every code's name, in a list.
fn all_names() -> String {
    FindingCode::all().map(FindingCode::as_str).collect::<Vec<_>>().join(", ")
}

impl FindingCode {
    /// Every code, in a fixed order.
    pub fn all() -> impl Iterator<Item = FindingCode> {
        TABLE.iter().map(|row| row.code)
    }

    /// The kebab-case name, as it stands in reports.
    pub fn as_str(self) -> &'static str {
        self.row().name
    }

    /// What it is, in a line.
    pub fn summary(self) -> &'static str {
        self.row().summary
    }

    /// Which rules change how it counts.
    pub fn ruled(self) -> Ruled {
        self.row().rules
    }

    /// A paragraph: what it means, and what to do.
    pub fn describe(self) -> &'static str {
        self.row().description
    }

    /// How it counts where the policy does not say otherwise.
    pub fn default_severity(self) -> Severity {
        self.row().severity
    }

    /// True for findings that come from times, which a second measurement may not repeat.
    pub fn is_timed(self) -> bool {
        matches!(
            self,
            FindingCode::OperatorRegressed
                | FindingCode::OperatorImproved
                | FindingCode::LatencyRegressed
                | FindingCode::LatencyImproved
                | FindingCode::AmbiguousFactor
                | FindingCode::Drift
                | FindingCode::BudgetExceeded
        )
    }

    fn row(self) -> &'static Row {
        // The table is in the order of the enum; a test holds it.
        &TABLE[self as usize]
    }
}

impl fmt::Display for FindingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for FindingCode {
    type Err = UnknownCode;

    fn from_str(text: &str) -> Result<Self, UnknownCode> {
        FindingCode::all().find(|code| code.as_str() == text).ok_or_else(|| UnknownCode { text: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_enum_and_speaks_as_serde_does() {
        assert_eq!(FindingCode::all().count(), FindingCode::NotMeasured as usize + 1);
        for (index, code) in FindingCode::all().enumerate() {
            assert_eq!(code as usize, index);
            assert_eq!(serde_json::to_string(&code).unwrap(), format!("\"{code}\""));
            assert_eq!(code.as_str().parse(), Ok(code));
            assert!(code.describe().len() > 100 && code.describe().ends_with('.'), "{code}");
            assert!((20..80).contains(&code.summary().len()) && !code.summary().ends_with('.'), "{code}");
        }
    }

    #[test]
    fn another_word_is_no_code() {
        let error = "operator-regresed".parse::<FindingCode>().unwrap_err();
        assert!(
            error.to_string().starts_with("`operator-regresed` is no finding code; the codes are operator-regressed, ")
        );
    }
}
