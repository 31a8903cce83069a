//! One launch, in the child process: one session, warm-up, then unprofiled and profiled runs in alternation.

use std::time::Instant;

use crate::measure::calibrate;
use crate::measure::correct;
use crate::measure::error::LaunchError;
use crate::measure::job::{JOB_SCHEMA, LaunchJob};
use crate::measure::prepare::{self, Prepared};
use crate::measure::resources;
use crate::measure::result::{LAUNCH_SCHEMA, LaunchResult, LaunchWarning, OverheadEstimate};
use crate::measure::runs::{Runs, RunsError, median, micros_of};
use crate::measure::timeline;
use crate::profile::NameEncoding;
use crate::runtime::session::{
    BoundSession, Engine, GraphLevel, Prepacking, SessionError, SessionProvider, SessionSpec,
};
use crate::scenario::{Optimization, Provider};

/// Below this many profiled runs, one disturbance weighs on the figures of a node.
const FEW_RUNS: usize = 4;

/// Does the whole launch in this process. Takes as long as its plan says.
///
/// # Errors
/// [`LaunchError`]; nothing is left running, profiles of the failed run may be left in the scratch folder.
pub fn run(job: &LaunchJob) -> Result<LaunchResult, LaunchError> {
    let started = Instant::now();
    if job.schema != JOB_SCHEMA {
        return Err(LaunchError::Schema { found: job.schema });
    }
    let model = job.source.label(&job.scenario);
    let engine = Engine::load(&job.library).map_err(|source| LaunchError::Session { model: model.clone(), source })?;
    let prepared = prepare::prepare(job)?;
    // The calibration's session is gone before the model's is made: an idle pool of threads still spins.
    let overhead = calibrate::calibrate(&engine, job.scenario.threads, &job.scratch_dir)?;
    let mut session = BoundSession::new(&engine, &spec(job, &prepared), &prepared.feeds)
        .map_err(|source| LaunchError::Session { model: model.clone(), source: named(source, &prepared) })?;
    let ready_us = micros_of(started.elapsed());
    let encoding = NameEncoding::of_version(engine.version());
    let runs = Runs::make(&mut session, &job.plan, &job.scratch_dir.join("run"), encoding)
        .map_err(|error| error.of(&model))?;
    let mut timeline = Vec::new();
    if job.trace {
        let stem = job.scratch_dir.join("trace");
        timeline = timeline::record(&mut session, &stem, encoding).map_err(|error| error.of(&model))?;
    }
    drop(session);
    let mut result = assemble(job, &engine, &prepared, overhead, runs, ready_us);
    timeline::correct(&mut timeline, &result.nodes);
    result.timeline = timeline;
    Ok(result)
}

fn spec<'a>(job: &'a LaunchJob, prepared: &'a Prepared) -> SessionSpec<'a> {
    SessionSpec {
        model: prepared.model(),
        external: prepared.external.clone(),
        provider: match job.scenario.provider {
            Provider::Cpu => SessionProvider::Cpu,
            Provider::Cuda => SessionProvider::Cuda,
        },
        level: match job.scenario.optimization {
            Optimization::Disable => GraphLevel::Disable,
            Optimization::Basic => GraphLevel::Basic,
            Optimization::Extended => GraphLevel::Extended,
            Optimization::All => GraphLevel::All,
        },
        threads: job.scenario.threads,
        prepacking: match (job.memory.without_prepacking, prepared.repeats) {
            (true, _) => Prepacking::Off,
            (false, false) => Prepacking::Distinct,
            (false, true) => Prepacking::Repeated,
        },
        optimized: job.optimized_model.as_deref(),
    }
}

/// ONNX Runtime does not always say which node has the operator that it lacks.
fn named(error: SessionError, prepared: &Prepared) -> SessionError {
    match error {
        SessionError::UnknownOperator { operator, domain, opset, node } if node.is_empty() => {
            let found = prepared.find_operator(&domain, &operator);
            let (node, imported) = found.unwrap_or_default();
            SessionError::UnknownOperator { operator, domain, opset: imported.unwrap_or(opset), node }
        }
        other => other,
    }
}

impl RunsError {
    fn of(self, model: &str) -> LaunchError {
        let model = model.to_owned();
        match self {
            RunsError::Session(source) => LaunchError::Session { model, source },
            RunsError::Profile(source) => LaunchError::Profile { model, source },
        }
    }
}

fn assemble(
    job: &LaunchJob,
    engine: &Engine,
    prepared: &Prepared,
    overhead: OverheadEstimate,
    mut runs: Runs,
    ready_us: f64,
) -> LaunchResult {
    let profiled_us = runs.profiled_us();
    let by_operator = if job.runs { runs.by_operator() } else { Vec::new() };
    let calm = runs.calm();
    let truncated = calm.tallies.truncated() || calm.tallies.strays() > 0;
    let latency_us = calm.unprofiled.mean_us;
    let (overhead, nodes) = correct::correct(calm, overhead, prepared);
    let mut result = LaunchResult {
        schema: LAUNCH_SCHEMA,
        onnxruntime: engine.version().to_owned(),
        model_sha256: prepared.sha256(),
        synthetic_weights: prepared.synthetic_weights,
        ready_us,
        warmup_runs: job.plan.warmup_runs,
        latency_us,
        unprofiled_us: runs.unprofiled_us,
        profiled_us,
        overhead,
        nodes,
        peak_rss_bytes: resources::peak_rss_bytes(),
        page_faults: median(&runs.page_faults),
        warnings: Vec::new(),
        timeline: Vec::new(),
        runs: by_operator,
    };
    if truncated {
        result.warnings.push(LaunchWarning::ProfileTruncated);
    }
    // That the time budget decides how many runs there are is how it is meant; too few are worth a word.
    if runs.cut_short && result.profiled_us.len() < FEW_RUNS {
        let runs = u32::try_from(result.profiled_us.len()).unwrap_or(u32::MAX);
        result.warnings.push(LaunchWarning::FewIterations { runs });
    }
    result.warnings.extend(correct::doubts(&result, job.scenario.provider, job.scenario.precision));
    result
}
