//! One launch, in the child process: one session, warm-up, then unprofiled and profiled runs in alternation.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::measure::calibrate;
use crate::measure::correct;
use crate::measure::job::{JOB_SCHEMA, LaunchJob, Plan};
use crate::measure::prepare::{self, PrepareError, Prepared};
use crate::measure::result::{LAUNCH_SCHEMA, LaunchResult, LaunchWarning, OverheadEstimate};
use crate::profile::{NameEncoding, ProfileError, Tallies};
use crate::runtime::session::{BoundSession, Engine, GraphLevel, SessionError, SessionProvider, SessionSpec};
use crate::scenario::{Optimization, Provider};

/// Runs shorter than this are preceded by a discarded one where a profile was read just before: filling the caches again
/// takes a millisecond or so.
const SETTLE_BELOW_US: f64 = 20_000.0;

/// Why a launch has no result. Each message names what failed and, where there is one, the remedy.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The job was written by another version of the program.
    #[error("the launch job has schema {found} where this program reads {JOB_SCHEMA}; use one version of the program")]
    Schema {
        /// What the job says.
        found: u32,
    },
    /// The model or its inputs could not be made.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// ONNX Runtime refused the model or failed to run it.
    #[error("{model}: {source}")]
    Session {
        /// The model: its file, or its name.
        model: String,
        /// Why.
        source: SessionError,
    },
    /// The profiler's own cost could not be measured.
    #[error("cannot measure the profiler's own cost: {0}")]
    Calibration(SessionError),
    /// The profile of a calibration run could not be read.
    #[error("cannot measure the profiler's own cost: {0}")]
    CalibrationProfile(ProfileError),
    /// A profile could not be read.
    #[error("{model}: {source}")]
    Profile {
        /// The model: its file, or its name.
        model: String,
        /// Why.
        source: ProfileError,
    },
}

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
    let runs = Runs::make(&mut session, &job.plan, &job.scratch_dir, encoding).map_err(|error| error.of(&model))?;
    drop(session);
    Ok(assemble(job, &engine, &prepared, overhead, runs, ready_us))
}

fn spec<'a>(job: &LaunchJob, prepared: &'a Prepared) -> SessionSpec<'a> {
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

/// The runs of one session.
pub(super) struct Runs {
    pub(super) unprofiled_us: Vec<f64>,
    pub(super) tallies: Tallies,
    pub(super) warmup_runs: u32,
    pub(super) cut_short: bool,
    /// True after a profile was read: caches hold that work instead of the model's.
    disturbed: bool,
}

/// A failure that does not know yet of which model.
pub(super) enum RunsError {
    Session(SessionError),
    Profile(ProfileError),
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

impl Runs {
    /// Warm-up, then pairs of an unprofiled and a profiled run, each pair in the other order than the last, so that a
    /// drift of the machine falls on both alike.
    pub(super) fn make(
        session: &mut BoundSession,
        plan: &Plan,
        scratch: &Path,
        encoding: NameEncoding,
    ) -> Result<Runs, RunsError> {
        for _ in 0..plan.warmup_runs {
            session.run().map_err(RunsError::Session)?;
        }
        let mut runs = Runs {
            unprofiled_us: Vec::new(),
            tallies: Tallies::default(),
            warmup_runs: plan.warmup_runs,
            cut_short: false,
            disturbed: false,
        };
        let started = Instant::now();
        for pair in 0..plan.max_iterations {
            if pair >= plan.min_iterations && started.elapsed().as_secs_f64() > plan.time_budget_s {
                runs.cut_short = true;
                break;
            }
            let stem = scratch.join(format!("run-{pair}"));
            if pair % 2 == 0 {
                runs.unprofiled(session)?;
                runs.profiled(session, &stem, encoding)?;
            } else {
                runs.profiled(session, &stem, encoding)?;
                runs.unprofiled(session)?;
            }
        }
        Ok(runs)
    }

    fn unprofiled(&mut self, session: &mut BoundSession) -> Result<(), RunsError> {
        self.settle(session)?;
        let elapsed = session.run().map_err(RunsError::Session)?;
        self.unprofiled_us.push(micros_of(elapsed));
        Ok(())
    }

    /// A run that is discarded, where what came before would show in the next one.
    fn settle(&mut self, session: &mut BoundSession) -> Result<(), RunsError> {
        let short = self.unprofiled_us.last().is_none_or(|latency| *latency < SETTLE_BELOW_US);
        if std::mem::take(&mut self.disturbed) && short {
            session.run().map_err(RunsError::Session)?;
        }
        Ok(())
    }

    fn profiled(&mut self, session: &mut BoundSession, stem: &Path, encoding: NameEncoding) -> Result<(), RunsError> {
        self.settle(session)?;
        let (_, path) = session.run_profiled(stem).map_err(RunsError::Session)?;
        self.disturbed = true;
        let file = File::open(&path).map_err(|error| RunsError::Profile(error.into()))?;
        self.tallies.read(file, encoding).map_err(RunsError::Profile)?;
        // A profile that stays behind costs disk until the scratch folder goes; that is no reason to fail.
        let _ = std::fs::remove_file(&path);
        Ok(())
    }
}

fn assemble(
    job: &LaunchJob,
    engine: &Engine,
    prepared: &Prepared,
    overhead: OverheadEstimate,
    runs: Runs,
    ready_us: f64,
) -> LaunchResult {
    let profiled_us = runs.tallies.model_run_us().to_vec();
    let latency_us = median(&runs.unprofiled_us);
    let truncated = runs.tallies.truncated() || runs.tallies.strays() > 0;
    let (overhead, nodes) = correct::correct(runs.tallies, overhead, &runs.unprofiled_us, prepared);
    let mut result = LaunchResult {
        schema: LAUNCH_SCHEMA,
        onnxruntime: engine.version().to_owned(),
        model_sha256: prepared.sha256(),
        ready_us,
        warmup_runs: runs.warmup_runs,
        latency_us,
        unprofiled_us: runs.unprofiled_us,
        profiled_us,
        overhead,
        nodes,
        peak_rss_bytes: peak_rss_bytes(),
        warnings: Vec::new(),
    };
    if truncated {
        result.warnings.push(LaunchWarning::ProfileTruncated);
    }
    if runs.cut_short {
        let runs = u32::try_from(result.profiled_us.len()).unwrap_or(u32::MAX);
        result.warnings.push(LaunchWarning::FewIterations { runs });
    }
    result.warnings.extend(correct::doubts(&result, job.scenario.provider));
    result
}

/// Middle value, or the mean of the two middle values; 0 of nothing.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    match (sorted.get(half), sorted.len() % 2) {
        (None, _) => 0.0,
        (Some(middle), 1) => *middle,
        (Some(upper), _) => (sorted.get(half.wrapping_sub(1)).unwrap_or(upper) + upper) / 2.0,
    }
}

pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Microseconds of a duration.
pub(super) fn micros_of(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// Largest resident set of this process so far.
#[cfg(unix)]
fn peak_rss_bytes() -> Option<u64> {
    // SAFETY: all zeros is a valid `rusage`, and `getrusage` only writes into the one it is given.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        if libc::getrusage(libc::RUSAGE_SELF, &mut usage) != 0 {
            return None;
        }
        usage
    };
    let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
    u64::try_from(usage.ru_maxrss).ok().map(|size| size * unit)
}

#[cfg(not(unix))]
fn peak_rss_bytes() -> Option<u64> {
    None
}
