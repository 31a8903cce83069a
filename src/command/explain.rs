//! `cargo nongemm explain <operator | group | finding code | pattern>`: tables of data, walked by name.

use std::io::{self, Write};

use serde::Serialize;

use crate::compare::patterns;
use crate::config::did_you_mean;
use crate::report::render::text::wrap;
use crate::report::wording;
use crate::taxonomy::{Group, Operator, taxonomy};
use crate::verdict::{FindingCode, Ruled, Severity};

/// Columns of running text: what is easy to read, and fits any terminal.
const TEXT_WIDTH: usize = 76;

/// Version of the JSON document.
pub const EXPLAIN_SCHEMA: u32 = 1;

/// What a word means.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Explanation {
    /// Operators of that type, one for each domain that has it.
    Operator {
        /// Sorted by domain.
        operators: Vec<&'static Operator>,
    },
    /// A group of operators.
    Group {
        /// Which.
        group: Group,
        /// What counts to it.
        description: &'static str,
        /// Canonical keys of its operators, sorted.
        operators: Vec<String>,
    },
    /// A finding of the gate.
    Finding {
        /// Stable kebab-case code.
        code: FindingCode,
        /// How it counts where the configuration does not say otherwise.
        severity: Severity,
        /// What it is, in a line.
        summary: &'static str,
        /// What it means and what to do.
        description: &'static str,
        /// How to make it count otherwise.
        policy: &'static str,
        /// Lines that do so, ready to be filled in.
        example: Vec<String>,
    },
    /// Something that may have happened to the executed graph.
    Pattern {
        /// Stable kebab-case name.
        id: &'static str,
        /// In words.
        name: String,
        /// What makes it.
        reason: &'static str,
    },
}

