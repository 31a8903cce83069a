//! The configuration as used: every value present, checked, and with its paths found.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::taxonomy::Group;
use crate::verdict::{FindingCode, Looks, Policy};
use crate::zoo::Tier;

use super::cuda::Cuda;
use super::dimension::{ImageSize, Optimization, Precision, Provider, Weights};

/// A model that the program builds itself, as far as a configuration must know it. The registry is the zoo's; a
/// configuration is handed the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ZooEntry {
    /// Registry name, such as `bert-base`.
    pub name: &'static str,
    /// Sequence length in tokens where none is asked for; `None` for a model that takes none.
    pub default_sequence: Option<u32>,
    /// Image size where none is asked for; `None` for a model that takes none.
    pub default_image: Option<ImageSize>,
    /// False for a model whose batch size cannot be chosen.
    pub has_batch: bool,
    /// The smallest tier that runs it; `None` for a model that runs only when it is named.
    pub tier: Option<Tier>,
}

impl ZooEntry {
    /// True where the tier runs it.
    pub fn is_in(&self, tier: Tier) -> bool {
        self.tier.is_some_and(|smallest| smallest <= tier)
    }
}

/// Everything that a configuration says.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Config {
    /// Where it was found.
    pub origin: Origin,
    /// Directory that baselines are kept in.
    pub baselines: PathBuf,
    /// Dimensions of the suite; a model's own and the command line's come before them.
    pub suite: Dimensions,
    /// The models of the suite in order, then those that are only described.
    pub models: Vec<Model>,
    /// How scenarios are measured.
    pub measure: Measure,
    /// What the gate holds against a change.
    pub gate: GatePolicy,
    /// What changes how findings count; the last one that matches a finding decides.
    pub rules: Vec<Rule>,
    /// How two sides are measured in turns.
    pub compare: Compare,
    /// How a release is measured.
    pub signoff: SignOff,
    /// How scenarios on CUDA are run.
    pub cuda: Cuda,
    /// Limits that hold without a baseline.
    pub budgets: Vec<Budget>,
}

/// Where a configuration was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// No configuration: the built-in defaults.
    Default,
    /// A `nongemm.toml`, or the file given with `--config`.
    File(PathBuf),
    /// `metadata.nongemm` of these manifests, the first coming before the next.
    Manifests(Vec<PathBuf>),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("built-in defaults"),
            Origin::File(path) => write!(f, "{}", path.display()),
            Origin::Manifests(paths) => {
                let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
                f.write_str(&names.join(", "))
            }
        }
    }
}

impl Config {
    /// The same with the built-in models of a tier in place of those in the suite, in the order of the registry. What is
    /// said of a model stays said of it, and files stay in the suite.
    #[must_use]
    pub fn with_tier(self, tier: Tier, zoo: &[ZooEntry]) -> Config {
        Config { models: with_tier(self.models, tier, zoo), ..self }
    }
}

/// See [`Config::with_tier`].
pub(super) fn with_tier(models: Vec<Model>, tier: Tier, zoo: &[ZooEntry]) -> Vec<Model> {
    let (mut described, files): (Vec<Model>, Vec<Model>) =
        models.into_iter().partition(|model| matches!(model.source, ModelSource::Zoo { .. }));
    let mut models = Vec::new();
    for row in zoo.iter().filter(|row| row.is_in(tier)) {
        let index = described.iter().position(|model| model.name == row.name);
        let model = index.map_or_else(|| Model::from(row), |index| described.remove(index));
        models.push(Model { in_suite: true, ..model });
    }
    models.extend(files);
    models.extend(described.into_iter().map(|model| Model { in_suite: false, ..model }));
    models
}

/// Lists that expand to a matrix. An empty list leaves the dimension to the model's default.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Dimensions {
    /// Execution providers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub provider: Vec<Provider>,
    /// Number formats. An empty list means fp16 for built-in models on CUDA, else fp32.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub precision: Vec<Precision>,
    /// Graph optimization levels.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub optimization: Vec<Optimization>,
    /// Batch sizes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub batch: Vec<u32>,
    /// Sequence lengths in tokens.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sequence: Vec<u32>,
    /// Image sizes in pixels.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub image: Vec<ImageSize>,
    /// Intra-operator threads.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub threads: Vec<u32>,
}

