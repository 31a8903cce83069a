//! The runs of one session, and the calmer half of them.

use std::collections::BTreeMap;
use std::fs::File;
use std::mem;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::measure::device::Meter;
use crate::measure::job::Plan;
use crate::measure::resources;
use crate::measure::result::OperatorRuns;
use crate::profile::{NameEncoding, ProfileError, Run, Tallies};
use crate::runtime::cupti::CuptiError;
use crate::runtime::session::{BoundSession, SessionError};

/// Runs shorter than this are preceded by a discarded one where a profile was read just before: filling the caches again
/// takes a millisecond or so.
const SETTLE_BELOW_US: f64 = 20_000.0;

/// A failure that does not know yet of which model.
#[derive(Debug)]
pub(super) enum RunsError {
    Session(SessionError),
    Profile(ProfileError),
    Device(CuptiError),
}

/// Unprofiled and profiled runs of one session.
pub(super) struct Runs {
    pub(super) unprofiled_us: Vec<f64>,
    pub(super) page_faults: Vec<f64>,
    pub(super) profiled: Vec<Run>,
    pub(super) tallies: Tallies,
    pub(super) cut_short: bool,
    /// True after a profile was read: caches hold that work instead of the model's.
    disturbed: bool,
}

impl Runs {
    /// Warm-up, then as many unprofiled runs as profiled ones, in which `meter` records what a device does.
    pub(super) fn make(
        session: &mut BoundSession,
        plan: &Plan,
        stem: &Path,
        encoding: NameEncoding,
        meter: Option<&mut Meter>,
    ) -> Result<Runs, RunsError> {
        for _ in 0..plan.warmup_runs {
            session.run().map_err(RunsError::Session)?;
        }
        let mut runs = Runs {
            unprofiled_us: Vec::new(),
            page_faults: Vec::new(),
            profiled: Vec::new(),
            tallies: Tallies::default(),
            cut_short: false,
            disturbed: false,
        };
        match meter {
            None => runs.in_turns(session, plan, stem, encoding)?,
            Some(meter) => runs.one_after_another(session, plan, stem, encoding, meter)?,
        }
        Ok(runs)
    }

    /// Pairs of an unprofiled and a profiled run, each pair in the other order than the last, so that a drift of the
    /// machine falls on both alike: what the profiler costs is found by comparing them.
    fn in_turns(
        &mut self,
        session: &mut BoundSession,
        plan: &Plan,
        stem: &Path,
        encoding: NameEncoding,
    ) -> Result<(), RunsError> {
        let mut pace = Pace::of(plan, 1.0);
        while let Some(pair) = pace.next() {
            let stem = stem.with_extension(pair.to_string());
            if pair % 2 == 0 {
                self.unprofiled(session)?;
                self.profiled(session, &stem, encoding, None)?;
            } else {
                self.profiled(session, &stem, encoding, None)?;
                self.unprofiled(session)?;
            }
        }
        self.cut_short = pace.cut_short;
        Ok(())
    }

    /// All unprofiled runs, then all profiled ones. A model on a GPU waits for its host to launch, and a host whose caches
    /// were just used to read a profile launches late; so does one whose calls CUPTI listens to.
    fn one_after_another(
        &mut self,
        session: &mut BoundSession,
        plan: &Plan,
        stem: &Path,
        encoding: NameEncoding,
        meter: &mut Meter,
    ) -> Result<(), RunsError> {
        let mut pace = Pace::of(plan, 0.5);
        while pace.next().is_some() {
            self.unprofiled(session)?;
        }
        // CUPTI prepares itself when it first records.
        let (path, _) = meter.profile(session, &stem.with_extension("first"))?;
        let _ = std::fs::remove_file(&path);
        let mut pace = Pace::of(plan, 0.5);
        while let Some(run) = pace.next() {
            self.profiled(session, &stem.with_extension(run.to_string()), encoding, Some(meter))?;
        }
        self.cut_short = pace.cut_short;
        Ok(())
    }

