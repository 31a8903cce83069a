//! Which committed file, and which line of it, says what was expected: where whoever reads a finding has to look.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use globset::Glob;
use serde::Deserialize;
use toml::Spanned;

use crate::baseline::{Fingerprint, Store};
use crate::config::{Config, Origin};
use crate::report::render::annotations::Note;
use crate::report::{FindingCode, Report, ScenarioId, ScenarioReport, ScenarioResult};

use super::Terminal;

/// A line of a file of the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// Relative to the root of the repository, with `/` on every system.
    pub path: String,
    /// From 1.
    pub line: u32,
}

/// The files that a report's findings point to.
pub(super) struct Places {
    root: PathBuf,
    cwd: PathBuf,
    configuration: Option<PathBuf>,
    /// The file of each scenario: its baseline of the report's machine class where there is one, else the configuration.
    files: BTreeMap<ScenarioId, PathBuf>,
}

impl Places {
    /// Those of a report where a configuration holds, in a repository whose root is `root`.
    pub fn of(config: &Config, report: &Report, root: &Path, cwd: &Path) -> Places {
        let configuration = configuration(config).map(|path| cwd.join(path));
        Places { root: root.to_owned(), cwd: cwd.to_owned(), configuration, files: files(config, report) }
    }

    /// The line that a note is about; `None` where no file of the repository says anything of it.
    pub fn find(&self, note: &Note) -> Option<Place> {
        if note.code == FindingCode::BudgetExceeded {
            return self.budget(&note.scenario).or_else(|| self.top_of_configuration());
        }
        self.baseline(note).or_else(|| self.top_of_configuration())
    }

    /// The operator's line in the scenario's baseline; that of the latency where the note names no operator.
    fn baseline(&self, note: &Note) -> Option<Place> {
        let path = self.files.get(&note.scenario)?;
        let text = fs::read_to_string(self.cwd.join(path)).ok()?;
        let wanted = match &note.operator {
            Some(key) => format!("\"{}\"", key.0),
            None => "[latency]".to_owned(),
        };
        let starts = |line: &str| line.trim_start().starts_with(&wanted);
        let line = text.lines().position(starts).map_or(1, |index| index + 1);
        self.place(path, line)
    }

    /// The first budget whose glob means the scenario.
    fn budget(&self, id: &ScenarioId) -> Option<Place> {
        let path = self.configuration.as_ref()?;
        let text = fs::read_to_string(path).ok()?;
        let model = id.0.split('@').next().unwrap_or_default();
        let means = |glob: &str| {
            Glob::new(glob).is_ok_and(|glob| {
                let matcher = glob.compile_matcher();
                matcher.is_match(&id.0) || matcher.is_match(model)
            })
        };
        let budget = budgets(path, &text)?.into_iter().find(|budget| means(budget.scenario.as_ref()))?;
        let before = text.get(..budget.scenario.span().start)?;
        self.place(path, before.matches('\n').count() + 1)
    }

    fn top_of_configuration(&self) -> Option<Place> {
        self.place(self.configuration.as_ref()?, 1)
    }

    /// As GitHub names files; `None` outside of the repository.
    fn place(&self, path: &Path, line: usize) -> Option<Place> {
        let absolute = self.cwd.join(path).canonicalize().ok()?;
        let relative = absolute.strip_prefix(self.root.canonicalize().ok()?).ok()?;
        let parts: Vec<&str> = relative.iter().map(|part| part.to_str()).collect::<Option<_>>()?;
        Some(Place { path: parts.join("/"), line: u32::try_from(line).ok()? })
    }
}

/// The file of each scenario; none where no configuration holds here.
pub(super) fn of(terminal: &Terminal, report: &Report) -> BTreeMap<ScenarioId, PathBuf> {
    terminal.config().map_or_else(|_| BTreeMap::new(), |config| files(&config, report))
}

/// Scenarios of which neither baseline nor configuration is known are left out.
fn files(config: &Config, report: &Report) -> BTreeMap<ScenarioId, PathBuf> {
    let place = |scenario: &ScenarioReport| {
        let baseline = Store::new(&config.baselines).path(&class(report, scenario), &scenario.id);
        let path = if baseline.is_file() { Some(baseline) } else { configuration(config).map(Path::to_owned) };
        path.map(|path| (scenario.id.clone(), path))
    };
    report.scenarios.iter().filter_map(place).collect()
}

/// The machine class that a scenario of the report was measured on.
fn class(report: &Report, scenario: &ScenarioReport) -> Fingerprint {
    let machine = &report.machine;
    let gpu = match &scenario.result {
        ScenarioResult::Measured { summary } => summary.gpu.as_ref().and_then(|gpu| gpu.name.clone()),
        ScenarioResult::Failed { .. } => None,
    };
    Fingerprint {
        os: machine.os.clone(),
        arch: machine.arch.clone(),
        instruction_set: machine.instruction_set.clone(),
        provider: scenario.scenario.provider,
        gpu,
    }
}

