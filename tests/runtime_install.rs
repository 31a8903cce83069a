//! Finding and installing ONNX Runtime, for real: package clients, a network, a C compiler, damaged files.

// The lint exempts test functions only, not what they share.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use nongemm::runtime::cuda::{Toolkit, surroundings};
use nongemm::runtime::{
    Choice, Client, ClientKind, InstallEvent, Library, LocateOptions, Origin, Refusal, RuntimeError, Version,
    default_clients, locate, locate_choice, locate_gpu, probe,
};

/// A search that sees nothing of this machine but the given cache directory.
fn isolated(cache: &Path) -> LocateOptions {
    LocateOptions {
        explicit: None,
        environment: None,
        cache_directory: Some(cache.to_owned()),
        offline: false,
        interpreters: Vec::new(),
        system_directories: Vec::new(),
        clients: default_clients(),
        client_limit: Duration::from_secs(300),
    }
}

fn explicit(path: &Path) -> LocateOptions {
    LocateOptions { explicit: Some(Choice::Path(path.to_owned())), ..isolated(Path::new("/nonexistent")) }
}

fn find(options: &LocateOptions) -> Result<Library, RuntimeError> {
    locate(options, &mut |_| {})
}

/// The refusal of a library that the user named.
fn refusal(path: &Path) -> Refusal {
    match find(&explicit(path)) {
        Err(RuntimeError::Refused { refusal, .. }) => refusal,
        other => panic!("{other:?}"),
    }
}

/// One real installation, shared by the tests: made by two searches at once, as two CI jobs on one machine would.
struct Shared {
    cache: PathBuf,
    libraries: [Library; 2],
    events: [Vec<InstallEvent>; 2],
}

fn shared() -> &'static Shared {
    static SHARED: OnceLock<Shared> = OnceLock::new();
    SHARED.get_or_init(|| {
        let cache = fresh_directory();
        let search = || {
            let mut events = Vec::new();
            let library = locate(&isolated(&cache), &mut |event| events.push(event)).unwrap();
            (library, events)
        };
        let (first, second) = std::thread::scope(|scope| {
            let threads = [scope.spawn(search), scope.spawn(search)];
            let [first, second] = threads.map(|thread| thread.join().unwrap());
            (first, second)
        });
        Shared { cache, libraries: [first.0, second.0], events: [first.1, second.1] }
    })
}

/// A new directory in Cargo's directory for tests. What a static holds is never dropped, so it is removed by the run after
/// next instead; one that runs beside this one is left alone.
fn fresh_directory() -> PathBuf {
    const PREFIX: &str = "runtime-install-";
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
    for entry in std::fs::read_dir(parent).unwrap().flatten() {
        let old = || entry.metadata().ok()?.modified().ok()?.elapsed().ok();
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if ours && old().is_some_and(|age| age > Duration::from_secs(600)) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent).unwrap().keep()
}

/// A private cache with a copy of the shared installation.
fn copied_cache() -> (tempfile::TempDir, PathBuf) {
    let library = &shared().libraries[0].path;
    let cache = tempfile::tempdir().unwrap();
    let entry = library.parent().unwrap();
    let to = cache.path().join("onnxruntime").join(entry.file_name().unwrap());
    std::fs::create_dir_all(&to).unwrap();
    for file in std::fs::read_dir(entry).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
    (cache, to.join(library.file_name().unwrap()))
}

/// A library whose `OrtGetApiBase` says it is `version` and offers the APIs up to `api`.
fn fake_library(directory: &Path, version: &str, api: u32) -> PathBuf {
    let (source, library) = (directory.join("fake.c"), directory.join("libonnxruntime.so"));
    let code = format!(
        "static int table;\n\
         static const void *get_api(unsigned v) {{ return v <= {api} ? &table : 0; }}\n\
         static const char *get_version(void) {{ return \"{version}\"; }}\n\
         static const struct {{ const void *(*a)(unsigned); const char *(*v)(void); }} base = {{ get_api, get_version }};\n\
         const void *OrtGetApiBase(void) {{ return &base; }}\n"
    );
    compile(&source, &code, &library);
    library
}