    fn unprofiled(&mut self, session: &mut BoundSession) -> Result<(), RunsError> {
        self.settle(session)?;
        let before = resources::page_faults();
        let elapsed = session.run().map_err(RunsError::Session)?;
        self.unprofiled_us.push(micros_of(elapsed));
        if let (Some(before), Some(after)) = (before, resources::page_faults()) {
            // Counts of faults stay far below 2^53.
            self.page_faults.push(after.saturating_sub(before) as f64);
        }
        Ok(())
    }

    fn profiled(
        &mut self,
        session: &mut BoundSession,
        stem: &Path,
        encoding: NameEncoding,
        meter: Option<&mut Meter>,
    ) -> Result<(), RunsError> {
        self.settle(session)?;
        let Some(meter) = meter else {
            let (_, path) = session.run_profiled(stem).map_err(RunsError::Session)?;
            let runs = self.read(&path, encoding)?;
            self.profiled.extend(runs);
            return Ok(());
        };
        let (path, recorded) = meter.profile(session, stem)?;
        for mut run in self.read(&path, encoding)? {
            meter.attribute(&mut run, &recorded, &self.tallies)?;
            self.profiled.push(run);
        }
        Ok(())
    }

    /// The runs of a profile, which is gone afterwards.
    fn read(&mut self, path: &Path, encoding: NameEncoding) -> Result<Vec<Run>, RunsError> {
        self.disturbed = true;
        let file = File::open(path).map_err(|error| RunsError::Profile(error.into()))?;
        let runs = self.tallies.runs(file, encoding).map_err(RunsError::Profile)?;
        // A profile that stays behind costs disk until the scratch folder goes; that is no reason to fail.
        let _ = std::fs::remove_file(path);
        Ok(runs)
    }

    /// A run that is discarded, where what came before would show in the next one.
    fn settle(&mut self, session: &mut BoundSession) -> Result<(), RunsError> {
        let short = self.unprofiled_us.last().is_none_or(|latency| *latency < SETTLE_BELOW_US);
        if mem::take(&mut self.disturbed) && short {
            session.run().map_err(RunsError::Session)?;
        }
        Ok(())
    }

    /// Durations of the profiled runs in microseconds, in order.
    pub(super) fn profiled_us(&self) -> Vec<f64> {
        self.profiled.iter().map(|run| run.duration_us as f64).collect()
    }

    /// Each profiled run's time by operator, as reported. To be asked before [`Runs::calm`].
    pub(super) fn by_operator(&self) -> Vec<OperatorRuns> {
        let mut sums: BTreeMap<(&str, &str), Vec<i64>> = BTreeMap::new();
        for (index, run) in self.profiled.iter().enumerate() {
            for row in &run.rows {
                let Some(operator) = self.tallies.operator_of(row) else { continue };
                let runs = sums.entry(operator).or_insert_with(|| vec![0; self.profiled.len()]);
                runs[index] += row.self_us;
            }
        }
        let runs = |((op_type, provider), reported_us): ((&str, &str), Vec<i64>)| OperatorRuns {
            op_type: op_type.to_owned(),
            provider: provider.to_owned(),
            reported_us,
        };
        sums.into_iter().map(runs).collect()
    }

    /// Figures of the calmer half of both kinds of runs.
    pub(super) fn calm(&mut self) -> Calm {
        let profiled_us = self.profiled_us();
        let middle = median(&profiled_us);
        for run in self.profiled.drain(..).filter(|run| run.duration_us as f64 <= middle) {
            self.tallies.count(&run);
        }
        Calm {
            unprofiled: Level::of(&self.unprofiled_us),
            profiled: Level::of(&profiled_us),
            tallies: mem::take(&mut self.tallies),
        }
    }
}

/// Counts iterations until the budget of a plan, or a part of it, is used up.
struct Pace {
    started: Instant,
    budget_s: f64,
    least: u32,
    most: u32,
    made: u32,
    /// True where time was over before there were as many as wanted.
    cut_short: bool,
}

impl Pace {
    fn of(plan: &Plan, part: f64) -> Pace {
        Pace {
            started: Instant::now(),
            budget_s: plan.time_budget_s * part,
            least: plan.min_iterations,
            most: plan.max_iterations,
            made: 0,
            cut_short: false,
        }
    }

