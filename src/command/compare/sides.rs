//! The two sides as they will be measured: their scenarios, matched, and where each comes from.

use std::path::Path;

use crate::cli::{CompareArgs, DimensionArgs};
use crate::command::suite::{self, plan_in};
use crate::command::{Terminal, current_directory};
use crate::config::{self, Config, Inputs};
use crate::git::Worktree;
use crate::report::SideFacts;
use crate::runtime::{self, Choice, Library};
use crate::scenario::{ModelRef, PlanError, Planned};

use super::pairing::{Matched, Matching};
use super::revision;
use super::way::{Both, Way};

/// Both sides, planned. The files of a base that is a revision are there for as long as this value.
pub(super) struct Sides {
    /// Of the head: how is measured and judged.
    pub config: Config,
    /// What is measured.
    pub matched: Matched,
    /// Where each side comes from.
    pub origins: Both<Origin>,
    /// True where the head is what the suite here runs, so that its results may become baselines.
    pub is_suite: bool,
    runtimes: Both<Option<(Choice, &'static str)>>,
    _worktree: Option<Worktree>,
}

/// Where a side comes from.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    pub label: String,
    pub revision: Option<String>,
    pub configuration: String,
}

impl Origin {
    /// A side of the files that are here.
    pub fn here(label: impl Into<String>, config: &Config) -> Origin {
        Origin { label: label.into(), revision: None, configuration: config.origin.to_string() }
    }

    /// With the ONNX Runtime that runs it.
    pub fn facts(&self, library: &Library) -> SideFacts {
        SideFacts {
            label: self.label.clone(),
            revision: self.revision.clone(),
            onnxruntime: library.version.to_string(),
            configuration: Some(self.configuration.clone()),
        }
    }
}

impl Sides {
    /// Resolves the sides of everything but saved reports. For a revision this checks it out and runs what prepares it.
    ///
    /// # Errors
    /// Bad configuration or selection, or what git or the prepare command said.
    pub fn plan(terminal: &mut Terminal, arguments: &CompareArgs, way: &Way) -> anyhow::Result<Sides> {
        match way {
            Way::Revision(revision) => of_revision(terminal, arguments, revision),
            Way::Runtimes(choices) => of_runtimes(terminal, arguments, choices),
            Way::Configurations(files) => {
                let request = |file: &Option<_>| -> anyhow::Result<config::Request> {
                    let mut request = terminal.request()?;
                    request.config = file.clone().or(request.config);
                    Ok(request)
                };
                let (base, head) = (request(&files.base)?, request(&files.head)?);
                let configs = Both { base: load(&base, arguments)?, head: load(&head, arguments)? };
                let origins = Both {
                    base: Origin::here(configs.base.origin.to_string(), &configs.base),
                    head: Origin::here(configs.head.origin.to_string(), &configs.head),
                };
                let cwd = current_directory()?;
                let planned = select(&configs, arguments, Both { base: &cwd, head: &cwd })?;
                Ok(Sides::new(configs.head, Matching::ByModel.of(planned.base, planned.head), origins))
            }
            Way::Dimensions(sides) => {
                let config = terminal.suite(&arguments.measuring().suite)?;
                let planned = |own: super::way::SideDimensions| {
                    suite::plan(&config, &arguments.operands, &own.over(&arguments.dimensions))
                };
                let matched = Matching::ByModel.of(planned(sides.base)?, planned(sides.head)?);
                let origins = sides.clone().map(|own| match own.label() {
                    label if label.is_empty() => Origin::here("as configured", &config),
                    label => Origin::here(label, &config),
                });
                Ok(Sides::new(config, matched, origins))
            }
            Way::Models(files) => {
                let config = terminal.suite(&arguments.measuring().suite)?;
                let planned = |file: &String| suite::plan(&config, std::slice::from_ref(file), &arguments.dimensions);
                let matched = Matching::OneModel.of(planned(&files.base)?, planned(&files.head)?);
                let origins = files.clone().map(|file| Origin::here(file, &config));
                Ok(Sides::new(config, matched, origins))
            }
            Way::Reports(_) => anyhow::bail!("saved reports are not measured"),
        }
    }

    fn new(config: Config, matched: Matched, origins: Both<Origin>) -> Sides {
        let runtimes = Both { base: None, head: None };
        Sides { config, matched, origins, is_suite: false, runtimes, _worktree: None }
    }

    /// What is measured of the head, in its order.
    pub fn head(&self) -> impl Iterator<Item = &Planned> {
        self.matched.both.iter().map(|(_, head)| head).chain(&self.matched.new)
    }

    /// The ONNX Runtime of each side, installed if need be.
    ///
    /// # Errors
    /// One cannot be had.
    pub fn locate(&self, terminal: &mut Terminal) -> anyhow::Result<Both<Library>> {
        let mut found: Option<Library> = None;
        let mut locate = |asked: &Option<(Choice, &'static str)>| -> anyhow::Result<Library> {
            let Some((choice, flag)) = asked else {
                // Once: both sides without one of their own have the same.
                if found.is_none() {
                    found = Some(terminal.library()?);
                }
                return found.clone().ok_or_else(|| anyhow::anyhow!("no ONNX Runtime was found"));
            };
            let options = terminal.locate_options();
            let status = &mut terminal.status;
            Ok(runtime::locate_choice(choice, flag, &options, &mut |event| status.say("Runtime", &event.to_string()))?)
        };
        Ok(Both { base: locate(&self.runtimes.base)?, head: locate(&self.runtimes.head)? })
    }
}