fn compile(source: &Path, code: &str, library: &Path) {
    std::fs::write(source, code).unwrap();
    let output = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(library).arg(source).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn names_in(directory: &Path) -> Vec<String> {
    let names = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

#[test]
fn two_searches_at_once_install_once() {
    let shared = shared();
    let [first, second] = &shared.libraries;
    assert_eq!(first.path, second.path);
    assert_eq!(first.version.to_string(), nongemm::runtime::PIP_VERSION);
    let downloads = shared.events.iter().flatten();
    let downloads = downloads.filter(|event| matches!(event, InstallEvent::Downloading { .. })).count();
    assert_eq!(downloads, 1, "{:?}", shared.events);
    let mut origins = [&first.origin, &second.origin];
    origins.sort_by_key(|origin| **origin == Origin::Cache);
    assert!(matches!(origins, [Origin::Installed { .. }, Origin::Cache]), "{origins:?}");
    let root = shared.cache.join("onnxruntime");
    let names = names_in(&root);
    assert_eq!(names.len(), 2, "nothing but the lock and the entry is left: {names:?}");
    let entry = names_in(first.path.parent().unwrap());
    for kept in ["LICENSE", "ThirdPartyNotices.txt", "manifest.json"] {
        assert!(entry.iter().any(|name| name == kept), "{kept} in {entry:?}");
    }
    assert!(entry.len() <= 6, "only the library and its papers are kept: {entry:?}");
}

#[test]
fn an_installed_library_is_found_again_without_a_client() {
    let options = LocateOptions { offline: true, clients: Vec::new(), ..isolated(&shared().cache) };
    let mut events = Vec::new();
    let library = locate(&options, &mut |event| events.push(event)).unwrap();
    assert_eq!((library.origin, library.path), (Origin::Cache, shared().libraries[0].path.clone()));
    assert_eq!(events, []);
}

#[test]
fn a_named_library_comes_before_all_others() {
    let real = &shared().libraries[0].path;
    for given in [real.as_path(), real.parent().unwrap()] {
        let library = find(&explicit(given)).unwrap();
        assert_eq!((&library.path, library.origin), (real, Origin::Explicit));
    }
    let environment = LocateOptions { explicit: None, environment: Some(real.clone()), ..explicit(real) };
    assert_eq!(find(&environment).unwrap().origin, Origin::Environment);
}

#[test]
fn a_system_directory_is_searched_and_its_old_library_passed_over() {
    let [old, empty] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let too_old = fake_library(old.path(), "1.20.1", 20);
    let real = shared().libraries[0].path.parent().unwrap().to_owned();
    let options = LocateOptions {
        system_directories: vec![empty.path().to_owned(), old.path().to_owned(), real],
        offline: true,
        ..isolated(empty.path())
    };
    let library = find(&options).unwrap();
    assert_eq!(library.origin, Origin::System);
    let passed = library.considered.iter().find(|place| place.path == too_old).unwrap();
    assert!(passed.why_not.contains("1.20.1") && passed.why_not.contains("1.25.0"), "{passed:?}");
}

#[cfg(unix)]
#[test]
fn a_python_package_is_found_without_importing_it() {
    let site = tempfile::tempdir().unwrap();
    let capi = site.path().join("onnxruntime").join("capi");
    std::fs::create_dir_all(&capi).unwrap();
    std::fs::write(site.path().join("onnxruntime/__init__.py"), "raise SystemExit('imported')\n").unwrap();
    let real = &shared().libraries[0].path;
    std::os::unix::fs::symlink(real, capi.join(real.file_name().unwrap())).unwrap();
    let interpreter = site.path().join("python-of-test");
    let script = format!("#!/bin/sh\nPYTHONPATH='{}' exec python3 \"$@\"\n", site.path().display());
    std::fs::write(&interpreter, script).unwrap();
    make_executable(&interpreter);
    let interpreter = interpreter.to_str().unwrap().to_owned();
    let empty = tempfile::tempdir().unwrap();
    let options = LocateOptions { interpreters: vec![interpreter.clone()], offline: true, ..isolated(empty.path()) };
    let library = find(&options).unwrap();
    assert_eq!(library.origin, Origin::PythonSitePackages { interpreter });
    assert_eq!(library.path.parent(), Some(capi.as_path()));
}

#[cfg(unix)]
fn make_executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_damaged_entry_is_replaced_and_not_used() {
    let (cache, library) = copied_cache();
    let mut bytes = std::fs::read(&library).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&library, bytes).unwrap();
    std::fs::create_dir(cache.path().join("onnxruntime/.installing-dead")).unwrap();

    let offline = LocateOptions { offline: true, ..isolated(cache.path()) };
    let error = find(&offline).unwrap_err().to_string();
    assert!(error.contains("has been changed") && error.contains("--offline"), "{error}");

    let mut events = Vec::new();
    let repaired = locate(&isolated(cache.path()), &mut |event| events.push(event)).unwrap();
    assert!(matches!(events.first(), Some(InstallEvent::Repairing { .. })), "{events:?}");
    assert_eq!(repaired.path, library);
    assert_eq!(find(&offline).unwrap().origin, Origin::Cache);
    assert!(!cache.path().join("onnxruntime/.installing-dead").exists());
}

#[test]
fn an_empty_cache_offline_says_where_it_looked_and_what_to_run() {
    let cache = tempfile::tempdir().unwrap();
    let options =
        LocateOptions { offline: true, interpreters: vec!["no-such-python".to_owned()], ..isolated(cache.path()) };
    let error = find(&options).unwrap_err();
    assert!(matches!(error, RuntimeError::Offline { .. }));
    let text = error.to_string();
    let cache_root = cache.path().join("onnxruntime").display().to_string();
    for part in [cache_root.as_str(), "no-such-python", "--offline", "pip install onnxruntime==", "--onnxruntime"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert_eq!(names_in(cache.path()), [""; 0], "offline writes nothing");
}

#[test]
fn a_cache_that_cannot_be_made_names_the_remedy() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a-file");
    std::fs::write(&file, "").unwrap();
    let mut unwritable = vec![file];
    if cfg!(target_os = "linux") {
        unwritable.push(PathBuf::from("/proc/nongemm"));
    }
    for cache in unwritable {
        let error = find(&isolated(&cache)).unwrap_err();
        assert!(matches!(error, RuntimeError::Cache { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains(&cache.display().to_string()) && text.contains("NONGEMM_CACHE_DIR"), "{text}");
    }
}

#[cfg(unix)]
#[test]
fn a_read_only_cache_names_the_remedy() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let set = |mode| std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(mode)).unwrap();
    set(0o555);
    // Permissions do not bind root: what must hold for it is that the probe file could be written at all.
    let binds = std::fs::write(directory.path().join("probe"), "").is_err();
    let options = LocateOptions { clients: Vec::new(), ..isolated(directory.path()) };
    let error = find(&options).unwrap_err();
    set(0o755);
    let expected = if binds { "NONGEMM_CACHE_DIR" } else { "could not be installed" };
    assert!(error.to_string().contains(expected), "{error}");
}

#[test]
fn no_client_at_all_names_each_that_was_tried() {
    let cache = tempfile::tempdir().unwrap();
    let clients = vec![Client::new("no-such-pip", &["-m", "pip"], ClientKind::Pip)];
    let error = find(&LocateOptions { clients, ..isolated(cache.path()) }).unwrap_err().to_string();
    assert!(error.contains("no-such-pip -m pip: there is no such program"), "{error}");
    assert_eq!(names_in(&cache.path().join("onnxruntime")), [".lock"]);
}

#[cfg(unix)]
#[test]
fn a_package_with_another_library_is_never_used() {
    let directory = tempfile::tempdir().unwrap();
    let pip = directory.path().join("pip");
    let script = "#!/usr/bin/env python3\nimport zipfile\n\
                  with zipfile.ZipFile('onnxruntime-1.31.1-cp312.whl', 'w') as wheel:\n    \
                  for name in ('libonnxruntime.so.1.31.1', 'libonnxruntime.1.31.1.dylib'):\n        \
                  wheel.writestr('onnxruntime/capi/' + name, 'not the published library')\n";
    std::fs::write(&pip, script).unwrap();
    make_executable(&pip);
    let clients = vec![Client::new(pip, &[], ClientKind::Pip)];
    let error = find(&LocateOptions { clients, ..isolated(directory.path()) }).unwrap_err().to_string();
    assert!(error.contains("is not the published one: SHA-256"), "{error}");
    assert_eq!(names_in(&directory.path().join("onnxruntime")), [".lock"]);
}

#[test]
fn npm_serves_where_there_is_no_pip() {
    let cache = tempfile::tempdir().unwrap();
    let missing = Client::new("no-such-pip", &[], ClientKind::Pip);
    let npm = default_clients().pop().unwrap();
    let options = LocateOptions { clients: vec![missing, npm.clone()], ..isolated(cache.path()) };
    let library = find(&options).unwrap();
    assert_eq!(library.origin, Origin::Installed { client: npm.name() });
    assert_eq!(library.version, Version { major: 1, minor: 30, patch: 0 });
    assert!(library.considered.iter().any(|place| place.path == Path::new("no-such-pip")));
    let again = LocateOptions { offline: true, ..isolated(cache.path()) };
    assert_eq!(find(&again).unwrap().path, library.path);
}

#[test]
fn a_file_that_is_no_library_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("libonnxruntime.so");
    std::fs::write(&file, "this is not a library").unwrap();
    assert_eq!(refusal(&file), Refusal::NotALibrary);
    assert_eq!(refusal(&directory.path().join("missing.so")), Refusal::Missing);
    let text = find(&explicit(&file)).unwrap_err().to_string();
    assert!(text.contains("libonnxruntime.so cannot be used") && text.contains("--onnxruntime"), "{text}");
}

