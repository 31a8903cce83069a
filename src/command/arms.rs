//! Measures several arms of scenarios in turns: what `compare`, `calibrate` and the study of the gate share.
//!
//! A block is one launch of every arm, in an order of its own, so that whatever the machine does meanwhile falls on all
//! arms alike. Never two launches at a time.

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
    random: fastrand::Rng,
    blocks: u32,
    detail: Detail,
}

impl Blocks {
    /// Nothing measured yet; `seed` decides the order within blocks, `detail` what launches say.
    pub fn of(arms: Vec<Arm>, seed: u64, detail: Detail) -> Blocks {
        let measured =
            arms.iter().map(|_| Measured { launches: Vec::new(), wall: Vec::new(), failure: None }).collect();
        Blocks { arms, measured, random: fastrand::Rng::with_seed(seed), blocks: 0, detail }
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

    /// A random order, then its reverse.
    fn order(&mut self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.arms.len()).collect();
        // The same draw serves two blocks: the second one turns it round.
        let mut random = self.random.clone();
        random.shuffle(&mut order);
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

    #[test]
    fn each_arm_stands_as_early_as_late() {
        let mut blocks = Blocks::of(Vec::new(), 3, Detail::Usual);
        let arm = |label: usize| Arm {
            label: label.to_string(),
            planned: crate::command::testing::planned(),
            library: crate::command::testing::library(),
        };
        blocks.arms = (0..5).map(arm).collect();
        let mut places = [0_usize; 5];
        let mut orders = Vec::new();
        for _ in 0..20 {
            let order = blocks.order();
            blocks.blocks += 1;
            for (place, index) in order.iter().enumerate() {
                places[*index] += place;
            }
            orders.push(order);
        }
        assert_eq!(places, [40; 5]);
        orders.dedup();
        assert!(orders.len() > 15, "{orders:?}");
    }
}
