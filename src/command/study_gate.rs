//! `study gate`: measures how far the gate can be trusted, and how far simpler ones can.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use anyhow::{Context, bail};

use crate::cli::GateStudyArgs;
use crate::measure::result::LaunchResult;
use crate::report::gate_study::record::{self, GATE_RECORD_SCHEMA};
use crate::report::gate_study::{GateArm, GateLaunch, GateLine, GateOperator, GateRun, GateStudy, of_records};
use crate::report::render::gate_study as render;
use crate::scenario::Planned;
use crate::summary::summarize;
use crate::taxonomy::Group;

use super::arms::{Arm, Blocks};
use super::control::{self, Control, Wish};
use super::results::today;
use super::suite::{Detail, Session, resolve};
use super::{Exit, Terminal, outputs};

/// Arms of each group that are the model as it is: three comparisons with each other.
const PLAIN: u32 = 3;

/// Extra work in all GEMM nodes after which the plain model is 30 % faster in them: 1 / 0.7 - 1.
const GEMM_EXTRA: f64 = 0.43;

/// Measures, or shows records again.
///
/// # Errors
/// Bad configuration, models that cannot have a control, failed launches, an interrupt, or files that cannot be read or
/// written. What was measured before stays in the records.
pub(super) fn gate(terminal: &mut Terminal, arguments: &GateStudyArgs) -> anyhow::Result<Exit> {
    let records = arguments.output.join("launches.jsonl");
    let files = if arguments.from.is_empty() {
        measure(terminal, arguments, &records)?;
        vec![records]
    } else {
        arguments.from.clone()
    };
    let mut runs = Vec::new();
    for path in &files {
        let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        runs.extend(record::read(path, BufReader::new(file))?);
    }
    let study = of_records(&runs);
    if study.models.is_empty() {
        terminal.status.error("no record holds a whole comparison");
        return Ok(Exit::NothingMeasured);
    }
    write(terminal, &study, &arguments.output)?;
    Ok(Exit::Pass)
}

fn write(terminal: &mut Terminal, study: &GateStudy, folder: &Path) -> anyhow::Result<()> {
    if terminal.json() {
        render::json(study, &mut terminal.out)?;
    }
    outputs::save(terminal, &folder.join("gate.md"), |out| render::markdown(study, out))?;
    outputs::save(terminal, &folder.join("gate.json"), |out| render::json(study, out))
}

fn measure(terminal: &mut Terminal, arguments: &GateStudyArgs, records: &Path) -> anyhow::Result<()> {
    let session = Session::open(terminal, &arguments.measure)?;
    let wishes = wishes(&arguments.inject)?;
    let mut models = Vec::new();
    for planned in &session.planned {
        terminal.status.say("Preparing", &planned.id.0);
        let wishes: Vec<Wish> = wishes
            .iter()
            .filter(|(model, _)| model == planned.scenario.model.name())
            .map(|(_, wish)| wish.clone())
            .collect();
        models.push((planned, control::prepare(&session, terminal, planned, &wishes)?));
    }
    fs::create_dir_all(&arguments.output).with_context(|| format!("cannot create {}", arguments.output.display()))?;
    let mut writer = Records::append(records)?;
    writer.line(&GateLine::Run(GateRun {
        schema: GATE_RECORD_SCHEMA,
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        machine: session.machine.clone(),
        date: today(),
        pairs: arguments.pairs,
        busy: arguments.busy,
        remark: arguments.remark.clone(),
    }))?;
    let busy = Busy::start(arguments.busy);
    terminal.status.start_progress(launches(arguments, &models));
    for group in 0..arguments.groups {
        for (planned, control) in &models {
            terminal.status.say("Measuring", &format!("{} (group {} of {})", planned.id, group + 1, arguments.groups));
            let treated = group < arguments.treated;
            one_group(&session, terminal, planned, control, (group, treated, arguments.pairs), &mut writer)?;
        }
    }
    terminal.status.end_progress();
    drop(busy);
    Ok(())
}

fn launches(arguments: &GateStudyArgs, models: &[(&Planned, Control)]) -> u64 {
    let of = |(_, control): &(&Planned, Control)| {
        let treated = u64::try_from(control.treated.len()).unwrap_or(u64::MAX);
        u64::from(arguments.groups) * u64::from(PLAIN) + u64::from(arguments.treated.min(arguments.groups)) * treated
    };
    models.iter().map(of).sum::<u64>() * u64::from(arguments.pairs)
}

