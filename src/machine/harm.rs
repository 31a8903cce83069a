//! What among the facts harms a measurement, and what to do about it. Pure.

use serde::{Deserialize, Serialize};

use super::Facts;

/// Something about this machine that makes its times less true or less steady.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "code")]
pub enum Harm {
    /// Other programs run right now.
    Busy {
        /// Cores' worth of them.
        cores: f64,
    },
    /// The last minute was busy although this moment is not.
    Load {
        /// Load average over one minute.
        average: f64,
        /// Cores that this process may use.
        cores: u32,
    },
    /// The hypervisor runs somebody else on these cores.
    Steal {
        /// Share of time, 0 to 1.
        share: f64,
    },
    /// The clock follows the load instead of staying put.
    Governor {
        /// Its name.
        name: String,
    },
    /// The clock exceeds the nominal one until the processor is warm.
    Turbo,
    /// More threads than cores.
    TooManyThreads {
        /// Threads asked for.
        threads: u32,
        /// Cores that this process may use.
        cores: u32,
    },
    /// The control group allows less time than the threads use.
    Quota {
        /// Cores' worth of time.
        cores: f64,
        /// Threads asked for.
        threads: u32,
    },
    /// The control group has been stopped for having used its quota.
    Throttled {
        /// Share of periods, 0 to 1.
        share: f64,
    },
    /// On battery, firmware lowers the clock.
    Battery,
    /// So hot that the processor is likely to lower its clock.
    Hot {
        /// Degrees Celsius.
        celsius: f64,
    },
    /// So little memory that a model may be swapped or killed.
    LittleMemory {
        /// Available.
        bytes: u64,
    },
}

/// Cores' worth of other work that is still noise of the system itself.
const TOLERATED_BUSY_CORES: f64 = 0.2;

/// Share of steal that disappears in the spread between launches.
const TOLERATED_STEAL: f64 = 0.01;

/// Share of throttled periods that disappears in the spread between launches.
const TOLERATED_THROTTLING: f64 = 0.01;

/// Where processors begin to lower their clock is between 90 and 105 degrees.
const HOT_CELSIUS: f64 = 90.0;

/// The largest models of the suite fit in this beside their weights' arena.
const ENOUGH_MEMORY_BYTES: u64 = 2 << 30;

/// What harms a measurement with `threads` threads on the machine described, worst first.
pub fn harms(facts: &Facts, threads: u32) -> Vec<Harm> {
    let mut harms = Vec::new();
    let cores = facts.cpu.usable_cores;
    let confinement = &facts.confinement;
    if threads > cores {
        harms.push(Harm::TooManyThreads { threads, cores });
    }
    if let Some(quota) = confinement.quota_cores.filter(|quota| *quota < f64::from(threads)) {
        harms.push(Harm::Quota { cores: quota, threads });
    }
    if let Some(share) = confinement.throttled.filter(|share| *share > TOLERATED_THROTTLING) {
        harms.push(Harm::Throttled { share });
    }
    if let Some(share) = facts.load.steal.filter(|share| *share > TOLERATED_STEAL) {
        harms.push(Harm::Steal { share });
    }
    let busy = facts.load.busy_cores.filter(|busy| *busy > TOLERATED_BUSY_CORES);
    let average = facts.load.average.map(|[minute, ..]| minute).filter(|average| *average > f64::from(cores) / 2.0);
    match (busy, average) {
        (Some(cores), _) => harms.push(Harm::Busy { cores }),
        (None, Some(average)) => harms.push(Harm::Load { average, cores }),
        (None, None) => {}
    }
    if let Some(name) = facts.frequency.governor.as_ref().filter(|name| *name != "performance") {
        harms.push(Harm::Governor { name: name.clone() });
    }
    if facts.on_battery == Some(true) {
        harms.push(Harm::Battery);
    }
    if let Some(celsius) = facts.temperature_celsius.filter(|celsius| *celsius >= HOT_CELSIUS) {
        harms.push(Harm::Hot { celsius });
    }
    if let Some(bytes) = facts.memory.available_bytes.filter(|bytes| *bytes < ENOUGH_MEMORY_BYTES) {
        harms.push(Harm::LittleMemory { bytes });
    }
    if facts.frequency.turbo == Some(true) {
        harms.push(Harm::Turbo);
    }
    harms
}

