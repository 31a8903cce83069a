//! What must hold of `action.yml`, of the repository's workflows and of those that `init --github` writes.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod workflow;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use nongemm::command::init::github::Action;
use serde_json::Value;
use workflow::expression::{Scope, condition, evaluate, interpolate};
use workflow::files::{File, action, own_workflows, root, written_workflows};

fn all_files() -> Vec<File> {
    let mut files = vec![action()];
    files.extend(all_workflows());
    files
}

fn all_workflows() -> Vec<File> {
    own_workflows().into_iter().chain(written_workflows()).collect()
}

/// Every action that a file uses, in its steps.
fn used(file: &File) -> Vec<&str> {
    file.steps().into_iter().filter_map(|step| step["uses"].as_str()).collect()
}

/// Words that stand after a prefix, such as inputs after `inputs.`.
fn words_after<'a>(text: &'a str, prefix: &str) -> BTreeSet<&'a str> {
    let end = |rest: &str| rest.find(|c: char| !c.is_alphanumeric() && c != '-' && c != '_').unwrap_or(rest.len());
    text.match_indices(prefix).map(|(at, _)| &text[at + prefix.len()..]).map(|rest| &rest[..end(rest)]).collect()
}

#[test]
fn no_expression_stands_in_a_script() {
    let mut scripts = 0;
    for file in all_files() {
        for script in file.steps().into_iter().filter_map(|step| step["run"].as_str()) {
            assert!(!script.contains("${{"), "{}: {script}", file.name);
            scripts += 1;
        }
    }
    assert!(scripts > 10, "{scripts}");
}

#[test]
fn every_action_is_pinned_to_a_commit_and_says_which_version_it_is() {
    let own = Action::of_this_version().to_string();
    for file in all_files() {
        let lines: Vec<&str> = file.text.lines().filter(|line| line.contains("uses: ")).collect();
        assert_eq!(lines.len(), used(&file).len(), "{}", file.name);
        for line in lines {
            let uses = line.split_once("uses: ").unwrap().1;
            if uses == "./" || uses == own {
                continue;
            }
            let (action, version) = uses.split_once(" # v").unwrap_or_else(|| panic!("{}: {line}", file.name));
            let commit = action.split_once('@').unwrap().1;
            assert!(commit.len() == 40 && commit.chars().all(|c| c.is_ascii_hexdigit()), "{}: {line}", file.name);
            assert!(version.split('.').count() == 3, "{}: {line}", file.name);
        }
    }
}

#[test]
fn an_action_has_the_same_commit_everywhere() {
    let mut pins: BTreeMap<String, String> = BTreeMap::new();
    for file in all_files() {
        for uses in used(&file).into_iter().filter(|uses| *uses != "./") {
            let (action, commit) = uses.split_once('@').unwrap();
            let repository = action.split('/').take(2).collect::<Vec<_>>().join("/");
            let known = pins.entry(repository).or_insert_with(|| commit.to_owned());
            assert_eq!(known, commit, "{}: {action}", file.name);
        }
    }
    assert!(pins.len() >= 5, "{pins:?}");
}

#[test]
fn a_workflow_may_read_at_most_and_a_job_what_it_lists() {
    for file in all_workflows() {
        let top = file.yaml["permissions"].as_object().unwrap_or_else(|| panic!("{} lists none", file.name));
        assert!(top.iter().all(|(_, access)| access == "read"), "{}: {top:?}", file.name);
        for (name, job) in file.jobs() {
            let listed = job["permissions"].is_object() || !top.is_empty();
            assert!(listed, "{}: the job {name} lists no permissions", file.name);
            assert!(job["timeout-minutes"].is_u64(), "{}: the job {name} may run for six hours", file.name);
        }
    }
}