#[test]
fn a_truncated_library_is_refused_without_loading_it() {
    let bytes = std::fs::read(&shared().libraries[0].path).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let half = directory.path().join("libonnxruntime.so");
    for kept in [bytes.len() / 2, bytes.len() - 1, 4096] {
        std::fs::write(&half, &bytes[..kept]).unwrap();
        assert!(matches!(refusal(&half), Refusal::Truncated { .. }), "{kept} bytes");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_library_for_another_processor_is_refused() {
    let mut bytes = std::fs::read(&shared().libraries[0].path).unwrap();
    let other: u16 = if cfg!(target_arch = "x86_64") { 0xb7 } else { 0x3e };
    bytes[18..20].copy_from_slice(&other.to_le_bytes());
    let directory = tempfile::tempdir().unwrap();
    let foreign = directory.path().join("libonnxruntime.so");
    std::fs::write(&foreign, bytes).unwrap();
    assert!(matches!(refusal(&foreign), Refusal::WrongMachine { .. }));
}

#[test]
fn an_old_library_is_refused_by_its_version() {
    let directory = tempfile::tempdir().unwrap();
    let library = fake_library(directory.path(), "1.20.1", 20);
    assert_eq!(probe(&library), Err(Refusal::TooOld(Version { major: 1, minor: 20, patch: 1 })));
    let text = find(&explicit(&library)).unwrap_err().to_string();
    assert!(text.contains("1.20.1") && text.contains("1.25.0 or newer"), "{text}");
}

#[test]
fn a_library_without_the_api_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let library = fake_library(directory.path(), "1.31.0", 24);
    assert_eq!(probe(&library), Err(Refusal::NoApi(Version { major: 1, minor: 31, patch: 0 })));
    let other = tempfile::tempdir().unwrap();
    let sound = fake_library(other.path(), "1.31.0-dev", 31);
    assert_eq!(probe(&sound), Ok(Version { major: 1, minor: 31, patch: 0 }));
}

#[test]
fn a_library_of_something_else_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let library = directory.path().join("libonnxruntime.so");
    compile(&directory.path().join("other.c"), "int answer(void) { return 42; }\n", &library);
    assert_eq!(refusal(&library), Refusal::NotOnnxRuntime);
}

