//! Measures scenarios one after the other: the part that `run`, `check` and `export --profile` share.

mod parts;

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::to_string;

use crate::baseline::Fingerprint;
use crate::cli::{DimensionArgs, MeasureArgs};
use crate::config::{Config, Inputs, Measure, ZooEntry};
use crate::estimate::{self, Rates};
use crate::machine;
use crate::measure::inputs::InputFiles;
use crate::measure::job::{JOB_SCHEMA, LaunchJob, ModelSource, Plan};
use crate::measure::result::{LaunchResult, NodeRecord};
use crate::measure::supervise::{LaunchFailure, Launcher};
use crate::report::{self, Machine, Outcome, REPORT_SCHEMA, Report, ScenarioReport, ScenarioResult};
use crate::runtime::Library;
use crate::scenario::{ImageSize, ModelRef, Overrides, PlanError, Planned, Provider, expand};
use crate::summary::{OperatorKey, summarize};
use crate::taxonomy::{self, Group};
use crate::zoo;

pub(super) use self::parts::Suite;
use self::parts::on_gpu;
use super::gpu::{self, GpuSetup};
use super::results::Results;
use super::{Terminal, costs};

/// What a launch is to say beyond its figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    /// Nothing.
    Usual,
    /// The events of one run.
    Trace,
    /// Each run's time by operator.
    Runs,
}

/// Everything that is settled before the first launch.
pub(super) struct Session {
    pub config: Config,
    /// What is measured here.
    pub planned: Vec<Planned>,
    /// What that is a part of.
    pub suite: Suite,
    pub library: Library,
    pub machine: Machine,
    pub results: Results,
    measure: Measure,
    launcher: Launcher,
    /// What launches may take; `None` where that is not known or not asked for.
    memory_bytes: Option<u64>,
    /// The GPU, or why there is none to use; `None` where no scenario asks for one.
    gpu: Option<Result<GpuSetup, String>>,
    scratch: tempfile::TempDir,
}

impl Session {
    /// Reads the configuration, expands it and finds ONNX Runtime.
    pub fn open(terminal: &mut Terminal, arguments: &MeasureArgs) -> anyhow::Result<Session> {
        let config = terminal.suite(&arguments.suite)?;
        let whole = plan(&config, &arguments.selection, &arguments.dimensions)?;
        Session::over(terminal, config, Suite::new(whole, arguments.suite.partition), arguments)
    }

    /// The same for scenarios that are chosen already.
    pub fn over(
        terminal: &mut Terminal,
        config: Config,
        suite: Suite,
        arguments: &MeasureArgs,
    ) -> anyhow::Result<Session> {
        let library = terminal.library()?;
        Session::with_library(terminal, config, suite, arguments, library)
    }

    /// The same with an ONNX Runtime that is chosen already.
    pub fn with_library(
        terminal: &mut Terminal,
        config: Config,
        suite: Suite,
        arguments: &MeasureArgs,
        library: Library,
    ) -> anyhow::Result<Session> {
        let measure = with_flags(&config.measure, arguments);
        let launcher = Launcher {
            program: std::env::current_exe().context("the path of this program cannot be told")?,
            arguments: Vec::new(),
            timeout: measure.timeout(),
            interrupt: terminal.interrupt.clone(),
            environment: Vec::new(),
        };
        let planned = suite.own();
        let asked = suite.asks_for_gpu(&planned);
        // A GPU that cannot be used costs the scenarios that ask for it, and no others.
        let gpu = asked.then(|| gpu::set_up(terminal, &config.cuda).map_err(|error| format!("{error:#}")));
        Ok(Session {
            machine: machine_facts(&library),
            results: Results::beside(&config, arguments.pending),
            scratch: tempfile::Builder::new()
                .prefix("nongemm-")
                .tempdir()
                .context("no temporary folder can be made")?,
            config,
            planned,
            gpu,
            suite,
            library,
            measure,
            launcher,
            memory_bytes: if arguments.ignore_memory { None } else { machine::available_memory_bytes() },
        })
    }

