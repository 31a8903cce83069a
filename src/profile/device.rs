//! What a device did for a node, found out elsewhere and carried along with its executions.

use std::ops::AddAssign;

use super::distribution::Distribution;

/// What a device did for one execution, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeviceUse {
    /// Time of its work on the device.
    pub work_ns: i64,
    /// Pieces of that work.
    pub pieces: i64,
    /// Time that the host spent in launching it.
    pub launch_ns: i64,
    /// Time that the device had nothing to do right before it.
    pub waited_ns: i64,
    /// Of a node that runs on the host: its time while the device had nothing to do.
    pub exposed_ns: i64,
}

impl AddAssign for DeviceUse {
    fn add_assign(&mut self, other: Self) {
        self.work_ns += other.work_ns;
        self.pieces += other.pieces;
        self.launch_ns += other.launch_ns;
        self.waited_ns += other.waited_ns;
        self.exposed_ns += other.exposed_ns;
    }
}

/// The same of a node in a run, over runs; empty where nobody looked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DeviceTally {
    /// As in [`DeviceUse`].
    pub work_ns: Distribution,
    /// As in [`DeviceUse`].
    pub pieces: Distribution,
    /// As in [`DeviceUse`].
    pub launch_ns: Distribution,
    /// As in [`DeviceUse`].
    pub waited_ns: Distribution,
    /// As in [`DeviceUse`].
    pub exposed_ns: Distribution,
}

impl DeviceTally {
    /// Adds one run.
    pub(super) fn add(&mut self, run: DeviceUse) {
        self.work_ns.add(run.work_ns);
        self.pieces.add(run.pieces);
        self.launch_ns.add(run.launch_ns);
        self.waited_ns.add(run.waited_ns);
        self.exposed_ns.add(run.exposed_ns);
    }
}