    /// Number of the next iteration, if there is to be one.
    fn next(&mut self) -> Option<u32> {
        if self.made >= self.most {
            return None;
        }
        if self.made >= self.least && self.started.elapsed().as_secs_f64() > self.budget_s {
            self.cut_short = true;
            return None;
        }
        self.made += 1;
        Some(self.made - 1)
    }
}

/// What the calmer half of the runs says. On a machine that others use too, the slower half tells of them.
pub(super) struct Calm {
    pub(super) unprofiled: Level,
    pub(super) profiled: Level,
    pub(super) tallies: Tallies,
}

/// Mean of the lower half of some durations.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Level {
    pub(super) mean_us: f64,
    /// Its standard error.
    pub(super) error_us: f64,
}

impl Level {
    pub(super) fn of(values: &[f64]) -> Level {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let half = sorted.get(..sorted.len().div_ceil(2)).unwrap_or_default();
        let count = count(half);
        let (Some(last), Some(tenth)) = (half.last(), half.get(half.len() / 5)) else {
            return Level { mean_us: 0.0, error_us: 0.0 };
        };
        // Of normal noise, the median lies 1.28 standard deviations above the lowest tenth of all, and the mean of the
        // lower half has a standard error of 0.7 standard deviations over the root of twice its count.
        let error_us = (last - tenth) / 1.28 * 0.7 / (2.0 * count).sqrt();
        Level { mean_us: half.iter().sum::<f64>() / count, error_us }
    }
}

/// Middle value, or the mean of the two middle values; 0 of nothing.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    match (sorted.get(half), sorted.len() % 2) {
        (None, _) => 0.0,
        (Some(middle), 1) => *middle,
        (Some(upper), _) => (sorted.get(half.wrapping_sub(1)).unwrap_or(upper) + upper) / 2.0,
    }
}

/// Microseconds of a duration.
pub(super) fn micros_of(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

fn count(values: &[f64]) -> f64 {
    f64::from(u32::try_from(values.len()).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_makes_the_least_whatever_the_time_and_the_most_at_most() {
        let plan = |least, most, time_budget_s| Plan {
            min_iterations: least,
            max_iterations: most,
            time_budget_s,
            ..Plan::default()
        };
        let made = |plan: &Plan| {
            let mut pace = Pace::of(plan, 0.5);
            let numbers: Vec<u32> = std::iter::from_fn(|| pace.next()).collect();
            (numbers, pace.cut_short)
        };
        assert_eq!(made(&plan(2, 5, 60.0)), (vec![0, 1, 2, 3, 4], false));
        assert_eq!(made(&plan(2, 5, -1.0)), (vec![0, 1], true));
        assert_eq!(made(&plan(2, 2, -1.0)), (vec![0, 1], false));
    }

    #[test]
    fn medians() {
        assert_eq!(median(&[]), 0.0);
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
    }

    #[test]
    fn the_calmer_half_ignores_the_slower() {
        let calm = Level::of(&[10.0, 11.0, 12.0, 900.0, 40.0]);
        assert_eq!(calm.mean_us, 11.0);
        assert_eq!(Level::of(&[]), Level { mean_us: 0.0, error_us: 0.0 });
        assert_eq!(Level::of(&[5.0]), Level { mean_us: 5.0, error_us: 0.0 });
    }

    #[test]
    fn the_error_of_normal_noise_is_about_right() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut normal = || (0..12).map(|_| random.f64()).sum::<f64>() - 6.0;
        let levels: Vec<Level> = (0..400).map(|_| Level::of(&(0..40).map(|_| normal()).collect::<Vec<_>>())).collect();
        let mean = levels.iter().map(|level| level.mean_us).sum::<f64>() / 400.0;
        let spread = (levels.iter().map(|level| (level.mean_us - mean).powi(2)).sum::<f64>() / 400.0).sqrt();
        let claimed = levels.iter().map(|level| level.error_us).sum::<f64>() / 400.0;
        assert!((0.5..2.0).contains(&(claimed / spread)), "claimed {claimed:.3}, is {spread:.3}");
    }
}
