//! What the values of a report are called in sentences; every text renderer uses the same words.

use super::{
    ChangeKind, Clock, Design, Finding, GpuFacts, Group, LaunchWarning, OperatorKey, RuleSource, Severity, SideShape,
    StructuralChange, StructuralDifference, Verdict,
};
use crate::compare::patterns;

/// The name of a group for people; `None` is an operator that the taxonomy does not know.
pub fn group(group: Option<Group>) -> &'static str {
    match group {
        None => "unknown",
        Some(Group::Gemm) => "GEMM",
        Some(Group::Normalization) => "normalization",
        Some(Group::Activation) => "activation",
        Some(Group::LogitComputation) => "logit computation",
        Some(Group::ElementWise) => "element-wise",
        Some(Group::Reduction) => "reduction",
        Some(Group::Memory) => "memory",
        Some(Group::Embedding) => "embedding",
        Some(Group::Interpolation) => "interpolation",
        Some(Group::Pooling) => "pooling",
        Some(Group::RoiSelection) => "RoI selection",
        Some(Group::Quantization) => "quantization",
        Some(Group::DataTransfer) => "data transfer",
        Some(Group::ControlFlow) => "control flow",
        Some(Group::Recurrent) => "recurrent",
        Some(Group::Other) => "other",
    }
}

/// Whether a group is the matrix products' side.
pub fn is_gemm(group: Option<Group>) -> bool {
    group == Some(Group::Gemm)
}

/// A severity as it stands before a finding.
pub fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

/// A verdict on an operator or on the latency.
pub fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Regressed => "regressed",
        Verdict::Improved => "improved",
        Verdict::Unchanged => "unchanged",
        Verdict::Shifted => "shifted",
        Verdict::Unstable => "unstable",
        Verdict::Inconclusive => "inconclusive",
        Verdict::NotJudged => "not judged",
    }
}

/// What a comparison holds the head against.
pub fn other_side(design: Design) -> &'static str {
    match design {
        Design::Stored => "baseline",
        Design::Paired { .. } => "base",
    }
}

/// Whether two findings differ in no more than what they are about: they are shown together, with one remedy.
pub fn same_kind(a: &Finding, b: &Finding) -> bool {
    let same = a.scenario == b.scenario && a.code == b.code && a.severity == b.severity;
    same && a.remedy == b.remedy && a.ruling == b.ruling
}

/// What to do about a finding; nothing where somebody has allowed it.
pub fn remedy(finding: &Finding) -> &str {
    if finding.ruling.is_some() && finding.severity == Severity::Note { "" } else { &finding.remedy }
}

/// Who changed how a finding counts, and why; `None` where nobody did.
pub fn ruling(finding: &Finding) -> Option<String> {
    let ruling = finding.ruling.as_ref()?;
    let done = match (finding.severity, ruling.was) {
        (Severity::Note, _) => "allowed",
        (Severity::Warning, Severity::Error) => "a warning instead of an error",
        (Severity::Warning, _) => "a warning",
        (Severity::Error, _) => "an error",
    };
    let scope = &ruling.scope;
    let by = match &ruling.source {
        RuleSource::Configuration { number, expires: None } => format!("rule {number} ({scope})"),
        RuleSource::Configuration { number, expires: Some(day) } => format!("rule {number} ({scope}, until {day})"),
        RuleSource::Commit { id } => format!("commit {id} ({scope})"),
    };
    let reason = ruling.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
    Some(format!("{done} by {by}{reason}"))
}

/// An operator key for people: the default domain goes without saying, as in ONNX itself.
pub fn operator(key: &OperatorKey) -> &str {
    key.0.strip_prefix("ai.onnx:").unwrap_or(&key.0)
}

/// A provider for people: `CPU` for `CPUExecutionProvider`.
pub fn provider(name: &str) -> &str {
    name.strip_suffix("ExecutionProvider").filter(|short| !short.is_empty()).unwrap_or(name)
}