fn configuration(config: &Config) -> Option<&Path> {
    match &config.origin {
        Origin::Default => None,
        Origin::File(path) => Some(path),
        Origin::Manifests(paths) => paths.first().map(PathBuf::as_path),
    }
}

/// The only part of a budget that is looked for.
#[derive(Deserialize)]
struct BudgetLine {
    scenario: Spanned<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Budgets {
    budget: Vec<BudgetLine>,
}

/// The metadata tables of a manifest that may hold them.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Manifest {
    package: Metadata,
    workspace: Metadata,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    metadata: Nongemm,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Nongemm {
    nongemm: Budgets,
}

/// The budgets of a document that was read as configuration before.
fn budgets(path: &Path, text: &str) -> Option<Vec<BudgetLine>> {
    if path.file_name().is_some_and(|name| name != "Cargo.toml") {
        return toml::from_str::<Budgets>(text).ok().map(|document| document.budget);
    }
    let manifest: Manifest = toml::from_str(text).ok()?;
    let package = manifest.package.metadata.nongemm.budget;
    Some(if package.is_empty() { manifest.workspace.metadata.nongemm.budget } else { package })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{OperatorKey, Severity};

    const BASELINE: &str =
        "schema = 2\n[latency]\nmedian-us = 1\n[operators]\n\"ai.onnx:Add\" = {}\n\"ai.onnx:Gemm\" = {}\n";
    const CONFIG: &str =
        "[suite]\n\n[[budget]]\nscenario = \"gpt*\"\n\n[[budget]]\nscenario = \"bert*\"\nmax-latency-ms = 1\n";

    fn note(code: FindingCode, operator: Option<&str>) -> Note {
        Note {
            severity: Severity::Error,
            title: String::new(),
            message: String::new(),
            scenario: ScenarioId("bert-base@cpu".into()),
            operator: operator.map(|key| OperatorKey(key.into())),
            code,
        }
    }

    /// A repository with a project in a folder of it.
    fn places(dir: &Path, configuration: &str) -> Places {
        let project = dir.join("service");
        let class = project.join("baselines/linux-x86_64-avx2-cpu");
        fs::create_dir_all(&class).unwrap();
        fs::write(class.join("bert-base@cpu.toml"), BASELINE).unwrap();
        fs::write(project.join(configuration), CONFIG).unwrap();
        let file = class.join("bert-base@cpu.toml");
        Places {
            root: dir.to_owned(),
            cwd: project.clone(),
            configuration: Some(project.join(configuration)),
            files: [(ScenarioId("bert-base@cpu".into()), file)].into(),
        }
    }

    fn found(places: &Places, note: &Note) -> Option<(String, u32)> {
        places.find(note).map(|place| (place.path, place.line))
    }

    #[test]
    fn an_operator_is_found_in_the_baseline_and_the_latency_too() {
        let dir = tempfile::tempdir().unwrap();
        let places = places(dir.path(), "nongemm.toml");
        let file = "service/baselines/linux-x86_64-avx2-cpu/bert-base@cpu.toml".to_owned();
        let regressed = note(FindingCode::OperatorRegressed, Some("ai.onnx:Gemm"));
        assert_eq!(found(&places, &regressed), Some((file.clone(), 6)));
        assert_eq!(found(&places, &note(FindingCode::LatencyRegressed, None)), Some((file.clone(), 2)));
        // An operator that is new has no line of its own.
        let new = note(FindingCode::StructureChanged, Some("ai.onnx:Erf"));
        assert_eq!(found(&places, &new), Some((file, 1)));
    }

    #[test]
    fn a_budget_is_found_in_the_configuration() {
        let dir = tempfile::tempdir().unwrap();
        let places = places(dir.path(), "nongemm.toml");
        let over = note(FindingCode::BudgetExceeded, None);
        assert_eq!(found(&places, &over), Some(("service/nongemm.toml".into(), 7)));
    }

    #[test]
    fn a_scenario_without_a_baseline_points_to_the_configuration() {
        let dir = tempfile::tempdir().unwrap();
        let places = places(dir.path(), "nongemm.toml");
        let other = Note { scenario: ScenarioId("gpt2@cpu".into()), ..note(FindingCode::NoBaseline, None) };
        assert_eq!(found(&places, &other), Some(("service/nongemm.toml".into(), 1)));
    }

    #[test]
    fn what_is_not_in_the_repository_is_not_pointed_to() {
        let dir = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let places = Places { root: elsewhere.path().to_owned(), ..places(dir.path(), "nongemm.toml") };
        assert_eq!(found(&places, &note(FindingCode::LatencyRegressed, None)), None);
    }

    #[test]
    fn budgets_of_a_manifest_are_in_its_metadata() {
        let text = "[package]\nname = \"x\"\n[[package.metadata.nongemm.budget]]\nscenario = \"bert*\"\n";
        let found = budgets(Path::new("Cargo.toml"), text).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(text[..found[0].scenario.span().start].matches('\n').count() + 1, 4);
    }
}
