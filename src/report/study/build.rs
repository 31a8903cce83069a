//! Reports -> study.

use std::collections::HashMap;

use super::{
    Breakdown, GpuShare, GroupShare, OperatorShare, PAPER, PAPER_MODELS, Piece, Row, RowResult, STUDY_SCHEMA, Setting,
    Source, Study, StudyError, Task, VISIBLE, beside, method, totals,
};
use crate::report::{
    DeviceSummary, Group, Sample, Scenario, ScenarioId, ScenarioReport, ScenarioResult, Summary, figures,
};

impl Study {
    /// The study of the suite from one report, or from several that measured a part each. `built_in` names the built-in
    /// models in the order that people see. A scenario that failed in one report and was measured in another counts as
    /// measured.
    ///
    /// # Errors
    /// The same scenario measured in two reports, or nothing at all.
    pub fn of_suite(pieces: &[Piece<'_>], built_in: &[&str]) -> Result<Study, StudyError> {
        let (rows, sources) = gather(pieces, built_in)?;
        if rows.is_empty() {
            let files: Vec<&str> = pieces.iter().map(|piece| piece.name).collect();
            return Err(StudyError::Empty { files: files.join(", ") });
        }
        let groups = Group::all().into_iter().map(Some).chain([None]);
        let rows = sorted(rows, built_in);
        Ok(Study {
            schema: STUDY_SCHEMA,
            study: "suite",
            groups: groups.filter(|&group| rows.iter().any(|row| is_visible(row, group))).collect(),
            beside: beside::beside(&rows),
            totals: totals::totals(&rows),
            method: method::notes(&rows, &sources),
            sources,
            rows,
            paper: PAPER,
        })
    }
}

/// The rows of all pieces, each scenario once, and where they come from.
fn gather(pieces: &[Piece<'_>], built_in: &[&str]) -> Result<(Vec<Row>, Vec<Source>), StudyError> {
    let mut rows: Vec<Row> = Vec::new();
    let mut sources: Vec<Source> = Vec::new();
    let mut places: HashMap<ScenarioId, (usize, &str)> = HashMap::new();
    for piece in pieces {
        let (tool, machine) = (&piece.report.tool, &piece.report.machine);
        let same = |known: &Source| known.tool == *tool && known.machine == *machine;
        let at = sources.iter().position(same).unwrap_or_else(|| {
            sources.push(Source { tool: tool.clone(), machine: machine.clone(), gpus: Vec::new() });
            sources.len() - 1
        });
        for gpu in piece.report.gpus() {
            if !sources[at].gpus.contains(gpu) {
                sources[at].gpus.push(gpu.clone());
            }
        }
        for scenario in &piece.report.scenarios {
            let row = row(scenario, at, built_in);
            let Some(&(index, first)) = places.get(&row.id) else {
                places.insert(row.id.clone(), (rows.len(), piece.name));
                rows.push(row);
                continue;
            };
            let measured = |row: &Row| matches!(row.result, RowResult::Measured(_));
            match (measured(&rows[index]), measured(&row)) {
                (true, true) => {
                    return Err(StudyError::Twice { id: row.id, first: first.into(), second: piece.name.into() });
                }
                (true, false) => {}
                (false, _) => rows[index] = row,
            }
        }
    }
    Ok((rows, sources))
}

fn row(scenario: &ScenarioReport, source: usize, built_in: &[&str]) -> Row {
    let result = match &scenario.result {
        ScenarioResult::Measured { summary } => RowResult::Measured(breakdown(summary)),
        ScenarioResult::Failed { reason, .. } => RowResult::Failed { reason: reason.clone() },
    };
    let setting = setting(&scenario.scenario);
    let is_built_in = built_in.contains(&setting.model.as_str());
    Row {
        id: scenario.id.clone(),
        task: if is_built_in { Task::of_built_in(&setting.model) } else { Task::Other },
        in_paper: is_built_in && PAPER_MODELS.contains(&setting.model.as_str()),
        source,
        setting,
        result,
    }
}

fn setting(scenario: &Scenario) -> Setting {
    Setting {
        model: scenario.model.name().to_owned(),
        provider: scenario.provider,
        precision: scenario.precision,
        optimization: scenario.optimization,
        batch: scenario.batch,
        sequence: scenario.sequence,
        image: scenario.image,
        threads: scenario.threads,
    }
}

fn breakdown(summary: &Summary) -> Breakdown {
    let split = figures::split(summary);
    let mut groups: Vec<GroupShare> = summary
        .groups()
        .iter()
        .filter(|group| group.group != Some(Group::Gemm))
        .map(|group| GroupShare { group: group.group, share: group.share.median() })
        .collect();
    groups.sort_by_key(|entry| (entry.group.is_none(), entry.group));
    Breakdown {
        clock: summary.clock,
        gpu: summary.gpu.as_ref().map(|gpu| gpu_share(gpu.name.clone(), summary)),
        latency_us: summary.latency_us.median(),
        latency_spread: summary.latency_us.relative_spread(),
        launches: summary.latency_us.len(),
        iterations: summary.iterations,
        gemm: split.gemm,
        non_gemm: split.non_gemm,
        groups,
        largest_non_gemm: figures::top_non_gemm(summary)
            .map(|operator| OperatorShare { key: operator.key.clone(), share: operator.share.median() }),
        peak_rss_bytes: summary.peak_rss_bytes,
        warnings: summary.warnings.clone(),
    }
}

fn gpu_share(name: Option<String>, summary: &Summary) -> GpuShare {
    let latency_us = summary.latency_us.median();
    let part = |figure: fn(&DeviceSummary) -> &Sample| Some(figure(summary.device.as_ref()?).median() / latency_us);
    GpuShare { name, busy: part(|device| &device.busy_us), idle: part(|device| &device.idle_us) }
}

fn is_visible(row: &Row, group: Option<Group>) -> bool {
    match &row.result {
        RowResult::Measured(breakdown) => breakdown.share(group).is_some_and(|share| share >= VISIBLE),
        RowResult::Failed { .. } => false,
    }
}

/// By task, then in the order of the built-in models or of the reports, then by dimensions, the batch size last.
fn sorted(rows: Vec<Row>, built_in: &[&str]) -> Vec<Row> {
    let mut order: Vec<String> = built_in.iter().map(|&name| name.to_owned()).collect();
    for row in &rows {
        if !order.contains(&row.setting.model) {
            order.push(row.setting.model.clone());
        }
    }
    let mut rows = rows;
    rows.sort_by_cached_key(|row| {
        let Setting { model, provider, precision, optimization, batch, sequence, image, threads } = &row.setting;
        let place = order.iter().position(|name| name == model);
        (row.task, place, *sequence, *image, (*provider, *precision, *optimization, *threads), *batch)
    });
    rows
}

#[cfg(test)]
mod tests {
    use super::super::fixtures;
    use super::*;
    use crate::report::Report;

    fn of(reports: &[(&str, &Report)]) -> Result<Study, StudyError> {
        let pieces: Vec<Piece<'_>> = reports.iter().map(|&(name, report)| Piece { name, report }).collect();
        Study::of_suite(&pieces, &fixtures::FULL)
    }

    #[test]
    fn pieces_give_the_same_study_as_the_whole_in_any_order() {
        let whole = fixtures::report(&fixtures::FULL);
        let (mut odd, mut even) = (whole.clone(), whole.clone());
        let mut index = 0;
        odd.scenarios.retain(|_| {
            index += 1;
            index % 2 == 1
        });
        index = 0;
        even.scenarios.retain(|_| {
            index += 1;
            index % 2 == 0
        });
        let expected = of(&[("whole", &whole)]).unwrap();
        assert_eq!(of(&[("even", &even), ("odd", &odd)]).unwrap(), expected);
        assert_eq!(of(&[("odd", &odd), ("even", &even)]).unwrap(), expected);
    }

    #[test]
    fn what_was_measured_twice_is_refused_and_what_failed_may_be_measured_again() {
        let report = fixtures::report(&["gpt2"]);
        let message = of(&[("a.json", &report), ("b.json", &report)]).unwrap_err().to_string();
        assert!(message.contains("a.json") && message.contains("b.json") && message.contains("gpt2@"), "{message}");

        let mut failed = report.clone();
        failed.scenarios[0].result = ScenarioResult::Failed { reason: "no memory".into(), log: Vec::new() };
        failed.scenarios.truncate(1);
        let expected = of(&[("a.json", &report)]).unwrap();
        assert_eq!(of(&[("a.json", &report), ("f.json", &failed)]).unwrap(), expected);
        assert_eq!(of(&[("f.json", &failed), ("a.json", &report)]).unwrap(), expected);
    }

    #[test]
    fn a_failed_scenario_keeps_its_row_and_its_reason() {
        let mut report = fixtures::report(&["vit-b-16"]);
        report.scenarios[1].result = ScenarioResult::Failed { reason: "killed".into(), log: Vec::new() };
        let study = of(&[("a.json", &report)]).unwrap();
        assert_eq!(study.rows[1].result, RowResult::Failed { reason: "killed".into() });
        assert_eq!((study.rows[1].setting.batch, study.rows[1].task), (Some(8), Task::ImageClassification));
    }

    #[test]
    fn nothing_is_no_study() {
        let mut report = fixtures::report(&["vit-b-16"]);
        report.scenarios.clear();
        assert!(of(&[("a.json", &report)]).unwrap_err().to_string().starts_with("a.json: no scenario"));
    }

    #[test]
    fn a_file_of_a_built_in_models_name_is_not_the_papers() {
        let report = fixtures::report(&["vit-b-16"]);
        let pieces = [Piece { name: "a.json", report: &report }];
        let study = Study::of_suite(&pieces, &["gpt2"]).unwrap();
        assert!(study.rows.iter().all(|row| row.task == Task::Other && !row.in_paper));
    }

    #[test]
    fn other_machines_are_sources_of_their_own() {
        let (here, mut there) = (fixtures::report(&["gpt2"]), fixtures::report(&["vit-b-16"]));
        there.machine.cpu = "another".into();
        let study = of(&[("a", &here), ("b", &there)]).unwrap();
        assert_eq!(study.sources.len(), 2);
        let source = |model: &str| study.rows.iter().find(|row| row.setting.model == model).unwrap().source;
        assert_eq!((source("gpt2"), source("vit-b-16")), (0, 1));
    }

    #[test]
    fn shares_add_up_and_no_group_is_empty_everywhere() {
        let study = of(&[("a", &fixtures::report(&fixtures::FULL))]).unwrap();
        for row in &study.rows {
            let RowResult::Measured(breakdown) = &row.result else { continue };
            let sum: f64 = breakdown.groups.iter().map(|group| group.share).sum();
            assert!((sum - breakdown.non_gemm).abs() < 0.01, "{}: {sum}", row.id);
            assert!(breakdown.groups.iter().all(|group| group.share < VISIBLE || study.groups.contains(&group.group)));
        }
        assert!(!study.groups.contains(&Some(Group::Gemm)) && !study.groups.contains(&Some(Group::Recurrent)));
    }
}
