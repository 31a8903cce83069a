//! Which committed file says what was expected of a scenario: where whoever reads a finding has to look.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::baseline::{Fingerprint, Store};
use crate::config::{Config, Origin};
use crate::report::{Report, ScenarioId, ScenarioReport};

use super::Terminal;

/// The file of each scenario: its baseline of the report's machine class where there is one, else the configuration.
/// Scenarios of which neither is known are left out, and so are all where no configuration holds here.
pub(super) fn of(terminal: &Terminal, report: &Report) -> BTreeMap<ScenarioId, PathBuf> {
    let Ok(config) = terminal.config() else { return BTreeMap::new() };
    let place = |scenario: &ScenarioReport| {
        let baseline = Store::new(&config.baselines).path(&class(report, scenario), &scenario.id);
        let path = if baseline.is_file() { Some(baseline) } else { configuration(&config).map(Path::to_owned) };
        path.map(|path| (scenario.id.clone(), path))
    };
    report.scenarios.iter().filter_map(place).collect()
}

/// The machine class that a scenario of the report was measured on.
fn class(report: &Report, scenario: &ScenarioReport) -> Fingerprint {
    let machine = &report.machine;
    Fingerprint {
        os: machine.os.clone(),
        arch: machine.arch.clone(),
        instruction_set: machine.instruction_set.clone(),
        provider: scenario.scenario.provider,
        gpu: None,
    }
}

fn configuration(config: &Config) -> Option<&Path> {
    match &config.origin {
        Origin::Default => None,
        Origin::File(path) => Some(path),
        Origin::Manifests(paths) => paths.first().map(PathBuf::as_path),
    }
}
