//! `strip`: a model of the user's without its weights.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::bail;
use serde::Serialize;

use crate::cli::StripArgs;
use crate::config::name_of_file;
use crate::onnx::weightless::{self, StripOptions, Stripped};
use crate::onnx::{external, file};

use super::{Exit, Terminal, list};

/// Version of the JSON document.
const STRIP_SCHEMA: u32 = 1;

/// What was written, and what is in it.
#[derive(Debug, Serialize)]
struct Written {
    model: PathBuf,
    output: PathBuf,
    /// Name and version of the program that wrote the model, where they were left.
    producer: Option<String>,
    #[serde(flatten)]
    stripped: Stripped,
}

/// Writes the model without its weights and says what was kept.
///
/// # Errors
/// A file that is no model, has no weights any more or is to be written over itself; one that cannot be written.
pub fn strip(terminal: &mut Terminal, arguments: &StripArgs) -> anyhow::Result<Exit> {
    let model_path = &arguments.model;
    let mut model = file::read(model_path)?;
    let output = arguments.output.clone().unwrap_or_else(|| beside(model_path));
    refuse_sources(&output, model_path, &external::list(&model, model_path)?)?;
    let options = StripOptions { keep_producer: arguments.keep_producer };
    let stripped = weightless::strip(&mut model, model_path, options)?;
    file::write(&model, &output)?;
    terminal.status.say("Stripped", &model_path.display().to_string());
    for kept in &stripped.large {
        terminal.status.warn(&format!(
            "kept `{}` ({}, {}), {}: look whether it may be published",
            kept.name,
            kept.what,
            kept.place,
            size(kept.bytes)
        ));
    }
    let producer = [model.producer_name(), model.producer_version()].join(" ").trim().to_owned();
    let producer = Some(producer).filter(|producer| !producer.is_empty());
    let written = Written { model: model_path.clone(), output, producer, stripped };
    if terminal.json() {
        list::write_document(&mut terminal.out, STRIP_SCHEMA, &written)?;
    } else {
        written.write_text(&mut terminal.out)?;
    }
    Ok(Exit::Pass)
}

/// Where the file goes unless it is said.
fn beside(model: &Path) -> PathBuf {
    PathBuf::from(format!("{}.graph.onnx", name_of_file(model)))
}

/// The model and its weights are never written over.
fn refuse_sources(output: &Path, model: &Path, tensors: &[external::ExternalTensor]) -> anyhow::Result<()> {
    let weights = tensors.iter().map(|tensor| external::resolve(model, &tensor.location));
    for source in std::iter::once(model.to_owned()).chain(weights) {
        if super::export::is_same_file(&source, output) {
            bail!("{} is what would be stripped; name another file with `--output`", output.display());
        }
    }
    Ok(())
}

impl Written {
    fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        let Stripped { before_bytes, after_bytes, dropped, kept, texts, .. } = &self.stripped;
        writeln!(out, "{}", self.output.display())?;
        let mut line = |what: &str, text: String| writeln!(out, "  {what:<9} {text}");
        line("size", format!("{} -> {}", size(*before_bytes), size(*after_bytes)))?;
        line(
            "dropped",
            format!("{} of {}, made up when the model runs", tensors(dropped.tensors), size(dropped.bytes)),
        )?;
        let constants = "shapes, indices, masks, scalars and other constants";
        line("kept", format!("{} of {}: {constants}", tensors(kept.tensors), size(kept.bytes)))?;
        line("removed", format!("{texts} doc strings and metadata entries, training graphs"))?;
        let producer = self.producer.as_ref().map_or(String::new(), |producer| format!(", producer ({producer})"));
        line("readable", format!("operators and their attributes, names of nodes, tensors and dimensions{producer}"))
    }
}

fn tensors(count: u64) -> String {
    format!("{count} tensor{}", if count == 1 { "" } else { "s" })
}

/// Bytes for people, in decimal units.
fn size(bytes: u64) -> String {
    #[allow(clippy::cast_precision_loss, reason = "three digits are shown")]
    let real = bytes as f64;
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", real / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", real / 1e6),
        _ => format!("{:.2} GB", real / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_goes_into_the_current_folder_under_a_name_of_its_own() {
        assert_eq!(beside(Path::new("models/ranker.onnx")), Path::new("ranker.graph.onnx"));
    }

    #[test]
    fn sizes_have_the_unit_that_suits() {
        assert_eq!([7, 1_500, 2_340_000, 28_900_000_000].map(size), ["7 B", "1.5 kB", "2.3 MB", "28.90 GB"]);
    }
}
