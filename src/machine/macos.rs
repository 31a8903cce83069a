//! What macOS tells through its own programs.

use super::Facts;

#[cfg(target_os = "macos")]
pub(super) fn fill(facts: &mut Facts) {
    fill_from(facts, &ask);
}

#[cfg(target_os = "macos")]
pub(super) fn cpu_model() -> Option<String> {
    ask(&["sysctl", "-n", "machdep.cpu.brand_string"])
}

#[cfg(target_os = "macos")]
pub(super) fn last_level_cache_bytes() -> Option<u64> {
    last_level_cache_from(&ask)
}

/// Standard output of a program that succeeded, trimmed; `None` where it failed or said nothing.
#[cfg(target_os = "macos")]
fn ask(command: &[&str]) -> Option<String> {
    let (program, arguments) = command.split_first()?;
    let output = std::process::Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

fn number<T: std::str::FromStr>(ask: &dyn Fn(&[&str]) -> Option<String>, name: &str) -> Option<T> {
    ask(&["sysctl", "-n", name])?.parse().ok()
}

fn fill_from(facts: &mut Facts, ask: &dyn Fn(&[&str]) -> Option<String>) {
    facts.cpu.logical_cores = number(ask, "hw.logicalcpu");
    facts.cpu.physical_cores = number(ask, "hw.physicalcpu");
    facts.memory.total_bytes = number(ask, "hw.memsize");
    facts.load.average = ask(&["sysctl", "-n", "vm.loadavg"]).as_deref().and_then(load_average);
    facts.on_battery = ask(&["pmset", "-g", "batt"]).map(|text| text.contains("'Battery Power'"));
}

/// Apple silicon has no third level that a process can ask for: its performance cores' second level is the last.
fn last_level_cache_from(ask: &dyn Fn(&[&str]) -> Option<String>) -> Option<u64> {
    let names = ["hw.l3cachesize", "hw.perflevel0.l2cachesize", "hw.l2cachesize"];
    names.iter().find_map(|name| number(ask, name).filter(|bytes| *bytes > 0))
}

/// `{ 1.52 1.60 1.71 }`.
fn load_average(text: &str) -> Option<[f64; 3]> {
    let mut fields = text.trim_matches(['{', '}', ' ']).split_whitespace().map(|field| field.parse::<f64>().ok());
    Some([fields.next()??, fields.next()??, fields.next()??])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(command: &[&str]) -> Option<String> {
        let text = match command {
            ["sysctl", "-n", "hw.physicalcpu"] => "8",
            ["sysctl", "-n", "hw.memsize"] => "17179869184",
            ["sysctl", "-n", "hw.perflevel0.l2cachesize"] => "12582912",
            ["sysctl", "-n", "vm.loadavg"] => "{ 1.52 1.60 1.71 }",
            ["pmset", "-g", "batt"] => "Now drawing from 'Battery Power'\n -InternalBattery-0 71%; discharging",
            _ => return None,
        };
        Some(text.to_owned())
    }

    #[test]
    fn answers_become_facts_and_silence_stays_unknown() {
        let mut facts = Facts::default();
        fill_from(&mut facts, &answers);
        assert_eq!((facts.cpu.physical_cores, facts.cpu.logical_cores), (Some(8), None));
        assert_eq!(facts.memory.total_bytes, Some(16 << 30));
        assert_eq!(facts.load.average, Some([1.52, 1.60, 1.71]));
        assert_eq!(facts.on_battery, Some(true));
        assert_eq!(last_level_cache_from(&answers), Some(12 << 20));
    }
}
