//! The verbs: where stages meet. Nothing imports this module but the binary.

pub mod accept;
mod announce;
mod arms;
mod calibrate;
pub mod check;
mod comment;
mod compare;
mod control;
mod costs;
pub mod doctor;
pub mod explain;
pub mod export;
mod gate;
mod gpu;
mod held;
pub mod init;
mod launch;
pub mod list;
mod merge;
mod outputs;
mod pending;
mod places;
mod plan;
mod policy;
mod reject;
mod replay;
mod results;
mod review;
pub mod run;
mod self_test;
mod signoff;
mod status;
pub mod strip;
pub mod study;
mod study_gate;
mod suite;
mod tested;
#[cfg(test)]
mod testing;
mod trailers;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;

use crate::cli::{Cli, ColorWhen, GitHubArgs, GlobalArgs, InitArgs, MessageFormat, SuiteArgs, Verb};
use crate::config::{self, Config, ConfigError};
use crate::measure::supervise::Interrupt;
use crate::report::Report;
use crate::runtime::{self, Library, LocateOptions};
use crate::scenario::PlanError;
use crate::verdict;

use announce::Announcer;
use places::Places;
use status::Status;

/// How the program ends. The numbers are documented and do not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done; the gate is green.
    Pass,
    /// The command line or a selection is wrong.
    Usage,
    /// Nothing was measured, and that is never a pass.
    NothingMeasured,
    /// The gate is red.
    GateFailed,
    /// It could not be completed: bad input, or something could not be measured.
    Incomplete,
    /// Ctrl-C or a termination signal.
    Interrupted,
}

