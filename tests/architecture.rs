//! Data flows one way: no stage imports a later one. Holds the table of allowed imports against the `use crate::` lines.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

/// Module, and the modules of ours that it may import. A module that is missing here fails the test.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("atomic_file", &[]),
    ("git", &[]),
    ("github", &[]),
    ("machine", &[]),
    ("onnx", &[]),
    ("device", &[]),
    ("profile", &[]),
    ("taxonomy", &[]),
    // CUPTI's records are decoded where they are read: a buffer of them means nothing without its library.
    ("runtime", &["device"]),
    ("zoo", &["onnx"]),
    ("config", &["scenario", "taxonomy", "verdict", "zoo"]),
    ("scenario", &["config", "zoo"]),
    ("estimate", &["machine", "onnx", "scenario", "zoo"]),
    ("measure", &["scenario", "zoo", "onnx", "runtime", "profile", "device"]),
    ("summary", &["profile", "taxonomy", "measure", "scenario"]),
    ("baseline", &["summary", "scenario", "taxonomy"]),
    ("compare", &["summary", "baseline"]),
    ("verdict", &["summary", "compare", "scenario", "taxonomy"]),
    ("report", &["summary", "compare", "verdict", "scenario", "taxonomy", "measure"]),
];

/// Importable from everywhere: no stage, and of no stage.
const FREE: &[&str] = &["atomic_file"];

/// Modules where the stages meet; nothing of the above may import them.
const MEETING_POINTS: &[&str] = &["command", "cli", "lib", "main"];

#[test]
fn no_stage_imports_a_later_one() {
    let mut offences = Vec::new();
    for file in sources(Path::new("src")) {
        let module = module_of(&file);
        if MEETING_POINTS.contains(&module.as_str()) {
            continue;
        }
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == module) else {
            offences.push(format!("{}: module `{module}` is not in the table", file.display()));
            continue;
        };
        for (line, imported) in imports(&file) {
            if imported != module && !FREE.contains(&imported.as_str()) && !allowed.contains(&imported.as_str()) {
                offences.push(format!("{}:{line}: `{module}` imports `{imported}`", file.display()));
            }
        }
    }
    assert!(offences.is_empty(), "\n{}", offences.join("\n"));
}

#[test]
fn one_seam_each_for_the_outside_world() {
    for (word, home) in [
        ("ort::", "src/runtime"),
        ("octocrab", "src/github"),
        ("tokio::", "src/github"),
        ("cargo_metadata::", "src/config"),
    ] {
        for file in sources(Path::new("src")) {
            let text = fs::read_to_string(&file).unwrap();
            let uses = text.lines().any(|line| {
                let code = line.trim_start();
                !code.starts_with("//")
                    && code
                        .match_indices(word)
                        .any(|(at, _)| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'))
            });
            assert!(!uses || file.starts_with(home), "{} uses `{word}`, which belongs in {home}", file.display());
        }
    }
}

fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn module_of(file: &Path) -> String {
    let first = file.strip_prefix("src").unwrap().components().next().unwrap();
    first.as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned()
}

/// Top-level modules named after `crate::`, with their line; doc links and comments do not count.
fn imports(file: &Path) -> Vec<(usize, String)> {
    let text = fs::read_to_string(file).unwrap();
    // Tests may reach for anything to make their inputs.
    let code = if is_test(file) { "" } else { text.split("#[cfg(test)]").next().unwrap_or_default() };
    let mut found = Vec::new();
    for (index, line) in code.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
        for (at, _) in line.match_indices("crate::") {
            let rest = &line[at + "crate::".len()..];
            assert!(!rest.starts_with('{'), "{}:{}: name one module a `use crate::` line", file.display(), index + 1);
            found.push((index + 1, rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()));
        }
    }
    found
}

/// A file of unit tests, or of what they share.
fn is_test(file: &Path) -> bool {
    file.file_name().is_some_and(|name| ["tests.rs", "testing.rs", "fixtures.rs"].iter().any(|test| name == *test))
}
