//! Whole configurations, from files in temporary projects.

use std::path::Path;

use super::*;
use crate::config::dimension::ImageSize;
use crate::zoo::Tier;

pub(crate) const ZOO: &[ZooEntry] = &[
    tokens("bert-base", 128),
    tokens("gpt2", 128),
    tokens("gpt2-decode", 128),
    pixels("vit-b-16", 224),
    pixels("swin-t", 224),
    pixels("segformer-b0", 512),
    ZooEntry { tier: Some(Tier::Full), ..tokens("bert-large", 384) },
    ZooEntry { tier: Some(Tier::Standard), ..pixels("swin-s", 224) },
    ZooEntry { tier: None, ..pixels("tiny-vit", 224) },
];

const QUICK: [&str; 6] = ["bert-base", "gpt2", "gpt2-decode", "vit-b-16", "swin-t", "segformer-b0"];

const fn tokens(name: &'static str, sequence: u32) -> ZooEntry {
    ZooEntry { name, default_sequence: Some(sequence), default_image: None, has_batch: true, tier: Some(Tier::Quick) }
}

const fn pixels(name: &'static str, side: u32) -> ZooEntry {
    let image = Some(ImageSize { height: side, width: side });
    ZooEntry { name, default_sequence: None, default_image: image, has_batch: true, tier: Some(Tier::Quick) }
}

/// A directory that is a repository's root, with these files in it.
pub(crate) fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join(".git")).unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    dir
}

pub(crate) fn load_in(dir: &Path) -> Result<Config, ConfigError> {
    load(&Request { cwd: dir.to_owned(), ..Request::default() }, ZOO)
}

fn load_text(text: &str) -> Result<Config, ConfigError> {
    load_in(project(&[("nongemm.toml", text)]).path())
}

