//! The positive control: a slowdown of known size in one operator, as real work in the graph.
//!
//! The unit of comparison is the operator of the *optimized* graph, so that is where the work goes in. One launch leaves
//! the graph as ONNX Runtime optimized it, and one more measures what each of its nodes takes. A treated graph has copies of
//! some nodes: same operator, inputs and attributes, outputs that nobody reads. Plain and treated graphs are run without
//! further optimization, which would remove the copies; they share one file of weights.
//!
//! ```text
//! let control = control::prepare(&session, terminal, planned, &[Wish::operator("*:Softmax", 0.10)])?;
//! let arms = [arm("plain", &control.plain), arm("Softmax +10 %", &control.treated[0].planned)];   // Blocks::of(arms, seed)
//! ```
//!
//! [`Wish::operator`] makes a treated graph of each operator that its glob means, [`Wish::group`] one in which every operator
//! of the group has grown alike. A GEMM made 30 % faster is the step from the treated graph of
//! `Wish::group(Group::Gemm, 0.43)` to the plain one. [`Treated`] says what was reached.

mod candidates;
mod choose;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, bail};

use crate::estimate::Rates;
use crate::machine;
use crate::measure::result::LaunchResult;
use crate::onnx::proto::ModelProto;
use crate::onnx::{external, file, order, repeat};
use crate::scenario::{ModelRef, Optimization, Planned, Precision, Provider};
use crate::summary::OperatorKey;
use crate::taxonomy::Group;

use candidates::{Candidates, Choice, Operator};

use super::Terminal;
use super::costs;
use super::suite::{self, Detail, Session};

/// The most weights that are written for a control.
const MAX_WEIGHTS_BYTES: u64 = 4 << 30;

/// Launches that the nodes' times are taken from.
const LOOKS: u64 = 3;

/// Graphs that are tried for one size.
const SIZINGS: u32 = 4;

/// How near to the size that was wished for is near enough, relative to it: whole nodes come no nearer.
const NEAR: f64 = 0.1;

/// Disk that is left alone, and room for graphs.
const SPARE_BYTES: u64 = 256 << 20;

/// What is to become slower, and by how much of its own time.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Wish {
    target: Target,
    fraction: f64,
}

#[derive(Debug, Clone, PartialEq)]
enum Target {
    /// A glob over keys (`com.microsoft:*`) or operator types (`Softmax`).
    Operators(String),
    Group(Group),
}

impl Wish {
    /// Each operator that the glob over keys or operator types means, in a treated graph of its own, by this fraction.
    pub fn operator(glob: impl Into<String>, fraction: f64) -> Wish {
        Wish { target: Target::Operators(glob.into()), fraction }
    }

    /// All operators of a group, in one treated graph.
    pub fn group(group: Group, fraction: f64) -> Wish {
        Wish { target: Target::Group(group), fraction }
    }
}

/// A graph with extra work in it.
#[derive(Debug, Clone)]
pub(super) struct Treated {
    /// What was repeated: one operator, or those of a group.
    pub operators: Vec<OperatorKey>,
    /// The extra work wished for / the operators' time.
    pub wished: f64,
    /// The extra work / the operators' time, as measured when the graph was made.
    pub reached: f64,
    /// The operators' time / that of all nodes, in the plain graph.
    pub share: f64,
    /// Copies.
    pub nodes: u32,
    /// The graph, to be launched.
    pub planned: Planned,
}

/// A scenario's graph without and with extra work. The files are gone with this value.
#[derive(Debug)]
pub(super) struct Control {
    /// The optimized graph as it was.
    pub plain: Planned,
    /// The same with copies, in the order of the wishes.
    pub treated: Vec<Treated>,
    /// What the plain graph's nodes took in the launch that sizes are chosen by.
    pub measured: LaunchResult,
    original: Planned,
    model: ModelProto,
    folder: tempfile::TempDir,
}

/// Makes the graphs. Takes two launches, one of them measured.
///
/// # Errors
/// Those of [`Control::open`] and [`Control::treat`].
pub(super) fn prepare(
    session: &Session,
    terminal: &mut Terminal,
    planned: &Planned,
    wishes: &[Wish],
) -> anyhow::Result<Control> {
    let mut control = Control::open(session, terminal, planned)?;
    for wish in wishes {
        control.treat(session, terminal, wish)?;
    }
    Ok(control)
}

