//! What Linux tells in `/proc` and `/sys`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Facts;

/// The file system that the kernel's files are read from; another than `/` in tests.
pub(super) struct System {
    root: PathBuf,
}

impl System {
    pub fn this() -> System {
        System { root: PathBuf::from("/") }
    }

    fn text(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.root.join(path)).ok().map(|text| text.trim_end().to_owned())
    }

    fn number<T: std::str::FromStr>(&self, path: &str) -> Option<T> {
        self.text(path)?.trim().parse().ok()
    }

    /// Entries of a directory whose names are `prefix` and digits.
    fn numbered(&self, directory: &str, prefix: &str) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.root.join(directory)) else { return Vec::new() };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let numbered = |name: &String| {
            name.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
        };
        names.filter(numbered).map(|name| format!("{directory}/{name}")).collect()
    }

    /// Fills in everything that the processor itself does not tell, sleeping for `sample` in between.
    pub fn fill(&self, facts: &mut Facts, sample: Duration) {
        let before = self.text("proc/stat");
        std::thread::sleep(sample);
        let after = self.text("proc/stat");
        if let Some((busy, steal)) = before.zip(after).and_then(|(before, after)| activity(&before, &after)) {
            (facts.load.busy_cores, facts.load.steal) = (Some(busy), Some(steal));
        }
        facts.load.average = self.text("proc/loadavg").as_deref().and_then(load_average);
        let memory = self.text("proc/meminfo").unwrap_or_default();
        facts.memory.total_bytes = kilobytes(&memory, "MemTotal:");
        facts.memory.available_bytes = self.available_memory_bytes();
        facts.cpu.physical_cores = self.physical_cores();
        facts.cpu.logical_cores = self.text("sys/devices/system/cpu/online").as_deref().and_then(count_listed);
        facts.frequency.governor = self.text("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
        facts.frequency.turbo = self.turbo();
        facts.confinement.container = self.container();
        facts.confinement.quota_cores = self.quota_cores();
        facts.confinement.throttled = self.throttled();
        facts.temperature_celsius = self.temperature_celsius();
        facts.on_battery = self.on_battery();
    }

    /// Of the machine, or of the tightest control group around this process.
    pub fn available_memory_bytes(&self) -> Option<u64> {
        let machine = self.text("proc/meminfo").as_deref().and_then(|memory| kilobytes(memory, "MemAvailable:"));
        let groups = self.groups("memory");
        machine.into_iter().chain(groups.iter().filter_map(|group| room_in(group))).min()
    }

    /// Of the first core; the largest cache of the highest level.
    pub fn last_level_cache_bytes(&self) -> Option<u64> {
        let caches = self.numbered("sys/devices/system/cpu/cpu0/cache", "index");
        let described = |cache: &String| {
            let size = self.text(&format!("{cache}/size")).as_deref().and_then(cache_size)?;
            Some((self.number::<u32>(&format!("{cache}/level"))?, size))
        };
        caches.iter().filter_map(described).max().map(|(_, size)| size)
    }

    fn physical_cores(&self) -> Option<u32> {
        let identity = |cpu: &String| {
            let id = |name| self.number::<i64>(&format!("{cpu}/topology/{name}"));
            Some((id("physical_package_id")?, id("core_id")?))
        };
        let cores: BTreeSet<_> = self.numbered("sys/devices/system/cpu", "cpu").iter().filter_map(identity).collect();
        u32::try_from(cores.len()).ok().filter(|count| *count > 0)
    }

    /// The name of an Arm processor, which has no brand string: `/proc/cpuinfo` gives two numbers.
    pub fn arm_model(&self) -> Option<String> {
        arm_name(&self.text("proc/cpuinfo")?)
    }

    fn turbo(&self) -> Option<bool> {
        let intel = self.number::<u8>("sys/devices/system/cpu/intel_pstate/no_turbo").map(|off| off == 0);
        intel.or_else(|| self.number::<u8>("sys/devices/system/cpu/cpufreq/boost").map(|on| on != 0))
    }

    fn container(&self) -> Option<String> {
        let marks = [(".dockerenv", "docker"), ("run/.containerenv", "podman")];
        let mark = marks.iter().find(|(file, _)| self.root.join(file).exists());
        let kubernetes = || self.root.join("var/run/secrets/kubernetes.io").exists().then_some("kubernetes");
        mark.map(|(_, name)| *name).or_else(kubernetes).map(str::to_owned)
    }

    /// Directories of this process's control groups for CPU time, the innermost first.
    fn cpu_groups(&self) -> Vec<PathBuf> {
        self.groups("cpu")
    }

    /// Directories of this process's control groups for one controller, the innermost first.
    fn groups(&self, wanted: &str) -> Vec<PathBuf> {
        let text = self.text("proc/self/cgroup").unwrap_or_default();
        let mut groups = Vec::new();
        for line in text.lines() {
            let mut fields = line.splitn(3, ':').skip(1);
            let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
            let mounts: &[&str] = if controllers.is_empty() {
                &["sys/fs/cgroup", "sys/fs/cgroup/unified"]
            } else if !controllers.split(',').any(|controller| controller == wanted) {
                &[]
            } else if wanted == "cpu" {
                &["sys/fs/cgroup/cpu", "sys/fs/cgroup/cpu,cpuacct"]
            } else {
                &["sys/fs/cgroup/memory"]
            };
            for mount in mounts {
                let inner = Path::new(path.trim_start_matches('/'));
                let ancestors = inner.ancestors().map(|group| self.root.join(mount).join(group));
                groups.extend(ancestors.filter(|group| group.is_dir()));
            }
        }
        groups
    }

    fn quota_cores(&self) -> Option<f64> {
        let read = |path: PathBuf| std::fs::read_to_string(path).ok();
        let quota = |group: &PathBuf| {
            let unified = read(group.join("cpu.max")).as_deref().and_then(unified_quota);
            unified.or_else(|| {
                let number = |name| read(group.join(name))?.trim().parse::<f64>().ok();
                let (quota, period) = (number("cpu.cfs_quota_us")?, number("cpu.cfs_period_us")?);
                (quota > 0.0 && period > 0.0).then(|| quota / period)
            })
        };
        self.cpu_groups().iter().filter_map(quota).min_by(f64::total_cmp)
    }

    fn throttled(&self) -> Option<f64> {
        let share = |group: &PathBuf| throttled_share(&std::fs::read_to_string(group.join("cpu.stat")).ok()?);
        self.cpu_groups().iter().filter_map(share).max_by(f64::total_cmp)
    }

    fn temperature_celsius(&self) -> Option<f64> {
        let zones = self.numbered("sys/class/thermal", "thermal_zone");
        let celsius = |zone: &String| Some(self.number::<f64>(&format!("{zone}/temp"))? / 1000.0);
        zones.iter().filter_map(celsius).max_by(f64::total_cmp)
    }

    /// `None` on machines that have no battery.
    fn on_battery(&self) -> Option<bool> {
        let supplies = std::fs::read_dir(self.root.join("sys/class/power_supply")).ok()?;
        let read = |path: PathBuf| Some(std::fs::read_to_string(path).ok()?.trim().to_owned());
        let batteries = supplies.flatten().map(|supply| supply.path());
        let batteries = batteries.filter(|path| read(path.join("type")).as_deref() == Some("Battery"));
        // A mouse has a battery too; those of the machine itself say that their scope is the system, or nothing.
        let batteries = batteries.filter(|path| read(path.join("scope")).as_deref() != Some("Device"));
        let states: Vec<_> = batteries.filter_map(|path| read(path.join("status"))).collect();
        (!states.is_empty()).then(|| states.iter().any(|state| state == "Discharging"))
    }
}

