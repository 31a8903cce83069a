//! `cargo nongemm doctor`: which ONNX Runtime is used and why, what the machine is, what harms measurements on it.

use std::io::{self, Write};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::machine::{self, Facts, Harm};
use crate::runtime::{self, InstallEvent, Library, LocateOptions};

/// Version of [`Doctor`] as JSON.
pub const DOCTOR_SCHEMA: u32 = 1;

/// How long load and steal are counted.
const SAMPLE: Duration = Duration::from_millis(250);

/// Everything that `doctor` found out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Doctor {
    /// [`DOCTOR_SCHEMA`] of the program that wrote it.
    pub schema: u32,
    /// Version of `cargo-nongemm`.
    pub tool: String,
    /// The library, or why there is none.
    pub runtime: RuntimeState,
    /// The machine.
    pub machine: Facts,
    /// Threads that the harms are meant for.
    pub threads: u32,
    /// What harms measurements here, worst first.
    pub harms: Vec<HarmEntry>,
}

/// The library, or why there is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum RuntimeState {
    /// It was found or installed, and it starts.
    Ready {
        /// Which, from where, and what was passed over.
        library: Library,
        /// Execution providers that it was built with, in its order of preference.
        providers: Vec<String>,
        /// Why scenarios on CUDA cannot run; `None` where nothing is missing.
        why_not_cuda: Option<String>,
        /// What scenarios on CUDA have, where they can run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cuda: Option<String>,
    },
    /// There is none that works.
    Missing {
        /// What is wrong, with the remedy.
        error: String,
    },
}

/// A harm with its texts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HarmEntry {
    /// Which, with its numbers.
    #[serde(flatten)]
    pub harm: Harm,
    /// One clause.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

impl From<Harm> for HarmEntry {
    fn from(harm: Harm) -> HarmEntry {
        HarmEntry { message: harm.message(), remedy: harm.remedy().to_owned(), harm }
    }
}

/// Finds everything out. The library is searched as for a run, which installs it where it is missing and not forbidden,
/// and is loaded into this process. A missing library is an answer, not an error.
pub fn gather(options: &LocateOptions, threads: u32, event: &mut dyn FnMut(InstallEvent)) -> Doctor {
    // First of all: a download and its unpacking would count as load.
    let machine = machine::gather(SAMPLE);
    let harms = machine::harms(&machine, threads).into_iter().map(HarmEntry::from).collect();
    let runtime = match ready(options, event) {
        Ok(state) => state,
        Err(error) => RuntimeState::Missing { error: error.to_string() },
    };
    let tool = env!("CARGO_PKG_VERSION").to_owned();
    Doctor { schema: DOCTOR_SCHEMA, tool, runtime, machine, threads, harms }
}

fn ready(options: &LocateOptions, event: &mut dyn FnMut(InstallEvent)) -> Result<RuntimeState, runtime::RuntimeError> {
    let library = runtime::locate(options, event)?;
    runtime::load(&library)?;
    let providers = runtime::available_providers()?;
    let (cuda, why_not_cuda) = match runtime::cuda::diagnose(options) {
        Ok(cuda) => (Some(cuda), None),
        Err(why) => (None, Some(why)),
    };
    Ok(RuntimeState::Ready { library, providers, why_not_cuda, cuda })
}

/// Writes it for a machine: the JSON form of [`Doctor`] on one line.
pub fn render_json(doctor: &Doctor, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, doctor)?;
    writeln!(out)
}

/// Writes it for a person: three sections, labels in one column.
pub fn render(doctor: &Doctor, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "cargo-nongemm {}", doctor.tool)?;
    writeln!(out, "\nONNX Runtime")?;
    render_runtime(&doctor.runtime, out)?;
    writeln!(out, "\nMachine")?;
    for (label, value) in machine_rows(&doctor.machine) {
        row(out, label, &value)?;
    }
    let threads = if doctor.threads == 1 { "1 thread".to_owned() } else { format!("{} threads", doctor.threads) };
    writeln!(out, "\nWhat harms measurements with {threads}")?;
    if doctor.harms.is_empty() {
        writeln!(out, "  nothing found")?;
    }
    for harm in &doctor.harms {
        wrapped(out, "  - ", "    ", &harm.message)?;
        wrapped(out, "    remedy: ", "            ", &harm.remedy)?;
    }
    Ok(())
}