#[test]
fn the_installed_library_loads_and_lists_its_providers() {
    let library = &shared().libraries[0];
    nongemm::runtime::load(library).unwrap();
    nongemm::runtime::load(library).unwrap();
    let providers = nongemm::runtime::available_providers().unwrap();
    assert!(providers.iter().any(|provider| provider == "CPUExecutionProvider"), "{providers:?}");
    assert!(nongemm::runtime::environment().is_ok());
    let why = surroundings(library, &Toolkit::default()).unwrap_err().to_string();
    assert!(why.contains("not beside it"), "{why}");
    let other = Library { path: "/elsewhere/libonnxruntime.so".into(), ..library.clone() };
    assert!(matches!(nongemm::runtime::load(&other), Err(RuntimeError::AlreadyLoaded { .. })));
}

/// A model with an initializer that nothing uses, which ONNX Runtime warns of.
fn wasteful_model() -> Vec<u8> {
    use nongemm::onnx::proto::{
        GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TypeProto, ValueInfoProto, type_proto,
    };
    use prost::Message;
    const FLOAT: i32 = 1;
    let tensor = type_proto::Tensor { elem_type: Some(FLOAT), ..Default::default() };
    let value = |name: &str| ValueInfoProto {
        name: Some(name.to_owned()),
        r#type: Some(TypeProto { value: Some(type_proto::Value::TensorType(tensor.clone())), ..Default::default() }),
        ..Default::default()
    };
    let unused = TensorProto {
        name: Some("unused_weight".to_owned()),
        data_type: Some(FLOAT),
        dims: vec![1],
        float_data: vec![1.0],
        ..Default::default()
    };
    let node = NodeProto {
        op_type: Some("Relu".to_owned()),
        input: vec!["x".to_owned()],
        output: vec!["y".to_owned()],
        ..Default::default()
    };
    let graph = GraphProto {
        name: Some("wasteful".to_owned()),
        node: vec![node],
        initializer: vec![unused],
        input: vec![value("x")],
        output: vec![value("y")],
        ..Default::default()
    };
    let opset = OperatorSetIdProto { version: Some(20), ..Default::default() };
    ModelProto { ir_version: Some(9), opset_import: vec![opset], graph: Some(graph), ..Default::default() }
        .encode_to_vec()
}