    /// Launches a scenario as often as configured. A failure costs this scenario; only an interrupt is an error.
    pub fn measure(&self, planned: &Planned, terminal: &mut Terminal) -> anyhow::Result<ScenarioResult> {
        if let Some(refusal) = self.refuse(planned) {
            terminal.status.advance(self.launches_each());
            return Ok(failed(&refusal, &[]));
        }
        let mut launches = Vec::new();
        for number in 1..=self.measure.launches {
            terminal.status.progress_message(&format!("{} ({number}/{})", planned.id, self.measure.launches));
            match self.launch(planned, u64::from(number), Detail::Usual) {
                Ok(result) => launches.push(result),
                Err(LaunchFailure::Interrupted) => return Err(LaunchFailure::Interrupted.into()),
                Err(failure) => {
                    terminal.status.advance(u64::from(self.measure.launches + 1 - number));
                    return Ok(failed(&failure.to_string(), failure.log()));
                }
            }
            terminal.status.advance(1);
        }
        Ok(match summarize(planned.scenario.clone(), planned.id.clone(), &launches, &resolve) {
            Ok(summary) => ScenarioResult::Measured { summary: Box::new(summary) },
            Err(error) => failed(&error.to_string(), &[]),
        })
    }

    /// Refuses what cannot run: on the CPU what the kernel would kill, on a GPU what does not fit onto it, and everything
    /// where there is none.
    pub fn refuse(&self, planned: &Planned) -> Option<String> {
        let estimate = || costs::estimate(planned, &Rates::fixed(planned.scenario.threads));
        match (planned.scenario.provider, &self.gpu) {
            (Provider::Cpu, _) => {
                let refusal = estimate::refuse(estimate()?.peak_rss_bytes, self.memory_bytes)?;
                Some(refusal.to_string())
            }
            (Provider::Cuda, Some(Ok(setup))) => {
                // Not known either where nobody wants to hear it.
                self.memory_bytes?;
                gpu::refusal(estimate()?.weights_bytes, &setup.gpu)
            }
            (Provider::Cuda, Some(Err(why))) => Some(why.clone()),
            (Provider::Cuda, None) => Some("no GPU was looked for".to_owned()),
        }
    }

    /// The report of what became of the scenarios; its outcome is not decided yet.
    pub fn report(&self, command: &str, scenarios: Vec<ScenarioReport>) -> Report {
        Report {
            schema: REPORT_SCHEMA,
            tool: env!("CARGO_PKG_VERSION").to_owned(),
            command: command.to_owned(),
            machine: self.machine.clone(),
            sides: None,
            gate: None,
            self_test: None,
            suite: report::Suite { scenarios: self.suite.listed(), partition: self.suite.partition() },
            scenarios,
            outcome: Outcome::NothingMeasured,
        }
    }

    /// One launch; `seed` makes its inputs.
    pub fn launch(&self, planned: &Planned, seed: u64, detail: Detail) -> Result<LaunchResult, LaunchFailure> {
        self.launch_with(planned, &self.library, seed, detail)
    }

    /// The same with another ONNX Runtime than the session's.
    pub fn launch_with(
        &self,
        planned: &Planned,
        library: &Library,
        seed: u64,
        detail: Detail,
    ) -> Result<LaunchResult, LaunchFailure> {
        let job = self.job(planned, library, seed);
        self.start(LaunchJob { trace: detail == Detail::Trace, runs: detail == Detail::Runs, ..job })
    }

    /// A launch of as few runs as there can be, that leaves the graph as ONNX Runtime optimized it at `optimized`: a fresh
    /// path in a private folder.
    pub fn launch_for_graph(&self, planned: &Planned, optimized: &Path) -> Result<LaunchResult, LaunchFailure> {
        let job = self.job(planned, &self.library, 1);
        let plan = Plan { warmup_runs: 1, min_iterations: 1, max_iterations: 1, ..job.plan };
        self.start(LaunchJob { plan, optimized_model: Some(optimized.to_owned()), ..job })
    }

