//! Expansion: a configuration, what the command line overrides and what it selects -> an ordered list of scenarios.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use globset::{Glob, GlobMatcher};
use serde::Serialize;

use super::{CudaOptions, ImageSize, ModelRef, Optimization, Precision, Provider, Scenario, ScenarioId, Weights};
use crate::config::{
    Budget, Config, Dimensions, Inputs, Model, ModelSource, ZooEntry, did_you_mean, has_wildcard, looks_like_path,
    name_of_file, safe_name,
};

/// Dimensions given on the command line, which come before a model's own and the suite's.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Overrides {
    /// `--provider`.
    pub provider: Option<Vec<Provider>>,
    /// `--precision`.
    pub precision: Option<Vec<Precision>>,
    /// `--optimization`.
    pub optimization: Option<Vec<Optimization>>,
    /// `--batch`.
    pub batch: Option<Vec<u32>>,
    /// `--sequence`.
    pub sequence: Option<Vec<u32>>,
    /// `--image`.
    pub image: Option<Vec<ImageSize>>,
    /// `--threads`.
    pub threads: Option<Vec<u32>>,
    /// `--weights`.
    pub weights: Option<Weights>,
}

/// A scenario with what else is needed to run and judge it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Planned {
    /// The scenario's id.
    pub id: ScenarioId,
    /// What is measured.
    pub scenario: Scenario,
    /// Sizes of a file's dynamic dimensions, by the names that the file declares.
    pub dimensions: BTreeMap<String, u64>,
    /// Input values from files.
    pub inputs: Option<Inputs>,
    /// Where a file's weights come from, if that was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<Weights>,
    /// Budgets whose glob matches the id or the model.
    pub budgets: Vec<Budget>,
}

/// Why there is no list of scenarios.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A selector is no glob.
    #[error("`{selector}` is not a glob: {reason}")]
    BadGlob {
        /// As given.
        selector: String,
        /// Why.
        reason: String,
    },
    /// A selector matches nothing.
    #[error(
        "no scenario or model matches `{selector}`{hint}\n`cargo nongemm list scenarios` and `list models` show what there is"
    )]
    NoMatch {
        /// As given.
        selector: String,
        /// `; did you mean ...`, or nothing.
        hint: String,
    },
    /// A selector names files, and there are none.
    #[error("`{selector}` is no file, and matches none, in {dir}", dir = dir.display())]
    NoFile {
        /// As given.
        selector: String,
        /// The current directory.
        dir: PathBuf,
    },
    /// Two scenarios would have the same id.
    #[error("two scenarios would be `{id}`: give one of the models another `name`, and no value twice in a list")]
    Duplicate {
        /// Whose.
        id: ScenarioId,
    },
    /// A size of zero on the command line.
    #[error("`{flag} 0`: must be 1 or more")]
    Zero {
        /// Which flag.
        flag: &'static str,
    },
    /// A flag for a dimension that none of the chosen models has.
    #[error("`{flag}` changes nothing: none of the chosen models takes it; leave it out, or choose others")]
    Idle {
        /// Which flag.
        flag: &'static str,
    },
}

/// Lists the scenarios to run. Without selectors, those of the suite. A selector is a glob over scenario ids and model
/// names of the suite, or over the built-in models where the suite has no match, or a path to model files. Scenarios of
/// the suite come in its order, whatever the order of the selectors, then the others. `cwd` is where the selectors'
/// paths begin.
///
/// # Errors
/// [`PlanError`] names the selector that matches nothing, the flag that is wrong, or the id that two scenarios share.
pub fn expand(
    config: &Config,
    overrides: &Overrides,
    selectors: &[String],
    zoo: &[ZooEntry],
    cwd: &Path,
) -> Result<Vec<Planned>, PlanError> {
    overrides.check_sizes()?;
    let planner = Planner { config, overrides, zoo, cwd };
    let suite: Vec<Planned> =
        config.models.iter().filter(|model| model.in_suite).flat_map(|model| planner.plan(model)).collect();
    let planned = if selectors.is_empty() { suite } else { planner.select(suite, selectors)? };
    let mut ids = BTreeSet::new();
    for one in &planned {
        if !ids.insert(&one.id) {
            return Err(PlanError::Duplicate { id: one.id.clone() });
        }
    }
    overrides.check_use(&planned)?;
    Ok(planned)
}