/// Cores busy and the share of steal between two readings of `/proc/stat`; `None` where no tick passed.
fn activity(before: &str, after: &str) -> Option<(f64, f64)> {
    let total = |text: &str| -> Option<Vec<f64>> {
        let line = text.lines().find(|line| line.starts_with("cpu "))?;
        line.split_whitespace().skip(1).take(8).map(|field| field.parse().ok()).collect()
    };
    let cores = after.lines().filter(|line| line.starts_with("cpu") && !line.starts_with("cpu ")).count();
    let (before, after) = (total(before)?, total(after)?);
    // user nice system idle iowait irq softirq steal; what follows is counted in these already.
    let change: Vec<_> = after.iter().zip(&before).map(|(after, before)| (after - before).max(0.0)).collect();
    let all: f64 = change.iter().sum();
    if all <= 0.0 || change.len() < 8 {
        return None;
    }
    let (idle, steal) = (change[3] + change[4], change[7]);
    let cores = u32::try_from(cores).ok().map(f64::from)?;
    Some(((all - idle - steal) / all * cores, steal / all))
}

fn load_average(text: &str) -> Option<[f64; 3]> {
    let mut fields = text.split_whitespace().map(|field| field.parse::<f64>().ok());
    Some([fields.next()??, fields.next()??, fields.next()??])
}