    fn job(&self, planned: &Planned, library: &Library, seed: u64) -> LaunchJob {
        LaunchJob {
            schema: JOB_SCHEMA,
            library: self.library_for(planned, library).path.clone(),
            scenario: planned.scenario.clone(),
            source: model_source(planned),
            dimensions: planned.dimensions.clone(),
            input_files: input_files(planned.inputs.as_ref()),
            memory: Default::default(),
            gpu: self.gpu_for(planned).map(|setup| setup.job.clone()),
            plan: Plan {
                warmup_runs: self.measure.warmup,
                min_iterations: self.measure.min_iterations,
                max_iterations: self.measure.max_iterations,
                time_budget_s: self.measure.time_budget_s,
                seed,
            },
            trace: false,
            runs: false,
            optimized_model: None,
            scratch_dir: PathBuf::new(),
        }
    }

    fn start(&self, job: LaunchJob) -> Result<LaunchResult, LaunchFailure> {
        if let (Provider::Cuda, None, Some(Err(why))) = (job.scenario.provider, &job.gpu, &self.gpu) {
            return Err(LaunchFailure::Refused { message: why.clone() });
        }
        let scratch = tempfile::tempdir_in(self.scratch.path()).map_err(|source| LaunchFailure::Io {
            action: "create a folder in",
            path: self.scratch.path().to_owned(),
            source,
        })?;
        let job = LaunchJob { scratch_dir: scratch.path().to_owned(), ..job };
        let environment = match (&job.gpu, &self.gpu) {
            (Some(_), Some(Ok(setup))) => setup.environment.clone(),
            _ => Vec::new(),
        };
        let job = to_string(&job).map_err(|error| LaunchFailure::Unreadable { reason: error.to_string() })?;
        Launcher { environment, ..self.launcher.clone() }.launch(&job, scratch.path())
    }

    /// A folder for files of this session, gone with it at the latest.
    pub fn folder(&self) -> anyhow::Result<tempfile::TempDir> {
        let parent = self.scratch.path();
        tempfile::tempdir_in(parent).with_context(|| format!("no folder can be made in {}", parent.display()))
    }

    /// Launches that a run over all scenarios makes.
    pub fn launches(&self) -> u64 {
        self.planned.iter().map(|_| self.launches_each()).sum()
    }

    /// Launches of one scenario.
    pub fn launches_each(&self) -> u64 {
        self.measure.launches.into()
    }

    /// The GPU that a scenario runs on, where it asks for one and there is one.
    fn gpu_for(&self, planned: &Planned) -> Option<&GpuSetup> {
        let setup = self.gpu.as_ref()?.as_ref().ok()?;
        on_gpu(planned).then_some(setup)
    }

    /// The build with CUDA in place of the one that was found for the CPU; what was asked for by name stays.
    fn library_for<'a>(&'a self, planned: &Planned, library: &'a Library) -> &'a Library {
        let found = library.path == self.library.path;
        self.gpu_for(planned).filter(|_| found).map_or(library, |setup| &setup.library)
    }

    /// The machine class that a scenario's times hold for.
    pub fn fingerprint(&self, provider: Provider) -> Fingerprint {
        let gpu = self.gpu.as_ref().and_then(|setup| setup.as_ref().ok()).filter(|_| provider == Provider::Cuda);
        Fingerprint { gpu: gpu.map(|setup| setup.gpu.name.clone()), ..fingerprint(provider) }
    }
}

/// Scenarios of the configuration that the selection names, under the flags of the command line.
pub(super) fn plan(config: &Config, selection: &[String], dimensions: &DimensionArgs) -> anyhow::Result<Vec<Planned>> {
    Ok(plan_in(config, selection, dimensions, &super::current_directory()?)?)
}