/// Budgets of the configuration that hold for none of these scenarios: a limit that cannot fail.
pub fn idle_budgets<'a>(config: &'a Config, planned: &[Planned]) -> Vec<&'a Budget> {
    config.budgets.iter().filter(|budget| !planned.iter().any(|one| one.budgets.contains(budget))).collect()
}

struct Planner<'a> {
    config: &'a Config,
    overrides: &'a Overrides,
    zoo: &'a [ZooEntry],
    cwd: &'a Path,
}

impl Planner<'_> {
    fn select(&self, suite: Vec<Planned>, selectors: &[String]) -> Result<Vec<Planned>, PlanError> {
        let mut chosen: BTreeSet<ScenarioId> = BTreeSet::new();
        let mut others: Vec<Model> = Vec::new();
        for selector in selectors {
            if looks_like_path(selector) {
                for file in self.files(selector)? {
                    match self.config.models.iter().find(|model| is_of_file(model, self.cwd, &file)) {
                        Some(model) => chosen.extend(self.plan(model).into_iter().map(|one| one.id)),
                        None => self.add_file(&mut others, file),
                    }
                }
                continue;
            }
            let glob = matcher(selector)?;
            let matches = |one: &&Planned| glob.is_match(&one.id.0) || glob.is_match(one.scenario.model.name());
            let matching: Vec<&Planned> = suite.iter().filter(matches).collect();
            if matching.is_empty() {
                self.add_outside_suite(&mut others, selector, &glob, &suite)?;
            }
            chosen.extend(matching.into_iter().map(|one| one.id.clone()));
        }
        let mut planned: Vec<Planned> = suite.into_iter().filter(|one| chosen.contains(&one.id)).collect();
        planned.extend(others.iter().flat_map(|model| self.plan(model)));
        Ok(planned)
    }

    /// Built-in models that the suite does not run, by name.
    fn add_outside_suite(
        &self,
        others: &mut Vec<Model>,
        selector: &str,
        glob: &GlobMatcher,
        suite: &[Planned],
    ) -> Result<(), PlanError> {
        let described = self.config.models.iter().filter(|model| !model.in_suite).cloned();
        let rows = self.zoo.iter().filter(|row| !self.config.models.iter().any(|model| model.name == row.name));
        let models: Vec<Model> = described.chain(rows.map(Model::from)).collect();
        let matching: Vec<&Model> = models.iter().filter(|model| glob.is_match(&model.name)).collect();
        if matching.is_empty() {
            let ids = suite.iter().flat_map(|one| [one.scenario.model.name(), one.id.0.as_str()]);
            let hint = did_you_mean(selector, ids.chain(models.iter().map(|model| model.name.as_str())));
            return Err(PlanError::NoMatch { selector: selector.to_owned(), hint });
        }
        for model in matching {
            if !others.iter().any(|other| other.name == model.name) {
                others.push(model.clone());
            }
        }
        Ok(())
    }

    /// A file that the configuration does not know, under a name that is still free.
    fn add_file(&self, others: &mut Vec<Model>, file: PathBuf) {
        if others.iter().any(|model| is_of_file(model, self.cwd, &file)) {
            return;
        }
        let taken = |name: &str| {
            let models = self.config.models.iter().chain(others.iter());
            models
                .map(|model| model.name.as_str())
                .chain(self.zoo.iter().map(|row| row.name))
                .any(|other| other == name)
        };
        let names = [
            name_of_file(&file),
            safe_name(&file.file_name().unwrap_or_default().to_string_lossy()),
            safe_name(&file.to_string_lossy()),
        ];
        let [first, ..] = &names;
        let name = names.iter().find(|name| !taken(name)).unwrap_or(first).clone();
        others.push(Model::of_file(name, file));
    }

    fn files(&self, selector: &str) -> Result<Vec<PathBuf>, PlanError> {
        let literal = self.cwd.join(selector);
        if literal.is_file() {
            return Ok(vec![PathBuf::from(selector)]);
        }
        let none = || PlanError::NoFile { selector: selector.to_owned(), dir: self.cwd.to_owned() };
        if !has_wildcard(selector) {
            return Err(none());
        }
        let base = glob::Pattern::escape(&self.cwd.to_string_lossy());
        let paths = glob::glob(&Path::new(&base).join(selector).to_string_lossy())
            .map_err(|error| PlanError::BadGlob { selector: selector.to_owned(), reason: error.msg.to_owned() })?;
        let files: Vec<PathBuf> = paths
            .filter_map(Result::ok)
            .filter(|path| path.is_file())
            .map(|path| path.strip_prefix(self.cwd).map(Path::to_owned).unwrap_or(path))
            .collect();
        if files.is_empty() { Err(none()) } else { Ok(files) }
    }

    /// Every scenario of one model.
    fn plan(&self, model: &Model) -> Vec<Planned> {
        let matrix = Matrix::of(model, self.overrides, &self.config.suite);
        let reference = match &model.source {
            ModelSource::Zoo { .. } => ModelRef::Zoo { name: model.name.clone() },
            ModelSource::File(path) => ModelRef::File { name: model.name.clone(), path: path.clone() },
        };
        matrix
            .scenarios(&reference, self.config.cuda.options)
            .into_iter()
            .map(|scenario| {
                let id = scenario.id();
                let budgets = self.config.budgets.iter().filter(|budget| holds_for(budget, &id, model)).cloned();
                Planned {
                    budgets: budgets.collect(),
                    id,
                    scenario,
                    dimensions: model.dimensions.clone(),
                    inputs: model.inputs.clone(),
                    weights: match model.source {
                        ModelSource::Zoo { .. } => None,
                        ModelSource::File(_) => self.overrides.weights.or(model.weights),
                    },
                }
            })
            .collect()
    }
}

