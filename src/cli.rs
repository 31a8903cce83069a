//! The command line: clap types only, no behaviour.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::runtime::Choice;
use crate::scenario::{ImageSize, Optimization, Partition, Precision, Provider, Weights};
use crate::zoo::Tier;

mod calibrate;
mod compare;
mod files;
mod github;
mod init;
mod signoff;

pub use calibrate::{CalibrateArgs, ControlArgs};
pub use compare::{CompareArgs, SideArgs};
pub use files::ReportFiles;
pub use github::{CommentArgs, GitHubArgs};
pub use init::InitArgs;
pub use signoff::{EffortArgs, SignOffArgs};

/// Where the latency of ML models goes on ONNX Runtime, and whether it regressed.
#[derive(Debug, Parser)]
#[command(
    name = "cargo-nongemm",
    bin_name = "cargo nongemm",
    version,
    about,
    max_term_width = 110,
    arg_required_else_help = true
)]
pub struct Cli {
    /// Options that every verb takes.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// The verb.
    #[command(subcommand)]
    pub verb: Verb,
}

/// Options that every verb takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct GlobalArgs {
    /// Configuration file [default: nongemm.toml here or above, else Cargo metadata, else the built-in quick suite]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Cargo.toml whose `metadata.nongemm` is read
    #[arg(long, global = true, value_name = "FILE")]
    pub manifest_path: Option<PathBuf>,
    /// Workspace member whose `package.metadata.nongemm` is read
    #[arg(long, short, global = true, value_name = "NAME")]
    pub package: Option<String>,
    /// ONNX Runtime: a version, installed if need be, or the path of a library or its folder [default: ORT_DYLIB_PATH, else
    /// found or installed]
    #[arg(long, global = true, value_name = "VERSION or PATH")]
    pub onnxruntime: Option<Choice>,
    /// Never install anything
    #[arg(long, global = true)]
    pub offline: bool,
    /// When to colour
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        env = "CARGO_TERM_COLOR",
        hide_env_values = true,
        default_value = "auto"
    )]
    pub color: ColorWhen,
    /// Form of what goes to stdout
    #[arg(long, global = true, value_name = "FORMAT", default_value = "human")]
    pub message_format: MessageFormat,
    /// Say more
    #[arg(long, short, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,
    /// Say less: findings and the verdict alone
    #[arg(long, short, global = true)]
    pub quiet: bool,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Form of what goes to stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MessageFormat {
    /// For people.
    Human,
    /// One JSON document, of a versioned schema.
    Json,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Measure and show where the time goes
    Run(MeasureArgs),
    /// Measure, compare with the baselines, fail on a regression
    Check(CheckArgs),
    /// Measure two sides of a change in turns, compare them, fail on a regression
    Compare(CompareArgs),
    /// Put the gate itself to the test: equal sides, and a known slowdown
    Calibrate(CalibrateArgs),
    /// List the results of the last command that measured, and what accepting each would change
    Pending(PendingArgs),
    /// Make pending results the baselines: rewrite what moved beyond noise
    Accept(AcceptArgs),
    /// Drop pending results
    Reject(RejectArgs),
    /// List what there is
    List(ListArgs),
    /// Tell about an operator, a group, a finding or a pattern
    Explain {
        /// Operator (`Gelu`, `com.microsoft:Gelu`), group (`memory`), finding code (`operator-regressed`) or pattern of the
        /// executed graph (`gelu-fusion`)
        what: String,
    },
    /// Write a model as a standalone .onnx file, or a trace of one of its runs
    Export(ExportArgs),
    /// Write a model of yours without its weights, to be committed and measured with made-up ones
    Strip(StripArgs),
    /// Show a saved report again
    Report(ReportArgs),
    /// Measure what a paper published, and write it as a table and a chart
    Study(StudyArgs),
    /// Join the reports of `--partition` into one, and judge the whole
    Merge(MergeArgs),
    /// Gate a release, and write one report of it: versions, machine, models, policy, verdict, the release before
    #[command(name = "signoff")]
    SignOff(SignOffArgs),
    /// Post a saved report on its pull request on GitHub
    Comment(CommentArgs),
    /// Show which ONNX Runtime is used and why, the machine, and what harms measurements on it
    Doctor,
    /// Write a commented nongemm.toml, or workflows for GitHub
    Init(InitArgs),
    /// One launch; started by this program itself, job on stdin
    #[command(hide = true, name = "__launch")]
    Launch {
        /// Where the result goes
        result: PathBuf,
    },
}

