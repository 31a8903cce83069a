use super::*;
use crate::report::fixtures;

fn shown_at(report: &Report, places: &[(&str, &str)]) -> Value {
    let places = places.iter().map(|(id, path)| (ScenarioId((*id).to_owned()), PathBuf::from(path))).collect();
    let mut out = Vec::new();
    render(report, &places, &mut out).unwrap();
    serde_json::from_slice(&out).unwrap()
}

#[test]
fn check() {
    let bert = ("bert-base@cpu-fp32-all-b1-s128-t1", "baselines/linux-x86_64-avx512-cpu/bert base.toml");
    let mut log = shown_at(&fixtures::check(), &[bert]);
    let rules = log["runs"][0]["tool"]["driver"]["rules"].as_array_mut().unwrap();
    assert_eq!(rules.len(), FindingCode::all().count());
    rules.truncate(1);
    insta::assert_snapshot!(serde_json::to_string_pretty(&log).unwrap());
}

#[test]
fn each_finding_is_a_result_of_a_rule_that_is_listed() {
    for report in [fixtures::check(), fixtures::compared(), fixtures::run()] {
        let log = shown_at(&report, &[]);
        let run = &log["runs"][0];
        let results = run["results"].as_array().unwrap();
        assert_eq!(results.len(), report.scenarios.iter().map(|scenario| scenario.findings.len()).sum::<usize>());
        for result in results {
            let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            assert_eq!(run["tool"]["driver"]["rules"][index]["id"], result["ruleId"]);
            assert!(result["locations"][0].get("physicalLocation").is_none());
        }
    }
}

#[test]
fn what_somebody_allows_is_suppressed_with_the_reason() {
    let log = shown_at(&fixtures::check(), &[]);
    let results = log["runs"][0]["results"].as_array().unwrap();
    let suppressed: Vec<&Value> = results.iter().filter(|result| result.get("suppressions").is_some()).collect();
    assert_eq!(suppressed.len(), 1);
    let said = suppressed[0]["suppressions"][0]["justification"].as_str().unwrap();
    assert!(said.starts_with("allowed by commit abc1234"), "{said}");
}

#[test]
fn paths_are_uris_from_the_top_of_the_sources() {
    let uri = |path: &str| artifact(Path::new(path));
    assert_eq!(uri("./a b/c%.toml"), json!({ "uri": "a%20b/c%25.toml", "uriBaseId": "%SRCROOT%" }));
    assert_eq!(uri("モデル.toml")["uri"], "%E3%83%A2%E3%83%87%E3%83%AB.toml");
    #[cfg(unix)]
    assert_eq!(uri("/etc/x.toml"), json!({ "uri": "file:///etc/x.toml" }));
}

#[test]
fn a_name_makes_no_link() {
    assert_eq!(shown("[here](https://x.y)\u{1b}"), "[here] (https://x.y)\\u{1b}");
}