impl Control {
    /// Makes the plain graph and measures its nodes.
    ///
    /// # Errors
    /// Scenarios that cannot have a control, each with the reason: more memory than there is, other providers than the
    /// CPU, weights beyond what is written for it or what the disk has, a graph that does not run as the original does. Also failed launches and
    /// interrupts.
    pub fn open(session: &Session, terminal: &mut Terminal, planned: &Planned) -> anyhow::Result<Control> {
        if let Some(refusal) = session.refuse(planned) {
            bail!("{}: no control: {refusal}", planned.id);
        }
        let folder = session.folder()?;
        refuse(planned, folder.path())?;
        let optimized = folder.path().join("optimized.onnx");
        terminal.status.progress_message(&format!("{} (its optimized graph)", planned.id));
        let original = session.launch_for_graph(planned, &optimized)?;
        let mut model = file::read(&optimized)?;
        external::check(&model, &optimized)?;
        repeat::name_nodes(&mut model);
        if let Some(graph) = &mut model.graph {
            order::turn_branches(graph);
        }
        let plain = write(&model, planned, folder.path(), "plain")?;
        terminal.status.progress_message(&format!("{} (its nodes, to choose from)", planned.id));
        let measured = calmest(session, &plain)?;
        same_structure(planned, &original, &measured)?;
        Ok(Control { plain, treated: Vec::new(), measured, original: planned.clone(), model, folder })
    }

    /// Adds the treated graphs that a wish asks for, each of the size that was measured to come nearest.
    ///
    /// # Errors
    /// A wish that means no operator, or one that cannot be repeated. Also failed launches and interrupts.
    pub fn treat(&mut self, session: &Session, terminal: &mut Terminal, wish: &Wish) -> anyhow::Result<()> {
        let candidates = Candidates::of(&self.model, &self.measured);
        for meant in candidates.meant(wish).with_context(|| format!("{}: no control", self.original.id))? {
            let name = format!("treated-{}", self.treated.len() + 1);
            terminal.status.progress_message(&format!("{} (the size of {name})", self.original.id));
            let graph = Graph { model: &self.model, original: &self.original, folder: self.folder.path(), name: &name };
            self.treated.push(sized(session, &graph, &candidates, &meant, wish.fraction)?);
        }
        Ok(())
    }

    /// The operators that a glob over keys or operator types means.
    ///
    /// # Errors
    /// A bad glob, or one that means none.
    pub fn meant_by(&self, glob: &str) -> anyhow::Result<Vec<Repeatable>> {
        Candidates::of(&self.model, &self.measured)
            .meant_by(glob)
            .with_context(|| format!("{}: no control", self.original.id))
    }

    /// The operators that can be repeated, by descending time.
    pub fn repeatable(&self) -> Vec<Repeatable> {
        Candidates::of(&self.model, &self.measured).repeatable()
    }
}

/// An operator that can be repeated, and what it takes in the plain graph.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Repeatable {
    pub key: OperatorKey,
    pub group: Option<Group>,
    pub self_us: f64,
}

/// What a treated graph is made from.
struct Graph<'a> {
    model: &'a ModelProto,
    original: &'a Planned,
    folder: &'a Path,
    name: &'a str,
}