/// `MODEL:OPERATOR=0.05,0.1` for each part of the work that is to be made, and `MODEL:GEMM` for faster products.
fn wishes(texts: &[String]) -> anyhow::Result<Vec<(String, Wish)>> {
    let mut wishes = Vec::new();
    for text in texts {
        let wrong = || format!("`--inject {text}` is not MODEL:OPERATOR=0.05,0.1 or MODEL:GEMM");
        let (model, what) = text.split_once(':').with_context(wrong)?;
        if what == "GEMM" {
            wishes.push((model.to_owned(), Wish::group(Group::Gemm, GEMM_EXTRA)));
            continue;
        }
        let (operator, fractions) = what.split_once('=').with_context(wrong)?;
        for fraction in fractions.split(',') {
            let fraction: f64 = fraction.parse().with_context(wrong)?;
            if !(fraction > 0.0 && fraction <= 10.0) {
                bail!("`--inject {text}`: {fraction} is not above 0 and at most 10");
            }
            wishes.push((model.to_owned(), Wish::operator(operator, fraction)));
        }
    }
    Ok(wishes)
}

fn one_group(
    session: &Session,
    terminal: &mut Terminal,
    planned: &Planned,
    control: &Control,
    (group, treated, pairs): (u32, bool, u32),
    writer: &mut Records,
) -> anyhow::Result<()> {
    let arm = |label: &str, planned: &Planned| Arm {
        label: label.to_owned(),
        planned: planned.clone(),
        library: session.library.clone(),
    };
    let mut arms: Vec<(GateArm, Arm)> =
        (0..PLAIN).map(|number| (GateArm::Plain { number }, arm("plain", &control.plain))).collect();
    for one in control.treated.iter().filter(|_| treated) {
        let (kind, label) = match one.operators.as_slice() {
            [operator] if one.wished != GEMM_EXTRA => {
                let kind = GateArm::Slower { operator: operator.clone(), wanted: one.wished, reached: one.reached };
                (kind, format!("{operator} +{:.0} %", one.wished * 100.0))
            }
            _ => (GateArm::SlowerGemm { reached: one.reached }, "GEMM".to_owned()),
        };
        arms.push((kind, arm(&label, &one.planned)));
    }
    let kinds: Vec<GateArm> = arms.iter().map(|(kind, _)| kind.clone()).collect();
    let arms = arms.into_iter().map(|(_, arm)| arm).collect();
    let mut blocks = Blocks::of(vec![arms], u64::from(group) + 1, Detail::Runs);
    for pair in 0..pairs {
        blocks.measure(session, terminal, |_| true)?;
        for (index, measured) in blocks.measured.iter_mut().enumerate() {
            if let Some(failure) = &measured.failure {
                bail!("{} {}: {failure}", planned.id, blocks.arms[index].label);
            }
            let Some((launch, wall)) = measured.launches.pop().zip(measured.wall.pop()) else { continue };
            let launch = of_launch(planned, kinds[index].clone(), (group, pair), wall.as_secs_f64(), launch)?;
            writer.line(&GateLine::Launch(launch))?;
        }
    }
    Ok(())
}

fn of_launch(
    planned: &Planned,
    arm: GateArm,
    (group, pair): (u32, u32),
    wall_s: f64,
    launch: LaunchResult,
) -> anyhow::Result<GateLaunch> {
    let summary = summarize(planned.scenario.clone(), planned.id.clone(), std::slice::from_ref(&launch), &resolve)?;
    let operator = |operator: &crate::summary::OperatorSummary| GateOperator {
        key: operator.key.clone(),
        group: operator.group,
        provider: operator.provider.clone(),
        executions: operator.executions,
        self_us: operator.self_us.median(),
        reported_us: Vec::new(),
    };
    let mut record = GateLaunch {
        scenario: planned.id.clone(),
        arm,
        group,
        pair,
        wall_s,
        latency_us: launch.latency_us,
        unprofiled_us: launch.unprofiled_us,
        operators: summary.operators.iter().map(operator).collect(),
    };
    let by_operator: BTreeMap<(String, String), Vec<i64>> =
        launch.runs.into_iter().map(|runs| ((runs.op_type, runs.provider), runs.reported_us)).collect();
    for ((op_type, provider), reported) in &by_operator {
        record.attach(op_type, provider, reported);
    }
    Ok(record)
}

/// The file that grows launch by launch, so that an interrupt loses one.
struct Records {
    file: File,
    path: std::path::PathBuf,
}

impl Records {
    fn append(path: &Path) -> anyhow::Result<Records> {
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Records { file, path: path.to_owned() })
    }

    fn line(&mut self, line: &GateLine) -> anyhow::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.file.write_all(&text).with_context(|| format!("cannot write {}", self.path.display()))
    }
}

/// Threads of this process that keep cores busy, as another program beside the launches would.
struct Busy {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Busy {
    fn start(count: u32) -> Busy {
        let stop = Arc::new(AtomicBool::new(false));
        let work = |stop: Arc<AtomicBool>| {
            let started = Instant::now();
            let mut turns = 0_u64;
            while !stop.load(Ordering::Relaxed) {
                turns = turns.wrapping_add(std::hint::black_box(started.elapsed().subsec_nanos().into()));
            }
            std::hint::black_box(turns);
        };
        let threads = (0..count).map(|_| stop.clone()).map(|stop| std::thread::spawn(move || work(stop))).collect();
        Busy { stop, threads }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A thread that only spins has nothing to fail with.
            let _ = thread.join();
        }
    }
}