fn kilobytes(meminfo: &str, name: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// What a control group's processes may still take, in bytes: pages of files give way. `None` where it sets no limit.
fn room_in(group: &Path) -> Option<u64> {
    let text = |name: &str| std::fs::read_to_string(group.join(name)).ok();
    let number = |name: &str| text(name)?.trim().parse::<u64>().ok();
    let limit = number("memory.max").or_else(|| number("memory.limit_in_bytes"))?;
    let used = number("memory.current").or_else(|| number("memory.usage_in_bytes"))?;
    let stat = text("memory.stat").unwrap_or_default();
    let of_files = ["active_file", "inactive_file"].map(|wanted| {
        let line = stat.lines().find_map(|line| line.strip_prefix(wanted)?.strip_prefix(' '));
        line.and_then(|bytes| bytes.trim().parse::<u64>().ok()).unwrap_or(0)
    });
    Some(limit.saturating_sub(used.saturating_sub(of_files.iter().sum())))
}

/// How many numbers a list such as `0-3,8` names.
fn count_listed(list: &str) -> Option<u32> {
    let span = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        last.trim().parse::<u32>().ok()?.checked_sub(first.trim().parse().ok()?)?.checked_add(1)
    };
    list.split(',').map(span).sum()
}

/// `32768K` or `4M` in bytes.
fn cache_size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = match &text[digits.len()..] {
        "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

/// `cpu.max` of a unified control group: `150000 100000`, or `max 100000` without a quota.
fn unified_quota(text: &str) -> Option<f64> {
    let (quota, period) = text.trim().split_once(' ')?;
    let (quota, period) = (quota.parse::<f64>().ok()?, period.parse::<f64>().ok()?);
    (period > 0.0).then(|| quota / period)
}

/// Throttled periods / periods, from `cpu.stat`; `None` where no quota was ever enforced.
fn throttled_share(text: &str) -> Option<f64> {
    let count = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
        value.trim().parse::<f64>().ok()
    };
    let (periods, throttled) = (count("nr_periods")?, count("nr_throttled")?);
    (periods > 0.0).then(|| throttled / periods)
}