fn error_of(text: &str) -> String {
    match load_text(text) {
        Ok(config) => panic!("accepted: {config:#?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn thresholds_for_a_gpu_are_the_defaults_but_for_those_that_are_named() {
    let gate = load_text("[gate]\nmin-effect = 0.4\ngpu = { floor-us = 8 }\n").unwrap().gate;
    assert_eq!((gate.min_effect, gate.floor_us), (0.4, 50.0));
    assert_eq!(gate.gpu, GpuGate { floor_us: 8.0, ..GpuGate::default() });
}

fn names(config: &Config) -> Vec<&str> {
    config.models.iter().map(|model| model.name.as_str()).collect()
}

#[test]
fn what_init_writes_are_the_defaults() {
    let written = load_text(DEFAULT_TOML).unwrap();
    let built_in = load_in(project(&[]).path()).unwrap();
    assert_eq!(built_in.origin, Origin::Default);
    assert_eq!(Config { origin: Origin::Default, ..written }, built_in);
    assert_eq!(names(&built_in), QUICK);
}

/// Uncommented, the examples in the text are good configuration too.
#[test]
fn the_examples_in_the_default_text_are_accepted() {
    let text: Vec<&str> = DEFAULT_TOML
        .lines()
        // What stands in place of it is uncommented.
        .filter(|line| !line.starts_with("tier = "))
        .map(|line| match line.strip_prefix("# ") {
            Some(rest) if rest.starts_with("[[") || rest.starts_with("[gate.") || rest.contains(" = ") => rest,
            _ => line,
        })
        .collect();
    let dir = project(&[("nongemm.toml", &text.join("\n")), ("models/ranker.onnx", ""), ("ranker-inputs.npz", "")]);
    let config = load_in(dir.path()).unwrap();
    assert_eq!(names(&config), ["bert-base", "swin-s", "swin-t", "ranker"]);
    assert_eq!((config.budgets.len(), config.rules.len(), config.gate.group.len()), (1, 1, 1));
}

#[test]
fn a_resolved_configuration() {
    let text = r#"
baselines = "ci/baselines"

[suite]
models = ["vit-*", "bert-base", "ranker", "models/*.onnx"]
batch = [1, 8]
image = [224, "256x192"]
threads = 2

[[model]]
path = "models/ranker.onnx"
dimensions = { tokens = 64 }
inputs = { ids = "data/ids.npy" }
batch = 4

[[model]]
path = "extra/*.onnx"
inputs = "data/all.npz"

[[model]]
name = "bert-base"
sequence = [128, 384]
optimization = ["basic", "all"]

[[model]]
name = "bert-large"
batch = 1

[measure]
launches = 3
iterations = { max = 50 }
time-budget-s = 2

[gate]
structure = "warn"
trailers = false

[gate.group.normalization]
min-effect = 0.1

[[rule]]
level = "allow"
scenario = "ranker*"
operator = "com.acme:*"
finding = "operator-regressed"
reason = "the vendor's kernel is being replaced"
expires = "2030-06-30"

[[rule]]
level = "deny"
finding = ["unstable", "blind-spot"]

[compare]
pairs = [8, 16]
min-effect = 0.1
prepare = "make models"

[signoff]
tier = "standard"
launches = 12

[[budget]]
scenario = "bert*"
machine = "linux-*"
max-non-gemm-share = 0.35
max-group-share = { normalization = 0.1, memory = 0.2 }
max-latency-ms = 120
"#;
    let dir = project(&[
        ("nongemm.toml", text),
        ("models/ranker.onnx", ""),
        ("models/my head (v2).onnx", ""),
        ("extra/one.onnx", ""),
        ("extra/two.onnx", ""),
        ("data/ids.npy", ""),
        ("data/all.npz", ""),
    ]);
    let config = load_in(dir.path()).unwrap();
    insta::assert_snapshot!(toml::to_string(&config).unwrap());
}

#[test]
fn a_release_is_measured_with_twice_the_launches_of_a_check_unless_it_is_said_how_many() {
    let launches = |text: &str| {
        let config = load_text(text).unwrap();
        config.signoff.launches(config.measure.launches)
    };
    assert_eq!(launches(""), 10);
    assert_eq!(launches("[measure]\nlaunches = 3"), 6);
    assert_eq!(launches("[measure]\nlaunches = 3\n[signoff]\nlaunches = 4"), 4);
}

#[test]
fn a_day_may_stand_with_and_without_quotes() {
    let rule = |day: &str| load_text(&format!("[[rule]]\nlevel = \"deny\"\nexpires = {day}")).unwrap().rules;
    assert_eq!(rule("2030-06-30"), rule("\"2030-06-30\""));
    assert_eq!(rule("2030-06-30")[0].expires.as_deref(), Some("2030-06-30"));
}

#[test]
fn one_value_stands_for_a_list() {
    let one = load_text("[suite]\nbatch = 8\nprovider = \"cpu\"\nimage = \"224x192\"").unwrap();
    let many = load_text("[suite]\nbatch = [8]\nprovider = [\"cpu\"]\nimage = [\"224x192\"]").unwrap();
    assert_eq!(one, many);
    assert_eq!(one.suite.batch, [8]);
}

#[test]
fn files_alone_make_the_suite_where_none_is_named() {
    let text = "[[model]]\npath = \"m/*.onnx\"\n[[model]]\nname = \"gpt2\"\nbatch = 2";
    let dir = project(&[("nongemm.toml", text), ("m/b.onnx", ""), ("m/a.onnx", "")]);
    let config = load_in(dir.path()).unwrap();
    assert_eq!(names(&config), ["a", "b", "gpt2"]);
    assert_eq!(config.models.iter().map(|model| model.in_suite).collect::<Vec<_>>(), [true, true, false]);
}

#[test]
fn a_tier_runs_its_models_with_what_is_said_of_them_and_the_files() {
    let text = "[suite]\ntier = \"standard\"\n[[model]]\npath = \"a.onnx\"\n[[model]]\nname = \"swin-s\"\nbatch = 2";
    let dir = project(&[("nongemm.toml", text), ("a.onnx", "")]);
    let config = load_in(dir.path()).unwrap();
    let suite = |config: &Config| -> Vec<String> {
        config.models.iter().filter(|model| model.in_suite).map(|model| model.name.clone()).collect()
    };
    assert_eq!(suite(&config), [&QUICK[..], &["swin-s", "a"]].concat());
    assert_eq!(config.models[6].own.batch, [2]);

    let quick = config.with_tier(Tier::Quick, ZOO);
    assert_eq!(suite(&quick), [&QUICK[..], &["a"]].concat());
    assert_eq!((quick.models[7].name.as_str(), quick.models[7].own.batch[0]), ("swin-s", 2), "kept for who names it");
    let full = quick.with_tier(Tier::Full, ZOO);
    assert_eq!(suite(&full), [&QUICK[..], &["bert-large", "swin-s", "a"]].concat());
}

#[test]
fn the_nearest_document_that_names_the_suite_decides_whichever_way_it_does() {
    let mut files = WORKSPACE.to_vec();
    files[0].1 = "[workspace]\nmembers = [\"one\", \"two\"]\nresolver = \"3\"\n\n\
                  [workspace.metadata.nongemm.suite]\nmodels = [\"bert-base\"]\n";
    files[1].1 = "[package]\nname = \"one\"\nversion = \"0.1.0\"\n\n\
                  [package.metadata.nongemm.suite]\ntier = \"quick\"\n";
    let dir = project(&files);
    assert_eq!(names(&load_in(&dir.path().join("one")).unwrap())[..6], QUICK);
    assert_eq!(names(&load_in(&dir.path().join("two")).unwrap()), ["bert-base"]);
}

#[test]
fn a_table_for_one_file_comes_before_a_glob_over_it() {
    let text =
        "[[model]]\npath = \"m/*.onnx\"\nbatch = 1\n[[model]]\npath = \"m/a.onnx\"\nname = \"special\"\nbatch = 2";
    let dir = project(&[("nongemm.toml", text), ("m/b.onnx", ""), ("m/a.onnx", "")]);
    let config = load_in(dir.path()).unwrap();
    let batches: Vec<_> = config.models.iter().map(|model| (model.name.as_str(), model.own.batch[0])).collect();
    assert_eq!(batches, [("b", 1), ("special", 2)]);
}

#[test]
fn the_file_is_found_above_but_not_above_the_repository() {
    let dir = project(&[("nongemm.toml", "[suite]\nbatch = 3"), ("a/b/here", ""), ("a/inner/.git/HEAD", "")]);
    let found = load_in(&dir.path().join("a/b")).unwrap();
    assert_eq!(found.suite.batch, [3]);
    assert_eq!(found.baselines, dir.path().join("baselines"));
    let outside = load_in(&dir.path().join("a/inner")).unwrap();
    assert_eq!(outside.origin, Origin::Default);
    assert_eq!(outside.baselines, Path::new("baselines"));
}

#[test]
fn a_file_given_by_name_is_the_one() {
    let dir = project(&[("nongemm.toml", "[suite]\nbatch = 3"), ("ci/other.toml", "[suite]\nbatch = 4")]);
    let request = Request { cwd: dir.path().to_owned(), config: Some("ci/other.toml".into()), ..Request::default() };
    let config = load(&request, ZOO).unwrap();
    assert_eq!(config.suite.batch, [4]);
    assert_eq!(config.baselines, Path::new("ci/baselines"));
    let missing = Request { config: Some("none.toml".into()), ..request };
    assert!(load(&missing, ZOO).unwrap_err().to_string().contains("none.toml"));
}

#[test]
fn what_makes_the_models_is_read_before_they_are_there() {
    let text = "[suite]\nmodels = [\"generated/*.onnx\"]\n[compare]\nprepare = [\"make\", \"all models\"]\n";
    let dir = project(&[("nongemm.toml", text), ("inner/file", "")]);
    let request = Request { cwd: dir.path().join("inner"), ..Request::default() };
    assert!(load(&request, ZOO).is_err(), "there is no model");
    let prepare = load_compare(&request).unwrap().prepare.unwrap();
    assert_eq!(prepare.command, PrepareCommand::Words(vec!["make".to_owned(), "all models".to_owned()]));
    assert_eq!(prepare.directory, dir.path(), "the folder of the file, not the current one");
}

const WORKSPACE: &[(&str, &str)] = &[
    (
        "Cargo.toml",
        "[workspace]\nmembers = [\"one\", \"two\"]\nresolver = \"3\"\n\n\
         [workspace.metadata.nongemm.suite]\nbatch = 2\nthreads = 4\n",
    ),
    (
        "one/Cargo.toml",
        "[package]\nname = \"one\"\nversion = \"0.1.0\"\n\n\
         [package.metadata.nongemm]\nbaselines = \"base\"\nsuite.batch = 16\n",
    ),
    ("one/src/lib.rs", ""),
    ("two/Cargo.toml", "[package]\nname = \"two\"\nversion = \"0.1.0\"\n"),
    ("two/src/lib.rs", ""),
];

#[test]
fn metadata_of_a_package_comes_before_the_workspace_key_by_key() {
    let dir = project(WORKSPACE);
    let at = |cwd: &str, package: Option<&str>, manifest: Option<&str>| {
        let request = Request {
            cwd: dir.path().join(cwd),
            package: package.map(str::to_owned),
            manifest_path: manifest.map(Into::into),
            config: None,
        };
        let config = load(&request, ZOO).unwrap();
        (config.suite.batch, config.suite.threads, config.baselines)
    };
    let one = (vec![16], vec![4]);
    let (batch, threads, baselines) = at("one/src", None, None);
    assert_eq!((batch, threads), one);
    assert_eq!(baselines, dir.path().join("one/base"));
    assert_eq!(at("", Some("one"), None), (vec![16], vec![4], "one/base".into()));
    assert_eq!(at("", None, Some("one/Cargo.toml")), (vec![16], vec![4], "one/base".into()));
    assert_eq!(at("", Some("two"), None), (vec![2], vec![4], "baselines".into()));
    assert_eq!(at("", None, None), (vec![2], vec![4], "baselines".into()));
}

#[test]
fn a_file_replaces_metadata() {
    let mut files = WORKSPACE.to_vec();
    files.push(("one/nongemm.toml", "[suite]\nthreads = 3"));
    let dir = project(&files);
    let request = Request { cwd: dir.path().to_owned(), package: Some("one".to_owned()), ..Request::default() };
    let config = load(&request, ZOO).unwrap();
    assert_eq!((config.suite.batch, config.suite.threads), (vec![], vec![3]));
}

#[test]
fn mistakes_in_a_manifest_point_at_its_line() {
    let dir = project(&[
        (
            "Cargo.toml",
            "[package]\nname = \"one\"\nversion = \"0.1.0\"\n\n[package.metadata.nongemm.suite]\nbacth = 2\n",
        ),
        ("src/lib.rs", ""),
    ]);
    insta::assert_snapshot!(load_in(dir.path()).unwrap_err());
}

#[test]
fn a_wrong_package_is_named() {
    let dir = project(WORKSPACE);
    let at = |cwd: &Path, package: &str| {
        let request = Request { cwd: cwd.to_owned(), package: Some(package.to_owned()), ..Request::default() };
        load(&request, ZOO).unwrap_err().to_string()
    };
    assert!(at(dir.path(), "onne").contains("did you mean `one`?"));
    let empty = tempfile::tempdir().unwrap();
    assert!(at(empty.path(), "one").contains("no Cargo.toml"));
}

#[test]
fn mistakes_point_at_their_place() {
    let cases = [
        "[suite]\nbacth = 2",
        "[suit]\nbatch = 2",
        "[suite]\nprovider = [\"cpu\", \"cuad\"]",
        "[suite]\nbatch = \"two\"",
        "[suite]\nbatch = [1, 0]",
        "[suite]\nbatch = -1",
        "[suite]\nbatch = [1, 8, 1]",
        "[suite]\nimage = [224, \"224x\"]",
        "[suite]\nimage = true",
        "[suite]\ntier = \"quik\"",
        "[suite]\ntier = \"quick\"\nmodels = []",
        "[suite]\nmodels = [\"bert-base\", \"gpt-2\"]",
        "[suite]\nmodels = [\"resnet*\"]",
        "[suite]\nmodels = [\"gpt2\", \"gpt2\"]",
        "[suite]\nmodels = [\"models/*.onnx\"]",
        "[suite]\nmodels = \"none.onnx\"",
        "[[model]]\nbatch = 1",
        "[[model]]\nname = \"brt-base\"",
        "[[model]]\nname = \"vit-b-16\"\nsequence = 12",
        "[[model]]\nname = \"gpt2\"\n[[model]]\nname = \"gpt2\"",
        "[[model]]\npath = \"nongemm.toml\"\nname = \"a/b\"",
        "[[model]]\npath = \"nongemm.toml\"\nname = \"gpt2\"",
        "[[model]]\npath = \"nongemm.toml\"\ninputs = \"none.npz\"",
        "[[model]]\npath = \"nongemm.toml\"\ninputs = 3",
        "[[model]]\npath = \"nongemm.toml\"\ndimensions = { n = -1 }",
        "[measure]\nlaunches = 0",
        "[measure]\niterations = 5",
        "[measure]\niterations = { min = 20, max = 10 }",
        "[measure]\ntimeout-s = nan",
        "[gate]\nmin-effect = -0.1",
        "[gate]\nstructure = \"forbid\"",
        "[compare]\npairs = [12, 8]",
        "[compare]\npairs = []",
        "[compare]\npairs = 4",
        "[compare]\nmin-effect = -1",
        "[compare]\nprepare = \" \"",
        "[compare]\nprepare = []",
        "[compare]\nprepare = 3",
        "[compare]\nprepare-timeout-s = 0",
        "[signoff]\nlaunches = 0",
        "[signoff]\nteir = \"full\"",
        "[[budget]]\nscenario = \"bert*\"",
        "[[budget]]\nmax-latency-ms = 1",
        "[[budget]]\nscenario = \"*\"\nmax-non-gemm-share = 35",
        "[[budget]]\nscenario = \"[\"\nmax-latency-ms = 1",
        "[[budget]]\nscenario = \"*\"\nmachine = \"[\"\nmax-latency-ms = 1",
        "[[budget]]\nscenario = \"*\"\nmax-group-share = { normalisation = 0.1 }",
        "[[budget]]\nscenario = \"*\"\nmax-group-share = { memory = 10 }",
        "[gate.group.memory]\nmin-efect = 0.1",
        "[gate.group.memori]\nmin-effect = 0.1",
        "[gate.group.memory]\nfloor-us = -1",
        "[gate.gpu]\nfloor-us = -1",
        "[gate.gpu]\nfloor = 3",
        "[gate]\ngroup = 3",
        "[gate]\ntrailers = \"no\"",
        "[[rule]]\nscenario = \"*\"",
        "[[rule]]\nlevel = \"allow\"\noperator = \"Gelu\"",
        "[[rule]]\nlevel = \"warn\"\nreason = \" \"",
        "[[rule]]\nlevel = \"forbid\"",
        "[[rule]]\nlevel = \"deny\"\nscenario = \"[\"",
        "[[rule]]\nlevel = \"deny\"\noperator = \"{a\"",
        "[[rule]]\nlevel = \"deny\"\nfinding = [\"unstable\", \"operator-regresed\"]",
        "[[rule]]\nlevel = \"deny\"\nfinding = \"not-measured\"",
        "[[rule]]\nlevel = \"deny\"\nexpires = \"2026-02-30\"",
        "[[rule]]\nlevel = \"deny\"\nexpires = 2026-02-28T10:00:00Z",
        "[[rule]]\nlevel = \"deny\"\nexpires = 20260228",
        "[[rule]]\nlevel = \"deny\"\noperators = \"*\"",
        "[suite\nbatch = 1",
    ];
    let said: Vec<String> = cases.iter().map(|text| error_of(text)).collect();
    let bare: Vec<&String> = said.iter().filter(|text| !text.contains("nongemm.toml:")).collect();
    assert!(bare.is_empty(), "without a place: {bare:#?}");
    let directory = (r"/[^ ]*/\.tmp\w+", "[project]");
    insta::with_settings!({ filters => vec![directory] }, {
        insta::assert_snapshot!(said.join("\n\n"));
    });
}

#[test]
fn names_become_fit_for_files() {
    let cases = [
        ("ranker", "ranker"),
        ("my head (v2)", "my-head-v2"),
        ("a@b", "a-b"),
        ("..", "model"),
        ("größe", "gr-e"),
        ("-x-", "x"),
    ];
    for (text, name) in cases {
        assert_eq!(safe_name(text), name);
    }
    assert_eq!(name_of_file(Path::new("m/v1.2.onnx")), "v1.2");
}

proptest::proptest! {
    /// Whatever is typed, there is a configuration or a message with a place, and no panic on the way to either.
    #[test]
    fn broken_text_is_an_error_and_no_panic(at in 0..DEFAULT_TOML.len(), cut in 0..40_usize, put in "\\PC{0,4}|\n|\"|\\[|=") {
        // The default text is ASCII, so that any byte is a boundary.
        let (head, tail) = (&DEFAULT_TOML[..at], &DEFAULT_TOML[(at + cut).min(DEFAULT_TOML.len())..]);
        if let Err(error) = load_text(&format!("{head}{put}{tail}")) {
            proptest::prop_assert!(error.to_string().contains("nongemm.toml:"), "{error}");
            proptest::prop_assert!(!error.render(true).is_empty());
        }
    }

    #[test]
    fn any_name_becomes_fit_for_a_file(text in "\\PC{0,200}") {
        let name = safe_name(&text);
        proptest::prop_assert!(!name.is_empty() && name.len() <= 120 && !name.starts_with('.'), "{name}");
        proptest::prop_assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)), "{name}");
        proptest::prop_assert_eq!(safe_name(&name), name.clone());
    }
}