fn of_runtimes(
    terminal: &mut Terminal,
    arguments: &CompareArgs,
    choices: &Both<Option<Choice>>,
) -> anyhow::Result<Sides> {
    let config = terminal.suite(&arguments.measuring().suite)?;
    let planned = suite::plan(&config, &arguments.operands, &arguments.dimensions)?;
    let origins = choices.clone().map(|choice| match choice {
        Some(Choice::Release(version)) => Origin::here(format!("ONNX Runtime {version}"), &config),
        Some(Choice::Path(path)) => Origin::here(path.display().to_string(), &config),
        None => Origin::here("the ONNX Runtime used here", &config),
    });
    let matched = Matching::ById.of(planned.clone(), planned);
    let asked = |choice: &Option<Choice>, flag| choice.clone().map(|choice| (choice, flag));
    let runtimes = Both { base: asked(&choices.base, "--base-runtime"), head: asked(&choices.head, "--head-runtime") };
    Ok(Sides { runtimes, is_suite: true, ..Sides::new(config, matched, origins) })
}

fn of_revision(terminal: &mut Terminal, arguments: &CompareArgs, revision: &str) -> anyhow::Result<Sides> {
    let base = revision::check_out(terminal, revision)?;
    let head = terminal.request()?;
    let named =
        |error: config::ConfigError| anyhow::anyhow!("the configuration of {}: {}", base.label, error.render(false));
    let prepare = config::load_compare(&base.request).map_err(named)?.prepare;
    revision::prepare(terminal, prepare.as_ref(), &base.request.cwd, "base")?;
    let prepare = config::load_compare(&head)?.prepare;
    revision::prepare(terminal, prepare.as_ref(), &head.cwd, "head")?;
    let configs = Both {
        base: config::load(&base.request, &suite::zoo_entries())
            .map(|config| with_tier(config, arguments))
            .map_err(named)?,
        head: load(&head, arguments)?,
    };
    let planned = select(&configs, arguments, Both { base: &base.request.cwd, head: &head.cwd })?;
    let rooted = planned.base.into_iter().map(|one| rooted(one, &base.request.cwd)).collect();
    let matched = Matching::ById.of(rooted, planned.head);
    let origins = Both {
        base: Origin { revision: Some(base.commit), ..Origin::here(base.label, &configs.base) },
        head: Origin::here("the working tree", &configs.head),
    };
    let worktree = Some(base.worktree);
    Ok(Sides { is_suite: true, _worktree: worktree, ..Sides::new(configs.head, matched, origins) })
}

fn load(request: &config::Request, arguments: &CompareArgs) -> anyhow::Result<Config> {
    Ok(with_tier(config::load(request, &suite::zoo_entries())?, arguments))
}

fn with_tier(config: Config, arguments: &CompareArgs) -> Config {
    match arguments.tier {
        Some(tier) => config.with_tier(tier, &suite::zoo_entries()),
        None => config,
    }
}

/// What the selection names on each side. It may name what one side alone has, but not what neither has.
fn select(configs: &Both<Config>, arguments: &CompareArgs, cwds: Both<&Path>) -> Result<Both<Vec<Planned>>, PlanError> {
    let (selection, dimensions) = (&arguments.operands, &arguments.dimensions);
    let (base, not_in_base) = select_known(&configs.base, selection, dimensions, cwds.base)?;
    let (head, not_in_head) = select_known(&configs.head, selection, dimensions, cwds.head)?;
    let nowhere = |error: &PlanError| not_in_base.iter().any(|other| unknown(other) == unknown(error));
    match not_in_head.into_iter().find(nowhere) {
        Some(error) => Err(error),
        None => Ok(Both { base, head }),
    }
}

/// What the selectors name that match something, and why the others do not.
fn select_known(
    config: &Config,
    selection: &[String],
    dimensions: &DimensionArgs,
    cwd: &Path,
) -> Result<(Vec<Planned>, Vec<PlanError>), PlanError> {
    let mut known = selection.to_vec();
    let mut errors = Vec::new();
    loop {
        // Without any selector left, all of the suite would be meant.
        if known.is_empty() && !selection.is_empty() {
            return Ok((Vec::new(), errors));
        }
        match plan_in(config, &known, dimensions, cwd) {
            Ok(planned) => return Ok((planned, errors)),
            Err(error) => match unknown(&error) {
                Some(selector) => {
                    known.retain(|other| other != selector);
                    errors.push(error);
                }
                None => return Err(error),
            },
        }
    }
}

/// The selector that matched nothing, where that is what went wrong.
fn unknown(error: &PlanError) -> Option<&str> {
    match error {
        PlanError::NoMatch { selector, .. } | PlanError::NoFile { selector, .. } => Some(selector),
        _ => None,
    }
}

/// The same with the paths that begin at another folder than the current one.
fn rooted(mut planned: Planned, cwd: &Path) -> Planned {
    if let ModelRef::File { path, .. } = &mut planned.scenario.model {
        *path = cwd.join(&*path);
    }
    match &mut planned.inputs {
        Some(Inputs::Npz(path)) => *path = cwd.join(&*path),
        Some(Inputs::Npy(files)) => files.values_mut().for_each(|path| *path = cwd.join(&*path)),
        None => {}
    }
    planned
}
