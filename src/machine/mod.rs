//! Facts about the machine that measurements are made on, and what among them harms a measurement.
//!
//! Everything that a system may not tell is an `Option`: Linux tells all of it, macOS and Windows what can be had cheaply.
//! Nothing here imports another module of the program.

mod cpu;
#[cfg(unix)]
mod disk;
mod harm;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(any(target_os = "macos", test))]
mod macos;

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use cpu::{InstructionSet, cpu_model, instruction_set};
pub use harm::{Harm, harms};

/// What is known of this machine.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Facts {
    /// Operating system as Rust names it, such as `linux`.
    pub os: String,
    /// Architecture as Rust names it, such as `x86_64`.
    pub arch: String,
    /// The processor.
    pub cpu: Cpu,
    /// Main memory.
    pub memory: Memory,
    /// What runs beside the measurement.
    pub load: Load,
    /// How the clock of the cores is governed.
    pub frequency: Frequency,
    /// What this process runs inside of.
    pub confinement: Confinement,
    /// Hottest sensor in degrees Celsius.
    pub temperature_celsius: Option<f64>,
    /// Does the machine run on its battery?
    pub on_battery: Option<bool>,
}

/// The processor.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Cpu {
    /// The processor's own name, such as `AMD EPYC 7763 64-Core Processor`.
    pub model: Option<String>,
    /// Who made it, as the processor says, such as `GenuineIntel`.
    pub vendor: Option<String>,
    /// The fingerprint's level: what decides which of ONNX Runtime's kernels run.
    pub instruction_set: InstructionSet,
    /// The x86-64 micro-architecture level, 1 to 4; `None` on other processors.
    pub x86_64_level: Option<u8>,
    /// The instruction-set extensions found, among those that ONNX Runtime's kernels ask for.
    pub extensions: Vec<String>,
    /// Logical cores that this process may use: affinity and a control group's quota are taken off.
    pub usable_cores: u32,
    /// Logical cores of the machine that are online.
    pub logical_cores: Option<u32>,
    /// Physical cores of the machine.
    pub physical_cores: Option<u32>,
    /// Size of the last-level cache in bytes, as one core sees it.
    pub last_level_cache_bytes: Option<u64>,
}

/// Main memory, in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Memory {
    /// Installed, or given to the virtual machine.
    pub total_bytes: Option<u64>,
    /// What a new process can have without swapping, and without its control group ending it.
    pub available_bytes: Option<u64>,
}

/// What runs beside the measurement.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Load {
    /// Load averages over 1, 5 and 15 minutes.
    pub average: Option<[f64; 3]>,
    /// Cores kept busy by anything while this process slept for a moment.
    pub busy_cores: Option<f64>,
    /// Share of that moment, 0 to 1, in which the hypervisor ran somebody else on these cores.
    pub steal: Option<f64>,
}

/// How the clock of the cores is governed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Frequency {
    /// The governor of the first core, such as `performance`.
    pub governor: Option<String>,
    /// May cores exceed their nominal clock?
    pub turbo: Option<bool>,
}

/// What this process runs inside of.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Confinement {
    /// The hypervisor, where the processor names one, such as `KVM`.
    pub hypervisor: Option<String>,
    /// The kind of container, such as `docker`.
    pub container: Option<String>,
    /// Cores' worth of time that the control group may use.
    pub quota_cores: Option<f64>,
    /// Share of the control group's periods, 0 to 1, in which it was stopped for having used its quota.
    pub throttled: Option<f64>,
}

/// Gathers everything. Takes `sample` longer than reading does: load and steal are counted over it, so give it at least
/// 100 ms (the clock that they are counted with has 10 ms ticks).
pub fn gather(sample: Duration) -> Facts {
    let mut facts = Facts {
        os: std::env::consts::OS.to_owned(),
        arch: std::env::consts::ARCH.to_owned(),
        cpu: cpu::gather(),
        ..Facts::default()
    };
    facts.confinement.hypervisor = cpu::hypervisor();
    #[cfg(target_os = "linux")]
    linux::System::this().fill(&mut facts, sample);
    #[cfg(target_os = "macos")]
    macos::fill(&mut facts);
    #[cfg(not(target_os = "linux"))]
    let _ = sample;
    facts
}

/// Logical cores that this process may use: affinity and a control group's quota are taken off; at least 1.
pub fn usable_cores() -> u32 {
    std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX))
}

/// What a new process can have without swapping, and without its control group ending it, in bytes; `None` where the
/// system does not tell.
pub fn available_memory_bytes() -> Option<u64> {
    #[cfg(target_os = "linux")]
    return linux::System::this().available_memory_bytes();
    #[cfg(not(target_os = "linux"))]
    None
}

/// What an unprivileged process can still write to the disk that holds this folder, in bytes; `None` where the system does
/// not tell.
pub fn available_disk_bytes(folder: &Path) -> Option<u64> {
    #[cfg(unix)]
    return disk::available_bytes(folder);
    #[cfg(not(unix))]
    {
        let _ = folder;
        None
    }
}

/// Size of the last-level cache in bytes, as one core sees it; `None` where the system does not tell.
pub fn last_level_cache_bytes() -> Option<u64> {
    #[cfg(target_os = "linux")]
    return linux::System::this().last_level_cache_bytes();
    #[cfg(target_os = "macos")]
    return macos::last_level_cache_bytes();
    #[cfg(not(any(target_os = "linux", target_os = "macos")))]
    cpu::last_level_cache_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_processor_and_cores() {
        let facts = gather(Duration::from_millis(100));
        assert!(facts.cpu.usable_cores >= 1);
        assert_eq!(facts.cpu.usable_cores, usable_cores());
        assert_eq!(facts.cpu.instruction_set, instruction_set());
        if cfg!(target_os = "linux") {
            let (total, available) = (facts.memory.total_bytes.unwrap(), facts.memory.available_bytes.unwrap());
            assert!(available <= total && total > 1 << 27);
            assert!(facts.load.average.is_some() && facts.load.steal.is_some());
            assert!(facts.cpu.logical_cores.unwrap() >= 1);
        }
    }

    #[test]
    fn facts_survive_json() {
        let facts = gather(Duration::from_millis(1));
        let text = serde_json::to_string(&facts).unwrap();
        assert_eq!(serde_json::from_str::<Facts>(&text).unwrap(), facts);
    }
}
