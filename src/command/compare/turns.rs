//! Both sides measured in turns, looked at as planned, and what regressed measured once more.

use std::ops::Range;
use std::time::Instant;

use crate::command::arms::{Arm, Blocks};
use crate::command::policy::Rules;
use crate::command::results::SavedResult;
use crate::command::suite::{Detail, Session, resolve};
use crate::command::{Terminal, outputs};
use crate::compare::{self, Comparison};
use crate::measure::supervise::LaunchFailure;
use crate::report::{Expected, Gate, ScenarioReport, ScenarioResult};
use crate::runtime::Library;
use crate::scenario::{Planned, ScenarioId};
use crate::summary::{Side, SideOperator, Summary, summarize};
use crate::verdict::{self, ALPHA, GpuThresholds, Look, Looks, Policy};

use super::pairing::Matched;
use super::unit::{State, Stock, Unit, unfetched};
use super::way::Both;

/// Pairs below which no probability reaches the level of a confirmation.
const FEWEST_CONFIRMING: u32 = 5;

/// What becomes of a scenario's result as soon as there is nothing more to do for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Results {
    /// It is shown, and the head's may become a baseline.
    Kept,
    /// It is shown.
    Shown,
    /// Whoever asked for it sees to it.
    Returned,
}

/// A measurement of both sides on its way.
pub(super) struct Turns<'a> {
    session: &'a Session,
    looks: &'a Looks,
    results: Results,
    blocks: Blocks,
    units: Vec<Unit>,
    shown: Vec<bool>,
    confirmed: Vec<ScenarioId>,
    looks_done: u32,
    quantities: usize,
    order_seed: u64,
    start: Instant,
}