impl Harm {
    /// What is wrong, in one clause with its number.
    pub fn message(&self) -> String {
        match self {
            Harm::Busy { cores } => format!("other programs keep {cores:.1} cores busy"),
            Harm::Load { average, cores } => {
                format!("the load average of the last minute is {average:.1} on {cores} cores")
            }
            Harm::Steal { share } => format!("the hypervisor takes {:.1} % of the time", 100.0 * share),
            Harm::Governor { name } => format!("the frequency governor is `{name}`: the clock follows the load"),
            Harm::Turbo => "turbo is on: the first launches run at a higher clock than later ones".to_owned(),
            Harm::TooManyThreads { threads, cores } => {
                format!("{threads} threads share {cores} cores: they spin against each other")
            }
            Harm::Quota { cores, threads } => {
                format!(
                    "the control group allows {cores:.2} cores' time for {threads} threads and stops them in between"
                )
            }
            Harm::Throttled { share } => {
                format!("the control group was stopped in {:.1} % of its periods", 100.0 * share)
            }
            Harm::Battery => "the machine runs on its battery".to_owned(),
            Harm::Hot { celsius } => format!("the machine is at {celsius:.0} degrees Celsius and may lower its clock"),
            Harm::LittleMemory { bytes } => {
                format!("only {} MiB of memory are available: larger models may be killed", bytes >> 20)
            }
        }
    }

    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Harm::Busy { .. } => "end them, or measure on a machine of its own",
            Harm::Load { .. } => "wait a minute after builds and tests",
            Harm::Steal { .. } => "use a dedicated instance, or more launches",
            Harm::Governor { .. } => "`sudo cpupower frequency-set --governor performance`",
            Harm::Turbo => {
                "turn it off for steadier times: 0 into /sys/devices/system/cpu/cpufreq/boost, or 1 into intel_pstate/no_turbo"
            }
            Harm::TooManyThreads { .. } => "measure with fewer threads (`--threads`), or allow more cores",
            Harm::Quota { .. } => {
                "raise the quota (`--cpus` of docker, `limits.cpu` of Kubernetes), or use fewer threads"
            }
            Harm::Throttled { .. } => "raise the quota (`--cpus` of docker, `limits.cpu` of Kubernetes)",
            Harm::Battery => "plug it in",
            Harm::Hot { .. } => "let it cool down, or see to its fans",
            Harm::LittleMemory { .. } => "close other programs, or leave out the larger models",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine that nothing is wrong with.
    fn quiet() -> Facts {
        let mut facts = Facts::default();
        facts.cpu.usable_cores = 4;
        facts.load.average = Some([0.3, 0.2, 0.1]);
        facts.load.busy_cores = Some(0.05);
        facts.load.steal = Some(0.0);
        facts.frequency.governor = Some("performance".into());
        facts.frequency.turbo = Some(false);
        facts.confinement.quota_cores = Some(4.0);
        facts.confinement.throttled = Some(0.0);
        facts.on_battery = Some(false);
        facts.temperature_celsius = Some(55.0);
        facts.memory.available_bytes = Some(8 << 30);
        facts
    }

    fn harms_after(change: impl FnOnce(&mut Facts)) -> Vec<Harm> {
        let mut facts = quiet();
        change(&mut facts);
        harms(&facts, 1)
    }

    #[test]
    fn a_quiet_machine_has_none() {
        assert_eq!(harms(&quiet(), 4), []);
    }

    #[test]
    fn what_is_unknown_is_no_harm() {
        let mut facts = Facts::default();
        facts.cpu.usable_cores = 1;
        assert_eq!(harms(&facts, 1), []);
    }

    #[test]
    fn busy_cores() {
        assert_eq!(harms_after(|facts| facts.load.busy_cores = Some(0.5)), [Harm::Busy { cores: 0.5 }]);
    }

    #[test]
    fn a_load_average_above_half_the_cores() {
        let load = |average| harms_after(|facts| facts.load.average = Some([average, 0.0, 0.0]));
        assert_eq!(load(2.0), []);
        assert_eq!(load(2.1), [Harm::Load { average: 2.1, cores: 4 }]);
    }

    #[test]
    fn busy_now_makes_the_load_average_superfluous() {
        let both = harms_after(|facts| {
            facts.load.busy_cores = Some(3.0);
            facts.load.average = Some([5.0, 5.0, 5.0]);
        });
        assert_eq!(both, [Harm::Busy { cores: 3.0 }]);
    }

    #[test]
    fn steal_above_one_percent() {
        assert_eq!(harms_after(|facts| facts.load.steal = Some(0.02)), [Harm::Steal { share: 0.02 }]);
        assert_eq!(harms_after(|facts| facts.load.steal = Some(0.005)), []);
    }

    #[test]
    fn a_governor_other_than_performance() {
        let harms = harms_after(|facts| facts.frequency.governor = Some("powersave".into()));
        assert_eq!(harms, [Harm::Governor { name: "powersave".into() }]);
    }

    #[test]
    fn turbo() {
        assert_eq!(harms_after(|facts| facts.frequency.turbo = Some(true)), [Harm::Turbo]);
    }

    #[test]
    fn more_threads_than_cores() {
        let mut facts = quiet();
        facts.confinement.quota_cores = None;
        assert_eq!(harms(&facts, 5), [Harm::TooManyThreads { threads: 5, cores: 4 }]);
    }

    #[test]
    fn a_quota_below_the_threads() {
        let mut facts = quiet();
        facts.confinement.quota_cores = Some(1.5);
        assert_eq!(harms(&facts, 1), []);
        assert_eq!(harms(&facts, 2), [Harm::Quota { cores: 1.5, threads: 2 }]);
    }

    #[test]
    fn throttled_periods() {
        let harms = harms_after(|facts| facts.confinement.throttled = Some(0.2));
        assert_eq!(harms, [Harm::Throttled { share: 0.2 }]);
    }

    #[test]
    fn a_battery() {
        assert_eq!(harms_after(|facts| facts.on_battery = Some(true)), [Harm::Battery]);
    }

    #[test]
    fn heat() {
        let harms = harms_after(|facts| facts.temperature_celsius = Some(95.0));
        assert_eq!(harms, [Harm::Hot { celsius: 95.0 }]);
    }

    #[test]
    fn little_memory() {
        let harms = harms_after(|facts| facts.memory.available_bytes = Some(1 << 30));
        assert_eq!(harms, [Harm::LittleMemory { bytes: 1 << 30 }]);
    }
}