/// What to check.
#[derive(Debug, Clone, Default, Args)]
pub struct CheckArgs {
    /// What to measure, and how thoroughly.
    #[command(flatten)]
    pub measure: MeasureArgs,
    /// Show on the smallest scenario that the gate is green on equal sides and finds a known slowdown
    #[arg(long, help_heading = "Measuring")]
    pub self_test: bool,
    /// What is told GitHub.
    #[command(flatten)]
    pub github: GitHubArgs,
}

/// What to measure, and how thoroughly.
#[derive(Debug, Clone, Default, Args)]
pub struct MeasureArgs {
    /// Scenarios by glob over id or model name (`bert*`, `*-t1`), or paths of .onnx files [default: the suite]
    pub selection: Vec<String>,
    /// Which scenarios there are to select from.
    #[command(flatten)]
    pub suite: SuiteArgs,
    /// Dimensions of the scenarios.
    #[command(flatten)]
    pub dimensions: DimensionArgs,
    /// Launches (fresh processes) a scenario
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Measuring")]
    pub launches: Option<u32>,
    /// Exactly so many profiled iterations a launch, and as many unprofiled ones [default: as the time budget allows]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Measuring")]
    pub iterations: Option<u32>,
    /// Seconds a launch may spend on iterations
    #[arg(long, value_name = "SECONDS", help_heading = "Measuring")]
    pub time_budget: Option<f64>,
    /// Start also what is not expected to fit into memory
    #[arg(long, help_heading = "Measuring")]
    pub ignore_memory: bool,
    /// Where the report goes beside the terminal.
    #[command(flatten)]
    pub outputs: ReportFiles,
    /// Keep the results for `accept` in CI too, where nothing else is written [default outside CI]
    #[arg(long, help_heading = "Output")]
    pub pending: bool,
    /// Show the plan, measure nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Which scenarios there are to select from.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Suite")]
pub struct SuiteArgs {
    /// Built-in models of this tier in place of those the configuration names; its files stay
    #[arg(long, value_name = "TIER")]
    pub tier: Option<Tier>,
    /// One part of the scenarios, `2/5` for the second of five: divided by expected time, alike on every machine
    #[arg(long, value_name = "N/OF")]
    pub partition: Option<Partition>,
}

/// A flag for each dimension of a scenario; lists make a matrix.
#[derive(Debug, Clone, Default, PartialEq, Args)]
#[command(next_help_heading = "Dimensions (lists make a matrix)")]
pub struct DimensionArgs {
    /// Execution providers
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    pub provider: Option<Vec<Provider>>,
    /// Number formats
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    pub precision: Option<Vec<Precision>>,
    /// ONNX Runtime's graph optimization levels
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    pub optimization: Option<Vec<Optimization>>,
    /// Batch sizes
    #[arg(long, value_delimiter = ',', value_name = "LIST", value_parser = clap::value_parser!(u32).range(1..))]
    pub batch: Option<Vec<u32>>,
    /// Sequence lengths in tokens
    #[arg(long, value_delimiter = ',', value_name = "LIST", value_parser = clap::value_parser!(u32).range(1..))]
    pub sequence: Option<Vec<u32>>,
    /// Image sizes in pixels: `224` or `800x1066` (height x width)
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    pub image: Option<Vec<ImageSize>>,
    /// Intra-operator threads
    #[arg(long, value_delimiter = ',', value_name = "LIST", value_parser = clap::value_parser!(u32).range(1..))]
    pub threads: Option<Vec<u32>>,
    /// Batch sizes of the verb's own, for models that have the dimension and of which nobody says any. No flag.
    #[arg(skip)]
    pub usual_batch: Vec<u32>,
    /// Where the weights of .onnx files come from [default: stored; synthetic for what `strip` wrote]
    #[arg(long, value_name = "WHERE")]
    pub weights: Option<Weights>,
}

/// Which pending results to list.
#[derive(Debug, Clone, Args)]
pub struct PendingArgs {
    /// Scenarios by glob over id or model name [default: all]
    pub selection: Vec<String>,
    /// As one JSON document; the same as `--message-format json`
    #[arg(long)]
    pub json: bool,
}

/// Which pending results to accept, and how much of them.
#[derive(Debug, Clone, Args)]
pub struct AcceptArgs {
    /// Scenarios by glob over id or model name [default: all pending results]
    pub selection: Vec<String>,
    /// Only what became faster, what is executed, or scenarios that have no baseline yet; the rest stays as it was
    #[arg(long, value_delimiter = ',', value_name = "LIST", conflicts_with_all = ["renew", "forget"])]
    pub only: Vec<AcceptOnly>,
    /// Write every line anew, whether it moved or not
    #[arg(long)]
    pub renew: bool,
    /// The same, and begin the history anew: drift is counted from here
    #[arg(long)]
    pub forget: bool,
    /// Accept also what disturbed launches measured
    #[arg(long)]
    pub force: bool,
    /// Accept although this is CI, where baselines are written only if asked for
    #[arg(long)]
    pub in_ci: bool,
}

/// A part of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AcceptOnly {
    /// Operators that became faster, and the latency if it did.
    Improved,
    /// Operators that appeared, vanished, moved, or run at other counts or shapes.
    Structure,
    /// Scenarios without a baseline of this machine class.
    New,
}