/// A treated graph whose operators take longer by what was wished for, as measured: a copy costs more or less than its
/// original, by what the caches hold when it runs and by whose memory it may write to.
fn sized(
    session: &Session,
    graph: &Graph<'_>,
    candidates: &Candidates<'_>,
    meant: &[&Operator<'_>],
    wished: f64,
) -> anyhow::Result<Treated> {
    let mut best: Option<(Treated, Vec<(String, u32)>)> = None;
    let mut fraction = wished;
    for _ in 0..SIZINGS {
        let choice = candidates.of_operators(meant, fraction)?;
        if best.as_ref().is_some_and(|(_, repeats)| *repeats == choice.repeats) {
            break;
        }
        let planned = write_treated(graph, &choice.repeats)?;
        let reached = candidates.growth(meant, &calmest(session, &planned)?);
        let nodes = choice.repeats.iter().map(|(_, copies)| copies).sum();
        let Choice { operators, share, repeats } = choice;
        let treated = Treated { operators, wished, reached, share, nodes, planned };
        let off = |reached: f64| (reached - wished).abs();
        if best.as_ref().is_none_or(|(best, _)| off(reached) < off(best.reached)) {
            best = Some((treated, repeats));
        }
        if off(reached) <= NEAR * wished || reached <= 0.0 {
            break;
        }
        fraction *= (wished / reached).clamp(0.2, 5.0);
    }
    let Some((treated, repeats)) = best else { bail!("{}: no control was made", graph.original.id) };
    // The last one that was tried need not be the best.
    write_treated(graph, &repeats)?;
    Ok(treated)
}

fn write_treated(graph: &Graph<'_>, repeats: &[(String, u32)]) -> anyhow::Result<Planned> {
    let mut model = graph.model.clone();
    repeat::repeat_nodes(&mut model, repeats)?;
    write(&model, graph.original, graph.folder, graph.name)
}

/// A launch of a graph with each node's time the least of several launches: on a busy machine a single one may find
/// a node preempted, and the sizes would be chosen by that.
fn calmest(session: &Session, plain: &Planned) -> anyhow::Result<LaunchResult> {
    let mut calmest = session.launch(plain, 1, Detail::Usual)?;
    for seed in 2..=LOOKS {
        let again = session.launch(plain, seed, Detail::Usual)?;
        let times: BTreeMap<&str, f64> = again.nodes.iter().map(|node| (node.name.as_str(), node.self_us)).collect();
        for node in &mut calmest.nodes {
            node.self_us = times.get(node.name.as_str()).map_or(node.self_us, |us| us.min(node.self_us));
        }
    }
    Ok(calmest)
}

/// Refuses what could not be written.
fn refuse(planned: &Planned, folder: &Path) -> anyhow::Result<()> {
    let id = &planned.id;
    if planned.scenario.provider != Provider::Cpu {
        bail!(
            "{id}: a control needs the CPU: graphs that are split over devices cannot be given to ONNX Runtime again"
        );
    }
    // What cannot be estimated is for the launch to refuse.
    let Some(estimate) = costs::estimate(planned, &Rates::fixed(planned.scenario.threads)) else { return Ok(()) };
    let needed = estimate.weights_bytes;
    if needed > MAX_WEIGHTS_BYTES {
        bail!(
            "{id}: a control needs its {} of weights in a file, and at most {} are written; choose a smaller scenario",
            gibibytes(needed),
            gibibytes(MAX_WEIGHTS_BYTES)
        );
    }
    match machine::available_disk_bytes(folder) {
        Some(available) if needed + SPARE_BYTES > available => bail!(
            "{id}: a control needs {} in {}, which has {} left; set TMPDIR to a larger disk, or choose a smaller scenario",
            gibibytes(needed + SPARE_BYTES),
            folder.display(),
            gibibytes(available)
        ),
        _ => Ok(()),
    }
}

#[allow(clippy::cast_precision_loss, reason = "shown with one decimal")]
fn gibibytes(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
}

/// Writes a graph beside the weights, and plans to run it as it is.
fn write(model: &ModelProto, original: &Planned, folder: &Path, name: &str) -> anyhow::Result<Planned> {
    let path = folder.join(name).with_extension("onnx");
    file::write(model, &path)?;
    let mut planned = original.clone();
    planned.scenario.model = ModelRef::File { name: original.scenario.model.name().to_owned(), path };
    planned.scenario.optimization = Optimization::Disable;
    // The graph has been converted already.
    planned.scenario.precision = Precision::Fp32;
    planned.weights = None;
    planned.budgets = Vec::new();
    Ok(planned)
}

/// Requires that the graph runs as the one that it was made from: the same operators, as often.
fn same_structure(planned: &Planned, original: &LaunchResult, plain: &LaunchResult) -> anyhow::Result<()> {
    let (before, after) = (executions(original), executions(plain));
    let operators = before.keys().chain(after.keys());
    let differing = operators.copied().find(|operator| before.get(operator) != after.get(operator));
    match differing {
        None => Ok(()),
        Some(operator) => {
            let count = |counts: &BTreeMap<&str, u32>| counts.get(operator).copied().unwrap_or(0);
            bail!(
                "{}: no control: run again as it was optimized, the graph executes {operator} {} times instead of {}",
                planned.id,
                count(&after),
                count(&before)
            )
        }
    }
}

fn executions(launch: &LaunchResult) -> BTreeMap<&str, u32> {
    let mut counts = BTreeMap::new();
    for node in &launch.nodes {
        *counts.entry(node.op_type.as_str()).or_insert(0) += node.executions;
    }
    counts
}