fn render_runtime(runtime: &RuntimeState, out: &mut dyn Write) -> io::Result<()> {
    match runtime {
        RuntimeState::Missing { error } => {
            let mut lines = error.lines();
            row(out, "missing", lines.next().unwrap_or_default())?;
            lines.try_for_each(|line| row(out, "", line.trim_start()))
        }
        RuntimeState::Ready { library, providers, why_not_cuda, cuda } => {
            row(out, "version", &library.version.to_string())?;
            row(out, "library", &library.path.display().to_string())?;
            row(out, "chosen", &library.origin.to_string())?;
            row(out, "providers", &providers.join(", "))?;
            row(out, "CUDA", &cuda_row(cuda.as_deref(), why_not_cuda.as_deref()))?;
            for (index, place) in library.considered.iter().enumerate() {
                let label = if index == 0 { "passed over" } else { "" };
                row(out, label, &format!("{}: {}", place.path.display(), place.why_not))?;
            }
            Ok(())
        }
    }
}

/// Whether scenarios on CUDA can run, with what or why not.
fn cuda_row(cuda: Option<&str>, why_not: Option<&str>) -> String {
    match (why_not, cuda) {
        (Some(why), _) => format!("no: {why}"),
        (None, Some(cuda)) => format!("yes: {cuda}"),
        (None, None) => "yes".to_owned(),
    }
}

/// What is unknown has no row: a column of "unknown" says nothing.
fn machine_rows(facts: &Facts) -> Vec<(&'static str, String)> {
    let cpu = &facts.cpu;
    let mut rows = vec![("system", format!("{} {}", facts.os, facts.arch))];
    let mut add = |label, value: Option<String>| rows.extend(value.map(|value| (label, value)));
    let vendor = cpu.vendor.as_ref().map_or(String::new(), |vendor| format!(" ({vendor})"));
    add("processor", cpu.model.as_ref().map(|model| format!("{model}{vendor}")));
    let level = cpu.x86_64_level.map_or(String::new(), |level| format!(", x86-64-v{level}"));
    add("instructions", Some(format!("{}{level}", cpu.instruction_set)));
    add("", (!cpu.extensions.is_empty()).then(|| cpu.extensions.join(" ")));
    add("cores", Some(cores(facts)));
    add("last cache", cpu.last_level_cache_bytes.map(size));
    add("memory", memory(facts));
    let averages = facts
        .load
        .average
        .map(|[one, five, fifteen]| format!("{one:.2}, {five:.2}, {fifteen:.2} over 1, 5, 15 minutes"));
    add("load", averages);
    add("busy now", facts.load.busy_cores.map(|cores| format!("{cores:.1} cores")));
    add("steal", facts.load.steal.map(|share| format!("{:.1} %", 100.0 * share)));
    let hidden = || (facts.os == "linux").then(|| "not visible here, as in most virtual machines".to_owned());
    add("governor", facts.frequency.governor.clone().or_else(hidden));
    add("turbo", facts.frequency.turbo.map(|on| if on { "on" } else { "off" }.to_owned()));
    add("temperature", facts.temperature_celsius.map(|celsius| format!("{celsius:.0} degrees Celsius")));
    add("power", facts.on_battery.map(|battery| if battery { "battery" } else { "mains" }.to_owned()));
    add("inside", inside(facts));
    rows
}

fn cores(facts: &Facts) -> String {
    let mut text = format!("{} usable", facts.cpu.usable_cores);
    if let Some(logical) = facts.cpu.logical_cores {
        text = format!("{text} of {logical} logical");
    }
    if let Some(physical) = facts.cpu.physical_cores {
        text = format!("{text}, {physical} physical");
    }
    text
}

