//! What a launch says of a GPU.

use serde::{Deserialize, Serialize};

/// Where the times of nodes come from. Times of different clocks say different things and are never compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Clock {
    /// The host's: what ONNX Runtime's profiler reports, with its own cost removed. True for a provider on the CPU.
    #[default]
    Host,
    /// The device's own, as CUPTI records it: what each node cost the GPU.
    DeviceCupti,
    /// The host's while each launch waits for the device (`CUDA_LAUNCH_BLOCKING=1`): a node's time holds its launches and
    /// what they started, and the latency is longer than that of a deployment.
    DeviceSynchronous,
}

impl Clock {
    /// True where no device is involved.
    pub fn is_host(&self) -> bool {
        *self == Clock::Host
    }

    /// One word, as in files.
    pub fn name(self) -> &'static str {
        match self {
            Clock::Host => "host",
            Clock::DeviceCupti => "device-cupti",
            Clock::DeviceSynchronous => "device-synchronous",
        }
    }
}

/// A GPU and the software that drives it. What could not be asked is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct GpuFacts {
    /// The GPU as it names itself.
    pub name: Option<String>,
    /// The driver's release, such as `580.159.04`; where it does not tell, the newest CUDA that it can run.
    pub driver: Option<String>,
    /// CUDA's runtime library.
    pub cuda: Option<String>,
    /// cuDNN.
    pub cudnn: Option<String>,
    /// CUPTI's interface, where it recorded.
    pub cupti: Option<String>,
}

/// Work of one kind, for a node or an operator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KernelUse {
    /// Name of the kernel without namespaces and template arguments, or the kind of copy, or `fill`.
    pub name: String,
    /// Times in a run.
    pub pieces: u32,
    /// Time in a run, in microseconds.
    pub work_us: f64,
    /// Whether it multiplies matrices or convolves, by its name.
    pub product: bool,
}

/// What a device did for one node in a run. Medians over profiled runs, in microseconds.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct NodeDevice {
    /// Time of its kernels, copies and fills. Those that ran at once count each.
    pub work_us: f64,
    /// How many there were.
    pub pieces: u32,
    /// Time that the host spent in the calls that launched them.
    pub launch_us: f64,
    /// Time that the device had nothing to do right before one of them.
    pub waited_us: f64,
    /// Of a node that runs on the host: its time while the device had nothing to do.
    pub exposed_us: f64,
    /// Of what the work consists, by descending time; means over profiled runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kernels: Vec<KernelUse>,
}

/// What a device did in a profiled run. Medians over the calmer half of these runs, in microseconds.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct DeviceRecord {
    /// The run, until the device was done.
    pub run_us: f64,
    /// Time in which the device did anything.
    pub busy_us: f64,
    /// Time in which it did several things at once, counted for each but one.
    pub overlapping_us: f64,
    /// Of the time in which it did nothing, that in which the host ran nodes of its own.
    pub exposed_us: f64,
    /// Of the time in which it did nothing, that after its last work.
    pub trailing_us: f64,
    /// Bytes that it was sent.
    pub received_bytes: u64,
    /// Bytes that it sent back.
    pub sent_bytes: u64,
    /// Work that belongs to no node, by descending time.
    pub strays: Vec<StrayWork>,
    /// Records that CUPTI dropped, over all profiled runs.
    pub dropped: u64,
    /// Part of the launching calls that lie inside of a node, 0 to 1: how well the two clocks fit.
    pub contained: f64,
    /// How far the clocks could be moved against each other without losing a call, in microseconds.
    pub play_us: f64,
}

/// Work of the device's that belongs to no node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StrayWork {
    /// Kernel, or kind of copy.
    pub what: String,
    /// True where nobody was seen to ask for it, false where it was asked for between nodes.
    pub unasked: bool,
    /// Times in all profiled runs that count.
    pub pieces: u32,
    /// Time in a run, the mean over them, in microseconds.
    pub work_us: f64,
}
