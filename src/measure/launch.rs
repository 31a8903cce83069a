//! One launch, in the child process: one session, warm-up, then unprofiled and profiled runs in alternation.

use std::time::Instant;

use crate::measure::calibrate;
use crate::measure::correct;
use crate::measure::device::{self, Meter};
use crate::measure::error::LaunchError;
use crate::measure::job::{DeviceClock, GpuJob, JOB_SCHEMA, LaunchJob};
use crate::measure::prepare::{self, Prepared};
use crate::measure::resources;
use crate::measure::result::{
    Clock, GpuFacts, LAUNCH_SCHEMA, LaunchResult, LaunchWarning, NodeRecord, OverheadEstimate,
};
use crate::measure::runs::{Runs, RunsError, median, micros_of};
use crate::measure::timeline;
use crate::profile::NameEncoding;
use crate::runtime::cuda;
use crate::runtime::session::{
    BoundSession, ConvolutionSearch, CudaSettings, Engine, GraphLevel, Prepacking, SessionError, SessionProvider,
    SessionSpec,
};
use crate::scenario::{self, Optimization, Provider};

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
    let mut timing = Timing::of(job)?;
    let prepared = prepare::prepare(job)?;
    // The calibration's session is gone before the model's is made: an idle pool of threads still spins.
    let overhead = calibrate::calibrate(&engine, job.scenario.threads, &job.scratch_dir)?;
    let mut session = BoundSession::new(&engine, &spec(job, &prepared), &prepared.feeds)
        .map_err(|source| LaunchError::Session { model: model.clone(), source: named(source, &prepared) })?;
    let ready_us = micros_of(started.elapsed());
    let encoding = NameEncoding::of_version(engine.version());
    let stem = job.scratch_dir.join("run");
    let runs = Runs::make(&mut session, &job.plan, &stem, encoding, timing.meter.as_mut())
        .map_err(|error| error.of(&model))?;
    let gpu = gpu_facts(job, &timing);
    let mut timeline = Vec::new();
    if job.trace {
        let stem = job.scratch_dir.join("trace");
        timeline =
            timeline::record(&mut session, &stem, encoding, timing.meter.as_mut()).map_err(|error| error.of(&model))?;
    }
    drop(session);
    let mut result = assemble(job, &engine, &prepared, overhead, runs, timing);
    result.ready_us = ready_us;
    result.gpu = gpu;
    require_device(job, &result.nodes, &model)?;
    timeline::correct(&mut timeline, &result.nodes);
    result.timeline = timeline;
    Ok(result)
}

/// How the times of nodes are taken.
struct Timing {
    clock: Clock,
    meter: Option<Meter>,
    /// What a reader must know of it.
    warning: Option<LaunchWarning>,
}

impl Timing {
    fn of(job: &LaunchJob) -> Result<Timing, LaunchError> {
        if job.scenario.provider == Provider::Cpu {
            return Ok(Timing { clock: Clock::Host, meter: None, warning: None });
        }
        match &job.gpu.as_ref().ok_or(LaunchError::NoGpu)?.clock {
            DeviceClock::Cupti { library } => {
                let meter = Some(Meter::of(library.clone()));
                Ok(Timing { clock: Clock::DeviceCupti, meter, warning: None })
            }
            DeviceClock::Synchronous { reason } => {
                if std::env::var_os(BLOCKING.0).is_none_or(|value| value != BLOCKING.1) {
                    return Err(LaunchError::NotBlocking);
                }
                let warning = LaunchWarning::Synchronous { reason: reason.clone() };
                Ok(Timing { clock: Clock::DeviceSynchronous, meter: None, warning: Some(warning) })
            }
        }
    }
}

/// The variable, and its value, with which CUDA waits for the device after each launch.
pub const BLOCKING: (&str, &str) = ("CUDA_LAUNCH_BLOCKING", "1");

/// What is known of the GPU that ran, asked while the session still holds its libraries.
fn gpu_facts(job: &LaunchJob, timing: &Timing) -> Option<GpuFacts> {
    let GpuJob { device, cuda_major, .. } = job.gpu.as_ref()?;
    let gpu = cuda::gpu(*device).ok();
    let versions = cuda::versions(*cuda_major);
    Some(GpuFacts {
        driver: cuda::driver_release()
            .or_else(|| gpu.as_ref().map(|gpu| format!("for CUDA {}.{}", gpu.cuda.0, gpu.cuda.1))),
        name: gpu.map(|gpu| gpu.name),
        cuda: versions.cuda,
        cudnn: versions.cudnn,
        cupti: timing.meter.as_ref().and_then(Meter::version).map(|version| version.to_string()),
    })
}

/// A scenario that asked for a device and ran nothing there has measured something else.
fn require_device(job: &LaunchJob, nodes: &[NodeRecord], model: &str) -> Result<(), LaunchError> {
    let provider = job.scenario.provider.onnxruntime_name();
    if job.scenario.provider == Provider::Cpu || nodes.iter().any(|node| node.provider == provider) {
        return Ok(());
    }
    Err(LaunchError::NothingOnDevice { model: model.to_owned(), provider, nodes: nodes.len() })
}