/// The values that one model's scenarios take. `None` stands for a dimension that the model has not.
struct Matrix {
    provider: Vec<Provider>,
    /// Empty for the usual one of each provider.
    precision: Vec<Precision>,
    optimization: Vec<Optimization>,
    batch: Vec<Option<u32>>,
    sequence: Vec<Option<u32>>,
    image: Vec<Option<ImageSize>>,
    threads: Vec<u32>,
}

impl Matrix {
    fn of(model: &Model, overrides: &Overrides, suite: &Dimensions) -> Matrix {
        let own = &model.own;
        let (batch, sequence, image) = match model.source {
            ModelSource::Zoo { sequence, image, has_batch } => (
                size(&overrides.batch, &own.batch, &suite.batch, has_batch.then_some(1)),
                size(&overrides.sequence, &own.sequence, &suite.sequence, sequence),
                size(&overrides.image, &own.image, &suite.image, image),
            ),
            // The suite's sizes are meant for models that are known to have the dimension.
            ModelSource::File(_) => (
                optional(first(&overrides.batch, &own.batch, &[])),
                optional(first(&overrides.sequence, &own.sequence, &[])),
                optional(first(&overrides.image, &own.image, &[])),
            ),
        };
        Matrix {
            provider: first(&overrides.provider, &own.provider, &suite.provider),
            precision: first(&overrides.precision, &own.precision, &suite.precision),
            optimization: first(&overrides.optimization, &own.optimization, &suite.optimization),
            batch,
            sequence,
            image,
            threads: first(&overrides.threads, &own.threads, &suite.threads),
        }
    }

    /// All combinations; the last dimension varies fastest.
    fn scenarios(&self, model: &ModelRef, cuda: CudaOptions) -> Vec<Scenario> {
        // Every field but the model is overwritten below.
        let blank = Scenario {
            model: model.clone(),
            provider: Provider::Cpu,
            precision: Precision::Fp32,
            optimization: Optimization::All,
            batch: None,
            sequence: None,
            image: None,
            threads: 1,
            cuda: None,
        };
        let mut all = vec![blank];
        all = cross(all, &self.provider, |scenario, value| {
            scenario.provider = value;
            scenario.precision = usual_precision(value, model);
            scenario.cuda = (value == Provider::Cuda).then_some(cuda);
        });
        if !self.precision.is_empty() {
            all = cross(all, &self.precision, |scenario, value| scenario.precision = value);
        }
        all = cross(all, &self.optimization, |scenario, value| scenario.optimization = value);
        all = cross(all, &self.batch, |scenario, value| scenario.batch = value);
        all = cross(all, &self.sequence, |scenario, value| scenario.sequence = value);
        all = cross(all, &self.image, |scenario, value| scenario.image = value);
        cross(all, &self.threads, |scenario, value| scenario.threads = value)
    }
}