#[test]
fn what_runs_code_of_a_pull_request_may_not_write() {
    for file in all_workflows() {
        let on = &file.yaml["on"];
        assert!(on.is_object(), "{}: {on}", file.name);
        assert!(on.get("pull_request_target").is_none(), "{}", file.name);
        if on.get("pull_request").is_some() {
            for (name, job) in file.jobs() {
                let writes =
                    job["permissions"].as_object().is_some_and(|all| all.values().any(|access| access != "read"));
                assert!(!writes, "{}: {name}", file.name);
            }
        }
    }
}

#[test]
fn what_may_write_never_has_code_of_a_pull_request() {
    let mut posters = 0;
    for file in all_workflows().into_iter().filter(|file| file.yaml["on"].get("workflow_run").is_some()) {
        posters += 1;
        for step in file.steps() {
            assert!(step["run"].is_null(), "{}: {step}", file.name);
            let uses = step["uses"].as_str().unwrap();
            if uses.starts_with("actions/checkout@") {
                assert_eq!(step["with"]["ref"], "${{ github.event.repository.default_branch }}", "{}", file.name);
            } else {
                assert_eq!(step["with"]["mode"], "comment", "{}", file.name);
            }
        }
        let measuring = file.yaml["on"]["workflow_run"]["workflows"][0].as_str().unwrap();
        assert_eq!(measuring, "nongemm", "{}", file.name);
    }
    assert_eq!(posters, 3);
    for file in all_workflows().into_iter().filter(|file| file.name.ends_with(" nongemm.yml")) {
        assert_eq!(file.yaml["name"], "nongemm", "{}", file.name);
        assert!(file.text.contains("name: nongemm-report\n"), "{}: the poster looks for this artifact", file.name);
    }
}

#[test]
fn no_checkout_leaves_its_token_behind() {
    for file in all_workflows() {
        for step in file.steps() {
            if step["uses"].as_str().is_some_and(|uses| uses.starts_with("actions/checkout@")) {
                assert_eq!(step["with"]["persist-credentials"], false, "{}: {step}", file.name);
            }
        }
    }
}

#[test]
fn workflows_that_use_the_action_give_it_inputs_that_it_has() {
    let declared = action().yaml["inputs"].clone();
    let mut uses = 0;
    for file in all_workflows() {
        for step in file.steps() {
            let own = step["uses"].as_str().is_some_and(|uses| uses == "./" || uses.starts_with("cargo-nongemm/"));
            for (input, _) in step["with"].as_object().into_iter().flatten().filter(|_| own) {
                assert!(declared.get(input).is_some(), "{}: `{input}` is no input", file.name);
                uses += 1;
            }
        }
    }
    assert!(uses > 15, "{uses}");
}