fn settings(job: &LaunchJob) -> CudaSettings {
    let options = job.scenario.cuda.unwrap_or_default();
    CudaSettings {
        device: job.gpu.as_ref().map_or(0, |gpu| gpu.device),
        convolution: match options.cudnn_search {
            scenario::ConvolutionSearch::Exhaustive => ConvolutionSearch::Exhaustive,
            scenario::ConvolutionSearch::Heuristic => ConvolutionSearch::Heuristic,
            scenario::ConvolutionSearch::Default => ConvolutionSearch::Default,
        },
        tf32: options.tf32,
        arena_bytes: options.arena_limit_mib.map(|mib| u64::from(mib) << 20),
    }
}

fn spec<'a>(job: &'a LaunchJob, prepared: &'a Prepared) -> SessionSpec<'a> {
    SessionSpec {
        model: prepared.model(),
        external: prepared.external.clone(),
        provider: match job.scenario.provider {
            Provider::Cpu => SessionProvider::Cpu,
            Provider::Cuda => SessionProvider::Cuda(settings(job)),
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
            RunsError::Device(source) => LaunchError::Device { source },
        }
    }
}

fn assemble(
    job: &LaunchJob,
    engine: &Engine,
    prepared: &Prepared,
    overhead: OverheadEstimate,
    mut runs: Runs,
    timing: Timing,
) -> LaunchResult {
    let profiled_us = runs.profiled_us();
    let by_operator = if job.runs { runs.by_operator() } else { Vec::new() };
    let calm = runs.calm();
    let truncated = calm.tallies.truncated() || calm.tallies.strays() > 0;
    let latency_us = calm.unprofiled.mean_us;
    let (record, kernels) = timing.meter.map(Meter::record).unzip();
    let (overhead, nodes) = match kernels {
        Some(kernels) => (overhead, device::records(calm.tallies, kernels, prepared)),
        None => correct::correct(calm, overhead, prepared),
    };
    let mut result = LaunchResult {
        schema: LAUNCH_SCHEMA,
        onnxruntime: engine.version().to_owned(),
        model_sha256: prepared.sha256(),
        synthetic_weights: prepared.synthetic_weights,
        ready_us: 0.0,
        warmup_runs: job.plan.warmup_runs,
        latency_us,
        clock: timing.clock,
        gpu: None,
        device: record,
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
    result.warnings.extend(timing.warning);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::testing::{Op, launch, op};

    const CUDA: &str = "CUDAExecutionProvider";

    fn on_cuda(op_type: &'static str) -> Op {
        Op { provider: CUDA, ..op(op_type, 1, 5.0) }
    }

    fn job(provider: &str) -> LaunchJob {
        let scenario = serde_json::json!({
            "model": { "from": "zoo", "name": "bert-base" }, "provider": provider, "precision": "fp16",
            "optimization": "all", "batch": 1, "sequence": 128, "image": null, "threads": 1,
        });
        let plan = serde_json::to_value(crate::measure::job::Plan::default()).unwrap();
        let job = serde_json::json!({
            "schema": JOB_SCHEMA, "library": "", "scenario": scenario, "source": { "from": "zoo", "name": "bert-base" },
            "plan": plan, "scratch_dir": "",
        });
        serde_json::from_value(job).unwrap()
    }

    #[test]
    fn a_launch_that_asked_for_cuda_and_ran_nothing_there_is_no_measurement() {
        let on_cpu = launch(&[op("MatMul", 1, 5.0), op("Add", 1, 5.0)]).nodes;
        let error = require_device(&job("cuda"), &on_cpu, "bert-base").unwrap_err().to_string();
        for part in ["bert-base", CUDA, "none of its 2 nodes", "--provider cpu"] {
            assert!(error.contains(part), "{part}: {error}");
        }
        assert!(require_device(&job("cpu"), &on_cpu, "bert-base").is_ok());
        let some = launch(&[on_cuda("MatMul"), op("Shape", 1, 5.0)]).nodes;
        assert!(require_device(&job("cuda"), &some, "bert-base").is_ok());
    }

    #[test]
    fn nodes_on_the_cpu_are_listed_with_the_copies_that_they_cost() {
        let ops = [
            on_cuda("MatMul"),
            op("Shape", 1, 1.0),
            op("Gather", 1, 1.0),
            op("Shape", 1, 1.0),
            on_cuda("MemcpyToHost"),
        ];
        let mut result = launch(&ops);
        result.nodes[4].executions = 3;
        let doubts = correct::doubts(&result, Provider::Cuda, crate::scenario::Precision::Fp16);
        let operators = vec![("Shape".to_owned(), 2), ("Gather".to_owned(), 1)];
        assert!(doubts.contains(&LaunchWarning::FellBack { nodes: 3, operators, copies: 3 }), "{doubts:?}");
    }

    #[test]
    fn a_gpu_is_not_timed_by_a_clock_that_nobody_chose() {
        assert!(matches!(Timing::of(&job("cuda")), Err(LaunchError::NoGpu)));
        assert!(matches!(Timing::of(&job("cpu")), Ok(Timing { clock: Clock::Host, meter: None, warning: None })));
        let clock = DeviceClock::Synchronous { reason: "a test".into() };
        let waiting = LaunchJob { gpu: Some(GpuJob { device: 0, cuda_major: 13, clock }), ..job("cuda") };
        // This process was not started so that launches wait.
        assert!(matches!(Timing::of(&waiting), Err(LaunchError::NotBlocking)));
    }
}