fn memory(facts: &Facts) -> Option<String> {
    let total = size(facts.memory.total_bytes?);
    Some(facts.memory.available_bytes.map_or(total.clone(), |bytes| format!("{} available of {total}", size(bytes))))
}

fn inside(facts: &Facts) -> Option<String> {
    let confinement = &facts.confinement;
    let mut parts = Vec::new();
    parts.extend(confinement.hypervisor.as_ref().map(|name| format!("virtual machine ({name})")));
    parts.extend(confinement.container.as_ref().map(|name| format!("container ({name})")));
    parts.extend(confinement.quota_cores.map(|cores| format!("quota of {cores:.2} cores")));
    parts.extend(confinement.throttled.map(|share| format!("throttled {:.1} % of periods", 100.0 * share)));
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// Bytes with one decimal in GiB, whole below.
fn size(bytes: u64) -> String {
    const MIB: u64 = 1 << 20;
    if bytes < 1024 * MIB {
        return if bytes < MIB { format!("{} KiB", bytes >> 10) } else { format!("{} MiB", bytes / MIB) };
    }
    let tenths = bytes / (1024 * MIB / 10);
    format!("{}.{} GiB", tenths / 10, tenths % 10)
}

/// A label and its value, which goes on below itself when it is long.
fn row(out: &mut dyn Write, label: &str, value: &str) -> io::Result<()> {
    const LABEL: usize = 14;
    wrapped(out, &format!("  {label:LABEL$}"), &" ".repeat(2 + LABEL), value)
}

/// Breaks a text at blanks so that lines stay within a width that terminals and CI logs have; a path is never broken.
fn wrapped(out: &mut dyn Write, first: &str, rest: &str, text: &str) -> io::Result<()> {
    const WIDTH: usize = 110;
    let mut line = first.to_owned();
    let mut empty = true;
    for word in text.split_whitespace() {
        if !empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            writeln!(out, "{line}")?;
            line = rest.to_owned();
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    writeln!(out, "{}", line.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::InstructionSet;
    use crate::runtime::{Considered, Origin, Version};

    fn example() -> Doctor {
        let mut machine = Facts { os: "linux".into(), arch: "x86_64".into(), ..Facts::default() };
        machine.cpu.model = Some("AMD EPYC 7763 64-Core Processor".into());
        machine.cpu.vendor = Some("AuthenticAMD".into());
        machine.cpu.instruction_set = InstructionSet::Avx2;
        machine.cpu.x86_64_level = Some(3);
        machine.cpu.extensions = ["avx", "fma", "avx2"].map(str::to_owned).to_vec();
        (machine.cpu.usable_cores, machine.cpu.logical_cores, machine.cpu.physical_cores) = (4, Some(4), Some(2));
        machine.cpu.last_level_cache_bytes = Some(32 << 20);
        machine.memory.total_bytes = Some(16 << 30);
        machine.memory.available_bytes = Some((14 << 30) + (300 << 20));
        machine.load.average = Some([0.5, 0.25, 0.125]);
        machine.load.busy_cores = Some(1.04);
        machine.load.steal = Some(0.021);
        machine.confinement.hypervisor = Some("Hyper-V".into());
        let harms = machine::harms(&machine, 1).into_iter().map(HarmEntry::from).collect();
        let library = Library {
            path: "/home/user/.cache/cargo-nongemm/onnxruntime/1.31.1-linux-x86_64/libonnxruntime.so.1.31.1".into(),
            version: Version { major: 1, minor: 31, patch: 1 },
            origin: Origin::Installed { client: "python3 -m pip".into() },
            considered: vec![
                Considered {
                    path: "/home/user/.cache/cargo-nongemm/onnxruntime".into(),
                    why_not: "nothing is installed there".into(),
                },
                Considered { path: "python3".into(), why_not: "has no onnxruntime package".into() },
            ],
        };
        let runtime = RuntimeState::Ready {
            library,
            providers: vec!["CPUExecutionProvider".into()],
            why_not_cuda: Some("the CUDA provider is a library of its own, libonnxruntime_providers_cuda.so, which is not beside this one: install it".into()),
            cuda: None,
        };
        Doctor { schema: DOCTOR_SCHEMA, tool: "0.1.0".into(), runtime, machine, threads: 1, harms }
    }

    fn text(doctor: &Doctor) -> String {
        let mut out = Vec::new();
        render(doctor, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_person_reads_aligned_sections() {
        insta::assert_snapshot!(text(&example()), @r"
        cargo-nongemm 0.1.0

        ONNX Runtime
          version       1.31.1
          library       /home/user/.cache/cargo-nongemm/onnxruntime/1.31.1-linux-x86_64/libonnxruntime.so.1.31.1
          chosen        installed into the cache by python3 -m pip
          providers     CPUExecutionProvider
          CUDA          no: the CUDA provider is a library of its own, libonnxruntime_providers_cuda.so, which is not
                        beside this one: install it
          passed over   /home/user/.cache/cargo-nongemm/onnxruntime: nothing is installed there
                        python3: has no onnxruntime package

        Machine
          system        linux x86_64
          processor     AMD EPYC 7763 64-Core Processor (AuthenticAMD)
          instructions  avx2, x86-64-v3
                        avx fma avx2
          cores         4 usable of 4 logical, 2 physical
          last cache    32 MiB
          memory        14.2 GiB available of 16.0 GiB
          load          0.50, 0.25, 0.12 over 1, 5, 15 minutes
          busy now      1.0 cores
          steal         2.1 %
          governor      not visible here, as in most virtual machines
          inside        virtual machine (Hyper-V)

        What harms measurements with 1 thread
          - the hypervisor takes 2.1 % of the time
            remedy: use a dedicated instance, or more launches
          - other programs keep 1.0 cores busy
            remedy: end them, or measure on a machine of its own
        ");
    }

    #[test]
    fn a_missing_library_and_a_quiet_machine() {
        let runtime = RuntimeState::Missing { error: "no usable ONNX Runtime:\n    /cache: empty\n  do this".into() };
        let mut doctor = Doctor { runtime, harms: Vec::new(), threads: 2, ..example() };
        doctor.machine = Facts { os: "windows".into(), arch: "x86_64".into(), ..Facts::default() };
        doctor.machine.cpu.usable_cores = 8;
        insta::assert_snapshot!(text(&doctor), @r"
        cargo-nongemm 0.1.0

        ONNX Runtime
          missing       no usable ONNX Runtime:
                        /cache: empty
                        do this

        Machine
          system        windows x86_64
          instructions  generic
          cores         8 usable

        What harms measurements with 2 threads
          nothing found
        ");
    }

    #[test]
    fn json_is_one_line_and_reads_back() {
        let doctor = example();
        let mut out = Vec::new();
        render_json(&doctor, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.matches('\n').count(), 1);
        assert!(text.contains(r#""code":"steal""#), "{text}");
        assert_eq!(serde_json::from_str::<Doctor>(&text).unwrap(), doctor);
    }

    #[test]
    fn gathering_without_a_library_still_tells_of_the_machine() {
        let cache = tempfile::tempdir().unwrap();
        let options = LocateOptions {
            explicit: Some(runtime::Choice::Path(cache.path().to_owned())),
            ..LocateOptions::from_environment(None, true)
        };
        let doctor = gather(&options, 1, &mut |event| panic!("{event:?}"));
        assert!(matches!(&doctor.runtime, RuntimeState::Missing { error } if error.contains("--onnxruntime")));
        assert!(doctor.machine.cpu.usable_cores > 0);
        assert_eq!(size(512 << 10), "512 KiB");
    }
}