/// What a launch warned of, and what to do.
pub fn warning(warning: &LaunchWarning) -> (String, &'static str) {
    match warning {
        LaunchWarning::ProfileTruncated => (
            "the profiler dropped events: the run has more nodes than it keeps, so late operators are missing".into(),
            "measure a smaller batch or a shorter sequence",
        ),
        LaunchWarning::NotReconciled { ratio } => (
            format!("the nodes' self times add up to {:.1} % of the unprofiled latency", ratio * 100.0),
            "close other programs and measure again; times of single operators are less certain than usual",
        ),
        LaunchWarning::Contended { ratio } => (
            format!("runs took {ratio:.2} times what their nodes usually take: something else used the cores"),
            "stop what else is running, or use fewer threads; `cargo nongemm doctor` shows the load",
        ),
        LaunchWarning::FellBack { nodes, operators, copies } => (
            fallen_back(*nodes, operators, *copies),
            "look for CPU in the operator table: CUDA has no kernel for these types, or they only handle shapes",
        ),
        LaunchWarning::ConvertedTypes { casts, share } => (
            format!(
                "this provider has no kernels for some of the model's types (fp16 on CPU): ONNX Runtime ran those \
                 operators in others, split some into parts, and put in {casts} Cast{} that take{} {:.1} % of the time",
                if *casts == 1 { "" } else { "s" },
                if *casts == 1 { "s" } else { "" },
                share * 100.0
            ),
            "measure fp16 on the provider that it is deployed on: a GPU runs neither these Casts nor these operators",
        ),
        LaunchWarning::Unattributed { share, dropped } => (
            format!(
                "{:.1} % of what the GPU did belongs to no node{}",
                share * 100.0,
                if *dropped == 0 { String::new() } else { format!(", and CUPTI dropped {dropped} records") }
            ),
            "see what it was in the JSON report (`strays`); measure a smaller batch where records were dropped",
        ),
        LaunchWarning::ClocksDisagree { contained } => (
            format!(
                "{:.0} % of the calls that launch work lie inside of a node: the clocks do not fit",
                contained * 100.0
            ),
            "measure again; where it stays so, take `clock = \"synchronous\"` under [cuda] and report it",
        ),
        LaunchWarning::Synchronous { reason } => (
            format!("times are the host's while each launch waits for the GPU, latency included: {reason}"),
            "compare them with their like only; with CUPTI the GPU's own times are taken",
        ),
        LaunchWarning::FewIterations { runs } => (
            format!("the time budget ended a launch after {runs} profiled run{}", if *runs == 1 { "" } else { "s" }),
            "raise the time budget, or measure a smaller batch",
        ),
    }
}

/// Nodes of a CUDA scenario on the CPU: how many, which, and what they cost in copies.
fn fallen_back(nodes: u32, operators: &[(String, u32)], copies: u32) -> String {
    let listed: Vec<String> = operators
        .iter()
        .map(|(op_type, nodes)| if *nodes == 1 { op_type.clone() } else { format!("{nodes} {op_type}") })
        .collect();
    let listed = if listed.is_empty() { String::new() } else { format!(" ({})", listed.join(", ")) };
    let copies = match copies {
        0 => String::new(),
        1 => ", and 1 copy goes between the two".to_owned(),
        copies => format!(", and {copies} copies go between the two"),
    };
    format!("{nodes} node{} of a CUDA scenario ran on the CPU{listed}{copies}", if nodes == 1 { "" } else { "s" })
}

/// What the times of a summary are, for people; `None` for the host's own, which goes without saying.
pub fn clock(clock: Clock) -> Option<&'static str> {
    match clock {
        Clock::Host => None,
        Clock::DeviceCupti => Some("GPU times by CUPTI"),
        Clock::DeviceSynchronous => Some("host times, launches waiting for the GPU"),
    }
}

/// What the part of an operator is called that is not the model's own.
pub const INSERTED: &str = "put in by ONNX Runtime";

/// One difference in what was executed: a sign (`+`, `-` or `~`), the operator and what became of it.
pub fn structure(difference: &StructuralDifference) -> (char, &OperatorKey, String) {
    let times = |n: u32| if n == 1 { "once".to_owned() } else { format!("{n} times") };
    match difference {
        StructuralDifference::Appeared { key, provider: on, executions } => {
            ('+', key, format!("now runs {} on {}", times(*executions), provider(on)))
        }
        StructuralDifference::Vanished { key, provider: on, executions } => {
            ('-', key, format!("no longer runs; it ran {} on {}", times(*executions), provider(on)))
        }
        StructuralDifference::Count { key, provider: on, base, head } => {
            ('~', key, format!("runs {} instead of {base} on {}", times(*head), provider(on)))
        }
        StructuralDifference::Moved { key, from, to, executions } => {
            ('~', key, format!("moved from {} to {}, {}", provider(from), provider(to), times(*executions)))
        }
        StructuralDifference::Types { key, from, to, executions, .. } => {
            ('~', key, format!("computes in {to} instead of {from}, {}", times(*executions)))
        }
        StructuralDifference::Shapes { key, base, head, .. } => {
            let list = |shapes: &[SideShape]| {
                shapes
                    .iter()
                    .map(|shape| format!("{} x {}", shape.executions, shape.inputs))
                    .collect::<Vec<_>>()
                    .join(", ")
            };
            ('~', key, format!("runs at other shapes: {} instead of {}", list(head), list(base)))
        }
        StructuralDifference::Inserted { key, base, head, .. } => {
            ('~', key, format!("was put in by ONNX Runtime {} instead of {base}", times(*head)))
        }
    }
}