/// A word that means nothing here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{topic}` is no operator, group, finding code or pattern{hint}\n`cargo nongemm list operators`, `list groups`, `list \
     findings` and `list patterns` show what there is"
)]
pub struct UnknownTopic {
    /// As given.
    pub topic: String,
    /// `; did you mean ...`, or nothing.
    pub hint: String,
}

/// Finds what `topic` means: an operator type (`MatMul`), an operator in a domain (`com.microsoft:Attention`), a group
/// (`element-wise`, or `logit computation`), a finding code or a pattern. Case does not count.
///
/// # Errors
/// [`UnknownTopic`], with the nearest word that means something.
pub fn explain(topic: &str) -> Result<Explanation, UnknownTopic> {
    let same = |other: &str| other.eq_ignore_ascii_case(topic);
    let table = taxonomy().operators();
    let operators: Vec<&'static Operator> =
        table.iter().filter(|operator| same(&operator.name) || same(&operator.key())).collect();
    if !operators.is_empty() {
        return Ok(Explanation::Operator { operators });
    }
    if let Some(group) = Group::all().into_iter().find(|group| same(group.name()) || same(group.title())) {
        let operators = table.iter().filter(|operator| operator.group == group).map(Operator::key).collect();
        return Ok(Explanation::Group { group, description: group.description(), operators });
    }
    if let Some(code) = FindingCode::all().find(|code| same(code.as_str())) {
        return Ok(finding(code));
    }
    let (fusions, works) = (&patterns().fusions, &patterns().works);
    if let Some(fusion) = fusions.iter().find(|fusion| same(&fusion.id)) {
        let name = format!("{} {}, or no longer", fusion.name, fusion.state);
        return Ok(Explanation::Pattern { id: &fusion.id, name, reason: &fusion.reason });
    }
    if let Some(work) = works.iter().find(|work| same(&work.id)) {
        let name = format!("more or fewer {}", work.name);
        return Ok(Explanation::Pattern { id: &work.id, name, reason: &work.reason });
    }
    let ids = fusions.iter().map(|fusion| fusion.id.as_str()).chain(works.iter().map(|work| work.id.as_str()));
    let codes = FindingCode::all().map(FindingCode::as_str);
    // Only whoever writes a domain means one.
    let keys: Vec<String> = if topic.contains(':') { table.iter().map(Operator::key).collect() } else { Vec::new() };
    let mut words: Vec<&str> =
        taxonomy().names().chain(Group::all().map(Group::name)).chain(codes).chain(ids).collect();
    words.extend(keys.iter().map(String::as_str));
    let hint = did_you_mean(topic, words);
    Err(UnknownTopic { topic: topic.to_owned(), hint })
}

fn finding(code: FindingCode) -> Explanation {
    let policy = match code.ruled() {
        Ruled::ByDefault => {
            "To make it count otherwise, name scenario and operator by globs: in a rule of the configuration, or, for one \
             change, in the last lines of the commit's message."
        }
        Ruled::WhenNamed => "To make it count otherwise, name it in a rule of the configuration.",
        Ruled::Never => "No rule makes it count otherwise.",
    };
    let mut example = Vec::new();
    if code.ruled() != Ruled::Never {
        example.extend(["[[rule]]", "level = \"allow\"", "scenario = \"MODEL*\""].map(str::to_owned));
        example.extend((code.ruled() == Ruled::ByDefault).then(|| "operator = \"OPERATOR\"".to_owned()));
        example.push(format!("finding = \"{code}\""));
        example.push("reason = \"WHY\"".to_owned());
    }
    if code.ruled() == Ruled::ByDefault {
        example.extend([String::new(), "Nongemm-Allow: MODEL*/OPERATOR WHY".to_owned()]);
    }
    let (severity, summary, description) = (code.default_severity(), code.summary(), code.describe());
    Explanation::Finding { code, severity, summary, description, policy, example }
}

impl Explanation {
    /// Writes it for a person.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Explanation::Operator { operators } => {
                for operator in operators {
                    let fused = if operator.fused { ", fused: its time is not all matrix product" } else { "" };
                    writeln!(out, "{}", operator.key())?;
                    writeln!(out, "    group   {}{fused}", operator.group)?;
                    writeln!(out, "    why     {}", operator.reason)?;
                }
                Ok(())
            }
            Explanation::Group { group, description, operators } => {
                writeln!(out, "{group}: {description}")?;
                operators.iter().try_for_each(|key| writeln!(out, "    {key}"))
            }
            Explanation::Finding { code, severity, summary, description, policy, example } => {
                writeln!(out, "{code}: {summary} ({} by default)", wording::severity(*severity))?;
                let paragraph = |out: &mut dyn Write, text: &str| {
                    wrap(text, TEXT_WIDTH).iter().try_for_each(|line| writeln!(out, "    {line}"))
                };
                paragraph(out, description)?;
                writeln!(out)?;
                paragraph(out, policy)?;
                if !example.is_empty() {
                    writeln!(out)?;
                }
                example.iter().try_for_each(|line| writeln!(out, "{}", format!("        {line}").trim_end()))
            }
            Explanation::Pattern { id, name, reason } => {
                writeln!(out, "{id}: {name}")?;
                wrap(reason, TEXT_WIDTH).iter().try_for_each(|line| writeln!(out, "    {line}"))
            }
        }
    }

    /// Writes it as JSON, with `schema` beside.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        super::list::write_document(out, EXPLAIN_SCHEMA, self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(topic: &str) -> String {
        let mut out = Vec::new();
        explain(topic).unwrap().write_text(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn topics_of_each_kind() {
        let topics = ["Attention", "matmul", "com.microsoft.nchwc:Conv", "Interpolation", "operator-regressed"];
        let topics = topics.into_iter().chain(["unstable", "not-measured", "gelu-fusion", "transpose-work"]);
        insta::assert_snapshot!(topics.map(text).collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn a_group_is_found_by_title_too() {
        assert_eq!(text("logit computation"), text("logit-computation"));
    }

    #[test]
    fn json_carries_its_version() {
        let mut out = Vec::new();
        explain("Gelu").unwrap().write_json(&mut out).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["schema"], EXPLAIN_SCHEMA);
        assert_eq!(value["kind"], "operator");
        assert_eq!(value["operators"][1]["domain"], "com.microsoft");
        assert_eq!(value["operators"][1]["group"], "activation");
    }

    #[test]
    fn unknown_words_get_a_suggestion() {
        let hint = |topic: &str| explain(topic).unwrap_err().hint;
        assert_eq!(hint("MatMull"), "; did you mean `MatMul`?");
        assert_eq!(hint("elementwise"), "; did you mean `element-wise`?");
        assert_eq!(hint("operator-regresed"), "; did you mean `operator-regressed`?");
        assert_eq!(hint("com.microsoft:FusedMatmull"), "; did you mean `com.microsoft:FusedMatMul`?");
        assert_eq!(hint("gelu-fusoin"), "; did you mean `gelu-fusion`?");
        assert_eq!(hint("xyzzy"), "");
    }
}
