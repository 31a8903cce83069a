//! `export`: a model as a standalone file, or one of its runs as a trace.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::bail;

use crate::cli::{ExportArgs, MeasureArgs};
use crate::config::Config;
use crate::measure;
use crate::measure::result::{TimelineEvent, TimelineWork};
use crate::onnx::fp16::values::Losses;
use crate::onnx::fp16::{HalfReport, Io, weights as half_weights};
use crate::onnx::proto::ModelProto;
use crate::onnx::{external, file, offload};
use crate::report::render;
use crate::report::render::trace::{TraceEvent, TraceWork};
use crate::scenario::{ModelRef, Planned, Precision};
use crate::taxonomy;
use crate::zoo::weights;

use super::suite::{Detail, Session, Suite};
use super::{Exit, Terminal, outputs, suite};

/// Above this a model's weights go into a file beside it: protobuf messages end at 2 GiB, viewers give up earlier.
const INLINE_BYTES: u64 = 1 << 30;

/// Weights smaller than this stay in the model even when others go beside it.
const BESIDE_FROM_BYTES: u64 = 1 << 10;

/// Writes the model of the one scenario that is named.
///
/// # Errors
/// The name fits no scenario or several, the model cannot be built or read, or the file cannot be written.
pub fn export(terminal: &mut Terminal, arguments: &ExportArgs) -> anyhow::Result<Exit> {
    let config = terminal.config()?;
    let planned = suite::plan(&config, std::slice::from_ref(&arguments.model), &arguments.dimensions)?;
    let [one] = planned.as_slice() else {
        let ids: Vec<&str> = planned.iter().map(|one| one.id.0.as_str()).collect();
        terminal.status.error(&format!(
            "`{}` names {} scenarios; name one: {}",
            arguments.model,
            ids.len(),
            ids.join(", ")
        ));
        return Ok(Exit::Usage);
    };
    let name = one.scenario.model.name();
    if arguments.profile {
        let output = arguments.output.clone().unwrap_or_else(|| PathBuf::from(format!("{name}.trace.json")));
        let one = one.clone();
        return trace(terminal, config, one, &output);
    }
    let output = arguments.output.clone().unwrap_or_else(|| PathBuf::from(format!("{name}.onnx")));
    let converted = write_model(one, &output)?;
    terminal.status.say("Exported", &one.id.0);
    if let Some(report) = converted {
        say_what_became(terminal, &report);
    }
    writeln!(terminal.out, "{}", output.display())?;
    Ok(Exit::Pass)
}

/// Launches the scenario once and writes one of its runs as a trace.
fn trace(terminal: &mut Terminal, config: Config, one: Planned, output: &Path) -> anyhow::Result<Exit> {
    let session = Session::over(terminal, config, Suite::new(vec![one.clone()], None), &MeasureArgs::default())?;
    terminal.status.say("Measuring", &one.id.0);
    let launch = session.launch(&one, 1, Detail::Trace)?;
    let events: Vec<TraceEvent> = launch.timeline.iter().map(trace_event).collect();
    outputs::save(terminal, output, |writer| render::trace::render(&one.id.0, &events, writer))?;
    writeln!(terminal.out, "{}", output.display())?;
    Ok(Exit::Pass)
}

fn trace_event(event: &TimelineEvent) -> TraceEvent {
    let resolved = taxonomy::resolve(&event.op_type, event.domain.as_deref(), &event.name);
    TraceEvent {
        name: event.name.clone(),
        group: resolved.group(),
        operator: resolved.key,
        // Microseconds of one run stay far below 2^53.
        ts_us: event.start_us as f64,
        dur_us: event.duration_us as f64,
        self_us: event.self_us,
        depth: event.depth,
        shapes: event.inputs.clone(),
        provider: event.provider.clone(),
        work: event.work.iter().map(trace_work).collect(),
    }
}

fn trace_work(work: &TimelineWork) -> TraceWork {
    let TimelineWork { name, stream, start_us, duration_us } = work;
    TraceWork { name: name.clone(), stream: *stream, ts_us: *start_us, dur_us: *duration_us }
}

/// What the conversion to fp16 changed, and what it left.
fn say_what_became(terminal: &mut Terminal, report: &HalfReport) {
    let HalfReport { tensors, elements, casts, .. } = report;
    terminal.status.say("Converted", &format!("{tensors} tensors of {elements} elements to fp16, with {casts} Casts"));
    let Losses { clamped, flushed } = report.losses;
    if clamped + flushed > 0 {
        terminal.status.say("Rounded", &format!("{clamped} values to plus or minus 65504, {flushed} to zero"));
    }
    for ((operator, reason), nodes) in &report.kept {
        terminal.status.say("Kept", &format!("{nodes} {operator} in fp32: {reason}"));
    }
}

/// Also returns what became of a model that was converted to fp16.
fn write_model(one: &Planned, output: &Path) -> anyhow::Result<Option<HalfReport>> {
    let precision = one.scenario.precision;
    match &one.scenario.model {
        ModelRef::Zoo { name } => {
            let (built, report) = measure::build_model(name, &one.scenario, weights::CAPACITY)?;
            let nominal = built.weights.nominal_bytes;
            let arena = weights::fill(&built.weights);
            let places = BTreeMap::from([(built.weights.file_name.to_owned(), &arena[..])]);
            write(built.model, output, nominal, external::Source::Memory(&places))?;
            Ok(report)
        }
        ModelRef::File { path, .. } => {
            if is_same_file(path, output) {
                bail!("{} is the model itself; name another file with `--output`", output.display());
            }
            let mut model = file::read(path)?;
            if let Some(made) = measure::synthesize(&model, path, one.weights, precision)? {
                let places = BTreeMap::from([(made.arena.location, &made.arena.bytes[..])]);
                write(made.model, output, made.nominal_bytes, external::Source::Memory(&places))?;
                return Ok(made.converted);
            }
            if precision == Precision::Fp16 {
                let (report, buffer) = half_weights::file_to_fp16(&mut model, path, Io::Keep)?;
                let bytes = buffer.as_deref().unwrap_or_default();
                let places = BTreeMap::from([(half_weights::FILE_NAME.to_owned(), bytes)]);
                let beside = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                write(model, output, beside, external::Source::Memory(&places))?;
                return Ok(Some(report));
            }
            let beside: u64 = external::check(&model, path)?.iter().filter_map(|tensor| tensor.length).sum();
            write(model, output, beside, external::Source::Beside(path))?;
            Ok(None)
        }
    }
}

fn write(mut model: ModelProto, output: &Path, weights: u64, source: external::Source<'_>) -> anyhow::Result<()> {
    if weights <= INLINE_BYTES {
        external::embed(&mut model, output, source)?;
        file::write(&model, output)?;
    } else {
        let options = offload::Options { threshold_bytes: BESIDE_FROM_BYTES, source: Some(source) };
        offload::write(model, output, &options)?;
    }
    Ok(())
}

pub(super) fn is_same_file(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}