#[test]
fn warnings_are_kept_for_who_asks() {
    let library = &shared().libraries[0];
    nongemm::runtime::load(library).unwrap();
    let environment = nongemm::runtime::environment().unwrap();
    let mut builder = ort::session::Session::builder(environment).unwrap();
    builder.commit_from_memory(&wasteful_model()).unwrap();
    let log = nongemm::runtime::logged();
    assert!(log.iter().any(|entry| entry.message.contains("unused_weight")), "{log:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_cuda_build_on_a_machine_without_cuda_says_what_is_missing() {
    let directory = tempfile::tempdir().unwrap();
    let stub = directory.path().join("libcublas_of_a_test.so.99");
    compile(&directory.path().join("stub.c"), "int stub(void) { return 0; }\n", &stub);
    let library = Library { path: fake_library(directory.path(), "1.31.1", 31), ..shared().libraries[0].clone() };
    let provider = directory.path().join("libonnxruntime_providers_cuda.so");
    let source = directory.path().join("provider.c");
    std::fs::write(&source, "int stub(void); int provider(void) { return stub(); }\n").unwrap();
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-o"]).arg(&provider).arg(&source).arg("-L").arg(directory.path());
    assert!(cc.arg("-l:libcublas_of_a_test.so.99").status().unwrap().success());
    let why = surroundings(&library, &Toolkit::default()).unwrap_err().to_string();
    assert!(why.contains("libcublas_of_a_test.so.99") && why.contains("nvidia-cudnn-cu13"), "{why}");
}

#[cfg(unix)]
#[test]
fn a_client_that_waited_for_the_network_is_not_followed_by_its_twin() {
    let directory = tempfile::tempdir().unwrap();
    let client = |name: &str, script: &str, kind| {
        let path = directory.path().join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        make_executable(&path);
        Client::new(path, &[], kind)
    };
    let clients = vec![
        client("quick", "echo broken >&2; exit 1", ClientKind::Pip),
        client("slow", "exec sleep 60", ClientKind::Pip),
        client("twin", "echo tried >&2; exit 1", ClientKind::Pip),
        client("other", "echo no route >&2; exit 1", ClientKind::Npm),
    ];
    let limit = Duration::from_secs(2);
    let options = LocateOptions { clients, client_limit: limit, ..isolated(&directory.path().join("cache")) };
    let error = find(&options).unwrap_err().to_string();
    for part in ["quick: failed", "slow: was ended", "twin: not tried: it would ask the same index", "no route"] {
        assert!(error.contains(part), "{part} in {error}");
    }
}

/// A pip that hands out a wheel of the release 1.29.0 with `library` in it, and with `recorded` in its RECORD in place of
/// the digest of the library's bytes.
#[cfg(target_os = "linux")]
fn pip_of_release(directory: &Path, library: &Path, recorded: Option<&str>) -> Client {
    let recorded = recorded.map_or("None".to_owned(), |digest| format!("'{digest}'"));
    let script = format!(
        "#!/usr/bin/env python3\nimport base64, hashlib, sys, zipfile\n\
         assert sys.argv[-1] == 'onnxruntime==1.29.0', sys.argv\n\
         library = open('{}', 'rb').read()\n\
         digest = {recorded} or base64.urlsafe_b64encode(hashlib.sha256(library).digest()).decode().rstrip('=')\n\
         name = 'onnxruntime/capi/libonnxruntime.so.1.29.0'\n\
         with zipfile.ZipFile('onnxruntime-1.29.0-cp312.whl', 'w') as wheel:\n    \
         wheel.writestr(name, library)\n    \
         wheel.writestr('onnxruntime-1.29.0.dist-info/RECORD', f'{{name}},sha256={{digest}},{{len(library)}}\\n')\n",
        library.display()
    );
    let pip = directory.join("pip");
    std::fs::write(&pip, script).unwrap();
    make_executable(&pip);
    Client::new(pip, &[], ClientKind::Pip)
}

#[cfg(target_os = "linux")]
fn find_release(options: &LocateOptions, events: &mut Vec<InstallEvent>) -> Result<Library, RuntimeError> {
    let choice: Choice = "1.29.0".parse().unwrap();
    locate_choice(&choice, "--base-runtime", options, &mut |event| events.push(event))
}

#[cfg(target_os = "linux")]
#[test]
fn another_release_is_installed_as_its_wheel_records_it_and_kept() {
    let directory = tempfile::tempdir().unwrap();
    let fake = fake_library(directory.path(), "1.29.0", 29);
    let npm = Client::new("no-such-npm", &[], ClientKind::Npm);
    let clients = vec![npm, pip_of_release(directory.path(), &fake, None)];
    let options = LocateOptions { clients, ..isolated(&directory.path().join("cache")) };
    let mut events = Vec::new();
    let library = find_release(&options, &mut events).unwrap();
    assert_eq!(library.version, Version { major: 1, minor: 29, patch: 0 });
    assert!(library.path.ends_with("onnxruntime/releases/1.29.0-linux-x86_64/libonnxruntime.so.1.29.0"), "{library:?}");
    assert!(events.iter().any(|event| event.to_string().contains("agrees with its own RECORD")), "{events:?}");

    let offline = LocateOptions { offline: true, ..options.clone() };
    assert_eq!(find_release(&offline, &mut Vec::new()).unwrap().origin, Origin::Cache);
    // `--onnxruntime 1.29.0` comes before what the environment names.
    let explicit = Some(Choice::Release(library.version));
    let environment = Some("/nonexistent".into());
    assert_eq!(
        find(&LocateOptions { explicit, environment, ..offline.clone() }).unwrap(),
        find_release(&offline, &mut Vec::new()).unwrap()
    );
    let mut bytes = std::fs::read(&library.path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    // This process has the file mapped, so another one takes its place.
    std::fs::remove_file(&library.path).unwrap();
    std::fs::write(&library.path, bytes).unwrap();
    let error = find_release(&offline, &mut Vec::new()).unwrap_err().to_string();
    for part in ["1.29.0 is not in the cache", "has been changed", "without --offline"] {
        assert!(error.contains(part), "{part} in {error}");
    }
    let mut events = Vec::new();
    find_release(&options, &mut events).unwrap();
    assert!(matches!(events.first(), Some(InstallEvent::Repairing { .. })), "{events:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_wheel_that_is_not_what_it_records_is_never_used() {
    let directory = tempfile::tempdir().unwrap();
    let fake = fake_library(directory.path(), "1.29.0", 29);
    let digest_of_abc = "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0";
    for (recorded, said) in [(digest_of_abc, "is not the published one"), ("nonsense", "has no record of")] {
        let cache = tempfile::tempdir().unwrap();
        let clients = vec![pip_of_release(directory.path(), &fake, Some(recorded))];
        let options = LocateOptions { clients, ..isolated(cache.path()) };
        let error = find_release(&options, &mut Vec::new()).unwrap_err().to_string();
        assert!(error.contains(said) && error.contains("ONNX Runtime 1.29.0 could not be installed"), "{error}");
        assert_eq!(names_in(&cache.path().join("onnxruntime/releases")), [".lock"]);
    }
}

#[test]
fn a_release_from_before_single_runs_were_profiled_is_refused_without_a_download() {
    let cache = tempfile::tempdir().unwrap();
    let old: Choice = "1.24.4".parse().unwrap();
    let error = locate_choice(&old, "--head-runtime", &isolated(cache.path()), &mut |_| {}).unwrap_err();
    assert!(error.to_string().contains("1.25.0 or newer"), "{error}");
    assert_eq!(names_in(cache.path()), [""; 0]);
}

#[test]
fn a_library_that_was_named_for_a_side_is_refused_by_the_name_of_its_flag() {
    let directory = tempfile::tempdir().unwrap();
    let missing = Choice::Path(directory.path().join("missing.so"));
    let error = locate_choice(&missing, "--base-runtime", &isolated(directory.path()), &mut |_| {}).unwrap_err();
    assert!(error.to_string().contains("it was given by --base-runtime"), "{error}");
}

/// A directory like that of a Python installation, with a library in its package, and an interpreter that finds it.
#[cfg(target_os = "linux")]
fn python_with(site: &Path, with_cuda: bool) -> String {
    let capi = site.join("onnxruntime").join("capi");
    std::fs::create_dir_all(&capi).unwrap();
    std::fs::write(site.join("onnxruntime/__init__.py"), "").unwrap();
    std::fs::rename(fake_library(site, "1.31.1", 31), capi.join("libonnxruntime.so.1.31.1")).unwrap();
    if with_cuda {
        std::fs::write(capi.join("libonnxruntime_providers_cuda.so"), "").unwrap();
    }
    let interpreter = site.join("python-of-test");
    std::fs::write(&interpreter, format!("#!/bin/sh\nPYTHONPATH='{}' exec python3 \"$@\"\n", site.display())).unwrap();
    make_executable(&interpreter);
    interpreter.to_str().unwrap().to_owned()
}

#[cfg(target_os = "linux")]
#[test]
fn for_cuda_a_package_without_its_provider_is_passed_over_for_one_with_it() {
    let (cpu, gpu) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let cache = tempfile::tempdir().unwrap();
    let interpreters = vec![python_with(cpu.path(), false), python_with(gpu.path(), true)];
    let options = LocateOptions { interpreters: interpreters.clone(), offline: true, ..isolated(cache.path()) };
    let library = locate_gpu(&options, &mut |_| {}).unwrap();
    assert_eq!(library.origin, Origin::PythonSitePackages { interpreter: interpreters[1].clone() });
    let passed_over = library.considered.iter().find(|place| place.path.starts_with(cpu.path())).unwrap();
    assert!(passed_over.why_not.contains("build without CUDA"), "{passed_over:?}");
    let without = LocateOptions { interpreters: interpreters[..1].to_vec(), ..options };
    let error = locate_gpu(&without, &mut |_| {}).unwrap_err().to_string();
    for part in ["--offline forbids", "build without CUDA", "pip install onnxruntime-gpu==1.31.1"] {
        assert!(error.contains(part), "{part} in {error}");
    }
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[test]
fn the_package_with_cuda_is_asked_for_by_its_name_and_must_be_the_published_one() {
    let directory = tempfile::tempdir().unwrap();
    let script = "#!/usr/bin/env python3\nimport sys, zipfile\n\
                  assert sys.argv[-1] == 'onnxruntime-gpu==1.31.1', sys.argv\n\
                  with zipfile.ZipFile('onnxruntime_gpu-1.31.1-cp312.whl', 'w') as wheel:\n    \
                  wheel.writestr('onnxruntime/capi/libonnxruntime.so.1.31.1', b'something else')\n";
    let pip = directory.path().join("pip");
    std::fs::write(&pip, script).unwrap();
    make_executable(&pip);
    let npm = Client::new("npm-that-has-no-such-build", &[], ClientKind::Npm);
    let clients = vec![npm, Client::new(pip, &[], ClientKind::Pip)];
    let options = LocateOptions { clients, ..isolated(&directory.path().join("cache")) };
    let mut events = Vec::new();
    let error = locate_gpu(&options, &mut |event| events.push(event)).unwrap_err().to_string();
    assert!(error.contains("is not the published one") && !error.contains("npm-that"), "{error}");
    assert!(events.iter().any(|event| event.to_string().contains("downloading onnxruntime-gpu 1.31.1")), "{events:?}");
    assert_eq!(names_in(&directory.path().join("cache/onnxruntime/gpu")), [".lock"]);
}
