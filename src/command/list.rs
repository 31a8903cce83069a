//! `cargo nongemm list operators | groups | models | scenarios | findings | patterns`: plain aligned tables, or JSON with a version.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use crate::cli::{DimensionArgs, ListArgs, Listing as ListingArg};
use crate::compare::patterns;
use crate::config::{Config, Dimensions, Model, ModelSource, ZooEntry};
use crate::report::wording;
use crate::scenario::Planned;
use crate::taxonomy::{Group, Operator, taxonomy};
use crate::verdict::{FindingCode, Severity};
use crate::zoo::Tier;

use super::plan::{self, Cost};
use super::{Exit, Terminal, suite};

/// Version of the JSON documents.
pub const LIST_SCHEMA: u32 = 1;

/// A list that can be written for a person or as JSON.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Listing {
    /// Operators of the taxonomy.
    Operators(Vec<Operator>),
    /// Groups of the taxonomy.
    Groups(Vec<GroupRow>),
    /// Models: built in, and of the configuration.
    Models(Vec<ModelRow>),
    /// Codes of findings.
    Findings(Vec<FindingRow>),
    /// What structural differences may mean.
    Patterns(Vec<PatternRow>),
}

/// Lists what there is.
///
/// # Errors
/// Bad configuration or selection, or those of the writer.
pub fn list(terminal: &mut Terminal, arguments: &ListArgs) -> anyhow::Result<Exit> {
    let listing = match arguments.what {
        ListingArg::Operators => Listing::operators(None),
        ListingArg::Groups => Listing::groups(),
        ListingArg::Models => models(terminal, arguments)?,
        ListingArg::Findings => Listing::findings(),
        ListingArg::Patterns => Listing::patterns(),
        ListingArg::Scenarios => {
            return plan::list(terminal, &arguments.selection, &arguments.suite, &arguments.dimensions);
        }
    };
    if terminal.json() {
        listing.write_json(&mut terminal.out)?;
    } else {
        listing.write_text(&mut terminal.out)?;
    }
    Ok(Exit::Pass)
}

/// All models, each with the cost of its first scenario.
fn models(terminal: &Terminal, arguments: &ListArgs) -> anyhow::Result<Listing> {
    let (config, zoo) = (terminal.suite(&arguments.suite)?, suite::zoo_entries());
    let in_suite = suite::plan(&config, &[], &DimensionArgs::default())?;
    let others = zoo.iter().filter(|row| !config.models.iter().any(|model| model.name == row.name)).map(Model::from);
    let all = config.models.iter().cloned().chain(others).map(|model| Model { in_suite: true, ..model });
    let everything = Config { models: all.collect(), ..config.clone() };
    let mut first: Vec<Planned> = suite::plan(&everything, &[], &DimensionArgs::default())?;
    first.dedup_by(|later, earlier| later.scenario.model == earlier.scenario.model);
    let costs = plan::costs(&first, &config.measure);
    let costs: BTreeMap<&str, Cost> =
        first.iter().zip(costs).filter_map(|(one, cost)| Some((one.scenario.model.name(), cost?))).collect();
    Ok(Listing::models(&config, &zoo, &in_suite, &costs))
}

/// A group with what it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GroupRow {
    /// Which.
    pub group: Group,
    /// For people.
    pub title: &'static str,
    /// What counts to it.
    pub description: &'static str,
    /// Operators of the taxonomy in it.
    pub operators: usize,
}

/// A code of findings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FindingRow {
    /// Stable kebab-case code.
    pub code: FindingCode,
    /// How it counts where the configuration does not say otherwise.
    pub severity: Severity,
    /// What it is, in a line.
    pub summary: &'static str,
}

/// A kind of structural change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PatternRow {
    /// Stable kebab-case name.
    pub id: &'static str,
    /// `fusion` or `work`.
    pub kind: &'static str,
    /// What it is about.
    pub name: String,
    /// What makes it, in a line.
    pub reason: &'static str,
}

/// A model that can be measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ModelRow {
    /// The configuration's view of it.
    #[serde(flatten)]
    pub model: Model,
    /// Scenarios of the suite that run it.
    pub scenarios: usize,
    /// The smallest tier that runs it; `None` for a file, and for a built-in model that runs only when it is named.
    pub tier: Option<Tier>,
    /// What its first scenario is expected to cost; `None` where the model tells nothing, and on a GPU.
    pub cost: Option<Cost>,
}

impl Listing {
    /// Operators of one group, or all.
    pub fn operators(group: Option<Group>) -> Listing {
        let chosen = taxonomy().operators().iter().filter(|operator| group.is_none_or(|group| operator.group == group));
        Listing::Operators(chosen.cloned().collect())
    }

    /// Every group.
    pub fn groups() -> Listing {
        let row = |group: Group| GroupRow {
            group,
            title: group.title(),
            description: group.description(),
            operators: taxonomy().operators().iter().filter(|operator| operator.group == group).count(),
        };
        Listing::Groups(Group::all().into_iter().map(row).collect())
    }

