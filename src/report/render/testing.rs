//! What tests of several renderers check.

use std::collections::BTreeSet;

/// Every field name that occurs in a value.
pub fn fields(value: &serde_json::Value, found: &mut BTreeSet<String>) {
    match value {
        serde_json::Value::Object(object) => object.iter().for_each(|(name, value)| {
            found.insert(name.clone());
            fields(value, found);
        }),
        serde_json::Value::Array(values) => values.iter().for_each(|value| fields(value, found)),
        _ => {}
    }
}

/// Every row of a Markdown table has as many cells as its heading: GitHub drops what is too much and fills up what is
/// missing, silently.
pub fn assert_tables_are_whole(document: &str) {
    let mut expected = None;
    for line in document.lines() {
        if line.starts_with('|') {
            let cells = line.matches('|').count();
            assert_eq!(cells, *expected.get_or_insert(cells), "{line}");
        } else {
            expected = None;
        }
    }
}
