//! `[[rule]]`, and what the configuration says of groups of operators.

use std::collections::BTreeMap;

use crate::taxonomy::Group;
use crate::verdict::{FindingCode, NameGlob, Ruled};

use super::error::ConfigError;
use super::raw::{RawBudget, RawDay, RawGroupGate, RawRule};
use super::resolve::{number, pick};
use super::resolved::{GroupGate, Level, Rule};
use super::source::{Layer, Step};
use super::suggest::nearest;

/// The rules of the first document that has any.
pub(super) fn resolve(layers: &[Layer]) -> Result<Vec<Rule>, ConfigError> {
    let Some((layer, list)) = pick(layers, |raw| raw.rule.as_ref()) else { return Ok(Vec::new()) };
    list.iter().enumerate().map(|(index, raw)| rule(layer, index, raw)).collect()
}

fn rule(layer: &Layer, index: usize, raw: &RawRule) -> Result<Rule, ConfigError> {
    let whole = [Step::Key("rule"), Step::At(index)];
    let at = |key: &'static str| [whole[0], whole[1], Step::Key(key)];
    let Some(level) = raw.level else {
        let help = "add `level = \"deny\"`, `\"warn\"` or `\"allow\"`".to_owned();
        return Err(layer.error(&whole, "a rule needs `level`".to_owned(), "", Some(help)));
    };
    let reason = raw.reason.as_deref().map(str::trim).filter(|reason| !reason.is_empty());
    if reason.is_none() && level != Level::Deny {
        let help = "add `reason`, for whoever wonders why this is not an error".to_owned();
        return Err(layer.error(&whole, "a rule that loosens the gate needs `reason`".to_owned(), "", Some(help)));
    }
    let scenario = raw.scenario.clone().unwrap_or_else(|| "*".to_owned());
    check_glob(layer, &at("scenario"), &scenario)?;
    if let Some(operator) = &raw.operator {
        check_glob(layer, &at("operator"), operator)?;
    }
    let mut finding = Vec::new();
    for (place, name) in raw.finding.iter().flat_map(|list| &list.0).enumerate() {
        finding.push(code(layer, &[&at("finding")[..], &[Step::At(place)]].concat(), name)?);
    }
    let expires = raw.expires.as_ref().map(|day| match day {
        RawDay::Text(text) => text.clone(),
        RawDay::Date(date) => date.to_string(),
    });
    if let Some(expires) = expires.as_deref().filter(|day| !is_day(day)) {
        let title = format!("`{expires}` is no day");
        return Err(layer.error(&at("expires"), title, "write YYYY-MM-DD", None));
    }
    Ok(Rule { level, scenario, operator: raw.operator.clone(), finding, reason: reason.map(str::to_owned), expires })
}

fn code(layer: &Layer, path: &[Step<'_>], name: &str) -> Result<FindingCode, ConfigError> {
    let ruled = || FindingCode::all().filter(|code| code.ruled() != Ruled::Never).map(FindingCode::as_str);
    match name.parse::<FindingCode>() {
        Ok(code) if code.ruled() == Ruled::Never => {
            let title = format!("`{name}` cannot be ruled: {}, which is no matter of policy", code.summary());
            Err(layer.error(path, title, "no rule changes it", None))
        }
        Ok(code) => Ok(code),
        Err(_) => Err(unknown(layer, path, "finding code", name, &ruled().collect::<Vec<_>>())),
    }
}

/// Says that a name is none of those that may stand there.
fn unknown(layer: &Layer, path: &[Step<'_>], what: &str, name: &str, known: &[&str]) -> ConfigError {
    let label = nearest(name, known.iter().copied()).map(|name| format!("did you mean `{name}`?")).unwrap_or_default();
    let help = format!("{what}s that may stand here: {}", known.join(", "));
    layer.error(path, format!("unknown {what} `{name}`"), &label, Some(help))
}

/// An error where a text is no glob.
pub(super) fn check_glob(layer: &Layer, path: &[Step<'_>], text: &str) -> Result<(), ConfigError> {
    NameGlob::new(text).map(|_| ()).map_err(|kind| layer.error(path, format!("not a glob: {kind}"), "", None))
}

/// True for a day of the calendar, as `YYYY-MM-DD`.
fn is_day(text: &str) -> bool {
    let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts.as_slice() else { return false };
    if !(digits(year, 4) && digits(month, 2) && digits(day, 2)) {
        return false;
    }
    let month = month.parse::<u8>().ok().and_then(|month| time::Month::try_from(month).ok());
    let (Ok(year), Some(month), Ok(day)) = (year.parse(), month, day.parse()) else { return false };
    time::Date::from_calendar_date(year, month, day).is_ok()
}

/// The thresholds of each group that has its own; a document's keys come before those of the next, one by one.
pub(super) fn group_gates(layers: &[Layer]) -> Result<BTreeMap<Group, GroupGate>, ConfigError> {
    for layer in layers {
        for name in layer.raw.gate.group.keys() {
            group(layer, &[Step::Key("gate"), Step::Key("group"), Step::Key(name)], name)?;
        }
    }
    let mut gates = BTreeMap::new();
    for group in Group::all() {
        let value = |key: &'static str, of: fn(&RawGroupGate) -> Option<&f64>| {
            let found = pick(layers, |raw| raw.gate.group.get(group.name()).and_then(of));
            let path = [Step::Key("gate"), Step::Key("group"), Step::Key(group.name()), Step::Key(key)];
            found.map(|found| number(found, &path, "a number, 0 or more", |value| value >= 0.0)).transpose()
        };
        let gate = GroupGate {
            min_effect: value("min-effect", |raw| raw.min_effect.as_ref())?,
            floor_us: value("floor-us", |raw| raw.floor_us.as_ref())?,
        };
        if gate != GroupGate::default() {
            gates.insert(group, gate);
        }
    }
    Ok(gates)
}

/// `max-group-share` of a budget.
pub(super) fn group_shares(
    layer: &Layer,
    raw: &RawBudget,
    path: &[Step<'_>],
) -> Result<BTreeMap<Group, f64>, ConfigError> {
    let mut shares = BTreeMap::new();
    for (name, share) in &raw.max_group_share {
        let path = [path, &[Step::Key(name)]].concat();
        let group = group(layer, &path, name)?;
        let share = number((layer, share), &path, "a fraction from 0 to 1", |share| (0.0..=1.0).contains(&share))?;
        shares.insert(group, share);
    }
    Ok(shares)
}

fn group(layer: &Layer, path: &[Step<'_>], name: &str) -> Result<Group, ConfigError> {
    let known = Group::all().map(Group::name);
    Group::all()
        .into_iter()
        .find(|group| group.name() == name)
        .ok_or_else(|| unknown(layer, path, "group", name, &known))
}

#[cfg(test)]
mod tests {
    use super::is_day;

    #[test]
    fn days_are_of_the_calendar() {
        assert!(["2026-01-31", "2028-02-29", "0001-12-01"].into_iter().all(is_day));
        for wrong in ["2026-02-29", "2026-13-01", "2026-1-31", "26-01-31", "2026-01-31T00", "soon", "", "2026-01-+1"] {
            assert!(!is_day(wrong), "{wrong}");
        }
    }
}