/// What happened to the graph, in a few words: `layer normalization no longer fused`, `Add runs 26 times, not 14`.
pub fn happened(change: &StructuralChange) -> String {
    let who = || match change.operators.as_slice() {
        [one] => operator(&one.key).to_owned(),
        several => format!("{} operators", several.len()),
    };
    match &change.kind {
        ChangeKind::Fusion { pattern, won } => {
            let state = patterns().fusion(pattern).map_or("fused", |fusion| fusion.state.as_str());
            let name = fused(change).unwrap_or_default();
            format!("{name} {} {state}", if *won { "now" } else { "no longer" })
        }
        ChangeKind::Work { pattern, more, .. } => {
            let name = patterns().work(pattern).map_or(pattern.as_str(), |work| work.name.as_str());
            format!("{} {name}", if *more { "more" } else { "fewer" })
        }
        ChangeKind::Moved { from, .. } if change.is_fallback() => {
            format!("{} fell back from {} to the CPU", who(), provider(from))
        }
        ChangeKind::Moved { from, to } => format!("{} moved from {} to {}", who(), provider(from), provider(to)),
        ChangeKind::Types { from, to } => format!("{} in {to} instead of {from}", who()),
        ChangeKind::Shapes => format!("{} at other shapes", who()),
        ChangeKind::Inserted => "another number of nodes put in by ONNX Runtime".to_owned(),
        ChangeKind::Operator { base: 0, .. } => format!("{} is new", who()),
        ChangeKind::Operator { head: 0, .. } => format!("{} is gone", who()),
        ChangeKind::Operator { base, head } => format!("{} runs {head} times, not {base}", who()),
    }
}

/// What is fused or no longer fused; `None` of other changes.
pub fn fused(change: &StructuralChange) -> Option<&str> {
    let ChangeKind::Fusion { pattern, .. } = &change.kind else { return None };
    Some(patterns().fusion(pattern).map_or(pattern.as_str(), |fusion| fusion.name.as_str()))
}

/// The same as the reason of something that is named already: `fusion lost`, `runs 26 times, not 14`.
pub fn because(change: &StructuralChange) -> String {
    match &change.kind {
        ChangeKind::Fusion { won, .. } => if *won { "fusion won" } else { "fusion lost" }.to_owned(),
        ChangeKind::Operator { base, head } if *base > 0 && *head > 0 => format!("runs {head} times, not {base}"),
        _ => happened(change),
    }
}