impl Exit {
    /// The process's exit code.
    pub fn code(self) -> u8 {
        match self {
            Exit::Pass => 0,
            Exit::Usage => 2,
            Exit::NothingMeasured => 4,
            Exit::GateFailed => 100,
            Exit::Incomplete => 101,
            Exit::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

/// What the verbs share: the global options and the two streams.
pub struct Terminal {
    /// Options that every verb takes.
    pub global: GlobalArgs,
    /// Data goes here.
    pub out: Box<dyn Write>,
    /// Status lines and progress go here.
    pub status: Status,
    /// Columns of the terminal, 100 where standard output is none.
    pub width: usize,
    /// Raised by Ctrl-C.
    pub interrupt: Interrupt,
    /// Tells GitHub, where that is asked for.
    announcer: Announcer,
}

impl Terminal {
    fn new(global: GlobalArgs) -> Terminal {
        let choice = match global.color {
            ColorWhen::Auto => anstream::ColorChoice::Auto,
            ColorWhen::Always => anstream::ColorChoice::Always,
            ColorWhen::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
        let interrupt = Interrupt::default();
        let raised = interrupt.clone();
        // Without a handler Ctrl-C still ends the program, and the launch sees its pipe close. The second one does not
        // wait for anything.
        let _ = ctrlc::set_handler(move || {
            if raised.raised() {
                std::process::exit(Exit::Interrupted.code().into());
            }
            raised.raise();
        });
        Terminal {
            out: Box::new(anstream::AutoStream::auto(io::stdout())),
            status: Status::new(global.quiet),
            width: terminal_width(),
            interrupt,
            announcer: Announcer::default(),
            global,
        }
    }

    /// True where standard output is to be one JSON document.
    pub fn json(&self) -> bool {
        self.global.message_format == MessageFormat::Json
    }

    /// Where the configuration is to be looked for.
    fn request(&self) -> anyhow::Result<config::Request> {
        Ok(config::Request {
            cwd: current_directory()?,
            config: self.global.config.clone(),
            manifest_path: self.global.manifest_path.clone(),
            package: self.global.package.clone(),
        })
    }

    /// The configuration that holds here.
    fn config(&self) -> anyhow::Result<Config> {
        Ok(config::load(&self.request()?, &suite::zoo_entries())?)
    }

    /// Tells GitHub what a run came to, where that is asked for, and chooses the exit code: the gate's, unless what had to
    /// be posted was not.
    fn announced(&mut self, report: &Report) -> Exit {
        let exit = Exit::from(report.outcome);
        if !self.announcer.is_asked() {
            return exit;
        }
        let places = current_directory().ok().zip(self.config().ok()).map(|(cwd, config)| {
            let root = announce::workspace(&cwd);
            Places::of(&config, report, &root, &cwd)
        });
        let told = self.announcer.finish(&mut self.status, report, places.as_ref());
        if told || exit == Exit::GateFailed { exit } else { Exit::Incomplete }
    }

    /// The configuration that holds here, with the suite that the command line asks for.
    fn suite(&self, arguments: &SuiteArgs) -> anyhow::Result<Config> {
        let config = self.config()?;
        Ok(match arguments.tier {
            Some(tier) => config.with_tier(tier, &suite::zoo_entries()),
            None => config,
        })
    }

    fn locate_options(&self) -> LocateOptions {
        LocateOptions::from_environment(self.global.onnxruntime.clone(), self.global.offline)
    }

    /// ONNX Runtime, installed if need be.
    fn library(&mut self) -> anyhow::Result<Library> {
        let options = self.locate_options();
        let status = &mut self.status;
        Ok(runtime::locate(&options, &mut |event| status.say("Runtime", &event.to_string()))?)
    }
}

/// Runs the program: arguments as the system passes them, streams of this process.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let cli = match Cli::parse_arguments(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come this way too, for standard output. A closed stream leaves nobody to tell.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Pass };
        }
    };
    if let Verb::Launch { result } = &cli.verb {
        return launch::serve(result);
    }
    let mut terminal = Terminal::new(cli.global);
    match dispatch(cli.verb, &mut terminal).and_then(|exit| terminal.out.flush().map(|()| exit).map_err(Into::into)) {
        Ok(exit) => {
            // Where there was a report, the check run has been completed.
            let why = "There was nothing to judge; the log of the step says why.";
            terminal.announcer.abandon(&mut terminal.status, why, false);
            exit
        }
        Err(error) => {
            terminal.status.end_progress();
            let interrupted = terminal.interrupt.raised();
            terminal.announcer.abandon(&mut terminal.status, &format!("{error:#}"), interrupted);
            exit_of(&error, &mut terminal)
        }
    }
}

fn dispatch(verb: Verb, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    if let Some((asked, name)) = told_github(&verb) {
        terminal.announcer = Announcer::start(&mut terminal.status, asked, name);
    }
    match verb {
        Verb::Run(arguments) => run::run(terminal, &arguments),
        Verb::Check(arguments) => check::check(terminal, &arguments),
        Verb::Compare(arguments) => compare::compare(terminal, &arguments),
        Verb::Calibrate(arguments) => calibrate::calibrate(terminal, &arguments),
        Verb::Pending(arguments) => pending::pending(terminal, &arguments),
        Verb::Reject(arguments) => reject::reject(terminal, &arguments),
        Verb::Accept(arguments) => accept::accept(terminal, &arguments),
        Verb::List(arguments) => list::list(terminal, &arguments),
        Verb::Explain { what } => explain(terminal, &what),
        Verb::Export(arguments) => export::export(terminal, &arguments),
        Verb::Strip(arguments) => strip::strip(terminal, &arguments),
        Verb::Report(arguments) => replay::report(terminal, &arguments),
        Verb::Study(arguments) => study::study(terminal, &arguments.study),
        Verb::Merge(arguments) => merge::merge(terminal, &arguments),
        Verb::SignOff(arguments) => signoff::sign_off(terminal, &arguments),
        Verb::Comment(arguments) => comment::comment(terminal, &arguments),
        Verb::Doctor => doctor(terminal),
        Verb::Init(arguments) => init(terminal, &arguments),
        Verb::Launch { result } => Ok(launch::serve(&result)),
    }
}

/// What is to be told GitHub of a verb that judges, and what the verb is called there. A dry run judges nothing.
fn told_github(verb: &Verb) -> Option<(&GitHubArgs, &'static str)> {
    match verb {
        Verb::Check(arguments) if !arguments.measure.dry_run => Some((&arguments.github, "check")),
        Verb::Compare(arguments) if !arguments.dry_run => Some((&arguments.github, "compare")),
        Verb::Merge(arguments) => Some((&arguments.github, "merge")),
        Verb::SignOff(arguments) if !arguments.effort.dry_run => Some((&arguments.github, "signoff")),
        _ => None,
    }
}

fn explain(terminal: &mut Terminal, what: &str) -> anyhow::Result<Exit> {
    let explanation = explain::explain(what)?;
    if terminal.json() {
        explanation.write_json(&mut terminal.out)?;
    } else {
        explanation.write_text(&mut terminal.out)?;
    }
    Ok(Exit::Pass)
}

/// Always 0 where the machine could be described, whatever it is like: `doctor` informs, `check` judges.
fn doctor(terminal: &mut Terminal) -> anyhow::Result<Exit> {
    let threads = terminal.config().ok().and_then(|config| config.suite.threads.iter().copied().max()).unwrap_or(1);
    let options = terminal.locate_options();
    let status = &mut terminal.status;
    let doctor = doctor::gather(&options, threads, &mut |event| status.say("Runtime", &event.to_string()));
    if terminal.json() {
        doctor::render_json(&doctor, &mut terminal.out)?;
    } else {
        doctor::render(&doctor, &mut terminal.out)?;
    }
    Ok(if matches!(doctor.runtime, doctor::RuntimeState::Missing { .. }) { Exit::Incomplete } else { Exit::Pass })
}

fn init(terminal: &mut Terminal, arguments: &InitArgs) -> anyhow::Result<Exit> {
    let cwd = current_directory()?;
    if arguments.github {
        return init::workflows(terminal, arguments, cwd);
    }
    let path = init::init(&cwd, arguments.force)?;
    terminal.status.say("Wrote", &path.display().to_string());
    Ok(Exit::Pass)
}

fn current_directory() -> anyhow::Result<PathBuf> {
    std::env::current_dir().context("the current directory cannot be told")
}

/// Says why a verb ended, and chooses the exit code by what kind of error it was.
fn exit_of(error: &anyhow::Error, terminal: &mut Terminal) -> Exit {
    let status = &mut terminal.status;
    if terminal.interrupt.raised() {
        status.warn("interrupted; results of finished scenarios are kept");
        return Exit::Interrupted;
    }
    // Who reads us has gone (`| head`): not an error worth words.
    if error.downcast_ref::<io::Error>().is_some_and(|io| io.kind() == io::ErrorKind::BrokenPipe) {
        return Exit::Incomplete;
    }
    match error.downcast_ref::<ConfigError>() {
        Some(config) => status.error(&config.render(status.colored())),
        None => status.error(&format!("{error:#}")),
    }
    let asked_wrongly = error.is::<PlanError>()
        || error.is::<explain::UnknownTopic>()
        || error.is::<compare::WayError>()
        || error.is::<verdict::PlanError>()
        || matches!(error.downcast_ref(), Some(init::github::GitHubError::Action { .. }));
    if asked_wrongly { Exit::Usage } else { Exit::Incomplete }
}

fn terminal_width() -> usize {
    terminal_size::terminal_size_of(io::stdout()).map_or(100, |(terminal_size::Width(columns), _)| columns.into())
}

/// Where the program keeps what a run leaves: beside the baselines, hidden from git.
pub(crate) fn state_directory(config: &Config) -> PathBuf {
    config.baselines.with_file_name(".nongemm")
}
