//! `check`: measures, compares with the committed baselines, and judges.

use crate::cli::CheckArgs;
use crate::report::Report;

use super::gate::Gate;
use super::suite::Session;
use super::tested::Tested;
use super::{Exit, Terminal, outputs, plan, self_test};

/// Measures the selected scenarios and holds them against their baselines.
///
/// # Errors
/// Bad configuration or baselines (before anything is measured), no ONNX Runtime, an interrupt, or a file that cannot
/// be written.
pub fn check(terminal: &mut Terminal, arguments: &CheckArgs) -> anyhow::Result<Exit> {
    let CheckArgs { measure: arguments, self_test, .. } = arguments;
    if arguments.dry_run {
        return plan::dry_run(terminal, arguments);
    }
    let session = Session::open(terminal, arguments)?;
    let reports = Gate::open(terminal, &session, arguments)?.measure(terminal)?;
    let self_test = if *self_test { self_test::run(&session, terminal, &Tested::Stored)? } else { None };
    outputs::finish(terminal, Report { self_test, ..session.report("check", reports) }, arguments)
}