/// Which pending results to drop.
#[derive(Debug, Clone, Args)]
pub struct RejectArgs {
    /// Scenarios by glob over id or model name [default: all pending results]
    pub selection: Vec<String>,
}

/// What to list.
#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    /// What to list
    pub what: Listing,
    /// Scenarios by glob; for `scenarios`
    pub selection: Vec<String>,
    /// Which scenarios there are to select from; for `scenarios`.
    #[command(flatten)]
    pub suite: SuiteArgs,
    /// Dimensions of the scenarios; for `scenarios`.
    #[command(flatten)]
    pub dimensions: DimensionArgs,
}

/// What can be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Listing {
    /// Every operator of ONNX Runtime with its group.
    Operators,
    /// The built-in models.
    Models,
    /// What the configuration expands to.
    Scenarios,
    /// The groups of operators.
    Groups,
    /// What the gate may find, by code.
    Findings,
    /// What changes of the executed graph are recognized.
    Patterns,
}

/// What to export.
#[derive(Debug, Clone, Args)]
pub struct ExportArgs {
    /// A scenario by glob, a built-in model or an .onnx file; must name exactly one
    pub model: String,
    /// Dimensions of the scenario.
    #[command(flatten)]
    pub dimensions: DimensionArgs,
    /// File to write [default: MODEL.onnx, or MODEL.trace.json]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Run it and write a trace of one profiled run, for Perfetto or chrome://tracing
    #[arg(long)]
    pub profile: bool,
}

/// What to strip.
#[derive(Debug, Clone, Args)]
pub struct StripArgs {
    /// An .onnx file
    pub model: PathBuf,
    /// File to write [default: MODEL.graph.onnx in the current folder]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Leave the name and version of the program that wrote the model
    #[arg(long)]
    pub keep_producer: bool,
}

/// Which saved report to show, and how.
#[derive(Debug, Clone, Args)]
pub struct ReportArgs {
    /// A report written by `--save`
    pub file: PathBuf,
    /// In which other forms it is written.
    #[command(flatten)]
    pub outputs: ReportFiles,
}