#[test]
fn every_input_is_used_and_documented() {
    let file = action();
    let (_, steps) = file.text.split_once("\nruns:\n").unwrap();
    let declared: BTreeSet<&str> = file.yaml["inputs"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(words_after(steps, "inputs."), declared);
    let guide = fs::read_to_string(root().join("docs/github.md")).unwrap();
    for input in declared {
        let described = file.yaml["inputs"][input]["description"].as_str().is_some_and(|text| text.len() > 10);
        assert!(described, "{input} has no description");
        assert!(guide.contains(&format!("| `{input}` |")), "docs/github.md has no row for `{input}`");
    }
}

#[test]
fn every_output_is_set_and_documented() {
    let file = action();
    let mut scripts = String::new();
    for entry in fs::read_dir(root().join(".github/action")).unwrap() {
        scripts += &fs::read_to_string(entry.unwrap().path()).unwrap();
    }
    // What `cargo nongemm --github` sets, and what actions/cache does.
    let others = ["verdict", "regressed", "improved", "comment-url", "cache-hit"];
    for name in words_after(&file.text, ".outputs.") {
        let set = scripts.contains(&format!("output {name} ")) || scripts.contains(&format!("f\"{name}="));
        assert!(set || others.contains(&name), "nothing sets `{name}`");
    }
    let ids: BTreeSet<&str> = file.steps().into_iter().filter_map(|step| step["id"].as_str()).collect();
    assert!(words_after(&file.text, "steps.").is_subset(&ids), "{ids:?}");
    let guide = fs::read_to_string(root().join("docs/github.md")).unwrap();
    for name in file.yaml["outputs"].as_object().unwrap().keys() {
        assert!(guide.contains(&format!("| `{name}` |")), "docs/github.md has no row for the output `{name}`");
    }
}

#[test]
fn scripts_stop_at_the_first_error_and_take_no_input_but_the_environment() {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(root().join(".github/action")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.ends_with(".sh") && name != "say.sh" {
            assert!(text.starts_with("#!/usr/bin/env bash\n") && text.contains("\nset -euo pipefail\n"), "{name}");
        }
        assert!(!text.contains("eval "), "{name}");
        names.insert(name);
    }
    let action = action();
    let called = words_after(&action.text, "/.github/action/");
    assert!(called.iter().all(|called| names.iter().any(|name| name.starts_with(called))), "{called:?} of {names:?}");
}

#[test]
fn the_documentation_shows_workflows_that_hold_to_the_rules() {
    let declared = action().yaml["inputs"].clone();
    let mut shown = 0;
    for file in ["README.md", "docs/github.md", "docs/compare.md", "docs/scaling.md"] {
        let text = fs::read_to_string(root().join(file)).unwrap();
        for block in text.split("```yaml\n").skip(1) {
            let yaml: Value = serde_saphyr::from_str(block.split("```").next().unwrap()).unwrap();
            let mut steps = Vec::new();
            collect_steps(&yaml, &mut steps);
            for step in steps.iter().filter(|step| step["uses"].as_str().is_some_and(|uses| uses.contains("nongemm"))) {
                assert_eq!(step["uses"], Action::of_this_version().to_string(), "{file}");
                for (input, _) in step["with"].as_object().unwrap() {
                    assert!(declared.get(input).is_some(), "{file}: `{input}` is no input");
                }
                shown += 1;
            }
        }
    }
    assert!(shown >= 3, "{shown}");
}

/// Everything with `uses` in a document.
fn collect_steps<'a>(yaml: &'a Value, steps: &mut Vec<&'a Value>) {
    match yaml {
        Value::Object(map) if map.contains_key("uses") => steps.push(yaml),
        Value::Object(map) => map.values().for_each(|value| collect_steps(value, steps)),
        Value::Array(list) => list.iter().for_each(|value| collect_steps(value, steps)),
        _ => {}
    }
}

#[test]
fn expressions_mean_what_they_mean_on_github() {
    let contexts = serde_json::json!({
        "inputs": { "a": "true", "empty": "" },
        "steps": { "s": { "outputs": { "x-y": "1" } } },
        "github": { "event": { "id": 7 } },
    });
    let scope = Scope { contexts: &contexts, failed: false };
    for (text, value) in [
        ("${{ inputs.a }}-${{ github.event.id }}", "true-7"),
        ("${{ inputs.a == 'TRUE' && 'yes' || 'no' }}", "yes"),
        ("${{ (inputs.empty == 'true' || inputs.a != 'true') && 'yes' || '' }}", ""),
        ("${{ github.event.pull_request.base.sha || steps.s.outputs.x-y }}", "1"),
        ("${{ !steps.s.outputs.none }}", "true"),
        ("${{ steps.s.outputs.none != 'false' }}", "true"),
        ("${{ steps.s.outputs.none == '' }}", "true"),
    ] {
        assert_eq!(interpolate(text, &scope), value, "{text}");
    }
    let failed = Scope { failed: true, ..scope };
    for (text, runs) in [("inputs.a", false), ("!cancelled() && inputs.a", true), ("${{ failure() }}", true)] {
        assert_eq!(condition(Some(text), &failed), runs, "{text}");
    }
    for wrong in ["inputs.b", "hashFiles('x')", "steps.t.outputs.x", "env.X", "inputs['a']", "'a' < 'b'"] {
        assert!(std::panic::catch_unwind(|| evaluate(wrong, &failed)).is_err(), "{wrong}");
    }
}
