//! Which two sides are meant: exactly one way of naming them, or words on what the ways are. Pure.

use std::path::PathBuf;

use clap::ValueEnum;

use crate::cli::{CompareArgs, DimensionArgs, ReportFiles, SideArgs};
use crate::command::trailers::Commits;
use crate::runtime::Choice;
use crate::scenario::{Optimization, Precision, Provider};

/// One way of naming two sides. A side that is `None` is what holds here.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Way {
    /// A git revision against the working tree.
    Revision(String),
    /// The same models on two ONNX Runtimes.
    Runtimes(Both<Option<Choice>>),
    /// The same models under two configurations.
    Configurations(Both<Option<PathBuf>>),
    /// The same models with other values of some dimensions.
    Dimensions(Both<SideDimensions>),
    /// Two model files.
    Models(Both<String>),
    /// Two saved reports: nothing is measured.
    Reports(Both<PathBuf>),
}

/// Something for each side.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Both<T> {
    pub base: T,
    pub head: T,
}

impl<T> Both<T> {
    /// What `make` makes of each.
    pub fn map<U>(self, mut make: impl FnMut(T) -> U) -> Both<U> {
        Both { base: make(self.base), head: make(self.head) }
    }
}

/// Dimensions that one side has of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SideDimensions {
    pub provider: Option<Provider>,
    pub precision: Option<Precision>,
    pub optimization: Option<Optimization>,
    pub threads: Option<u32>,
}

impl SideDimensions {
    /// The dimensions of the command line with those of the side in their place.
    pub fn over(self, common: &DimensionArgs) -> DimensionArgs {
        fn own<T: Copy>(value: Option<T>, common: &Option<Vec<T>>) -> Option<Vec<T>> {
            value.map(|value| vec![value]).or_else(|| common.clone())
        }
        DimensionArgs {
            provider: own(self.provider, &common.provider),
            precision: own(self.precision, &common.precision),
            optimization: own(self.optimization, &common.optimization),
            threads: own(self.threads, &common.threads),
            ..common.clone()
        }
    }

    /// What people call it: `optimization basic, threads 2`; empty where the side has nothing of its own.
    pub fn label(self) -> String {
        let words: Vec<String> = self.words().into_iter().map(|(name, value)| format!("{name} {value}")).collect();
        words.join(", ")
    }

    /// Each dimension that the side has of its own, with its value.
    fn words(self) -> Vec<(&'static str, String)> {
        let words = [
            ("provider", self.provider.map(|value| value.name().to_owned())),
            ("precision", self.precision.map(|value| value.name().to_owned())),
            ("optimization", self.optimization.map(|value| value.name().to_owned())),
            ("threads", self.threads.map(|value| value.to_string())),
        ];
        words.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }

    fn flags(self, side: &str) -> Vec<String> {
        self.words().into_iter().flat_map(|(name, value)| [format!("--{side}-{name}"), value]).collect()
    }
}

/// A command line that names no two sides, or too many.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}\n  {WAYS}")]
pub(in crate::command) struct WayError {
    problem: String,
}

/// What may be compared, for whoever named nothing that can be.
const WAYS: &str = "two sides are named in exactly one of these ways:
    compare --base REVISION [SELECTION]               a git revision, against the working tree
    compare --base-runtime V --head-runtime V [SELECTION]
                                                      two ONNX Runtimes, by version or path
    compare --base-config FILE --head-config FILE [SELECTION]
                                                      two configurations
    compare --base-optimization basic --head-optimization all [SELECTION]
                                                      two values of a dimension (provider, precision, optimization, threads)
    compare OLD.onnx NEW.onnx                         two model files
    compare BASE.json HEAD.json                       two reports that `--save` wrote; nothing is measured
  of two options, one may be left out: that side is what holds here";

impl Way {
    /// The commits whose trailers count.
    pub fn commits(&self) -> Commits {
        match self {
            Way::Revision(base) => Commits::Since(base.clone()),
            _ => Commits::Head,
        }
    }
    /// The one way that the command line takes.
    ///
    /// # Errors
    /// [`WayError`] says what is wrong with it, and lists the ways.
    pub fn of(arguments: &CompareArgs) -> Result<Way, WayError> {
        let error = |problem: &str| Err(WayError { problem: problem.to_owned() });
        let sides = &arguments.sides;
        let mut ways = by_options(sides, &arguments.dimensions)?;
        let named = ways.len();
        let reports: Vec<&String> = arguments.operands.iter().filter(|operand| operand.ends_with(".json")).collect();
        match (ways.pop(), reports.as_slice(), arguments.operands.as_slice()) {
            (Some(_), ..) if named > 1 => error("the sides are named in more than one way"),
            (Some(_), [_, ..], _) => error("saved reports are two sides by themselves: leave the options out"),
            (Some(way), ..) => Ok(way),
            (None, [base, head], [_, _]) => {
                only_reports(arguments)?;
                Ok(Way::Reports(Both { base: base.into(), head: head.into() }))
            }
            (None, [_, ..], _) => error("two saved reports are compared, no more and nothing else"),
            (None, [], [base, head]) if is_model(base) && is_model(head) => {
                Ok(Way::Models(Both { base: base.clone(), head: head.clone() }))
            }
            (None, [], []) => error("there are no two sides to compare"),
            (None, [], _) => error("a selection alone names no two sides"),
        }
    }

