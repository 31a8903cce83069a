//! Pending results: what the last command that measured found, kept beside the baselines until it is accepted or rejected.
//! Saved as soon as a scenario is done, so that a crash loses one and not all.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, bail};
use globset::Glob;
use serde::{Deserialize, Serialize};

use crate::baseline::{Fingerprint, Identity};
use crate::config::Config;
use crate::report::{Machine, OperatorKey, ScenarioReport, ScenarioResult};
use crate::scenario::ScenarioId;
use crate::summary::Summary;

/// Version of [`SavedResult`] on disk.
const RESULT_SCHEMA: u32 = 2;

/// One scenario's measurement with what was said of it and the circumstances that a baseline records.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct SavedResult {
    schema: u32,
    pub tool: String,
    pub date: String,
    /// The verb that measured it.
    pub command: String,
    pub fingerprint: Fingerprint,
    pub machine: Machine,
    /// SHA-256 of the file of the baseline that it was compared with, if of this machine class: what the verdicts say holds
    /// of no other.
    pub baseline: Option<String>,
    pub report: ScenarioReport,
}

impl SavedResult {
    pub fn new(
        command: &str,
        report: &ScenarioReport,
        fingerprint: Fingerprint,
        machine: &Machine,
        baseline: Option<&str>,
    ) -> SavedResult {
        SavedResult {
            schema: RESULT_SCHEMA,
            tool: env!("CARGO_PKG_VERSION").to_owned(),
            date: today(),
            command: command.to_owned(),
            fingerprint,
            machine: machine.clone(),
            baseline: baseline.map(str::to_owned),
            report: report.clone(),
        }
    }

    pub fn id(&self) -> &ScenarioId {
        &self.report.id
    }

    /// What is left of it after some lines were accepted: their verdicts and differences are done with, and those on other
    /// lines hold of the baseline that came of it, whose file is named by `digest`.
    pub fn after(mut self, accepted: &[Identity], latency: bool, digest: String) -> SavedResult {
        let is_done = |key: &OperatorKey, provider: &str| accepted.iter().any(|(k, p)| k == key && p == provider);
        self.report.verdicts.retain(|judged| match (&judged.operator, &judged.provider) {
            (Some(key), Some(provider)) => !is_done(key, provider),
            _ => !latency,
        });
        if let Some(comparison) = &mut self.report.comparison {
            comparison.operators.retain(|change| !is_done(&change.key, &change.provider));
            comparison.structure.retain(|difference| !accepted.iter().any(|(key, _)| key == difference.key()));
        }
        self.baseline = Some(digest);
        self
    }

    /// What was measured; `None` of a scenario that could not be.
    pub fn summary(&self) -> Option<&Summary> {
        match &self.report.result {
            ScenarioResult::Measured { summary } => Some(summary),
            ScenarioResult::Failed { .. } => None,
        }
    }
}

/// The folder of pending results.
pub(super) struct Results {
    folder: PathBuf,
    keep: bool,
}

impl Results {
    /// The folder that belongs to a configuration. In CI nothing is left in it unless that is asked for.
    pub fn beside(config: &Config, asked: bool) -> Results {
        Results { folder: super::state_directory(config).join("results"), keep: asked || !in_ci() }
    }

    /// Keeps a result in place of the scenario's last. One that was not measured is no result.
    pub fn save(&self, result: &SavedResult) -> anyhow::Result<()> {
        if !self.keep || result.summary().is_none() {
            return Ok(());
        }
        fs::create_dir_all(&self.folder).with_context(|| format!("cannot create {}", self.folder.display()))?;
        // The folder above hides itself from git wherever it stands, with nothing to set up.
        let ignore = self.folder.with_file_name(".gitignore");
        if !ignore.exists() {
            fs::write(&ignore, "*\n").with_context(|| format!("cannot write {}", ignore.display()))?;
        }
        super::outputs::write_file(&self.path(result.id()), &serde_json::to_vec(result)?)
    }

    /// Forgets the results of earlier commands: what is accepted is what was last looked at.
    pub fn clear(&self) -> anyhow::Result<()> {
        for path in self.files()? {
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
        Ok(())
    }

    /// Forgets one result.
    pub fn remove(&self, id: &ScenarioId) -> anyhow::Result<()> {
        let path = self.path(id);
        fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))
    }

    fn files(&self) -> anyhow::Result<Vec<PathBuf>> {
        let Ok(entries) = fs::read_dir(&self.folder) else { return Ok(Vec::new()) };
        let mut files = Vec::new();
        for entry in entries {
            let path = entry.with_context(|| format!("cannot read {}", self.folder.display()))?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                files.push(path);
            }
        }
        Ok(files)
    }

    /// Every pending result, sorted by scenario id.
    ///
    /// # Errors
    /// Names the file that cannot be read, with the remedy.
    pub fn all(&self) -> anyhow::Result<Vec<SavedResult>> {
        let mut results = Vec::new();
        for path in self.files()? {
            let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let result: SavedResult = serde_json::from_slice(&bytes)
                .with_context(|| format!("{} is damaged; measure again with `cargo nongemm check`", path.display()))?;
            if result.schema != RESULT_SCHEMA {
                bail!("{} is of another version; measure again with `cargo nongemm check`", path.display());
            }
            results.push(result);
        }
        results.sort_by(|a, b| a.id().cmp(b.id()));
        Ok(results)
    }

    fn path(&self, id: &ScenarioId) -> PathBuf {
        self.folder.join(format!("{id}.json"))
    }
}

/// The results that globs over id or model name choose; all of them without any.
///
/// # Errors
/// A pattern that is no glob.
pub(super) fn choose(results: Vec<SavedResult>, selection: &[String]) -> anyhow::Result<Vec<SavedResult>> {
    let mut globs = Vec::new();
    for pattern in selection {
        let glob = Glob::new(pattern).with_context(|| format!("`{pattern}` is not a glob"))?;
        globs.push(glob.compile_matcher());
    }
    let named = |result: &SavedResult| {
        let model = result.summary().map(|summary| summary.scenario.model.name());
        globs.iter().any(|glob| glob.is_match(&result.id().0) || model.is_some_and(|model| glob.is_match(model)))
    };
    Ok(results.into_iter().filter(|result| globs.is_empty() || named(result)).collect())
}

/// True on a CI machine, as nearly all services say by `CI=true`.
pub(super) fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| !["", "0", "false"].contains(&value.to_lowercase().as_str()))
}

/// The day, in UTC, as `YYYY-MM-DD`.
pub(super) fn today() -> String {
    time::OffsetDateTime::now_utc().date().to_string()
}