/// One model: of the suite, or only described.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Model {
    /// Short name, fit for a file name; the beginning of scenario ids.
    pub name: String,
    /// Where the graph comes from.
    pub source: ModelSource,
    /// True where the suite runs it without being asked for it by name.
    pub in_suite: bool,
    /// Sizes of a file's dynamic dimensions, by the names that the file declares.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub dimensions: BTreeMap<String, u64>,
    /// Input values from files; made from the declared types where `None`.
    pub inputs: Option<Inputs>,
    /// Where a file's weights come from; `None`: from the file, and made up where `cargo nongemm strip` wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<Weights>,
    /// The model's own lists, which come before the suite's. Empty where it has none.
    pub own: Dimensions,
}

impl Model {
    /// A file of which nothing is said, outside of the suite.
    pub fn of_file(name: String, path: PathBuf) -> Model {
        Model {
            name,
            source: ModelSource::File(path),
            in_suite: false,
            dimensions: BTreeMap::new(),
            inputs: None,
            weights: None,
            own: Dimensions::default(),
        }
    }
}

impl From<&ZooEntry> for Model {
    /// A built-in model of which nothing is said, outside of the suite.
    fn from(row: &ZooEntry) -> Model {
        let source =
            ModelSource::Zoo { sequence: row.default_sequence, image: row.default_image, has_batch: row.has_batch };
        Model { source, ..Model::of_file(row.name.to_owned(), PathBuf::new()) }
    }
}

/// Where a model's graph comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum ModelSource {
    /// Built by the program, with the sizes that it has by default.
    Zoo {
        /// See [`ZooEntry::default_sequence`].
        sequence: Option<u32>,
        /// See [`ZooEntry::default_image`].
        image: Option<ImageSize>,
        /// See [`ZooEntry::has_batch`].
        has_batch: bool,
    },
    /// A file of the user's.
    File(PathBuf),
}

/// Files that hold a model's input values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Inputs {
    /// One archive, its members named as the inputs.
    Npz(PathBuf),
    /// One array an input.
    Npy(BTreeMap<String, PathBuf>),
}

/// How scenarios are measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Measure {
    /// Fresh child processes for each scenario; the unit of replication.
    pub launches: u32,
    /// Fewest unprofiled, and as many profiled, runs in a launch.
    pub min_iterations: u32,
    /// Most of them.
    pub max_iterations: u32,
    /// Runs before the first that counts.
    pub warmup: u32,
    /// Time after which a launch starts no further iteration beyond the fewest, in seconds.
    pub time_budget_s: f64,
    /// Time after which a launch is taken for hung and killed, in seconds.
    pub timeout_s: f64,
}

impl Measure {
    /// [`Measure::time_budget_s`] as a duration.
    pub fn time_budget(&self) -> Duration {
        Duration::from_secs_f64(self.time_budget_s)
    }

    /// [`Measure::timeout_s`] as a duration.
    pub fn timeout(&self) -> Duration {
        Duration::from_secs_f64(self.timeout_s)
    }
}

impl Default for Measure {
    fn default() -> Self {
        Measure { launches: 5, min_iterations: 4, max_iterations: 200, warmup: 2, time_budget_s: 2.0, timeout_s: 600.0 }
    }
}

/// What the gate holds against a change.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct GatePolicy {
    /// Smallest change of an operator's normalized time that can fail, as a fraction.
    pub min_effect: f64,
    /// Smallest absolute change that can fail, in microseconds per run.
    pub floor_us: f64,
    /// The same against a stored baseline, as a fraction of its latency.
    pub floor_share: f64,
    /// What stands in place of the three above where times are a GPU's own.
    pub gpu: GpuGate,
    /// How many times the standard error of its ratio, from the spread between launches, a change must exceed.
    pub spread_factor: f64,
    /// Smallest growth of the latency since the baseline that counts, as a fraction; no machine factor is divided out.
    pub max_latency_growth: f64,
    /// Smallest change of an operator since the first accept that counts as drift, as a fraction.
    pub min_drift: f64,
    /// What a change of operators, counts or placement does.
    pub structure: Level,
    /// What a scenario without any baseline does, or with one that this version cannot compare with.
    pub missing_baseline: Level,
    /// What a slower operator does where the baseline was measured on another CPU model of the same machine class.
    pub other_cpu: Level,
    /// What a latency does that grew beyond `max_latency_growth`.
    pub latency: Level,
    /// What operators do that leave open what the machine changed and what the code.
    pub ambiguous_factor: Level,
    /// What an operator does that drifted over several accepts.
    pub drift: Level,
    /// Whether `Nongemm-Allow` trailers of commits count.
    pub trailers: bool,
    /// Thresholds of groups that have their own.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub group: BTreeMap<Group, GroupGate>,
}

