//! Renderings of a [`Study`]: a Markdown document, JSON, and a chart.

mod beside;
pub mod markdown;
pub mod svg;
mod words;

use std::io::{self, Write};

use crate::report::study::Study;

/// Writes the study as one indented JSON object and a newline. The document is described in `docs/report-schema.md`.
///
/// # Errors
/// What the writer returns.
pub fn json(study: &Study, writer: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *writer, study)?;
    writer.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::report::render::testing::fields;
    use crate::report::study::fixtures;

    fn document(models: &[&str]) -> serde_json::Value {
        let mut bytes = Vec::new();
        json(&fixtures::study(&fixtures::report(models)), &mut bytes).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[test]
    fn the_document_of_two_models() {
        insta::assert_snapshot!(serde_json::to_string_pretty(&document(&["bert-base", "mixtral-8x7b"])).unwrap());
    }

    #[test]
    fn every_field_is_described() {
        let described = include_str!("../../../../docs/report-schema.md");
        let section = described.split("## Study").nth(1).unwrap();
        let mut found = BTreeSet::new();
        fields(&document(&fixtures::FULL), &mut found);
        assert!(found.len() > 30, "{found:?}");
        // Described above, with the report's.
        const MACHINE: [&str; 7] = ["arch", "cores", "cpu", "fingerprint", "instruction_set", "onnxruntime", "os"];
        let missing: Vec<&String> = found
            .iter()
            .filter(|field| !MACHINE.contains(&field.as_str()))
            .filter(|field| !section.contains(&format!("`{field}`")) && !section.contains(&format!(".{field}`")))
            .collect();
        assert!(missing.is_empty(), "docs/report-schema.md does not describe {missing:?}");
    }
}