/// Which study.
#[derive(Debug, Clone, Args)]
pub struct StudyArgs {
    /// Which study.
    #[command(subcommand)]
    pub study: Study,
}

/// The studies.
#[derive(Debug, Clone, Subcommand)]
pub enum Study {
    /// Group shares of each model at batch 1 and 8, beside those of NonGEMM Bench (arXiv 2404.11788, Figure 5)
    Suite(SuiteStudyArgs),
    /// How often unchanged code is called slower and a known slowdown found, by this gate and by simpler ones
    Gate(GateStudyArgs),
}

/// What the study of the gate measures or reads, and where it writes.
#[derive(Debug, Clone, Args)]
pub struct GateStudyArgs {
    /// The models and how each launch measures.
    #[command(flatten)]
    pub measure: MeasureArgs,
    /// Groups of launches a model; each makes three comparisons of the model with itself
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..), help_heading = "Study")]
    pub groups: u32,
    /// Groups of these that have launches with extra work too
    #[arg(long, value_name = "N", default_value_t = 2, help_heading = "Study")]
    pub treated: u32,
    /// Pairs of launches in one comparison
    #[arg(long, value_name = "K", default_value_t = 8, value_parser = clap::value_parser!(u32).range(7..), help_heading = "Study")]
    pub pairs: u32,
    /// Extra work in an operator, as parts of its time (`swin-t:Softmax=0.05,0.1,0.2`), or in all products
    /// (`swin-t:GEMM`), which makes the plain model 30 % faster in them
    #[arg(long, value_name = "MODEL:OPERATOR=PARTS", help_heading = "Study")]
    pub inject: Vec<String>,
    /// Threads to keep busy beside the launches
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Study")]
    pub busy: u32,
    /// What else runs on the machine, to be kept in the records; launches then count as made on a busy one
    #[arg(long, value_name = "TEXT", help_heading = "Study")]
    pub remark: Option<String>,
    /// Folder for gate.md, gate.json, and launches.jsonl, which grows with each launch
    #[arg(long, short, value_name = "DIR", default_value = "nongemm-study", help_heading = "Output")]
    pub output: PathBuf,
    /// Measure nothing: judge these records, all together
    #[arg(
        long,
        value_name = "FILE",
        num_args = 1..,
        conflicts_with_all = ["selection", "SuiteArgs", "DimensionArgs", "launches", "iterations", "time_budget", "inject"]
    )]
    pub from: Vec<PathBuf>,
}

/// What the study of the suite measures or reads, and where it writes.
#[derive(Debug, Clone, Args)]
pub struct SuiteStudyArgs {
    /// What to measure; batch 1 and 8 where neither the command line nor the configuration says any.
    #[command(flatten)]
    pub measure: MeasureArgs,
    /// Folder for suite.md, suite.json and suite.svg, and for report.json, which grows with each scenario
    #[arg(long, short, value_name = "DIR", default_value = "nongemm-study", help_heading = "Output")]
    pub output: PathBuf,
    /// Measure nothing: show these saved reports, all together
    // clap leaves the group of a struct that holds another one empty, so the flags of MeasureArgs are named.
    #[arg(
        long,
        value_name = "FILE",
        num_args = 1..,
        conflicts_with_all =
            ["selection", "SuiteArgs", "DimensionArgs", "launches", "iterations", "time_budget", "ReportFiles", "pending", "dry_run", "ignore_memory"]
    )]
    pub from: Vec<PathBuf>,
}

/// Which reports to join, and where the result goes.
#[derive(Debug, Clone, Args)]
pub struct MergeArgs {
    /// Reports written by `--save`, one a part
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// Where the joined report goes beside the terminal.
    #[command(flatten)]
    pub outputs: ReportFiles,
    /// What is told GitHub.
    #[command(flatten)]
    pub github: GitHubArgs,
}