    /// The arguments that name the sides, for a command that repeats this one.
    pub fn arguments(&self) -> Vec<String> {
        match self {
            Way::Revision(revision) => vec!["--base".to_owned(), revision.clone()],
            Way::Runtimes(sides) => pair("runtime", sides, Choice::to_string),
            Way::Configurations(sides) => pair("config", sides, |path| path.display().to_string()),
            Way::Dimensions(sides) => [("base", sides.base), ("head", sides.head)]
                .into_iter()
                .flat_map(|(side, own)| own.flags(side))
                .collect(),
            Way::Models(Both { base, head }) => vec![base.clone(), head.clone()],
            Way::Reports(Both { base, head }) => [base, head].map(|path| path.display().to_string()).to_vec(),
        }
    }
}

/// How to ask for the same comparison again: the sides, what was selected, and how. Where the results go is left out.
pub(super) fn repeated(way: &Way, arguments: &CompareArgs) -> Vec<String> {
    fn list<T>(values: &Option<Vec<T>>, show: impl Fn(&T) -> String) -> Option<String> {
        values.as_ref().map(|values| values.iter().map(show).collect::<Vec<_>>().join(","))
    }
    let mut words = way.arguments();
    if !matches!(way, Way::Models(_) | Way::Reports(_)) {
        words.extend(arguments.operands.iter().cloned());
    }
    let own = &arguments.dimensions;
    let flags = [
        ("--tier", arguments.tier.map(|tier| tier.to_string())),
        ("--provider", list(&own.provider, |value| value.name().to_owned())),
        ("--precision", list(&own.precision, |value| value.name().to_owned())),
        ("--optimization", list(&own.optimization, |value| value.name().to_owned())),
        ("--batch", list(&own.batch, u32::to_string)),
        ("--sequence", list(&own.sequence, u32::to_string)),
        ("--image", list(&own.image, ToString::to_string)),
        ("--threads", list(&own.threads, u32::to_string)),
        ("--weights", own.weights.and_then(|weights| Some(weights.to_possible_value()?.get_name().to_owned()))),
        ("--iterations", arguments.iterations.map(|count| count.to_string())),
        ("--time-budget", arguments.time_budget.map(|seconds| seconds.to_string())),
        ("--pairs", list(&arguments.pairs, u32::to_string)),
    ];
    let given = flags.into_iter().filter_map(|(flag, value)| Some([flag.to_owned(), value?]));
    words.extend(given.flatten());
    words
}

/// `--base-NAME VALUE --head-NAME VALUE`, of those that are given.
fn pair<T>(name: &str, sides: &Both<Option<T>>, show: impl Fn(&T) -> String) -> Vec<String> {
    let flag = |side: &str, value: &Option<T>| value.as_ref().map(|value| [format!("--{side}-{name}"), show(value)]);
    [flag("base", &sides.base), flag("head", &sides.head)].into_iter().flatten().flatten().collect()
}

fn is_model(operand: &str) -> bool {
    operand.ends_with(".onnx")
}

/// The ways that options take.
fn by_options(sides: &SideArgs, common: &DimensionArgs) -> Result<Vec<Way>, WayError> {
    let mut ways = Vec::new();
    ways.extend(sides.base.clone().map(Way::Revision));
    if sides.base_runtime.is_some() || sides.head_runtime.is_some() {
        ways.push(Way::Runtimes(Both { base: sides.base_runtime.clone(), head: sides.head_runtime.clone() }));
    }
    if sides.base_config.is_some() || sides.head_config.is_some() {
        ways.push(Way::Configurations(Both { base: sides.base_config.clone(), head: sides.head_config.clone() }));
    }
    let dimensions = dimensions(sides);
    if [dimensions.base, dimensions.head].iter().any(|side| !side.words().is_empty()) {
        refuse_both(&dimensions, common)?;
        ways.push(Way::Dimensions(dimensions));
    }
    Ok(ways)
}

fn dimensions(sides: &SideArgs) -> Both<SideDimensions> {
    Both {
        base: SideDimensions {
            provider: sides.base_provider,
            precision: sides.base_precision,
            optimization: sides.base_optimization,
            threads: sides.base_threads,
        },
        head: SideDimensions {
            provider: sides.head_provider,
            precision: sides.head_precision,
            optimization: sides.head_optimization,
            threads: sides.head_threads,
        },
    }
}