/// The names of Arm's server cores and of who makes them, by the numbers in `/proc/cpuinfo`.
fn arm_name(cpuinfo: &str) -> Option<String> {
    let value = |name: &str| {
        let line = cpuinfo.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let (implementer, part) = (value("CPU implementer")?, value("CPU part")?);
    let core = match (implementer.as_str(), part.as_str()) {
        ("0x41", "0xd08") => "Arm Cortex-A72",
        ("0x41", "0xd0b") => "Arm Cortex-A76",
        ("0x41", "0xd0c") => "Arm Neoverse N1",
        ("0x41", "0xd40") => "Arm Neoverse V1",
        ("0x41", "0xd49") => "Arm Neoverse N2",
        ("0x41", "0xd4f") => "Arm Neoverse V2",
        ("0x61", _) => "Apple silicon",
        ("0xc0", _) => "Ampere",
        _ => return Some(format!("Arm implementer {implementer} part {part}")),
    };
    Some(core.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A system whose files are these.
    fn system(files: &[(&str, &str)]) -> (tempfile::TempDir, System) {
        let directory = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = directory.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let root = directory.path().to_owned();
        (directory, System { root })
    }

    #[test]
    fn busy_cores_and_steal_come_from_two_readings() {
        let before = "cpu  100 0 100 1000 0 0 0 0 0 0\ncpu0 1\ncpu1 1\nintr 5";
        let after = "cpu  115 0 105 1015 0 0 0 5 0 0\ncpu0 1\ncpu1 1\nintr 9";
        assert_eq!(activity(before, after), Some((1.0, 0.125)));
        assert_eq!(activity(before, before), None);
        assert_eq!(activity("", after), None);
    }

    #[test]
    fn cores_are_counted_by_package_and_core() {
        let mut files = Vec::new();
        for (cpu, package, core) in [(0, 0, 0), (1, 0, 0), (2, 0, 1), (3, 1, 0)] {
            let directory = format!("sys/devices/system/cpu/cpu{cpu}/topology");
            files.push((format!("{directory}/physical_package_id"), format!("{package}\n")));
            files.push((format!("{directory}/core_id"), format!("{core}\n")));
        }
        files.push(("sys/devices/system/cpu/cpufreq/boost".into(), "1\n".into()));
        let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        let (_directory, system) = system(&files);
        assert_eq!(system.physical_cores(), Some(3));
        assert_eq!(system.turbo(), Some(true));
        assert_eq!(count_listed("0-3,8"), Some(5));
        assert_eq!(count_listed("0-x"), None);
    }

    #[test]
    fn the_highest_cache_level_is_the_last() {
        let cache = "sys/devices/system/cpu/cpu0/cache";
        let files: Vec<_> = [("index0", "1", "32K"), ("index2", "2", "1M"), ("index3", "3", "32768K")]
            .iter()
            .flat_map(|(index, level, size)| {
                [(format!("{cache}/{index}/level"), *level), (format!("{cache}/{index}/size"), *size)]
            })
            .collect();
        let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        let (_directory, system) = system(&files);
        assert_eq!(system.last_level_cache_bytes(), Some(32 << 20));
    }

    #[test]
    fn the_tightest_of_machine_and_control_groups_is_what_is_available() {
        let machine = ("proc/meminfo", "MemTotal: 4096 kB\nMemAvailable:   2048 kB\n");
        let (_directory, alone) = system(&[machine]);
        assert_eq!(alone.available_memory_bytes(), Some(2 << 20));

        let unified = [
            machine,
            ("proc/self/cgroup", "0::/outer/inner\n"),
            ("sys/fs/cgroup/outer/memory.max", "1048576\n"),
            ("sys/fs/cgroup/outer/memory.current", "700000\n"),
            ("sys/fs/cgroup/outer/memory.stat", "anon 500000\ninactive_file 150000\nactive_file 50000\n"),
            ("sys/fs/cgroup/outer/inner/memory.max", "max\n"),
            ("sys/fs/cgroup/outer/inner/memory.current", "100000\n"),
        ];
        let (_directory, unified) = system(&unified);
        assert_eq!(unified.available_memory_bytes(), Some(1_048_576 - 500_000), "pages of files give way");

        let (_directory, old) = system(&[
            machine,
            ("proc/self/cgroup", "5:cpu,cpuacct:/job\n4:memory:/job\n"),
            ("sys/fs/cgroup/memory/job/memory.limit_in_bytes", "1000000\n"),
            ("sys/fs/cgroup/memory/job/memory.usage_in_bytes", "1200000\n"),
        ]);
        assert_eq!(old.available_memory_bytes(), Some(0));
        let (_directory, silent) = system(&[]);
        assert_eq!(silent.available_memory_bytes(), None);
    }

    #[test]
    fn the_tightest_unified_quota_counts() {
        let (_directory, system) = system(&[
            ("proc/self/cgroup", "0::/outer/inner\n"),
            ("sys/fs/cgroup/outer/cpu.max", "150000 100000\n"),
            ("sys/fs/cgroup/outer/inner/cpu.max", "max 100000\n"),
            ("sys/fs/cgroup/outer/cpu.stat", "usage_usec 5\nnr_periods 200\nnr_throttled 10\nthrottled_usec 3\n"),
        ]);
        assert_eq!(system.quota_cores(), Some(1.5));
        assert_eq!(system.throttled(), Some(0.05));
    }

    #[test]
    fn the_older_control_groups_have_a_quota_too() {
        let (_directory, system) = system(&[
            ("proc/self/cgroup", "5:memory:/m\n1:cpu,cpuacct:/job\n0::/\n"),
            ("sys/fs/cgroup/cpu/job/cpu.cfs_quota_us", "50000\n"),
            ("sys/fs/cgroup/cpu/job/cpu.cfs_period_us", "100000\n"),
            ("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n"),
            ("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"),
        ]);
        assert_eq!(system.quota_cores(), Some(0.5));
        assert_eq!(system.throttled(), None);
    }

    #[test]
    fn a_mouse_is_not_the_machines_battery() {
        let supply = "sys/class/power_supply";
        let mouse = [("type", "Battery"), ("scope", "Device"), ("status", "Discharging")];
        let mouse: Vec<_> = mouse.iter().map(|(name, text)| (format!("{supply}/mouse/{name}"), *text)).collect();
        let mut files: Vec<_> = mouse.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        assert_eq!(on_battery_of(&files), None);
        files.extend([("sys/class/power_supply/BAT0/type", "Battery"), ("sys/class/power_supply/BAT0/status", "Full")]);
        assert_eq!(on_battery_of(&files), Some(false));
        files.extend([("sys/class/power_supply/BAT0/status", "Discharging")]);
        assert_eq!(on_battery_of(&files), Some(true));
    }

    fn on_battery_of(files: &[(&str, &str)]) -> Option<bool> {
        let (_directory, system) = system(files);
        system.on_battery()
    }

    #[test]
    fn small_files_are_read() {
        assert_eq!(load_average("0.76 0.61 0.53 2/98 18864"), Some([0.76, 0.61, 0.53]));
        assert_eq!(load_average("0.76"), None);
        assert_eq!(kilobytes("MemTotal:       8000 kB\nMemFree: 1 kB", "MemTotal:"), Some(8_192_000));
        assert_eq!(cache_size("12Q"), None);
        assert_eq!(arm_name("CPU implementer\t: 0x41\nCPU part\t: 0xd49\n").as_deref(), Some("Arm Neoverse N2"));
        assert_eq!(arm_name("model name : x"), None);
    }
}
