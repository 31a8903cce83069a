//! How the figures were obtained, and where that differs from the paper: said of what was in fact measured.

use super::{Row, RowResult, Source};
use crate::report::{Clock, LaunchWarning};
use crate::scenario::{Optimization, Precision, Provider};

/// One sentence each.
pub(super) fn notes(rows: &[Row], sources: &[Source]) -> Vec<String> {
    let mut notes = vec![runtime(rows, sources)];
    notes.push(
        "Built-in models have the real architectures and sizes, with seeded synthetic weights in place of trained ones."
            .to_owned(),
    );
    notes.push(settings(rows));
    notes.push(
        "The time of an operator is its self time: what runs inside an If or Loop counts once, for the operator that \
         does it, and what the profiler itself costs is measured in each launch and taken away. Latency is that of runs \
         without the profiler."
            .to_owned(),
    );
    notes.push(
        "A share is a part of the time in all nodes. Figures are medians over launches, each a fresh \
         process; ± is the standard deviation between launches, relative, estimated from their median deviation."
            .to_owned(),
    );
    notes.extend(clocks(rows).into_iter().filter_map(note_of));
    if rows.iter().any(|row| row.setting.precision != Precision::Fp32 && row.setting.provider == Provider::Cpu) {
        notes.push(
            "The CPU provider computes most operators in fp32 alone: at other precisions the conversions it inserts \
             count to memory."
                .to_owned(),
        );
    }
    if warned(rows) {
        notes.push(
            "Rows marked with an asterisk were disturbed or did not reconcile with their latency; measure them again \
             before relying on them."
                .to_owned(),
        );
    }
    notes
}

/// The clocks of the rows that were measured, each once.
fn clocks(rows: &[Row]) -> Vec<(Provider, Clock)> {
    let mut clocks = Vec::new();
    for row in rows {
        if let RowResult::Measured(breakdown) = &row.result
            && !clocks.contains(&(row.setting.provider, breakdown.clock))
        {
            clocks.push((row.setting.provider, breakdown.clock));
        }
    }
    clocks
}

/// What a clock of the GPU's means.
fn note_of((provider, clock): (Provider, Clock)) -> Option<String> {
    let note = match (provider, clock) {
        (Provider::Cpu, _) => return None,
        (Provider::Cuda, Clock::DeviceCupti) => {
            "On CUDA the time of a node is what the GPU worked for it, as CUPTI records it, and of a node that runs on the \
             CPU what it took while the GPU had nothing to do; in the rest of the latency the GPU waited for the host."
        }
        (Provider::Cuda, Clock::DeviceSynchronous) => {
            "On CUDA each launch waited for the GPU, so that a node's time holds its launches and their work, and the \
             latency is longer than that of a deployment."
        }
        (Provider::Cuda, Clock::Host) => {
            "On CUDA the time of a node is what the host spends on it; kernels run behind it, so that a node may be \
             charged for the wait for another one."
        }
    };
    Some(note.to_owned())
}

fn runtime(rows: &[Row], sources: &[Source]) -> String {
    let versions = list(sources.iter().map(|source| source.machine.onnxruntime.clone()));
    let levels = list(rows.iter().map(|row| row.setting.optimization.name().to_owned()));
    let fused = rows.iter().any(|row| row.setting.optimization != Optimization::Disable);
    let consequence = if fused {
        "it fuses operators and chooses layouts before anything runs, and a fused operator that holds a matrix product \
         counts as GEMM"
    } else {
        "it runs the graphs as they are written, without fusing anything"
    };
    format!(
        "ONNX Runtime {versions} runs whole graphs, where the paper ran PyTorch operator by operator. At optimization \
         level {levels} {consequence}."
    )
}

fn settings(rows: &[Row]) -> String {
    let of = |row: &Row| format!("{} on {}", row.setting.precision.name(), provider(row.setting.provider));
    let threads = list(rows.iter().map(|row| row.setting.threads.to_string()));
    let plural = if threads == "1" { "thread" } else { "threads" };
    format!(
        "Measured are {}, with {threads} {plural} inside an operator, at the sizes given in the table.",
        list(rows.iter().map(of))
    )
}

fn provider(provider: Provider) -> &'static str {
    match provider {
        Provider::Cpu => "CPU",
        Provider::Cuda => "CUDA",
    }
}

fn warned(rows: &[Row]) -> bool {
    rows.iter().any(|row| matches!(&row.result, RowResult::Measured(breakdown) if breakdown.is_doubtful()))
}

/// Whether a warning says that shares may be wrong, and not merely that there were few runs, that CUDA left work to
/// the CPU, as it does with shapes, or that types were converted.
pub(super) fn is_doubt(warning: &LaunchWarning) -> bool {
    match warning {
        LaunchWarning::ProfileTruncated
        | LaunchWarning::NotReconciled { .. }
        | LaunchWarning::Contended { .. }
        | LaunchWarning::Unattributed { .. }
        | LaunchWarning::ClocksDisagree { .. } => true,
        LaunchWarning::FellBack { .. }
        | LaunchWarning::ConvertedTypes { .. }
        | LaunchWarning::Synchronous { .. }
        | LaunchWarning::FewIterations { .. } => false,
    }
}

/// Distinct values in the order in which they first come.
fn list(values: impl Iterator<Item = String>) -> String {
    let mut distinct: Vec<String> = Vec::new();
    for value in values {
        if !distinct.contains(&value) {
            distinct.push(value);
        }
    }
    distinct.join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::fixtures;

    #[test]
    fn the_method_is_said_of_what_was_measured() {
        let study = fixtures::study(&fixtures::report(&["gpt2", "vit-b-16"]));
        let text = study.method.join("\n");
        assert!(text.contains("level all it fuses") && text.contains("fp32 on CPU, with 1 thread inside"), "{text}");
        assert!(!text.contains("CUDA") && !text.contains("asterisk"), "{text}");
        let mut other = fixtures::report(&["gpt2"]);
        fixtures::on_cuda(&mut other);
        let text = fixtures::study(&other).method.join("\n");
        assert!(
            text.contains("fp32 on CUDA")
                && text.contains("as CUPTI records it")
                && !text.contains("what the host spends"),
            "{text}"
        );
    }
}