    /// Every code.
    pub fn findings() -> Listing {
        let row = |code: FindingCode| FindingRow { code, severity: code.default_severity(), summary: code.summary() };
        Listing::Findings(FindingCode::all().map(row).collect())
    }

    /// Every pattern, in the order in which they are tried.
    pub fn patterns() -> Listing {
        let fusions = patterns().fusions.iter().map(|one| PatternRow {
            id: &one.id,
            kind: "fusion",
            name: format!("{} {}", one.name, one.state),
            reason: &one.reason,
        });
        let works = patterns().works.iter();
        let works =
            works.map(|one| PatternRow { id: &one.id, kind: "work", name: one.name.clone(), reason: &one.reason });
        Listing::Patterns(fusions.chain(works).collect())
    }

    /// Models of the configuration, the suite's first, then the other built-in ones. `suite` is the expansion of the
    /// configuration without selectors, `costs` are by the model's name.
    pub fn models(config: &Config, zoo: &[ZooEntry], suite: &[Planned], costs: &BTreeMap<&str, Cost>) -> Listing {
        let others = zoo.iter().filter(|row| !config.models.iter().any(|model| model.name == row.name));
        let row = |model: Model| {
            let scenarios = suite.iter().filter(|one| one.scenario.model.name() == model.name).count();
            let tier = zoo.iter().find(|row| row.name == model.name).and_then(|row| row.tier);
            let cost = costs.get(model.name.as_str()).copied();
            ModelRow { model, scenarios, tier, cost }
        };
        Listing::Models(config.models.iter().cloned().chain(others.map(Model::from)).map(row).collect())
    }

    /// Writes a table.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Listing::Operators(operators) => {
                let rows = operators.iter().map(|operator| {
                    let fused = if operator.fused { " (fused)" } else { "" };
                    [operator.key(), format!("{}{fused}", operator.group), operator.reason.clone()]
                });
                write_table(out, ["OPERATOR", "GROUP", "WHY"], rows.collect())
            }
            Listing::Groups(groups) => {
                let rows = groups
                    .iter()
                    .map(|row| [row.group.name().to_owned(), row.operators.to_string(), row.description.to_owned()]);
                write_table(out, ["GROUP", "OPERATORS", "WHAT COUNTS TO IT"], rows.collect())
            }
            Listing::Findings(findings) => {
                let rows = findings.iter().map(|row| {
                    [row.code.to_string(), wording::severity(row.severity).to_owned(), row.summary.to_owned()]
                });
                write_table(out, ["FINDING", "DEFAULT", "WHAT IT IS"], rows.collect())
            }
            Listing::Patterns(patterns) => {
                let rows = patterns.iter().map(|row| [row.id, row.kind, &row.name, row.reason].map(str::to_owned));
                write_table(out, ["PATTERN", "KIND", "WHAT", "WHY"], rows.collect())
            }
            Listing::Models(models) => {
                let rows = models.iter().map(|row| {
                    let scenarios = match row.scenarios {
                        0 => "-".to_owned(),
                        count => count.to_string(),
                    };
                    let tier = row.tier.map_or("-", Tier::name).to_owned();
                    let [weights, memory, inference] = plan::figures(row.cost.as_ref());
                    let (sizes, place) = (sizes(&row.model), place(&row.model));
                    [row.model.name.clone(), tier, scenarios, sizes, weights, memory, inference, place]
                });
                let head = ["MODEL", "TIER", "IN SUITE", "SIZES", "WEIGHTS", "MEMORY", "INFERENCE", "FROM"];
                write_table(out, head, rows.collect())
            }
        }
    }

    /// Writes JSON, with `schema` beside the list.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        write_document(out, LIST_SCHEMA, self)
    }
}

/// Writes a value that serializes as a map, with a `schema` number before its keys.
pub(super) fn write_document<T: Serialize>(out: &mut dyn Write, schema: u32, value: &T) -> io::Result<()> {
    #[derive(Serialize)]
    struct Document<'a, T> {
        schema: u32,
        #[serde(flatten)]
        value: &'a T,
    }
    serde_json::to_writer_pretty(&mut *out, &Document { schema, value })?;
    writeln!(out)
}

pub(super) fn show(path: &Path) -> String {
    path.display().to_string()
}

fn place(model: &Model) -> String {
    match &model.source {
        ModelSource::Zoo { .. } => "built in".to_owned(),
        ModelSource::File(path) => show(path),
    }
}

/// The sizes that a model runs at of itself: its own, else its default. What the suite says is in its scenarios.
fn sizes(model: &Model) -> String {
    let Dimensions { batch, sequence, image, .. } = &model.own;
    let (default_sequence, default_image) = match model.source {
        ModelSource::Zoo { sequence, image, .. } => (sequence, image),
        ModelSource::File(_) => (None, None),
    };
    let mut parts = Vec::new();
    if !batch.is_empty() {
        parts.push(format!("batch {}", join(batch)));
    }
    match (sequence.as_slice(), default_sequence) {
        ([], None) => {}
        ([], Some(default)) => parts.push(format!("sequence {default}")),
        (own, _) => parts.push(format!("sequence {}", join(own))),
    }
    match (image.as_slice(), default_image) {
        ([], None) => {}
        ([], Some(default)) => parts.push(format!("image {default}")),
        (own, _) => parts.push(format!("image {}", join(own))),
    }
    parts.extend(model.dimensions.iter().map(|(name, size)| format!("{name} {size}")));
    if parts.is_empty() { "-".to_owned() } else { parts.join(", ") }
}

