//! `cargo nongemm explain <operator | group | finding code>`: one table of data, walked by name.

use std::io::{self, Write};

use serde::Serialize;

use crate::config::did_you_mean;
use crate::report::render::text::wrap;
use crate::taxonomy::{Group, Operator, taxonomy};

/// Columns of running text: what is easy to read, and fits any terminal.
const TEXT_WIDTH: usize = 76;

/// Version of the JSON document.
pub const EXPLAIN_SCHEMA: u32 = 1;

/// A finding code with its text, as the verdict's table has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct CodeText<'a> {
    /// Stable kebab-case code, such as `operator-regressed`.
    pub code: &'a str,
    /// What it means and what to do.
    pub description: &'a str,
}

/// What a word means.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Explanation<'a> {
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
    Finding(CodeText<'a>),
}

/// A word that means nothing here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{topic}` is no operator, group or finding code{hint}\n`cargo nongemm list operators` and `list groups` show what there is"
)]
pub struct UnknownTopic {
    /// As given.
    pub topic: String,
    /// `; did you mean ...`, or nothing.
    pub hint: String,
}

/// Finds what `topic` means: an operator type (`MatMul`), an operator in a domain (`com.microsoft:Attention`), a group
/// (`element-wise`, or `logit computation`), or one of the finding codes `codes`. Case does not count.
///
/// # Errors
/// [`UnknownTopic`], with the nearest word that means something.
pub fn explain<'a>(topic: &str, codes: &[CodeText<'a>]) -> Result<Explanation<'a>, UnknownTopic> {
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
    if let Some(code) = codes.iter().find(|code| same(code.code)) {
        return Ok(Explanation::Finding(*code));
    }
    let words = taxonomy().names().chain(Group::all().map(Group::name)).chain(codes.iter().map(|code| code.code));
    // Only whoever writes a domain means one.
    let keys: Vec<String> = if topic.contains(':') { table.iter().map(Operator::key).collect() } else { Vec::new() };
    let hint = did_you_mean(topic, words.chain(keys.iter().map(String::as_str)));
    Err(UnknownTopic { topic: topic.to_owned(), hint })
}

impl Explanation<'_> {
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
            Explanation::Finding(CodeText { code, description }) => {
                writeln!(out, "{code}")?;
                wrap(description, TEXT_WIDTH).iter().try_for_each(|line| writeln!(out, "    {line}"))
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

    const CODES: [CodeText<'static>; 1] =
        [CodeText { code: "operator-regressed", description: "An operator takes longer than the baseline allows." }];

    fn text(topic: &str) -> String {
        let mut out = Vec::new();
        explain(topic, &CODES).unwrap().write_text(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn topics_of_each_kind() {
        let topics = ["Attention", "matmul", "com.microsoft.nchwc:Conv", "Interpolation", "operator-regressed"];
        insta::assert_snapshot!(topics.map(text).join("\n"));
    }

    #[test]
    fn a_group_is_found_by_title_too() {
        assert_eq!(text("logit computation"), text("logit-computation"));
    }

    #[test]
    fn json_carries_its_version() {
        let mut out = Vec::new();
        explain("Gelu", &CODES).unwrap().write_json(&mut out).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["schema"], EXPLAIN_SCHEMA);
        assert_eq!(value["kind"], "operator");
        assert_eq!(value["operators"][1]["domain"], "com.microsoft");
        assert_eq!(value["operators"][1]["group"], "activation");
    }

    #[test]
    fn unknown_words_get_a_suggestion() {
        let hint = |topic: &str| explain(topic, &CODES).unwrap_err().hint;
        assert_eq!(hint("MatMull"), "; did you mean `MatMul`?");
        assert_eq!(hint("elementwise"), "; did you mean `element-wise`?");
        assert_eq!(hint("operator-regresed"), "; did you mean `operator-regressed`?");
        assert_eq!(hint("com.microsoft:FusedMatmull"), "; did you mean `com.microsoft:FusedMatMul`?");
        assert_eq!(hint("xyzzy"), "");
    }
}