/// The number format where nobody says one: what a GPU is bought for, but never another than a file has.
fn usual_precision(provider: Provider, model: &ModelRef) -> Precision {
    match (provider, model) {
        (Provider::Cuda, ModelRef::Zoo { .. }) => Precision::Fp16,
        _ => Precision::Fp32,
    }
}

fn cross<T: Copy>(scenarios: Vec<Scenario>, values: &[T], set: impl Fn(&mut Scenario, T) + Copy) -> Vec<Scenario> {
    let each = |scenario: Scenario| {
        values.iter().map(move |&value| {
            let mut scenario = scenario.clone();
            set(&mut scenario, value);
            scenario
        })
    };
    scenarios.into_iter().flat_map(each).collect()
}

/// The first list that says something.
fn first<T: Copy>(overrides: &Option<Vec<T>>, own: &[T], suite: &[T]) -> Vec<T> {
    let given = overrides.as_deref().unwrap_or_default();
    [given, own, suite].into_iter().find(|list| !list.is_empty()).unwrap_or_default().to_vec()
}

/// Values of a dimension that a built-in model has, and then has a default for, or has not.
fn size<T: Copy>(overrides: &Option<Vec<T>>, own: &[T], suite: &[T], default: Option<T>) -> Vec<Option<T>> {
    let Some(default) = default else { return vec![None] };
    let list = first(overrides, own, suite);
    optional(if list.is_empty() { vec![default] } else { list })
}

fn optional<T>(list: Vec<T>) -> Vec<Option<T>> {
    if list.is_empty() { vec![None] } else { list.into_iter().map(Some).collect() }
}

impl Overrides {
    fn check_sizes(&self) -> Result<(), PlanError> {
        let flags = [("--batch", &self.batch), ("--sequence", &self.sequence), ("--threads", &self.threads)];
        match flags.into_iter().find(|(_, list)| list.iter().flatten().any(|&size| size == 0)) {
            Some((flag, _)) => Err(PlanError::Zero { flag }),
            None => Ok(()),
        }
    }

    fn check_use(&self, planned: &[Planned]) -> Result<(), PlanError> {
        let given = |list: bool, takes: fn(&Scenario) -> bool| list && !planned.iter().any(|one| takes(&one.scenario));
        let flags = [
            ("--batch", given(self.batch.is_some(), |scenario| scenario.batch.is_some())),
            ("--sequence", given(self.sequence.is_some(), |scenario| scenario.sequence.is_some())),
            ("--image", given(self.image.is_some(), |scenario| scenario.image.is_some())),
            ("--weights", given(self.weights.is_some(), |scenario| matches!(scenario.model, ModelRef::File { .. }))),
        ];
        match flags.into_iter().find(|&(_, idle)| idle) {
            Some((flag, _)) if !planned.is_empty() => Err(PlanError::Idle { flag }),
            _ => Ok(()),
        }
    }
}

fn matcher(selector: &str) -> Result<GlobMatcher, PlanError> {
    match Glob::new(selector) {
        Ok(glob) => Ok(glob.compile_matcher()),
        Err(error) => Err(PlanError::BadGlob { selector: selector.to_owned(), reason: error.kind().to_string() }),
    }
}

fn holds_for(budget: &Budget, id: &ScenarioId, model: &Model) -> bool {
    // The configuration has checked the glob.
    Glob::new(&budget.scenario).is_ok_and(|glob| {
        let glob = glob.compile_matcher();
        glob.is_match(&id.0) || glob.is_match(&model.name)
    })
}

fn is_of_file(model: &Model, cwd: &Path, file: &Path) -> bool {
    let ModelSource::File(theirs) = &model.source else { return false };
    theirs == file
        || matches!((cwd.join(theirs).canonicalize(), cwd.join(file).canonicalize()), (Ok(a), Ok(b)) if a == b)
}

#[cfg(test)]
mod tests;
