//! Group shares before and after, as bars of characters in a fenced block, whose letters are of one width.

use super::voice::{Naming, Voice};
use crate::report::figures::{self, GroupShares};
use crate::report::render::fit::Section;
use crate::report::render::text::{self, Charset, Cut};
use crate::report::render::{bar, number};
use crate::report::{ScenarioReport, wording};

/// Groups of one scenario; the rest is a line of its own.
const GROUPS: usize = 7;
/// Columns of a full bar.
const BAR: usize = 16;
/// Columns of a group's name.
const NAME: usize = 18;
/// Columns of a percentage.
const PERCENT: usize = 7;
/// A share below this on both sides goes into the rest.
const SMALL: f64 = 0.001;

/// The bars of some scenarios in a section.
pub(super) fn section<'a>(
    scenarios: Vec<&'a ScenarioReport>,
    open: &str,
    close: &str,
    naming: Naming,
    voice: Voice,
) -> Section<'a> {
    let total = scenarios.len();
    let rows = scenarios.into_iter().enumerate().map(move |(index, scenario)| {
        let gap = if index == 0 { "" } else { "\n" };
        gap.to_owned() + &one(scenario, naming, voice)
    });
    Section {
        name: "charts of shares",
        rank: 5,
        open: format!("{open}```text\n"),
        rows: Box::new(rows),
        total,
        close: format!("```\n\n{close}"),
    }
}

/// One scenario: a heading, then a line a group.
fn one(scenario: &ScenarioReport, naming: Naming, voice: Voice) -> String {
    let shares = figures::group_shares(scenario);
    let compared = shares.iter().any(|group| group.base.is_some());
    let name = voice.fenced(naming.name(scenario));
    let (before, after) = if compared { ("before", "after") } else { ("", "now") };
    let width = BAR + 1 + PERCENT;
    let mut out = if text::width(&name) < NAME && compared {
        format!("{}  {before:<width$}  {after}\n", padded(&name, NAME))
    } else if compared {
        format!("{name}\n{:NAME$}  {before:<width$}  {after}\n", "")
    } else {
        format!("{name}\n")
    };
    let larger = |group: &GroupShares| group.base.unwrap_or(0.0).max(group.head);
    let full = shares.iter().map(larger).fold(0.0, f64::max);
    let shown = shares.iter().take(GROUPS).take_while(|group| larger(group) >= SMALL).count();
    let (shown, rest) = shares.split_at(shown);
    for group in shown {
        out += &line(wording::group(group.group), *group, full, compared);
    }
    if !rest.is_empty() {
        let base = rest.iter().filter_map(|group| group.base).sum();
        let head = rest.iter().map(|group| group.head).sum();
        let together = GroupShares { group: None, base: compared.then_some(base), head, delta_us: None };
        let name = number::count(rest.len() as u64, "other group", "other groups");
        out += &line(&name, together, full, compared);
    }
    out
}

fn line(name: &str, group: GroupShares, full: f64, compared: bool) -> String {
    let bar = |share: f64| {
        let bar = padded(&bar::share_bar(share, full, BAR, Charset::Unicode), BAR);
        format!("{bar} {:>PERCENT$}", text::shorten(&number::percent(share), PERCENT, Cut::End))
    };
    let base = match (compared, group.base) {
        (false, _) => String::new(),
        (true, base) => format!("{}  ", bar(base.unwrap_or(0.0))),
    };
    let delta = group.delta_us.map_or_else(String::new, |us| format!("  {:>9}", number::difference(us)));
    format!("{name:<NAME$}  {base}{}{delta}\n", bar(group.head))
}

/// Formatting pads by characters, which may be two columns wide.
fn padded(text: &str, columns: usize) -> String {
    text.to_owned() + &" ".repeat(columns.saturating_sub(text::width(text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixtures;

    fn drawn(scenario: &ScenarioReport) -> String {
        one(scenario, Naming::of(&fixtures::check()), Voice::markdown(60))
    }

    #[test]
    fn bars_stand_under_one_another_before_and_after() {
        insta::assert_snapshot!(drawn(&fixtures::lost_fusion().scenarios[0]));
    }

    #[test]
    fn without_a_counterpart_there_is_one_bar() {
        insta::assert_snapshot!(drawn(&fixtures::compared().scenarios[1]));
    }

    #[test]
    fn what_is_no_share_draws_nothing() {
        let mut report = fixtures::unchanged();
        let comparison = report.scenarios[0].comparison.as_mut().unwrap();
        for group in &mut comparison.groups {
            (group.base_us, group.head_us, group.delta_us) = (-1e300, 1e308, Some(f64::INFINITY));
        }
        let drawn = drawn(&report.scenarios[0]);
        assert!(drawn.lines().all(|line| text::width(line) < 90), "{drawn}");
    }
}