impl Cli {
    /// Parses arguments as cargo passes them (`cargo-nongemm nongemm check`) or as typed directly.
    ///
    /// # Errors
    /// What clap has to say, help and version included.
    pub fn parse_arguments(arguments: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
        let mut arguments: Vec<OsString> = arguments.into_iter().collect();
        if arguments.get(1).is_some_and(|first| first == "nongemm") {
            arguments.remove(1);
        }
        Cli::try_parse_from(arguments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::parse_arguments(line.split(' ').map(OsString::from))
    }

    #[test]
    fn the_definition_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn help_reads_as_it_did() {
        use clap::CommandFactory;
        let mut help = String::new();
        let mut command = Cli::command().term_width(100);
        command.build();
        help += &command.render_long_help().to_string();
        for verb in ["calibrate", "check", "compare", "export", "strip", "merge", "signoff", "study"] {
            let verb = command.find_subcommand_mut(verb).unwrap();
            let text = verb.render_help();
            help += &format!("\n==== {}\n{text}", verb.get_name());
        }
        insta::assert_snapshot!(help);
    }

    #[test]
    fn the_verb_stands_with_and_without_cargo() {
        for line in ["cargo-nongemm nongemm doctor", "cargo-nongemm doctor"] {
            assert!(matches!(parse(line).unwrap().verb, Verb::Doctor), "{line}");
        }
    }

    #[test]
    fn dimensions_take_lists() {
        let Verb::Run(run) = parse("x run bert* --batch 1,8 --image 224,800x1066").unwrap().verb else { panic!() };
        assert_eq!(run.dimensions.batch, Some(vec![1, 8]));
        assert_eq!(run.dimensions.image.unwrap()[1], ImageSize { height: 800, width: 1066 });
    }

    #[test]
    fn a_study_measures_or_reads() {
        let Verb::Study(StudyArgs { study: Study::Suite(suite) }) =
            parse("x study suite --from a.json b.json -o out").unwrap().verb
        else {
            panic!()
        };
        assert_eq!((suite.from.len(), suite.output), (2, PathBuf::from("out")));
        for measuring in ["bert-base", "--tier full", "--batch 1", "--launches 2"] {
            let line = format!("x study suite {measuring} --from a.json");
            assert_eq!(parse(&line).unwrap_err().exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn a_tier_is_one_of_three() {
        let Verb::Check(check) = parse("x check --tier standard").unwrap().verb else { panic!() };
        assert_eq!(check.measure.suite.tier, Some(Tier::Standard));
        assert_eq!(parse("x check --tier all").unwrap_err().exit_code(), 2);
    }

    #[test]
    fn a_partition_is_a_part_of_a_whole() {
        let Verb::Run(run) = parse("x run --partition 2/5").unwrap().verb else { panic!() };
        assert_eq!(run.suite.partition, Some(Partition { index: 2, of: 5 }));
        for wrong in ["6/5", "0/5", "2"] {
            assert_eq!(parse(&format!("x run --partition {wrong}")).unwrap_err().exit_code(), 2, "{wrong}");
        }
    }

    #[test]
    fn onnxruntime_is_a_version_or_a_path() {
        let given = |line: &str| parse(line).unwrap().global.onnxruntime.unwrap();
        assert!(matches!(given("x run --onnxruntime 1.30.0"), Choice::Release(_)));
        assert!(matches!(given("x run --onnxruntime lib/libonnxruntime.so"), Choice::Path(_)));
    }

    #[test]
    fn a_matrix_is_one_of_workflows() {
        assert_eq!(parse("x init --parts 3").unwrap_err().exit_code(), 2);
        assert_eq!(parse("x init --github --parts 1").unwrap_err().exit_code(), 2);
        let Verb::Init(init) = parse("x init --github --parts 3").unwrap().verb else { panic!() };
        assert_eq!((init.github, init.parts), (true, Some(3)));
    }

    #[test]
    fn a_zero_batch_is_a_usage_error() {
        assert_eq!(parse("x run --batch 0").unwrap_err().exit_code(), 2);
    }
}
