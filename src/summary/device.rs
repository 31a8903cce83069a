//! What a GPU did, over launches.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::measure::result::{DeviceRecord, KernelUse, LaunchResult, NodeRecord, StrayWork};

use super::{Sample, median};

/// What the device did in a run. Each sample has a value a launch, in microseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeviceSummary {
    /// Time in which the device did anything.
    pub busy_us: Sample,
    /// Latency minus that and `exposed_us`: the device waited for the host to launch something. Negative where the device
    /// worked longer in profiled runs than unprofiled ones take.
    pub idle_us: Sample,
    /// Time in which the host ran nodes of its own and the device had nothing to do.
    pub exposed_us: Sample,
    /// Time in which the device did several things at once, counted for each but one.
    pub overlapping_us: Sample,
    /// Time that the host spent in calls that launched something, for nodes.
    pub launch_us: Sample,
    /// Work that belongs to no node.
    pub stray_us: Sample,
    /// What that was, in the launch that had most of it, by descending time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub strays: Vec<StrayWork>,
    /// Bytes that the device was sent in a run.
    pub received_bytes: u64,
    /// Bytes that it sent back in a run.
    pub sent_bytes: u64,
    /// Part of the launching calls that lie inside of a node, 0 to 1, the least of all launches.
    pub contained: f64,
}

/// What the device did for an operator in a run: medians over launches, in microseconds.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct OperatorDevice {
    /// Time of its work on the device.
    pub work_us: f64,
    /// Pieces of that work.
    pub pieces: u32,
    /// Time that the host spent in the calls that launched it.
    pub launch_us: f64,
    /// Time that the device had nothing to do right before it.
    pub waited_us: f64,
    /// What ONNX Runtime's profiler reports in place of all this: the host's time in the node.
    pub reported_us: f64,
    /// Of what the work consists, by descending time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kernels: Vec<KernelUse>,
}

/// Over launches that all have a record of the device; `None` where one has none.
pub(super) fn device(launches: &[LaunchResult]) -> Option<DeviceSummary> {
    let records: Vec<(&LaunchResult, &DeviceRecord)> =
        launches.iter().map(|launch| Some((launch, launch.device.as_ref()?))).collect::<Option<_>>()?;
    let sample = |figure: &dyn Fn(&LaunchResult, &DeviceRecord) -> f64| {
        Sample(records.iter().map(|(launch, record)| figure(launch, record)).collect())
    };
    let most = records.iter().max_by(|(_, a), (_, b)| strays_us(a).total_cmp(&strays_us(b)))?.1;
    Some(DeviceSummary {
        busy_us: sample(&|_, record| record.busy_us),
        idle_us: sample(&|launch, record| launch.latency_us - record.busy_us - record.exposed_us),
        exposed_us: sample(&|_, record| record.exposed_us),
        overlapping_us: sample(&|_, record| record.overlapping_us),
        launch_us: sample(&|launch, _| {
            launch.nodes.iter().filter_map(|node| node.device.as_ref()).map(|one| one.launch_us).sum()
        }),
        stray_us: sample(&|_, record| strays_us(record)),
        strays: most.strays.clone(),
        received_bytes: most.received_bytes,
        sent_bytes: most.sent_bytes,
        contained: records.iter().map(|(_, record)| record.contained).fold(1.0, f64::min),
    })
}

fn strays_us(record: &DeviceRecord) -> f64 {
    // A sum of no floats is -0.
    record.strays.iter().fold(0.0, |sum, stray| sum + stray.work_us)
}

/// What the device did for one operator, launch by launch.
#[derive(Debug, Default)]
pub(super) struct OperatorLaunches {
    work_us: Vec<f64>,
    pieces: Vec<f64>,
    launch_us: Vec<f64>,
    waited_us: Vec<f64>,
    reported_us: Vec<f64>,
    /// Pieces and time in each launch, by kernel and whether it computes products.
    kernels: BTreeMap<(String, bool), Vec<(f64, f64)>>,
    seen: bool,
}

impl OperatorLaunches {
    /// Nothing yet, of so many launches.
    pub fn none(launches: usize) -> Self {
        let none = || vec![0.0; launches];
        OperatorLaunches {
            work_us: none(),
            pieces: none(),
            launch_us: none(),
            waited_us: none(),
            reported_us: none(),
            kernels: BTreeMap::new(),
            seen: false,
        }
    }