/// The same for a selection whose paths begin at `cwd`.
pub(super) fn plan_in(
    config: &Config,
    selection: &[String],
    dimensions: &DimensionArgs,
    cwd: &Path,
) -> Result<Vec<Planned>, PlanError> {
    let mut config = std::borrow::Cow::Borrowed(config);
    if config.suite.batch.is_empty() && !dimensions.usual_batch.is_empty() {
        config.to_mut().suite.batch.clone_from(&dimensions.usual_batch);
    }
    let overrides = Overrides {
        provider: dimensions.provider.clone(),
        precision: dimensions.precision.clone(),
        optimization: dimensions.optimization.clone(),
        batch: dimensions.batch.clone(),
        sequence: dimensions.sequence.clone(),
        image: dimensions.image.clone(),
        threads: dimensions.threads.clone(),
        weights: dimensions.weights,
    };
    expand(&config, &overrides, selection, &zoo_entries(), cwd)
}

/// The built-in models as the configuration needs to know them.
pub(super) fn zoo_entries() -> Vec<ZooEntry> {
    let entry = |model: &zoo::ZooModel| ZooEntry {
        name: model.name,
        default_sequence: model.default_sequence,
        default_image: model.default_image.map(|(height, width)| ImageSize { height, width }),
        has_batch: true,
        tier: model.tier,
    };
    zoo::models().iter().map(entry).collect()
}

/// The machine class of this machine for a provider.
pub(super) fn fingerprint(provider: Provider) -> Fingerprint {
    Fingerprint {
        os: std::env::consts::OS.to_owned(),
        arch: std::env::consts::ARCH.to_owned(),
        instruction_set: machine::instruction_set().name().to_owned(),
        provider,
        gpu: None,
    }
}

fn machine_facts(library: &Library) -> Machine {
    let class = fingerprint(Provider::Cpu);
    Machine {
        fingerprint: class.dir_name(),
        os: class.os,
        arch: class.arch,
        instruction_set: class.instruction_set,
        cpu: machine::cpu_model().unwrap_or_else(|| "unknown".to_owned()),
        cores: machine::usable_cores(),
        onnxruntime: library.version.to_string(),
    }
}

pub(super) fn with_flags(measure: &Measure, arguments: &MeasureArgs) -> Measure {
    let mut measure = measure.clone();
    measure.launches = arguments.launches.unwrap_or(measure.launches);
    measure.time_budget_s = arguments.time_budget.unwrap_or(measure.time_budget_s);
    if let Some(iterations) = arguments.iterations {
        measure.min_iterations = iterations;
        measure.max_iterations = iterations;
    }
    measure
}

fn model_source(planned: &Planned) -> ModelSource {
    match &planned.scenario.model {
        ModelRef::Zoo { name } => ModelSource::Zoo { name: name.clone() },
        ModelRef::File { path, .. } => ModelSource::File { path: path.clone(), weights: planned.weights },
    }
}

pub(super) fn input_files(inputs: Option<&Inputs>) -> InputFiles {
    match inputs {
        None => InputFiles::None,
        Some(Inputs::Npz(path)) => InputFiles::Archive(path.clone()),
        Some(Inputs::Npy(files)) => InputFiles::Arrays(files.clone()),
    }
}

/// Key, group and fused mark of a node, by the taxonomy.
pub(super) fn resolve(node: &NodeRecord) -> (OperatorKey, Option<Group>, bool) {
    let resolved = taxonomy::resolve(&node.op_type, node.domain.as_deref(), &node.name);
    (OperatorKey(resolved.key.clone()), resolved.group(), resolved.fused())
}

fn failed(reason: &str, log: &[String]) -> ScenarioResult {
    ScenarioResult::Failed { reason: reason.to_owned(), log: log.to_vec() }
}
