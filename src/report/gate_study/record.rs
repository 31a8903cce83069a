//! What the study measures: one line of JSON a launch, so that hours of measuring can be judged again by other rules.

use std::io::BufRead;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::report::{Group, Machine, OperatorKey, Sample, ScenarioId};
use crate::summary::{Clock, PROTOCOL, Side, SideOperator};

/// Version of the lines.
pub const GATE_RECORD_SCHEMA: u32 = 1;

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "record")]
pub enum GateLine {
    /// The circumstances of the launches that follow.
    Run(GateRun),
    /// One launch.
    Launch(GateLaunch),
}

/// Where and how launches were made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GateRun {
    /// [`GATE_RECORD_SCHEMA`] of the program that wrote it.
    pub schema: u32,
    /// Version of `cargo-nongemm`.
    pub tool: String,
    /// Where.
    pub machine: Machine,
    /// Day, in UTC, `YYYY-MM-DD`.
    pub date: String,
    /// Pairs of launches in one comparison.
    pub pairs: u32,
    /// Threads that the study itself kept busy beside the launches.
    pub busy: u32,
    /// What else was known to run on the machine, in words; launches beside it count as made on a busy one.
    #[serde(default)]
    pub remark: Option<String>,
}

/// One launch of one arm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GateLaunch {
    /// Of which model.
    pub scenario: ScenarioId,
    /// Which arm.
    pub arm: GateArm,
    /// Launches of one group make comparisons with each other; counts from 0 in each run.
    pub group: u32,
    /// Which pair of the comparison it belongs to, from 0.
    pub pair: u32,
    /// Wall time of the whole launch in seconds, process start to end.
    pub wall_s: f64,
    /// Unprofiled latency in microseconds.
    pub latency_us: f64,
    /// Each unprofiled run, in microseconds.
    pub unprofiled_us: Vec<f64>,
    /// The operators.
    pub operators: Vec<GateOperator>,
}

/// One operator in one launch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GateOperator {
    /// Canonical key.
    pub key: OperatorKey,
    /// Its group; `None` for one that the taxonomy does not know.
    pub group: Option<Group>,
    /// Where it ran.
    pub provider: String,
    /// Executions in one run.
    pub executions: u32,
    /// Self time per run in microseconds.
    pub self_us: f64,
    /// Each profiled run as the profiler reported it; empty where two operators of one type cannot be told apart there.
    pub reported_us: Vec<i64>,
}

/// What a launch ran.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum GateArm {
    /// The model as it is; several arms of a group are that.
    Plain {
        /// Which of them, from 0.
        number: u32,
    },
    /// The model with nodes of one operator repeated.
    Slower {
        /// Which operator.
        operator: OperatorKey,
        /// Extra work that was asked for, as a part of the operator's time.
        wanted: f64,
        /// Extra work that whole nodes make, from the times of a profile.
        reached: f64,
    },
    /// The model with GEMM nodes repeated: seen from it, the plain one has faster products.
    SlowerGemm {
        /// Extra work, as a part of the group's time.
        reached: f64,
    },
}

impl GateLaunch {
    /// The key of an operator without its domain.
    fn short(key: &OperatorKey) -> &str {
        key.0.rsplit_once(':').map_or(&key.0, |(_, name)| name)
    }

    /// Each profiled run's time of the operators of a type on a provider goes to the operator, where only one is of it.
    pub fn attach(&mut self, op_type: &str, provider: &str, reported_us: &[i64]) {
        let is =
            |operator: &&mut GateOperator| GateLaunch::short(&operator.key) == op_type && operator.provider == provider;
        let mut named: Vec<&mut GateOperator> = self.operators.iter_mut().filter(is).collect();
        if let [one] = named.as_mut_slice() {
            one.reported_us = reported_us.to_vec();
        }
    }
}

/// Launches of one arm, in the order of their pairs, as a side of a comparison. Operators run as often as in `counted`, on
/// both sides alike: a slower kernel runs as often as before, and that the study makes an operator slower by repeating its
/// nodes must not help to find it, nor keep it out of the machine factor.
pub fn side(launches: &[&GateLaunch], counted: &[&GateLaunch]) -> Side {
    let total = |launch: &GateLaunch| launch.operators.iter().map(|operator| operator.self_us).sum::<f64>();
    let operator = |named: &GateOperator| {
        let of = |launch: &&GateLaunch| {
            let same = |other: &&GateOperator| other.key == named.key && other.provider == named.provider;
            launch.operators.iter().find(same).map_or(0.0, |operator| operator.self_us)
        };
        let self_us: Vec<f64> = launches.iter().map(of).collect();
        let shares: Vec<f64> = launches.iter().zip(&self_us).map(|(launch, us)| us / total(launch)).collect();
        SideOperator {
            key: named.key.clone(),
            group: named.group,
            inserted: None,
            shapes: Vec::new(),
            unsteady: false,
            provider: named.provider.clone(),
            executions: counted
                .iter()
                .flat_map(|launch| &launch.operators)
                .find(|other| other.key == named.key && other.provider == named.provider)
                .map_or(named.executions, |counted| counted.executions),
            share: Sample(shares).median(),
            self_us: Sample(self_us),
        }
    };
    Side {
        machine: Vec::new(),
        facts: Vec::new(),
        clock: Clock::Host,
        protocol: PROTOCOL,
        centred: false,
        past: None,
        latency_us: Sample(launches.iter().map(|launch| launch.latency_us).collect()),
        operators: launches.first().into_iter().flat_map(|launch| &launch.operators).map(operator).collect(),
    }
}

/// A file of lines that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum GateRecordError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}; `cargo nongemm study gate` writes one", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A line is no record.
    #[error("{}:{line}: not a record of the study of the gate: {message}; measure again, or cut the line", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What was expected there.
        message: String,
    },
    /// Written by another version.
    #[error("{}:{line}: records of schema {found}, this program reads {GATE_RECORD_SCHEMA}; measure again", path.display())]
    Schema {
        /// Which file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// The version it states.
        found: u32,
    },
    /// A launch stands before any run.
    #[error("{}:{line}: a launch without the run that it belongs to: the file lost its beginning", path.display())]
    Orphan {
        /// Which file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
    },
}

/// Reads the lines of one file: each run with its launches.
///
/// # Errors
/// [`GateRecordError`] names the file and the line. A last line that was cut short, as an interrupt leaves it, is passed
/// over.
pub fn read(path: &Path, source: impl BufRead) -> Result<Vec<(GateRun, Vec<GateLaunch>)>, GateRecordError> {
    let mut runs: Vec<(GateRun, Vec<GateLaunch>)> = Vec::new();
    let mut broken = None;
    for (index, text) in source.lines().enumerate() {
        let (path, line) = (path.to_owned(), index + 1);
        if let Some(error) = broken {
            return Err(error);
        }
        let text = text.map_err(|source| GateRecordError::Unreadable { path: path.clone(), source })?;
        match serde_json::from_str(&text) {
            Ok(GateLine::Run(run)) if run.schema != GATE_RECORD_SCHEMA => {
                return Err(GateRecordError::Schema { path, line, found: run.schema });
            }
            Ok(GateLine::Run(run)) => runs.push((run, Vec::new())),
            Ok(GateLine::Launch(launch)) => match runs.last_mut() {
                Some((_, launches)) => launches.push(launch),
                None => return Err(GateRecordError::Orphan { path, line }),
            },
            Err(error) => broken = Some(GateRecordError::Malformed { path, line, message: error.to_string() }),
        }
    }
    Ok(runs)
}