    /// Adds a node of a launch.
    pub fn add(&mut self, launch: usize, node: &NodeRecord) {
        let Some(device) = &node.device else { return };
        self.seen = true;
        let figures = [
            (&mut self.work_us, device.work_us),
            (&mut self.pieces, f64::from(device.pieces)),
            (&mut self.launch_us, device.launch_us),
            (&mut self.waited_us, device.waited_us),
            (&mut self.reported_us, node.raw_us),
        ];
        for (sums, value) in figures {
            if let Some(sum) = sums.get_mut(launch) {
                *sum += value;
            }
        }
        for kernel in &device.kernels {
            let launches = self.kernels.entry((kernel.name.clone(), kernel.product));
            let launches = launches.or_insert_with(|| vec![(0.0, 0.0); self.work_us.len()]);
            if let Some((pieces, work_us)) = launches.get_mut(launch) {
                *pieces += f64::from(kernel.pieces);
                *work_us += kernel.work_us;
            }
        }
    }

    /// Medians over launches; `None` where no node has a record of the device.
    pub fn summary(&self) -> Option<OperatorDevice> {
        let middle = |values: &[f64]| median(values).unwrap_or(0.0);
        self.seen.then(|| OperatorDevice {
            work_us: middle(&self.work_us),
            // Saturates by definition of the conversion; pieces are counts of records.
            pieces: middle(&self.pieces).round() as u32,
            launch_us: middle(&self.launch_us),
            waited_us: middle(&self.waited_us),
            reported_us: middle(&self.reported_us),
            kernels: self.kernels(),
        })
    }

    /// Medians over launches: one that only few launches ran counts nothing.
    fn kernels(&self) -> Vec<KernelUse> {
        let of = |figures: &[(f64, f64)], figure: fn(&(f64, f64)) -> f64| {
            median(&figures.iter().map(figure).collect::<Vec<_>>()).unwrap_or(0.0)
        };
        let used = |((name, product), launches): (&(String, bool), &Vec<(f64, f64)>)| KernelUse {
            name: name.clone(),
            product: *product,
            // Saturates by definition of the conversion; pieces are counts of records.
            pieces: of(launches, |one| one.0).round() as u32,
            work_us: of(launches, |one| one.1),
        };
        let mut kernels: Vec<KernelUse> = self.kernels.iter().map(used).filter(|kernel| kernel.pieces > 0).collect();
        kernels.sort_by(|a, b| b.work_us.total_cmp(&a.work_us));
        kernels
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::result::{Clock, NodeDevice};
    use crate::summary::testing::{launch, op, summary_of};

    fn on_gpu(work_us: f64, busy_us: f64) -> LaunchResult {
        let mut one = launch(&[op("MatMul", 2, work_us), op("Add", 1, 5.0)]);
        let device = |work_us| NodeDevice { work_us, pieces: 3, launch_us: 7.0, ..NodeDevice::default() };
        one.nodes[0].device = Some(device(work_us));
        one.nodes[1].device = Some(device(5.0));
        one.latency_us = 200.0;
        let strays = vec![StrayWork { what: "fill".into(), unasked: false, pieces: 1, work_us: 2.0 }];
        let record = DeviceRecord { busy_us, exposed_us: 10.0, contained: 0.97, strays, ..DeviceRecord::default() };
        LaunchResult { clock: Clock::DeviceCupti, device: Some(record), ..one }
    }

    #[test]
    fn work_waiting_and_what_the_host_did_alone_are_the_latency() {
        let summary = summary_of(&[on_gpu(100.0, 120.0), on_gpu(110.0, 130.0)]);
        let device = summary.device.unwrap();
        assert_eq!((device.busy_us.0, device.idle_us.0), (vec![120.0, 130.0], vec![70.0, 60.0]));
        assert_eq!((device.launch_us.0, device.contained), (vec![14.0, 14.0], 0.97));
        assert_eq!((device.stray_us.0, device.strays.len()), (vec![2.0, 2.0], 1));
        let matmul = &summary.operators[0];
        let expected = OperatorDevice {
            work_us: 105.0,
            pieces: 3,
            launch_us: 7.0,
            reported_us: 107.0,
            ..OperatorDevice::default()
        };
        assert_eq!((matmul.key.0.as_str(), matmul.device.clone()), ("ai.onnx:MatMul", Some(expected)));
    }

    #[test]
    fn launches_by_the_host_s_clock_have_no_device() {
        let summary = summary_of(&[launch(&[op("MatMul", 1, 5.0)])]);
        assert!(summary.device.is_none() && summary.operators[0].device.is_none());
    }
}