fn join<T: ToString>(values: &[T]) -> String {
    values.iter().map(T::to_string).collect::<Vec<_>>().join("/")
}

/// The budgets of a scenario in words.
pub(super) fn limits(one: &Planned) -> String {
    let limit = |budget: &crate::config::Budget| {
        let share = budget.max_non_gemm_share.map(|share| format!("non-GEMM <= {:.1} %", share * 100.0));
        let latency = budget.max_latency_ms.map(|ms| format!("latency <= {ms} ms"));
        let groups =
            budget.max_group_share.iter().map(|(group, share)| format!("{} <= {:.1} %", group.name(), share * 100.0));
        let on = budget.machine.as_ref().map_or_else(String::new, |machine| format!(" on {machine}"));
        share.into_iter().chain(groups).chain(latency).map(|limit| format!("{limit}{on}")).collect::<Vec<_>>()
    };
    let all: Vec<String> = one.budgets.iter().flat_map(limit).collect();
    if all.is_empty() { "-".to_owned() } else { all.join(", ") }
}

/// Columns as wide as their widest cell, two spaces apart, nothing behind the last.
pub(super) fn write_table<const N: usize>(
    out: &mut dyn Write,
    head: [&str; N],
    rows: Vec<[String; N]>,
) -> io::Result<()> {
    let head = head.map(str::to_owned);
    let widths: [usize; N] = std::array::from_fn(|column| {
        std::iter::once(&head).chain(&rows).map(|row| row[column].chars().count()).max().unwrap_or(0)
    });
    for row in std::iter::once(&head).chain(&rows) {
        let line: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        writeln!(out, "{}", line.join("  ").trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::{ZOO, load_in, project};
    use crate::estimate::Estimate;
    use crate::scenario::{Overrides, expand};

    fn text(listing: &Listing) -> String {
        let mut out = Vec::new();
        listing.write_text(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn json(listing: &Listing) -> serde_json::Value {
        let mut out = Vec::new();
        listing.write_json(&mut out).unwrap();
        serde_json::from_slice(&out).unwrap()
    }

    fn example() -> (Config, Vec<Planned>) {
        let text = "[suite]\nmodels = [\"bert-base\", \"vit-b-16\"]\nbatch = [1, 8]\n\
                    [[model]]\npath = \"ranker.onnx\"\ndimensions = { tokens = 64 }\n\
                    [[budget]]\nscenario = \"bert*\"\nmax-non-gemm-share = 0.355\nmax-latency-ms = 120\n";
        let dir = project(&[("nongemm.toml", text), ("ranker.onnx", "")]);
        let config = load_in(dir.path()).unwrap();
        let planned = expand(&config, &Overrides::default(), &[], ZOO, dir.path()).unwrap();
        (config, planned)
    }

    fn costs() -> BTreeMap<&'static str, Cost> {
        let (weights_bytes, peak_rss_bytes, macs) = (437_936_316, 830_000_000, 11_174_217_216);
        let estimate = Estimate { weights_bytes, peak_rss_bytes, macs, start_s: 0.7, inference_s: 0.238 };
        BTreeMap::from([("bert-base", Cost { estimate, measuring_s: 14.0 })])
    }

    #[test]
    fn tables() {
        let (config, planned) = example();
        let listings = [
            Listing::operators(Some(Group::Interpolation)),
            Listing::groups(),
            Listing::models(&config, ZOO, &planned, &costs()),
            Listing::findings(),
            Listing::patterns(),
        ];
        insta::assert_snapshot!(listings.map(|listing| text(&listing)).join("\n"));
    }

    #[test]
    fn all_operators_are_listed_and_each_group_counts_its_own() {
        assert_eq!(text(&Listing::operators(None)).lines().count(), 1 + taxonomy().operators().len());
        let Listing::Groups(groups) = Listing::groups() else { unreachable!() };
        assert_eq!(groups.iter().map(|row| row.operators).sum::<usize>(), taxonomy().operators().len());
        assert!(groups.iter().all(|row| row.operators > 0));
    }

    #[test]
    fn json_has_a_version_and_the_same_rows() {
        let (config, planned) = example();
        let models = json(&Listing::models(&config, ZOO, &planned, &costs()));
        assert_eq!(models["schema"], LIST_SCHEMA);
        assert_eq!(models["models"][0]["name"], "bert-base");
        assert_eq!(models["models"][0]["scenarios"], 2);
        assert_eq!(json(&Listing::operators(None))["operators"][0]["name"], "Abs");
        assert_eq!(json(&Listing::findings())["findings"][0]["severity"], "error");
        assert_eq!(json(&Listing::patterns())["patterns"][0]["kind"], "fusion");
    }
}