/// A GPU with what drove it: `NVIDIA L4 (driver 580.159.04, CUDA 13.0, cuDNN 9.14.0)`.
pub fn gpu(facts: &GpuFacts) -> String {
    let named = [("driver", &facts.driver), ("CUDA", &facts.cuda), ("cuDNN", &facts.cudnn)];
    let told: Vec<String> =
        named.into_iter().filter_map(|(name, version)| Some(format!("{name} {}", version.as_ref()?))).collect();
    let name = facts.name.as_deref().unwrap_or("a GPU");
    if told.is_empty() { name.to_owned() } else { format!("{name} ({})", told.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::super::{Group, OperatorDelta};
    use super::*;

    #[test]
    fn a_gpu_is_named_with_what_drove_it() {
        let version = |text: &str| Some(text.to_owned());
        let facts = GpuFacts { name: version("NVIDIA L4"), driver: version("580.1"), ..GpuFacts::default() };
        assert_eq!(gpu(&facts), "NVIDIA L4 (driver 580.1)");
        assert_eq!(gpu(&GpuFacts { cudnn: version("9.14.0"), ..GpuFacts::default() }), "a GPU (cuDNN 9.14.0)");
        assert_eq!(gpu(&GpuFacts::default()), "a GPU");
    }

    #[test]
    fn the_default_domain_goes_without_saying() {
        assert_eq!(operator(&OperatorKey("ai.onnx:MatMul".into())), "MatMul");
        assert_eq!(operator(&OperatorKey("ai.onnx.ml:Scaler".into())), "ai.onnx.ml:Scaler");
        assert_eq!(provider("CPUExecutionProvider"), "CPU");
        assert_eq!(provider("ExecutionProvider"), "ExecutionProvider");
    }

    #[test]
    fn a_ruling_in_words() {
        let finding = |severity, was, source| {
            let mut finding = super::super::fixtures::gate_failed().scenarios[0].findings[0].clone();
            let (scope, reason) = ("bert*/Gelu".to_owned(), Some("known".to_owned()));
            finding.severity = severity;
            finding.ruling = Some(super::super::Ruling { was, source, scope, reason });
            ruling(&finding).unwrap()
        };
        let rule = |expires: Option<&str>| RuleSource::Configuration { number: 2, expires: expires.map(str::to_owned) };
        let commit = RuleSource::Commit { id: "abc1234".into() };
        let said = [
            finding(Severity::Note, Severity::Error, commit),
            finding(Severity::Warning, Severity::Error, rule(Some("2030-06-30"))),
            finding(Severity::Error, Severity::Warning, rule(None)),
        ];
        let expected = [
            "allowed by commit abc1234 (bert*/Gelu): known",
            "a warning instead of an error by rule 2 (bert*/Gelu, until 2030-06-30): known",
            "an error by rule 2 (bert*/Gelu): known",
        ];
        assert_eq!(said, expected);
    }

    #[test]
    fn what_happened_to_the_graph_fits_a_cell_and_a_clause() {
        let part = |key: &str| OperatorDelta {
            key: OperatorKey(key.into()),
            group: Some(Group::Normalization),
            executions: 12,
        };
        let change = |kind| StructuralChange {
            kind,
            nodes: 12,
            operators: vec![part("ai.onnx:Add")],
            delta_us: None,
            data_dependent: false,
        };
        let fusion = |pattern: &str, won| change(ChangeKind::Fusion { pattern: pattern.into(), won });
        let lost = fusion("layer-normalization-fusion", false);
        assert_eq!(
            [happened(&lost), because(&lost), happened(&fusion("batch-normalization-folding", true))],
            [
                "layer normalization no longer fused",
                "fusion lost",
                "batch normalization now folded into its convolution"
            ]
        );
        let more = change(ChangeKind::Operator { base: 14, head: 26 });
        assert_eq!([happened(&more), because(&more)], ["Add runs 26 times, not 14", "runs 26 times, not 14"]);
        let gone = change(ChangeKind::Operator { base: 1, head: 0 });
        assert_eq!([happened(&gone), because(&gone)], ["Add is gone", "Add is gone"]);
        let moved = |to: &str| ChangeKind::Moved { from: "CUDAExecutionProvider".into(), to: to.into() };
        let mut several = change(moved("TensorrtExecutionProvider"));
        several.operators.push(part("ai.onnx:Mul"));
        assert_eq!(happened(&several), "2 operators moved from CUDA to Tensorrt");
        assert_eq!(happened(&change(moved("CPUExecutionProvider"))), "Add fell back from CUDA to the CPU");
        // Of a version that knows more patterns than this one.
        let work = ChangeKind::Work { pattern: "spells".into(), more: false, inserted: 0 };
        assert_eq!(happened(&change(work)), "fewer spells");
    }

    #[test]
    fn one_is_singular() {
        assert!(
            warning(&LaunchWarning::FellBack { nodes: 1, operators: Vec::new(), copies: 0 }).0.starts_with("1 node of")
        );
        assert!(
            warning(&LaunchWarning::ConvertedTypes { casts: 1, share: 0.5 })
                .0
                .ends_with("1 Cast that takes 50.0 % of the time")
        );
        let operators = vec![("Shape".into(), 2), ("Gather".into(), 1)];
        assert_eq!(
            warning(&LaunchWarning::FellBack { nodes: 3, operators, copies: 1 }).0,
            "3 nodes of a CUDA scenario ran on the CPU (2 Shape, Gather), and 1 copy goes between the two"
        );
        assert!(warning(&LaunchWarning::FewIterations { runs: 1 }).0.ends_with("1 profiled run"));
    }
}