impl<'a> Turns<'a> {
    /// Everything that is to be measured; what would not fit into memory, or was not fetched, has failed already.
    pub fn new(
        session: &'a Session,
        rules: &Rules,
        matched: &Matched,
        libraries: &Both<Library>,
        looks: &'a Looks,
        results: Results,
    ) -> Turns<'a> {
        let policy = |head: &Planned| {
            let class = session.fingerprint(head.scenario.provider).dir_name();
            let min_effect = session.config.compare.min_effect;
            let policy = rules.policy(&session.config, head, &class);
            let gpu = GpuThresholds { min_effect, ..policy.gpu };
            Policy { min_effect, gpu, ..policy }
        };
        let arm = |label: &str, planned: &Planned, library: &Library| {
            let (label, planned, library) = (label.to_owned(), planned.clone(), library.clone());
            Arm { label, planned, library }
        };
        let (mut groups, mut units, mut next) = (Vec::new(), Vec::new(), 0);
        let all = matched.both.iter().map(|(base, head)| (Some(base), head));
        for (base, head) in all.chain(matched.new.iter().map(|head| (None, head))) {
            let mut group: Vec<Arm> = base.map(|base| arm("base", base, &libraries.base)).into_iter().collect();
            group.push(arm("head", head, &libraries.head));
            units.push(Unit {
                planned: head.clone(),
                policy: policy(head),
                base: base.map(|_| next),
                head: next + group.len() - 1,
                state: State::Open,
                stock: None,
                judged: None,
            });
            next += group.len();
            groups.push(group);
        }
        let order_seed = fastrand::u64(..);
        let mut turns = Turns {
            session,
            looks,
            results,
            blocks: Blocks::of(groups, order_seed, Detail::Usual),
            shown: vec![false; units.len()],
            units,
            confirmed: Vec::new(),
            looks_done: 0,
            quantities: 0,
            order_seed,
            start: Instant::now(),
        };
        turns.refuse();
        turns
    }

    /// Measures and looks until everything is settled, then confirms. True where it was interrupted: what was not done by
    /// then has failed for that reason.
    ///
    /// # Errors
    /// A result or the terminal cannot be written.
    pub fn run(&mut self, terminal: &mut Terminal) -> anyhow::Result<bool> {
        self.start = Instant::now();
        terminal.status.start_progress(0);
        let ended = self.look_by_look(terminal).and_then(|()| self.confirm(terminal));
        terminal.status.end_progress();
        match ended {
            Err(error) if matches!(error.downcast_ref(), Some(LaunchFailure::Interrupted)) => {
                self.give_up();
                Ok(true)
            }
            other => other.map(|()| false),
        }
    }

    /// What became of each scenario, in the order of the head.
    pub fn reports(&self, order: &[ScenarioId]) -> Vec<ScenarioReport> {
        let mut reports: Vec<ScenarioReport> = self.units.iter().map(Unit::report).collect();
        reports.sort_by_key(|report| order.iter().position(|id| *id == report.id));
        reports
    }

    /// How it was measured.
    pub fn facts(&self, expected_s: Option<Expected>) -> Gate {
        Gate {
            looks: self.looks.iter().map(|look| look.pairs).collect(),
            looks_done: self.looks_done,
            alpha: ALPHA,
            quantities: u32::try_from(self.quantities).unwrap_or(u32::MAX),
            confirming_pairs: self.confirming_pairs(),
            confirmed: self.confirmed.clone(),
            order_seed: self.order_seed,
            expected_s,
            wall_s: self.start.elapsed().as_secs_f64(),
        }
    }

    fn look_by_look(&mut self, terminal: &mut Terminal) -> anyhow::Result<()> {
        let looks: Vec<Look> = self.looks.iter().collect();
        self.show(terminal)?;
        for (index, look) in looks.iter().enumerate() {
            let open = self.units.iter().filter(|unit| unit.is_open()).count();
            if open == 0 {
                break;
            }
            let scenarios = if open == 1 { "scenario" } else { "scenarios" };
            terminal.status.say("Measuring", &format!("{open} {scenarios} to {} pairs of launches", look.pairs));
            self.measure(terminal, look.pairs, Unit::is_open)?;
            self.look(*look);
            if index + 1 == looks.len() {
                self.units.iter_mut().filter(|unit| unit.is_open()).for_each(|unit| unit.state = State::Settled);
            }
            self.show(terminal)?;
        }
        Ok(())
    }

    /// Measures the units that `wanted` names until so many blocks are done; a side that cannot be launched ends an open
    /// unit.
    fn measure(&mut self, terminal: &mut Terminal, blocks: u32, wanted: impl Fn(&Unit) -> bool) -> anyhow::Result<()> {
        let arms = self.units.iter().filter(|unit| wanted(unit)).flat_map(Unit::arms).count();
        let rounds = blocks.saturating_sub(self.blocks.blocks());
        terminal.status.extend_progress(u64::try_from(arms).unwrap_or(0) * u64::from(rounds));
        while self.blocks.blocks() < blocks && self.units.iter().any(&wanted) {
            let mut launched = vec![false; self.blocks.arms.len()];
            self.units.iter().filter(|unit| wanted(unit)).flat_map(Unit::arms).for_each(|arm| launched[arm] = true);
            self.blocks.measure(self.session, terminal, |arm| launched[arm])?;
            for unit in self.units.iter_mut().filter(|unit| unit.is_open()) {
                let failures = unit.arms().map(|arm| (&self.blocks.arms[arm], &self.blocks.measured[arm].failure));
                if let Some((arm, failure)) = failures.filter_map(|(arm, it)| Some((arm, it.as_ref()?))).next() {
                    unit.fail(format!("{}: {failure}", arm.label), failure.log());
                }
            }
        }
        Ok(())
    }

    /// Refuses what the kernel would kill, and what is no model but Git's word for one.
    fn refuse(&mut self) {
        for unit in &mut self.units {
            for arm in unit.arms().map(|arm| &self.blocks.arms[arm]) {
                let refusal = self.session.refuse(&arm.planned);
                if let Some(reason) = refusal.or_else(|| unfetched(&arm.planned)) {
                    unit.fail(format!("{}: {reason}", arm.label), &[]);
                    break;
                }
            }
        }
    }

    /// Looks at everything that has been measured, and judges anew what is not settled.
    fn look(&mut self, look: Look) {
        for index in 0..self.units.len() {
            if self.units[index].is_open() {
                self.take_stock(index);
            }
        }
        let compared: Vec<usize> = (0..self.units.len()).filter(|index| self.units[*index].sides().is_some()).collect();
        let sides: Vec<(&Side, &Side)> = self.units.iter().filter_map(Unit::sides).collect();
        // Settled scenarios stay among what is tested together: without them the rest would be flagged more easily.
        let comparisons = compare::paired(&sides);
        self.quantities = comparisons.iter().map(quantities).sum();
        self.looks_done += 1;
        for (index, comparison) in compared.into_iter().zip(comparisons) {
            let unit = &mut self.units[index];
            let Some(stock) = unit.stock.as_ref().filter(|_| unit.is_open()) else { continue };
            let judgement = verdict::judge_paired(&stock.head, &comparison, &unit.policy, look.alpha);
            if verdict::is_settled(&judgement) {
                unit.state = State::Settled;
            }
            unit.judged = Some((comparison, judgement));
        }
    }

    /// Sums up the launches of an open unit. One that only the head has is settled with that.
    fn take_stock(&mut self, index: usize) {
        let unit = &self.units[index];
        let launches = 0..self.pairs(unit);
        let summaries = self.summary(unit.head, launches.clone()).and_then(|head| {
            let base = unit.base.map(|base| self.summary(base, launches)).transpose()?;
            let sides = base.map(|base| Both { base: self.side(&base, unit), head: self.side(&head, unit) });
            Ok(Stock { head, sides })
        });
        let unit = &mut self.units[index];
        match summaries {
            Ok(stock) => {
                if stock.sides.is_none() {
                    unit.state = State::Settled;
                }
                unit.stock = Some(stock);
            }
            Err(reason) => unit.fail(reason, &[]),
        }
    }

    /// Launches that a unit has of each of its sides.
    fn pairs(&self, unit: &Unit) -> usize {
        unit.arms().map(|arm| self.blocks.measured[arm].launches.len()).min().unwrap_or(0)
    }

    fn summary(&self, arm: usize, launches: Range<usize>) -> Result<Summary, String> {
        let Arm { label, planned, .. } = &self.blocks.arms[arm];
        let launches = self.blocks.measured[arm].launches.get(launches).unwrap_or_default();
        summarize(planned.scenario.clone(), planned.id.clone(), launches, &resolve)
            .map_err(|error| format!("{label}: {error}"))
    }

    /// Both sides ran on this machine, so neither differs from the other in its class: the provider is a part of that,
    /// and may be what is compared.
    fn side(&self, summary: &Summary, unit: &Unit) -> Side {
        let class = self.session.fingerprint(unit.planned.scenario.provider).fields();
        summary.side(class, env!("CARGO_PKG_VERSION"), &self.session.machine.cpu)
    }

    /// Fresh pairs of what regressed.
    fn confirming_pairs(&self) -> u32 {
        self.looks.iter().next().map_or(0, |look| look.pairs).max(FEWEST_CONFIRMING)
    }

    /// Measures what regressed again: fresh pairs alone must show it too.
    fn confirm(&mut self, terminal: &mut Terminal) -> anyhow::Result<()> {
        let red: Vec<usize> = (0..self.units.len()).filter(|index| self.units[*index].is_red()).collect();
        for &index in &red {
            let id = &self.units[index].planned.id;
            terminal.status.say("Confirming", &format!("{id}: a slowdown must show again in fresh pairs"));
            self.confirmed.push(id.clone());
        }
        let before: Vec<usize> = red.iter().map(|index| self.pairs(&self.units[*index])).collect();
        if !red.is_empty() {
            self.measure(terminal, self.blocks.blocks() + self.confirming_pairs(), Unit::is_red)?;
        }
        let (mut fresh, mut pooled, mut measured) = (Vec::new(), Vec::new(), Vec::new());
        for (&index, &before) in red.iter().zip(&before) {
            let unit = &self.units[index];
            let all = self.pairs(unit);
            // Where no fresh pair could be measured, the first verdict stands.
            let (Some(again), Some(together)) = (self.both(unit, before..all), self.both(unit, 0..all)) else {
                continue;
            };
            fresh.push(again);
            pooled.push(together);
            measured.push(index);
        }
        let flagged = |place: usize, operator: Option<&SideOperator>| self.units[measured[place]].is_flagged(operator);
        let again = compare::paired_where(&borrowed(&fresh), flagged);
        let together = compare::paired(&borrowed(&pooled));
        for ((index, again), together) in measured.into_iter().zip(again).zip(together) {
            let unit = &mut self.units[index];
            if let Some((_, judgement)) = &mut unit.judged {
                *judgement = verdict::confirm_paired(judgement, &again, &together, &unit.policy);
            }
        }
        red.into_iter().for_each(|index| self.units[index].state = State::Done);
        self.show(terminal)
    }

    fn both(&self, unit: &Unit, launches: Range<usize>) -> Option<Both<Side>> {
        let base = self.summary(unit.base?, launches.clone()).ok()?;
        let head = self.summary(unit.head, launches).ok()?;
        Some(Both { base: self.side(&base, unit), head: self.side(&head, unit) })
    }

    /// Shows and keeps what nothing more is to be done for.
    fn show(&mut self, terminal: &mut Terminal) -> anyhow::Result<()> {
        for (unit, shown) in self.units.iter_mut().zip(&mut self.shown) {
            if unit.state == State::Settled && !unit.is_red() {
                unit.state = State::Done;
            }
            if *shown || !matches!(unit.state, State::Done | State::Failed { .. }) {
                continue;
            }
            *shown = true;
            let report = unit.report();
            if let (ScenarioResult::Measured { .. }, Results::Kept) = (&report.result, self.results) {
                let class = self.session.fingerprint(unit.planned.scenario.provider);
                self.session.results.save(&SavedResult::new("compare", &report, class, &self.session.machine, None))?;
            }
            if self.results != Results::Returned {
                outputs::scenario(terminal, &report)?;
            }
        }
        Ok(())
    }

    /// Ends everything that is not done, and says how far it was.
    fn give_up(&mut self) {
        let most = self.looks.most_pairs();
        for index in 0..self.units.len() {
            let unit = &self.units[index];
            let reason = match unit.state {
                State::Open => format!("interrupted after {} of up to {most} pairs", self.pairs(unit)),
                State::Settled => "interrupted before its slowdown was confirmed by fresh pairs".to_owned(),
                State::Done | State::Failed { .. } => continue,
            };
            self.units[index].fail(reason, &[]);
        }
    }
}

/// Operators and latencies that pairs say something of.
fn quantities(comparison: &Comparison) -> usize {
    let operators = comparison.operators.iter().filter(|change| change.estimate.is_some());
    operators.count() + usize::from(comparison.latency.estimate.is_some())
}

fn borrowed(sides: &[Both<Side>]) -> Vec<(&Side, &Side)> {
    sides.iter().map(|sides| (&sides.base, &sides.head)).collect()
}
