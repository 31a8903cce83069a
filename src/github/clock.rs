//! Time and chance, as far as sending again needs them.

use std::time::{Duration, SystemTime};

/// What waiting needs of the world. A test hands in one that does not wait.
pub trait Clock: Send + Sync {
    /// The time of day, to tell how long a limit still holds.
    fn now(&self) -> SystemTime;

    /// Waits.
    fn sleep(&self, how_long: Duration);

    /// A random number from 0 to 1, so that many who were turned away do not all come back at the same moment.
    fn jitter(&self) -> f64;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn sleep(&self, how_long: Duration) {
        std::thread::sleep(how_long);
    }

    fn jitter(&self) -> f64 {
        fastrand::f64()
    }
}
