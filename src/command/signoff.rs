//! `signoff`: the gate of `check` over a release, and one report of it that says all that a release must be asked.

use std::io::Write;
use std::path::Path;

use anyhow::Context;

use crate::atomic_file;
use crate::cli::SignOffArgs;
use crate::git::{GitError, Head, Repository};
use crate::report::render::{html, markdown};
use crate::report::signoff::{Facts, Policy, Revision, SignOff, Stated, admit};
use crate::report::{Report, ScenarioId};

use super::gate::Gate;
use super::policy::Rules;
use super::results::today;
use super::suite::{self, Session, Suite};
use super::tested::Tested;
use super::trailers::Commits;
use super::{Exit, Terminal, current_directory, outputs, plan, self_test};

/// Measures a release and judges it, or takes a saved report of `check`, and writes the sign-off.
///
/// # Errors
/// Those of `check`; a sign-off of the release before, or a saved report, that cannot be read or is of something else (all
/// before anything is measured).
pub fn sign_off(terminal: &mut Terminal, arguments: &SignOffArgs) -> anyhow::Result<Exit> {
    let before = arguments.previous.as_deref().map(SignOff::read).transpose()?;
    check_writable(&arguments.output)?;
    let facts = facts(arguments)?;
    let made = match &arguments.from {
        Some(file) => saved(terminal, file, arguments, before.as_ref())?,
        None => match measured(terminal, arguments, before.as_ref())? {
            Some(made) => made,
            None => return Ok(Exit::Pass),
        },
    };
    let (report, policy) = made;
    write(terminal, &SignOff::of(report, facts, policy, before.as_ref()), &arguments.output)
}

/// A report with its verdict, and what the gate held.
type Made = (Report, Policy);

/// Measures the release; `None` where only the plan was to be shown.
fn measured(
    terminal: &mut Terminal,
    arguments: &SignOffArgs,
    before: Option<&SignOff>,
) -> anyhow::Result<Option<Made>> {
    let config = terminal.config()?;
    let measuring = arguments.measuring(config.signoff.tier, config.signoff.launches(config.measure.launches));
    if measuring.dry_run {
        plan::dry_run(terminal, &measuring)?;
        return Ok(None);
    }
    let config = terminal.suite(&measuring.suite)?;
    let suite = Suite::new(suite::plan(&config, &measuring.selection, &measuring.dimensions)?, None);
    fits(terminal, arguments, before, &suite.ids())?;
    let session = Session::over(terminal, config, suite, &measuring)?;
    let gate = Gate::open(terminal, &session, &measuring)?;
    let policy = gate.rules().record(&session.config, Stated::WhenMeasured);
    let reports = gate.measure(terminal)?;
    let self_test =
        if arguments.effort.self_test { self_test::run(&session, terminal, &Tested::Stored)? } else { None };
    let report = Report { self_test, ..session.report("check", reports) };
    Ok(Some((outputs::judged(report), policy)))
}

/// Takes a report that was measured before, whole and by the gate.
fn saved(
    terminal: &mut Terminal,
    file: &Path,
    arguments: &SignOffArgs,
    before: Option<&SignOff>,
) -> anyhow::Result<Made> {
    let report = Report::read(file)?;
    admit(&report).with_context(|| format!("{} cannot be signed off", file.display()))?;
    let ids: Vec<ScenarioId> = report.suite.scenarios.iter().map(|listed| listed.id.clone()).collect();
    fits(terminal, arguments, before, &ids)?;
    let config = terminal.config()?;
    let policy = Rules::read(&config, &Commits::Head, terminal)?.record(&config, Stated::WhenSignedOff);
    for scenario in &report.scenarios {
        outputs::scenario(terminal, scenario)?;
    }
    // Whatever the file says of itself.
    Ok((outputs::judged(report), policy))
}

/// Refuses a sign-off of another suite before anything is measured for it.
fn fits(
    terminal: &mut Terminal,
    arguments: &SignOffArgs,
    before: Option<&SignOff>,
    ids: &[ScenarioId],
) -> anyhow::Result<()> {
    let (Some(before), Some(file)) = (before, &arguments.previous) else { return Ok(()) };
    let file = file.display();
    before.check_same_suite(ids).with_context(|| format!("{file} cannot be compared with"))?;
    terminal.status.say("Comparing", &format!("with {} of {}: {file}", before.name(), before.facts.date));
    Ok(())
}

/// The circumstances, as far as they can be told. Without a repository, or without git, there is no revision.
fn facts(arguments: &SignOffArgs) -> anyhow::Result<Facts> {
    let revision = match Repository::around(&current_directory()?).and_then(|repository| repository.head()) {
        Ok(head) => head.map(|Head { commit, description, clean }| Revision { commit, description, clean }),
        Err(GitError::Missing | GitError::NoRepository { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let described = || revision.as_ref().and_then(|revision| revision.description.clone());
    Ok(Facts {
        release: arguments.release.clone().or_else(described),
        date: today(),
        selection: arguments.selection.clone(),
        from: arguments.from.as_ref().map(|file| file.display().to_string()),
        revision,
    })
}

/// Refuses a folder that could not be written, before hours are spent on what should go there. Makes nothing.
fn check_writable(folder: &Path) -> anyhow::Result<()> {
    let absolute = current_directory()?.join(folder);
    let existing = absolute.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(&absolute);
    let probe = existing.join("signoff.json");
    atomic_file::temporary_beside(&probe).with_context(|| format!("cannot write into {}", folder.display()))?;
    Ok(())
}

/// Shows what it comes to, and writes it in three forms: all of them are made before the first is written.
fn write(terminal: &mut Terminal, sign_off: &SignOff, folder: &Path) -> anyhow::Result<Exit> {
    let mut json = Vec::new();
    sign_off.write_json(&mut json)?;
    let mut text = Vec::new();
    markdown::signoff::render(sign_off, &mut text)?;
    let mut page = Vec::new();
    html::render_sign_off(sign_off, &mut page)?;
    if terminal.json() {
        terminal.out.write_all(&json)?;
    } else {
        outputs::summary(terminal, &sign_off.report)?;
    }
    for (name, bytes) in [("signoff.json", json), ("signoff.md", text), ("signoff.html", page)] {
        let path = folder.join(name);
        outputs::write_file(&path, &bytes)?;
        terminal.status.say("Wrote", &path.display().to_string());
    }
    if let Some(previous) = sign_off.previous.as_ref().filter(|previous| !previous.same_machine_class) {
        terminal.status.warn(&format!(
            "{} was measured on another class of machine ({}, here {}): times of the two say nothing beside each other",
            previous.name(),
            previous.machine.fingerprint,
            sign_off.report.machine.fingerprint
        ));
    }
    Ok(terminal.announced(&sign_off.report))
}
