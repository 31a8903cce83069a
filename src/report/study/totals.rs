//! Ranges and means over models.

use super::{Breakdown, Over, Range, Row, RowResult, Total};
use crate::scenario::{Precision, Provider};

/// What the rows come to at each provider, precision and batch size: over the paper's models, and over all where there
/// are others among them.
pub(super) fn totals(rows: &[Row]) -> Vec<Total> {
    let mut settings: Vec<Key> = measured(rows).map(|(row, _)| key(row)).collect();
    settings.sort_unstable();
    settings.dedup();
    let of = |over| move |&at: &Key| total(rows, at, over);
    settings
        .iter()
        .flat_map(|at| {
            let paper = of(Over::Paper)(at);
            let all = of(Over::All)(at);
            let others = all.as_ref().map(|total| total.scenarios) > paper.as_ref().map(|total| total.scenarios);
            paper.into_iter().chain(all.filter(|_| others))
        })
        .collect()
}

type Key = (Provider, Precision, Option<u32>);

fn key(row: &Row) -> Key {
    (row.setting.provider, row.setting.precision, row.setting.batch)
}

fn measured(rows: &[Row]) -> impl Iterator<Item = (&Row, &Breakdown)> {
    rows.iter().filter_map(|row| match &row.result {
        RowResult::Measured(breakdown) => Some((row, breakdown)),
        RowResult::Failed { .. } => None,
    })
}

fn total(rows: &[Row], at: Key, over: Over) -> Option<Total> {
    let counts = |row: &Row| key(row) == at && (over == Over::All || row.in_paper);
    let chosen: Vec<&Breakdown> =
        measured(rows).filter(|(row, _)| counts(row)).map(|(_, breakdown)| breakdown).collect();
    let (provider, precision, batch) = at;
    Some(Total {
        provider,
        precision,
        batch,
        over,
        scenarios: chosen.len(),
        gemm: range(chosen.iter().map(|breakdown| breakdown.gemm))?,
        non_gemm: range(chosen.iter().map(|breakdown| breakdown.non_gemm))?,
    })
}

/// `None` of nothing.
fn range(shares: impl Iterator<Item = f64>) -> Option<Range> {
    let mut count = 0.0;
    let (mut min, mut max, mut sum) = (f64::INFINITY, f64::NEG_INFINITY, 0.0);
    for share in shares {
        count += 1.0;
        sum += share;
        min = f64::min(min, share);
        max = f64::max(max, share);
    }
    (count > 0.0).then(|| Range { min, max, mean: Some(sum / count) })
}

#[cfg(test)]
mod tests {
    use super::super::fixtures;
    use super::*;

    #[test]
    fn a_range_has_both_ends_and_the_mean() {
        let range = range([0.5, 0.25, 0.9].into_iter()).unwrap();
        assert_eq!((range.min, range.max), (0.25, 0.9));
        assert!((range.mean.unwrap() - 0.55).abs() < 1e-12);
        assert_eq!(super::range(std::iter::empty()), None);
    }

    #[test]
    fn failed_rows_count_nowhere_and_others_stand_beside_the_papers() {
        let study = fixtures::study(&fixtures::report(&fixtures::FULL));
        let of =
            |over, batch| study.totals.iter().find(|total| total.over == over && total.batch == Some(batch)).unwrap();
        let paper = study.rows.iter().filter(|row| row.in_paper && row.setting.batch == Some(8)).count();
        let failed = |row: &&Row| matches!(row.result, RowResult::Failed { .. });
        let lost = study.rows.iter().filter(|row| row.in_paper && row.setting.batch == Some(8)).filter(failed).count();
        assert!(lost > 0);
        assert_eq!(of(Over::Paper, 8).scenarios, paper - lost);
        assert!(of(Over::All, 8).scenarios > of(Over::Paper, 8).scenarios);
        assert!(of(Over::All, 1).gemm.min <= of(Over::Paper, 1).gemm.min);
    }

    #[test]
    fn one_line_is_enough_where_all_are_the_papers() {
        let study = fixtures::study(&fixtures::report(&["vit-b-16", "gpt2"]));
        assert_eq!(study.totals.iter().map(|total| total.over).collect::<Vec<_>>(), [Over::Paper, Over::Paper]);
    }
}
