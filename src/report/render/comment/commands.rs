//! What to type to see it again and to accept it, ready to paste.

use std::collections::HashSet;

use crate::report::crossed::Crossed;
use crate::report::render::fit::Section;
use crate::report::render::markdown::escape;
use crate::report::{Report, Severity, standing};

/// A longer command is none that anyone pastes.
const LONGEST: usize = 1000;
/// Trailers proposed.
const ALLOWANCES: usize = 3;

/// The commands in a fenced block, each under a line on what it is for; behind a fold where nothing crossed.
pub(super) fn section<'a>(report: &Report, crossed: &[Crossed<'_>]) -> Section<'a> {
    let commands = commands(report, crossed);
    let total = commands.len();
    let (open, close) = if crossed.is_empty() {
        ("<details>\n<summary>To reproduce</summary>\n\n```sh\n", "```\n\n</details>\n\n")
    } else {
        ("```sh\n", "```\n\n")
    };
    let rows = Box::new(commands.into_iter().map(|(why, command)| row(&why, &command)));
    Section { name: "commands", rank: 2, open: open.to_owned(), rows, total, close: close.to_owned() }
}

fn row(why: &str, command: &str) -> String {
    if command.len() > LONGEST {
        return format!("# {why}: too many scenarios to name them here\n");
    }
    format!("# {why}\n{}\n", escape::fenced(command))
}

/// What for, and the command.
fn commands(report: &Report, crossed: &[Crossed<'_>]) -> Vec<(String, String)> {
    let mut commands = vec![("measure it again".to_owned(), standing::reproduce_failed(report))];
    commands.extend(standing::next_steps(report).into_iter().map(|step| (step.why.to_owned(), step.command)));
    // A baseline is accepted by itself; what `compare` found is allowed by the commit that brings it.
    if report.sides.is_some() {
        let mut seen = HashSet::new();
        let fails = crossed.iter().filter(|one| one.severity == Severity::Error);
        let allowances = fails.filter_map(|one| standing::allowance(one.scenario, one.key()?));
        let allowances = allowances.filter(|command| seen.insert(command.clone())).take(ALLOWANCES);
        let why = "if the change is meant: say so, and why, in a commit";
        commands.extend(allowances.map(|command| (why.to_owned(), command)));
    }
    commands
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::crossed::crossed;
    use crate::report::fixtures;

    fn shown(report: &Report) -> String {
        let crossed = crossed(report);
        let Section { open, rows, close, .. } = section(report, &crossed);
        open + &rows.collect::<String>() + &close
    }

    #[test]
    fn what_a_check_found_is_accepted_into_the_baseline() {
        assert_eq!(
            shown(&fixtures::lost_fusion()),
            "```sh\n\
             # measure it again\n\
             cargo nongemm check bert-base@cpu-fp32-all-b1-s128-t1\n\
             # see every operator and its shapes\n\
             cargo nongemm run -v bert-base@cpu-fp32-all-b1-s128-t1\n\
             # if the change is meant: make it the baseline\n\
             cargo nongemm accept bert-base@cpu-fp32-all-b1-s128-t1\n\
             ```\n\n"
        );
    }

    #[test]
    fn what_a_comparison_found_is_allowed_by_a_commit() {
        let shown = shown(&fixtures::compared());
        let allowance = "# if the change is meant: say so, and why, in a commit\n\
             git commit --allow-empty -m 'Allow a change of latency' \
             --trailer 'Nongemm-Allow: bert-base@cpu-fp32-all-b1-s128-t1/ai.onnx:Softmax REASON'\n";
        assert!(shown.contains(allowance), "{shown}");
    }

    #[test]
    fn where_nothing_crossed_there_is_only_a_fold() {
        assert!(shown(&fixtures::unchanged()).starts_with("<details>\n<summary>To reproduce</summary>\n\n```sh\n"));
    }

    #[test]
    fn a_command_that_nobody_would_paste_is_not_there() {
        let shown = shown(&fixtures::many_findings());
        assert!(shown.contains("make it the baseline: too many scenarios to name them here\n"), "{shown}");
        assert!(shown.lines().all(|line| line.len() <= LONGEST));
    }

    #[test]
    fn no_name_closes_the_fence() {
        let shown = shown(&fixtures::hostile_names());
        assert_eq!(shown.matches("```").count(), 2, "{shown}");
    }
}
