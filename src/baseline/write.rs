//! Document -> text, laid out by hand: serializers neither keep a line per operator nor round.

use std::fmt::Write;

use crate::scenario::Provider;
use crate::summary::{Sample, SideShape, gpu_facts};

use super::document::{BASELINE_SCHEMA, Document, OperatorBaseline, label};
use super::fingerprint::provider_name;
use super::history::Accepted;
use super::number::text;

const HEADER: &str = "\
# Written by `cargo nongemm accept`, compared by `cargo nongemm check`. Times are microseconds per run: the median over
# launches, and each launch, of operators with what all of a launch had in common divided out. A line changes when its
# operator did; between lines of different days the machine's factor is divided out.
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
        writeln!(out, "schema = {BASELINE_SCHEMA}")?;
        writeln!(out, "protocol = {}", self.protocol)?;
        writeln!(out, "scenario = {}", quoted(&self.id.0))?;
        self.write_circumstances(out)?;

        writeln!(out, "\n[latency]")?;
        writeln!(out, "median-us = {}", text(self.latency_us.median()))?;
        if let Some(spread) = self.latency_us.relative_spread() {
            writeln!(out, "spread = {}", text(spread))?;
        }
        writeln!(out, "launches-us = {}", array(&self.latency_us))?;

        let own = self.fingerprint.provider;
        writeln!(out, "\n[operators]")?;
        for operator in &self.operators {
            writeln!(out, "{} = {}", quoted(&label(&operator.identity(), own)), figures(operator))?;
        }
        if self.operators.iter().any(|operator| !operator.shapes.is_empty()) {
            // Apart from the times, because they change for other reasons and are long.
            writeln!(out, "\n[shapes]")?;
        }
        for operator in self.operators.iter().filter(|operator| !operator.shapes.is_empty()) {
            writeln!(out, "{} = {}", quoted(&label(&operator.identity(), own)), shapes(&operator.shapes))?;
        }
        writeln!(out, "\n[history]")?;
        for accepted in &self.history {
            writeln!(out, "{} = {}", accepted.number, row(accepted, own))?;
        }
        Ok(())
    }

    fn write_circumstances(&self, out: &mut String) -> std::fmt::Result {
        let recorded = &self.recorded;
        writeln!(out, "\n[machine]")?;
        writeln!(out, "os = {}", quoted(&self.fingerprint.os))?;
        writeln!(out, "arch = {}", quoted(&self.fingerprint.arch))?;
        writeln!(out, "instruction-set = {}", quoted(&self.fingerprint.instruction_set))?;
        writeln!(out, "provider = {}", quoted(provider_name(self.fingerprint.provider)))?;
        if let Some(gpu) = &self.fingerprint.gpu {
            writeln!(out, "gpu = {}", quoted(gpu))?;
        }
        if !self.clock.is_host() {
            writeln!(out, "clock = {}", quoted(self.clock.name()))?;
        }

        writeln!(out, "\n[recorded]")?;
        writeln!(out, "tool = {}", quoted(&recorded.tool))?;
        writeln!(out, "onnxruntime = {}", quoted(&recorded.onnxruntime))?;
        writeln!(out, "model-sha256 = {}", quoted(&recorded.model_sha256))?;
        writeln!(out, "cpu = {}", quoted(&recorded.cpu))?;
        for field in gpu_facts(&recorded.gpu) {
            writeln!(out, "{} = {}", field.name, quoted(&field.value))?;
        }
        writeln!(out, "date = {}", quoted(&recorded.date))?;
        writeln!(out, "launches = {}", recorded.launches)?;
        writeln!(out, "iterations = {}", recorded.iterations)?;
        // Lets a reader see that no line was lost.
        writeln!(out, "executions = {}", self.executions())
    }
}

/// An operator's figures as an inline table.
fn figures(operator: &OperatorBaseline) -> String {
    let mut fields = vec![format!("executions = {}", operator.executions)];
    if operator.inserted > 0 {
        fields.push(format!("inserted = {}", operator.inserted));
    }
    if operator.varies {
        fields.push("varies = true".to_owned());
    }
    fields.push(format!("self-us = {}", text(operator.self_us.median())));
    if operator.held != 1.0 {
        fields.push(format!("drift = {}", text(operator.held)));
    }
    fields.push(format!("launches-us = {}", array(&operator.self_us)));
    format!("{{ {} }}", fields.join(", "))
}

/// How often an operator runs at which inputs.
fn shapes(shapes: &[SideShape]) -> String {
    let one = |shape: &SideShape| quoted(&format!("{}x {}", shape.executions, shape.inputs));
    format!("[{}]", shapes.iter().map(one).collect::<Vec<_>>().join(", "))
}

/// One accept as an inline table.
fn row(accepted: &Accepted, own: Provider) -> String {
    let mut fields = vec![
        format!("date = {}", quoted(&accepted.date)),
        format!("tool = {}", quoted(&accepted.tool)),
        format!("onnxruntime = {}", quoted(&accepted.onnxruntime)),
        format!("latency-us = {}", text(accepted.latency_us)),
    ];
    if !accepted.ratios.is_empty() {
        let ratio = |(identity, ratio): (_, &f64)| format!("{} = {}", quoted(&label(identity, own)), text(*ratio));
        fields.push(format!("ratios = {{ {} }}", accepted.ratios.iter().map(ratio).collect::<Vec<_>>().join(", ")));
    }
    format!("{{ {} }}", fields.join(", "))
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