/// `--threads` beside `--base-threads` would say two things of one side.
fn refuse_both(sides: &Both<SideDimensions>, common: &DimensionArgs) -> Result<(), WayError> {
    let given = [
        ("provider", common.provider.is_some()),
        ("precision", common.precision.is_some()),
        ("optimization", common.optimization.is_some()),
        ("threads", common.threads.is_some()),
    ];
    let of_a_side = |name: &str| [sides.base, sides.head].iter().any(|side| side.words().iter().any(|w| w.0 == name));
    match given.into_iter().find(|(name, given)| *given && of_a_side(name)) {
        Some((name, _)) => {
            Err(WayError { problem: format!("`--{name}` and a side's own {name} contradict each other") })
        }
        None => Ok(()),
    }
}

/// Of two saved reports everything is decided already but what the gate holds against them.
fn only_reports(arguments: &CompareArgs) -> Result<(), WayError> {
    let idle = CompareArgs { operands: Vec::new(), outputs: ReportFiles::default(), ..arguments.clone() };
    let none = CompareArgs::default();
    let measures = idle.dimensions != none.dimensions
        || idle.pairs.is_some()
        || idle.iterations.is_some()
        || idle.time_budget.is_some()
        || idle.tier.is_some()
        || idle.ignore_memory
        || idle.dry_run;
    match measures {
        true => Err(WayError { problem: "two saved reports are not measured: leave the other options out".to_owned() }),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::cli::{Cli, Verb};

    fn way(line: &str) -> Result<Way, String> {
        let words = ["x", "compare"].into_iter().chain(line.split(' ').filter(|word| !word.is_empty()));
        match Cli::parse_arguments(words.map(OsString::from)).unwrap().verb {
            Verb::Compare(arguments) => Way::of(&arguments).map_err(|error| error.to_string()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_way_is_recognized_and_says_how_to_be_repeated() {
        for line in [
            "--base main",
            "--base-runtime 1.30.0 --head-runtime lib/libonnxruntime.so",
            "--head-runtime 1.32.0",
            "--base-config a.toml --head-config b.toml",
            "--base-optimization basic --head-optimization all",
            "--base-provider cpu --base-threads 1 --head-precision fp16",
            "old.onnx new.onnx",
            "base.json head.json",
        ] {
            assert_eq!(way(line).unwrap().arguments().join(" "), line);
        }
        let selected = way("--base main old.onnx new.onnx").unwrap();
        assert_eq!(selected, Way::Revision("main".into()), "with an option, operands are a selection");
    }

    #[test]
    fn what_was_asked_for_can_be_asked_for_again() {
        for line in [
            "--base main bert* --tier quick --batch 1,8 --image 224,800x1066 --weights synthetic --pairs 8,16",
            "old.onnx new.onnx --threads 2 --iterations 5 --time-budget 0.5",
        ] {
            let words = ["x", "compare"].into_iter().chain(line.split(' '));
            let Verb::Compare(arguments) = Cli::parse_arguments(words.map(OsString::from)).unwrap().verb else {
                panic!()
            };
            assert_eq!(repeated(&Way::of(&arguments).unwrap(), &arguments).join(" "), line);
        }
    }

    #[test]
    fn anything_else_is_told_the_ways() {
        for (line, problem) in [
            ("", "there are no two sides"),
            ("bert*", "a selection alone"),
            ("old.onnx", "a selection alone"),
            ("a.onnx b.onnx c.onnx", "a selection alone"),
            ("a.onnx b.json", "two saved reports are compared, no more"),
            ("a.json b.json c.json", "two saved reports are compared, no more"),
            ("--base main --base-runtime 1.30.0", "in more than one way"),
            ("--base-config a.toml --head-threads 2", "in more than one way"),
            ("--base main a.json b.json", "two sides by themselves"),
            ("--base-threads 1 --head-threads 2 --threads 4", "`--threads` and a side's own threads"),
            ("a.json b.json --pairs 8", "are not measured"),
            ("a.json b.json --batch 8", "are not measured"),
        ] {
            let said = way(line).unwrap_err();
            assert!(said.contains(problem) && said.contains("compare OLD.onnx NEW.onnx"), "{line}: {said}");
        }
    }

    #[test]
    fn what_a_side_has_of_its_own_comes_before_what_both_have() {
        let Way::Dimensions(sides) = way("--head-threads 2").unwrap() else { panic!() };
        let common = DimensionArgs { batch: Some(vec![8]), ..DimensionArgs::default() };
        assert_eq!((sides.base.label().as_str(), sides.head.label().as_str()), ("", "threads 2"));
        assert_eq!(sides.head.over(&common).threads, Some(vec![2]));
        assert_eq!(sides.head.over(&common).batch, Some(vec![8]));
        assert_eq!(sides.base.over(&common), common);
    }
}