/// Thresholds for times that a GPU's own clock took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct GpuGate {
    /// See [`GatePolicy::min_effect`].
    pub min_effect: f64,
    /// See [`GatePolicy::floor_us`].
    pub floor_us: f64,
    /// See [`GatePolicy::floor_share`].
    pub floor_share: f64,
}

/// On an H100 no operator moved by more than 6 % and 2 us from one measurement to the next (docs/cuda.md).
impl Default for GpuGate {
    fn default() -> Self {
        GpuGate { min_effect: 0.10, floor_us: 3.0, floor_share: 0.002 }
    }
}

/// Thresholds of one group of operators, in place of the gate's own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct GroupGate {
    /// See [`GatePolicy::min_effect`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_effect: Option<f64>,
    /// See [`GatePolicy::floor_us`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub floor_us: Option<f64>,
}

impl Default for GatePolicy {
    fn default() -> Self {
        GatePolicy {
            min_effect: 0.25,
            floor_us: 50.0,
            floor_share: 0.01,
            gpu: GpuGate::default(),
            spread_factor: 5.0,
            max_latency_growth: 0.30,
            min_drift: 0.10,
            structure: Level::Deny,
            missing_baseline: Level::Deny,
            other_cpu: Level::Warn,
            latency: Level::Warn,
            ambiguous_factor: Level::Warn,
            drift: Level::Warn,
            trailers: true,
            group: BTreeMap::new(),
        }
    }
}

/// How `compare` measures two sides in turns.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Compare {
    /// Launches of each side before each look: a plan that [`crate::verdict::Looks`] takes.
    pub pairs: Vec<u32>,
    /// Smallest change of an operator's normalized time, and of the latency, that can fail, as a fraction.
    pub min_effect: f64,
    /// What makes the models of a tree that are generated; `None` where there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prepare: Option<Prepare>,
}

impl Default for Compare {
    fn default() -> Self {
        let pairs = Looks::default().iter().map(|look| look.pairs).collect();
        Compare { pairs, min_effect: Policy::in_turns().min_effect, prepare: None }
    }
}

/// How a release is measured, where that differs from a check.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct SignOff {
    /// Built-in models of this tier in place of the suite's own; `None` leaves them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<Tier>,
    /// Launches a scenario; `None` for what [`SignOff::launches`] makes of those of a check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub launches: Option<u32>,
}

impl SignOff {
    /// Launches a scenario. Twice those of a check where nothing is said: a release is measured seldom, and its figures
    /// are compared twice, with the baselines now and with the next release later. The standard error of a median of ten
    /// is three quarters of that of five.
    pub fn launches(self, of_a_check: u32) -> u32 {
        self.launches.unwrap_or(of_a_check.saturating_mul(2))
    }
}

/// A command to be run in a checked-out tree before it is measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Prepare {
    /// What is run.
    pub command: PrepareCommand,
    /// Where: the folder of the document that says so.
    pub directory: PathBuf,
    /// After so long it is taken for hung and ended.
    pub timeout: Duration,
}

/// How a command was written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PrepareCommand {
    /// A line for the shell.
    Line(String),
    /// A program and its arguments; never empty.
    Words(Vec<String>),
}

impl fmt::Display for PrepareCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PrepareCommand::Line(line) => f.write_str(line),
            PrepareCommand::Words(words) => f.write_str(&words.join(" ")),
        }
    }
}

/// What a kind of finding does to the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Fails the gate.
    Deny,
    /// Is a warning.
    Warn,
    /// Is a note.
    Allow,
}

/// What is said of findings about some operators of some scenarios.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Rule {
    /// How they count.
    pub level: Level,
    /// Glob over scenario ids and model names.
    pub scenario: String,
    /// Glob over operators, as `domain:OpType` or `OpType`; any, and findings about none, where `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// Which findings; empty for all that are about operators.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub finding: Vec<FindingCode>,
    /// Why; always there where the level loosens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The last day on which it holds, `YYYY-MM-DD`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
}

/// Limits that hold without a baseline; at least one is given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Budget {
    /// Glob over scenario ids and model names.
    pub scenario: String,
    /// Glob over machine classes, such as `linux-x86_64-*`; all where `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// Largest share of non-GEMM operators in the latency, 0 to 1.
    pub max_non_gemm_share: Option<f64>,
    /// Largest shares of single groups, 0 to 1.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub max_group_share: BTreeMap<Group, f64>,
    /// Largest median latency in milliseconds.
    pub max_latency_ms: Option<f64>,
}
