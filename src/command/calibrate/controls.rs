//! A known slowdown in each scenario, and whether the gate finds it.

use anyhow::bail;

use crate::cli::ControlArgs;
use crate::command::Terminal;
use crate::command::control::{Control, Repeatable, Treated, Wish};
use crate::command::suite::Session;
use crate::command::tested::Tested;
use crate::measure::result::LaunchResult;
use crate::measure::supervise::LaunchFailure;
use crate::report::calibration::{ControlRun, Made};
use crate::scenario::{Planned, ScenarioId};
use crate::taxonomy::Group;

/// The smallest change that counts is taken so many times, lest chance decide.
const FLOORS: f64 = 2.0;

/// Puts a slowdown into each scenario and runs the gate over all of them at once. A scenario that cannot have one says
/// why.
///
/// # Errors
/// An interrupt.
pub(in crate::command) fn run(
    session: &Session,
    terminal: &mut Terminal,
    planned: &[Planned],
    arguments: &ControlArgs,
    gate: &Tested,
) -> anyhow::Result<Vec<ControlRun>> {
    // Their folders hold the graphs: they live until all are measured.
    let mut controls: Vec<Control> = Vec::new();
    let mut runs: Vec<ControlRun> = Vec::new();
    for one in planned {
        terminal.status.say("Slowing", &one.id.0);
        let made = match make(session, terminal, one, arguments, gate) {
            Ok((control, made)) => {
                controls.push(control);
                Ok(made)
            }
            Err(error) if is_interrupt(&error) => return Err(error),
            Err(error) => Err(format!("{error:#}")),
        };
        runs.push(ControlRun { id: one.id.clone(), made, report: None });
    }
    let both: Vec<(Planned, Planned)> = controls.iter().filter_map(sides).collect();
    let (reports, _) = gate.judge(session, terminal, both)?;
    for report in reports {
        if let Some(run) = run_of(&mut runs, &report.id) {
            run.report = Some(report);
        }
    }
    Ok(runs)
}

fn run_of<'a>(runs: &'a mut [ControlRun], id: &ScenarioId) -> Option<&'a mut ControlRun> {
    runs.iter_mut().find(|run| run.id == *id)
}

fn is_interrupt(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(LaunchFailure::Interrupted))
}

/// The graph without and with the extra work.
pub(in crate::command) fn sides(control: &Control) -> Option<(Planned, Planned)> {
    control.treated.first().map(|treated| (control.plain.clone(), treated.planned.clone()))
}

/// Makes a scenario's control with one slowdown in it.
///
/// # Errors
/// Why there can be none; failed launches and interrupts.
pub(in crate::command) fn make(
    session: &Session,
    terminal: &mut Terminal,
    planned: &Planned,
    arguments: &ControlArgs,
    gate: &Tested,
) -> anyhow::Result<(Control, Made)> {
    let mut control = Control::open(session, terminal, planned)?;
    let LaunchResult { clock, latency_us, .. } = control.measured;
    let floor_us = gate.floor_us(session, clock, latency_us);
    let wish = wish(&control, arguments, gate.usual_size(session, clock), floor_us)?;
    control.treat(session, terminal, &wish)?;
    match control.treated.as_slice() {
        [treated] => {
            let made = made(treated)?;
            Ok((control, made))
        }
        several => {
            let keys: Vec<&str> = several.iter().flat_map(|one| &one.operators).map(|key| key.0.as_str()).collect();
            bail!("the glob means several operators, name one: {}", keys.join(", "))
        }
    }
}

fn made(treated: &Treated) -> anyhow::Result<Made> {
    let [operator] = treated.operators.as_slice() else { bail!("a control is of one operator") };
    Ok(Made {
        operator: operator.clone(),
        wished: treated.wished,
        reached: treated.reached,
        share: treated.share,
        copies: treated.nodes,
    })
}

/// What to put in: as asked for, else into the operator that the gate is for and so much that it counts.
fn wish(control: &Control, arguments: &ControlArgs, least: f64, floor_us: f64) -> anyhow::Result<Wish> {
    let operators = control.repeatable();
    let glob = match &arguments.operator {
        Some(glob) => glob.clone(),
        None => match usual(&operators) {
            Some(operator) => operator.key.0.clone(),
            None => bail!("no operator of this scenario can be made slower"),
        },
    };
    let size = match arguments.size {
        Some(size) => size,
        None => usual_size(&control.meant_by(&glob)?, least, floor_us),
    };
    Ok(Wish::operator(glob, size))
}

/// The largest operator without a matrix product, else the largest.
fn usual(operators: &[Repeatable]) -> Option<&Repeatable> {
    operators.iter().find(|one| one.group != Some(Group::Gemm)).or(operators.first())
}

/// At least this much, and so much that the smallest of these operators grows by more than what counts at all.
fn usual_size(operators: &[Repeatable], least: f64, floor_us: f64) -> f64 {
    let smallest = operators.iter().map(|one| one.self_us).fold(f64::INFINITY, f64::min);
    least.max(FLOORS * floor_us / smallest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::OperatorKey;

    fn operator(key: &str, group: Group, self_us: f64) -> Repeatable {
        Repeatable { key: OperatorKey(key.into()), group: Some(group), self_us }
    }

    #[test]
    fn the_largest_operator_without_a_product_is_made_slower() {
        let gemm = operator("ai.onnx:Gemm", Group::Gemm, 900.0);
        let add = operator("ai.onnx:Add", Group::ElementWise, 30.0);
        let softmax = operator("ai.onnx:Softmax", Group::LogitComputation, 60.0);
        assert_eq!(usual(&[gemm.clone(), softmax.clone(), add]), Some(&softmax));
        assert_eq!(usual(std::slice::from_ref(&gemm)), Some(&gemm));
        assert_eq!(usual(&[]), None);
    }

    #[test]
    fn by_a_fifth_or_by_twice_the_floor() {
        let of = |self_us| usual_size(&[operator("ai.onnx:Add", Group::ElementWise, self_us)], 0.2, 50.0);
        assert_eq!(of(10_000.0), 0.2);
        assert_eq!(of(200.0), 0.5);
        assert_eq!(of(50.0), 2.0);
    }
}
