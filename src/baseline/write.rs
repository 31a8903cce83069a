//! Document -> text, laid out by hand: serializers neither keep a line per operator nor round.

use std::fmt::Write;

use crate::summary::Sample;

use super::document::{BASELINE_SCHEMA, Document};
use super::fingerprint::provider_name;
use super::number::text;

const HEADER: &str = "\
# Written by `cargo nongemm accept`, compared by `cargo nongemm check`. Times are microseconds per run, each the
# median over launches with the value of every launch beside it; shares are of the sum of all self times.
";

impl Document {
    /// The file's text. Equal documents give equal bytes.
    pub fn to_toml(&self) -> String {
        let mut out = String::from(HEADER);
        // Writing into a String cannot fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let recorded = &self.recorded;
        writeln!(out, "schema = {BASELINE_SCHEMA}")?;
        writeln!(out, "scenario = {}", quoted(&self.id.0))?;

        writeln!(out, "\n[machine]")?;
        writeln!(out, "os = {}", quoted(&self.fingerprint.os))?;
        writeln!(out, "arch = {}", quoted(&self.fingerprint.arch))?;
        writeln!(out, "instruction-set = {}", quoted(&self.fingerprint.instruction_set))?;
        writeln!(out, "provider = {}", quoted(provider_name(self.fingerprint.provider)))?;
        if let Some(gpu) = &self.fingerprint.gpu {
            writeln!(out, "gpu = {}", quoted(gpu))?;
        }

        writeln!(out, "\n[recorded]")?;
        writeln!(out, "tool = {}", quoted(&recorded.tool))?;
        writeln!(out, "onnxruntime = {}", quoted(&recorded.onnxruntime))?;
        writeln!(out, "model-sha256 = {}", quoted(&recorded.model_sha256))?;
        writeln!(out, "cpu = {}", quoted(&recorded.cpu))?;
        writeln!(out, "date = {}", quoted(&recorded.date))?;
        writeln!(out, "launches = {}", recorded.launches)?;
        writeln!(out, "iterations = {}", recorded.iterations)?;
        // Lets a reader see that no line was lost.
        writeln!(out, "executions = {}", self.executions())?;

        writeln!(out, "\n[latency]")?;
        writeln!(out, "median-us = {}", text(self.latency_us.median()))?;
        if let Some(spread) = self.latency_us.relative_spread() {
            writeln!(out, "spread = {}", text(spread))?;
        }
        writeln!(out, "launches-us = {}", array(&self.latency_us))?;

        writeln!(out, "\n[operators]")?;
        for operator in &self.operators {
            writeln!(
                out,
                "{} = {{ executions = {}, self-us = {}, share = {}, launches-us = {} }}",
                quoted(&operator.label(self.fingerprint.provider)),
                operator.executions,
                text(operator.self_us.median()),
                text(operator.share),
                array(&operator.self_us),
            )?;
        }
        Ok(())
    }

    /// Executions of all operators in one run.
    pub(super) fn executions(&self) -> u64 {
        self.operators.iter().map(|operator| u64::from(operator.executions)).sum()
    }
}

fn array(sample: &Sample) -> String {
    let values: Vec<String> = sample.0.iter().map(|value| text(*value)).collect();
    format!("[{}]", values.join(", "))
}

/// A TOML basic string on one line, whatever it holds.
fn quoted(value: &str) -> String {
    let mut out = String::from("\"");
    for c in value.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
