//! The table of what structural differences mean: `patterns.toml`, parsed once.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::summary::OperatorKey;

/// Nodes that ONNX Runtime replaces by others.
#[derive(Debug, Clone, PartialEq)]
pub struct Fusion {
    /// Stable kebab-case name.
    pub id: String,
    /// What is fused, such as `layer normalization`.
    pub name: String,
    /// What becomes of it, such as `fused`: `<name> no longer <state>`.
    pub state: String,
    /// One line: what makes it.
    pub reason: String,
    /// What the nodes become; none where they go into a node that stays.
    pub(super) into: Vec<OperatorKey>,
    /// The nodes that stay, where `into` is empty.
    pub(super) beside: Vec<OperatorKey>,
    /// Ways to write it in parts, for each node of `into`.
    pub(super) from: Vec<Vec<Part>>,
    /// What may go with the parts.
    pub(super) also: Vec<Part>,
    /// What may come with the fused nodes.
    pub(super) leaves: Vec<Part>,
}

/// Operators that only move, convert or copy.
#[derive(Debug, Clone, PartialEq)]
pub struct Work {
    /// Stable kebab-case name.
    pub id: String,
    /// What they are, in the plural.
    pub name: String,
    /// One line: where they come from.
    pub reason: String,
    /// Which.
    pub(super) operators: Vec<OperatorKey>,
}

/// So many of one or another operator.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Part {
    pub any: Vec<OperatorKey>,
    pub count: u32,
}

/// The whole table.
#[derive(Debug)]
pub struct Patterns {
    /// In the order in which they are tried.
    pub fusions: Vec<Fusion>,
    /// Tried on what the fusions leave.
    pub works: Vec<Work>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    fusion: Vec<RawFusion>,
    work: Vec<RawWork>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFusion {
    id: String,
    name: String,
    #[serde(default = "fused")]
    state: String,
    into: Vec<String>,
    #[serde(default)]
    beside: Vec<String>,
    from: Vec<BTreeMap<String, u32>>,
    #[serde(default)]
    also: BTreeMap<String, u32>,
    #[serde(default)]
    leaves: BTreeMap<String, u32>,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWork {
    id: String,
    name: String,
    operators: Vec<String>,
    reason: String,
}

fn fused() -> String {
    "fused".to_owned()
}

static PATTERNS: LazyLock<Patterns> = LazyLock::new(|| {
    Patterns::parse(include_str!("patterns.toml")).expect("the table of patterns is part of the program and tested")
});

/// The table of this program, parsed on first use.
pub fn patterns() -> &'static Patterns {
    &PATTERNS
}

impl Patterns {
    fn parse(text: &str) -> Result<Patterns, toml::de::Error> {
        let raw: Raw = toml::from_str(text)?;
        Ok(Patterns {
            fusions: raw.fusion.into_iter().map(Fusion::from).collect(),
            works: raw.work.into_iter().map(Work::from).collect(),
        })
    }

    /// The fusion of this id.
    pub fn fusion(&self, id: &str) -> Option<&Fusion> {
        self.fusions.iter().find(|fusion| fusion.id == id)
    }

    /// The kind of work of this id.
    pub fn work(&self, id: &str) -> Option<&Work> {
        self.works.iter().find(|work| work.id == id)
    }
}

impl From<RawFusion> for Fusion {
    fn from(raw: RawFusion) -> Fusion {
        Fusion {
            id: raw.id,
            name: raw.name,
            state: raw.state,
            reason: raw.reason,
            into: raw.into.iter().map(|name| key(name)).collect(),
            beside: raw.beside.iter().map(|name| key(name)).collect(),
            from: raw.from.into_iter().map(parts).collect(),
            also: parts(raw.also),
            leaves: parts(raw.leaves),
        }
    }
}

impl From<RawWork> for Work {
    fn from(raw: RawWork) -> Work {
        let operators = raw.operators.iter().map(|name| key(name)).collect();
        Work { id: raw.id, name: raw.name, reason: raw.reason, operators }
    }
}

fn parts(table: BTreeMap<String, u32>) -> Vec<Part> {
    let part = |(names, count): (String, u32)| Part { any: names.split('|').map(key).collect(), count };
    table.into_iter().map(part).collect()
}

/// The canonical key of a name in the table.
fn key(name: &str) -> OperatorKey {
    OperatorKey(if name.contains(':') { name.to_owned() } else { format!("ai.onnx:{name}") })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_distinct_and_reasons_say_something() {
        let rows = patterns().fusions.iter().map(|fusion| (&fusion.id, &fusion.reason));
        let rows: Vec<_> = rows.chain(patterns().works.iter().map(|work| (&work.id, &work.reason))).collect();
        assert_eq!(rows.iter().map(|(id, _)| id).collect::<BTreeSet<_>>().len(), rows.len());
        for (id, reason) in rows {
            assert!(id.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{id}");
            assert!(reason.split_whitespace().count() >= 5 && !reason.ends_with('.'), "{id}: `{reason}`");
        }
    }

    /// Where two parts could be the same node, taking one would leave too few for the other.
    #[test]
    fn parts_do_not_overlap_and_are_operators_of_the_taxonomy() {
        let known = |key: &OperatorKey| {
            let (domain, name) = key.0.rsplit_once(':').unwrap();
            crate::taxonomy::get(domain, name).is_some()
        };
        for fusion in &patterns().fusions {
            assert!(fusion.into.is_empty() != fusion.beside.is_empty(), "{}", fusion.id);
            assert!(!fusion.from.is_empty(), "{}", fusion.id);
            for parts in fusion.from.iter().chain([&fusion.also, &fusion.leaves]) {
                let keys: Vec<&OperatorKey> = parts.iter().flat_map(|part| &part.any).collect();
                assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len(), "{}: {keys:?}", fusion.id);
                assert!(parts.iter().all(|part| part.count > 0), "{}", fusion.id);
                let into = |key: &&OperatorKey| fusion.into.contains(key);
                assert!(!keys.iter().any(into), "{} turns a node into itself", fusion.id);
            }
            let all = fusion.from.iter().flatten().chain(&fusion.also).chain(&fusion.leaves);
            let all = all.flat_map(|part| &part.any).chain(&fusion.into).chain(&fusion.beside);
            let strange: Vec<&OperatorKey> = all.filter(|key| !known(key)).collect();
            assert!(strange.is_empty(), "{}: {strange:?}", fusion.id);
        }
        for work in &patterns().works {
            assert!(work.operators.iter().all(known), "{}", work.id);
        }
    }
}
