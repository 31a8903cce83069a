//! Measures several arms of scenarios in turns: what `compare`, `calibrate` and the study of the gate share.
//!
//! A block is one launch of every arm, in an order of its own, so that whatever the machine does meanwhile falls on all
//! arms alike. Arms that are compared with one another are launched one right after the other. Never two launches at a
//! time.

use std::time::{Duration, Instant};

use crate::measure::result::LaunchResult;
use crate::measure::supervise::LaunchFailure;
use crate::runtime::Library;
use crate::scenario::Planned;

use super::Terminal;
use super::suite::{Detail, Session};

/// One way to run one scenario.
#[derive(Debug, Clone)]
pub(super) struct Arm {
    /// What status lines call it, such as `base` or `Softmax +10 %`.
    pub label: String,
    /// What is run.
    pub planned: Planned,
    /// With which ONNX Runtime.
    pub library: Library,
}

/// What the launches of one arm came to: all of them, or the first failure, after which the arm is not launched again.
#[derive(Debug)]
pub(super) struct Measured {
    /// A result per block that was completed, in order.
    pub launches: Vec<LaunchResult>,
    /// Wall time of each of them, process start to end.
    pub wall: Vec<Duration>,
    /// Why there are no more.
    pub failure: Option<LaunchFailure>,
}

/// The launches of some arms, block by block.
#[derive(Debug)]
pub(super) struct Blocks {
    /// The arms, in the order in which they were given.
    pub arms: Vec<Arm>,
    /// What became of each.
    pub measured: Vec<Measured>,
    /// Indices of arms that are compared with one another.
    groups: Vec<Vec<usize>>,
    random: fastrand::Rng,
    blocks: u32,
    detail: Detail,
}

impl Blocks {
    /// Nothing measured yet. Each group holds arms that are compared with one another; the arms are numbered in the order
    /// of the groups. `seed` decides the order within blocks, `detail` what launches say.
    pub fn of(groups: Vec<Vec<Arm>>, seed: u64, detail: Detail) -> Blocks {
        let mut next = 0..;
        let groups_of = groups.iter().map(|group| next.by_ref().take(group.len()).collect()).collect();
        let arms: Vec<Arm> = groups.into_iter().flatten().collect();
        let nothing = |_| Measured { launches: Vec::new(), wall: Vec::new(), failure: None };
        let measured = arms.iter().map(nothing).collect();
        Blocks { arms, measured, groups: groups_of, random: fastrand::Rng::with_seed(seed), blocks: 0, detail }
    }

    /// Blocks measured so far.
    pub fn blocks(&self) -> u32 {
        self.blocks
    }

    /// Measures one more block of the arms that `wanted` names and that have not failed. Every second block of a pair has
    /// the reverse order of the one before, so that over two blocks each arm stands as early as late.
    ///
    /// # Errors
    /// An interrupt alone; other failures end their arm.
    pub fn measure(
        &mut self,
        session: &Session,
        terminal: &mut Terminal,
        wanted: impl Fn(usize) -> bool,
    ) -> anyhow::Result<()> {
        let order = self.order();
        self.blocks += 1;
        for index in order.into_iter().filter(|index| wanted(*index)) {
            let (arm, measured) = (&self.arms[index], &mut self.measured[index]);
            if measured.failure.is_some() {
                continue;
            }
            terminal.status.progress_message(&format!("{} {} (block {})", arm.planned.id, arm.label, self.blocks));
            let started = Instant::now();
            // All arms of a block see the same inputs.
            match session.launch_with(&arm.planned, &arm.library, self.blocks.into(), self.detail) {
                Ok(result) => {
                    measured.launches.push(result);
                    measured.wall.push(started.elapsed());
                }
                Err(LaunchFailure::Interrupted) => return Err(LaunchFailure::Interrupted.into()),
                Err(failure) => measured.failure = Some(failure),
            }
            terminal.status.advance(1);
        }
        Ok(())
    }

    /// A random order of the groups and of the arms in each, then its reverse.
    fn order(&mut self) -> Vec<usize> {
        let mut groups = self.groups.clone();
        // The same draw serves two blocks: the second one turns it round.
        let mut random = self.random.clone();
        random.shuffle(&mut groups);
        groups.iter_mut().for_each(|group| random.shuffle(group));
        let mut order: Vec<usize> = groups.into_iter().flatten().collect();
        if self.blocks % 2 == 1 {
            order.reverse();
            self.random = random;
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(groups: &[usize], seed: u64) -> Blocks {
        let arm = |label: usize| Arm {
            label: label.to_string(),
            planned: crate::command::testing::planned(),
            library: crate::command::testing::library(),
        };
        Blocks::of(groups.iter().map(|count| (0..*count).map(arm).collect()).collect(), seed, Detail::Usual)
    }

    fn orders(blocks: &mut Blocks, count: usize) -> Vec<Vec<usize>> {
        let mut next = || {
            let order = blocks.order();
            blocks.blocks += 1;
            order
        };
        (0..count).map(|_| next()).collect()
    }

    #[test]
    fn each_arm_stands_as_early_as_late() {
        let orders = orders(&mut blocks(&[5], 3), 20);
        let mut places = [0_usize; 5];
        for order in &orders {
            order.iter().enumerate().for_each(|(place, index)| places[*index] += place);
        }
        assert_eq!(places, [40; 5]);
        let distinct: std::collections::BTreeSet<_> = orders.into_iter().collect();
        assert!(distinct.len() > 15, "{distinct:?}");
    }

    #[test]
    fn the_two_sides_of_a_scenario_are_neighbours_and_each_is_first_in_half_of_the_blocks() {
        let orders = orders(&mut blocks(&[2, 1, 2], 7), 40);
        let place = |order: &[usize], arm: usize| order.iter().position(|other| *other == arm).unwrap();
        for [base, head] in [[0, 1], [3, 4]] {
            assert!(orders.iter().all(|order| place(order, base).abs_diff(place(order, head)) == 1));
            assert_eq!(orders.iter().filter(|order| place(order, base) < place(order, head)).count(), 20);
        }
        let first: std::collections::BTreeSet<usize> = orders.iter().map(|order| order[0]).collect();
        assert_eq!(first.len(), 5, "every arm begins a block now and then");
    }
}
