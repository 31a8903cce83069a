//! The results of the last `run` or `check`, kept beside the baselines: saved as soon as a scenario is done, so that a
//! crash loses one and not all, and read by `accept`.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use crate::baseline::Fingerprint;
use crate::config::Config;
use crate::report::Machine;
use crate::scenario::ScenarioId;
use crate::summary::Summary;

/// Version of [`SavedResult`] on disk.
const RESULT_SCHEMA: u32 = 1;

/// One scenario's measurement with the circumstances that a baseline records.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SavedResult {
    schema: u32,
    pub tool: String,
    pub date: String,
    pub fingerprint: Fingerprint,
    pub machine: Machine,
    pub summary: Summary,
}

impl SavedResult {
    pub fn new(summary: &Summary, fingerprint: Fingerprint, machine: &Machine) -> SavedResult {
        SavedResult {
            schema: RESULT_SCHEMA,
            tool: env!("CARGO_PKG_VERSION").to_owned(),
            date: today(),
            fingerprint,
            machine: machine.clone(),
            summary: summary.clone(),
        }
    }
}

/// The folder of saved results.
pub(super) struct Results(PathBuf);

impl Results {
    /// The folder that belongs to a configuration.
    pub fn beside(config: &Config) -> Results {
        Results(super::state_directory(config).join("results"))
    }

    /// Keeps a result in place of the scenario's last.
    pub fn save(&self, result: &SavedResult) -> anyhow::Result<()> {
        fs::create_dir_all(&self.0).with_context(|| format!("cannot create {}", self.0.display()))?;
        // The folder above hides itself from git wherever it stands, with nothing to set up.
        let ignore = self.0.with_file_name(".gitignore");
        if !ignore.exists() {
            fs::write(&ignore, "*\n").with_context(|| format!("cannot write {}", ignore.display()))?;
        }
        super::outputs::write_file(&self.path(&result.summary.id), &serde_json::to_vec(result)?)
    }

    /// Forgets the results of earlier commands: what is accepted is what was last looked at.
    pub fn clear(&self) -> anyhow::Result<()> {
        for path in self.files()? {
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
        Ok(())
    }

    fn files(&self) -> anyhow::Result<Vec<PathBuf>> {
        let Ok(entries) = fs::read_dir(&self.0) else { return Ok(Vec::new()) };
        let mut files = Vec::new();
        for entry in entries {
            let path = entry.with_context(|| format!("cannot read {}", self.0.display()))?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                files.push(path);
            }
        }
        Ok(files)
    }

    /// Every saved result, sorted by scenario id.
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
        results.sort_by(|a, b| a.summary.id.cmp(&b.summary.id));
        Ok(results)
    }

    fn path(&self, id: &ScenarioId) -> PathBuf {
        self.0.join(format!("{id}.json"))
    }
}

/// The day, in UTC, as `YYYY-MM-DD`.
pub(super) fn today() -> String {
    time::OffsetDateTime::now_utc().date().to_string()
}
