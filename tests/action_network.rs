//! What the action fetches: a release of the program, and the report that a run for a fork's pull request left. The server
//! plays GitHub, and a hostile one where it must.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod workflow;

use std::fs;
use std::future::Future;
use std::io::{Cursor, Write};
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use wiremock::matchers::{header, header_exists, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};
use workflow::files::root;
use workflow::runner::{Job, Runner, TOKEN};
use zip::write::{SimpleFileOptions, ZipWriter};

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Serves an answer to GET at a path.
fn serve(server: &MockServer, at: &str, answer: ResponseTemplate) {
    wait(Mock::given(method("GET")).and(path(at)).respond_with(answer).mount(server));
}

/// A program that says that it ran, and with which report.
const PROGRAM: &str = r#"
if [ "$1" = --version ]; then echo "cargo-nongemm ${FAKE_VERSION}"; exit; fi
echo "called: $*"
for argument in "$@"; do case $argument in --from=*) echo "report: $(cat "${argument#--from=}")" ;; esac; done"#;

// The report of another run.

/// The job of the poster, with that program, against a server that lists these artifacts of the run.
fn poster(server: &MockServer, artifacts: &Value) -> Runner {
    let list = Mock::given(method("GET"))
        .and(path("/repos/acme/ranker/actions/runs/9001/artifacts"))
        .and(query_param("name", "nongemm-report"))
        .and(header("Authorization", format!("Bearer {TOKEN}").as_str()))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({ "total_count": 1, "artifacts": artifacts })));
    wait(list.mount(server));
    Runner::new("workflow_run")
        .environment("GITHUB_API_URL", &server.uri())
        .environment("FAKE_VERSION", VERSION)
        .program("cargo-nongemm", PROGRAM)
        .input("mode", "comment")
}

fn artifact(server: &MockServer, id: u32, size: usize) -> Value {
    let url = format!("{}/repos/acme/ranker/actions/artifacts/{id}/zip", server.uri());
    json!({ "id": id, "name": "nongemm-report", "size_in_bytes": size, "expired": false, "archive_download_url": url })
}

fn zip_at(server: &MockServer, id: u32, body: Vec<u8>) {
    let at = format!("/repos/acme/ranker/actions/artifacts/{id}/zip");
    serve(server, &at, ResponseTemplate::new(200).set_body_bytes(body));
}

/// An archive with these files.
fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        archive.start_file(*name, SimpleFileOptions::default()).unwrap();
        archive.write_all(content).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// Plays the poster with one artifact of this content.
fn posted(body: Vec<u8>) -> Job {
    let server = wait(MockServer::start());
    let runner = poster(&server, &json!([artifact(&server, 1, body.len())]));
    zip_at(&server, 1, body);
    runner.run()
}

#[test]
fn the_report_of_the_last_attempt_is_posted() {
    let server = wait(MockServer::start());
    let mut expired = artifact(&server, 3, 10);
    expired["expired"] = true.into();
    let artifacts = json!([artifact(&server, 1, 10), artifact(&server, 2, 10), expired]);
    let runner = poster(&server, &artifacts).input("comment-id", "gpu").input("check-run", "true");
    zip_at(&server, 2, zipped(&[("deep/folder/nongemm-report.json", b"{\"the\":\"report\"}"), ("other.md", b"")]));
    let job = runner.run();
    job.expect(0, &["called: comment --check-run --comment-id=gpu --github --from=", "report: {\"the\":\"report\"}"]);
    let report = runner.temp_folder().join("nongemm-fetched/report.json");
    assert_eq!(job.outputs["report-json"], report.to_str().unwrap());
    assert!(!job.played().contains(&"Restore ONNX Runtime"), "nothing is measured here");
}

#[test]
fn a_run_that_left_nothing_is_no_failure_and_installs_nothing() {
    let server = wait(MockServer::start());
    let job = poster(&server, &json!([])).run();
    job.expect(0, &["left no artifact called nongemm-report"]);
    assert_eq!(job.played(), ["Read the inputs", "Fetch the report"]);
    assert_eq!(job.outputs["verdict"], "");
}

#[test]
fn an_artifact_that_says_it_is_large_is_not_downloaded() {
    let server = wait(MockServer::start());
    let job = poster(&server, &json!([artifact(&server, 1, 9 << 20)])).run();
    job.expect(101, &["has 9437184 bytes; more than 8388608 are not fetched"]);
    assert!(!job.log.contains("called:"));
}

#[test]
fn an_artifact_that_lies_about_its_size_is_not_read_to_its_end() {
    let server = wait(MockServer::start());
    let runner = poster(&server, &json!([artifact(&server, 1, 10)]));
    zip_at(&server, 1, vec![0; 9 << 20]);
    runner.run().expect(101, &["has more than 8388608 bytes"]);
}

#[test]
fn a_report_that_unpacks_to_more_than_it_may_is_refused() {
    // 32 MiB that take some kilobytes.
    posted(zipped(&[("nongemm-report.json", &vec![b' '; 32 << 20])])).expect(101, &["has more than 16777216 bytes"]);
}

#[test]
fn an_archive_has_no_say_in_where_anything_is_written() {
    let server = wait(MockServer::start());
    let body = zipped(&[("../../../nongemm-report.json", b"report"), ("../../escaped", b"x"), ("/tmp/escaped", b"x")]);
    let runner = poster(&server, &json!([artifact(&server, 1, 10)]));
    zip_at(&server, 1, body);
    runner.run().expect(0, &["report: report"]);
    let fetched: Vec<PathBuf> = fs::read_dir(runner.temp_folder().join("nongemm-fetched"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(fetched.len(), 2, "{fetched:?}");
    assert!(!runner.temp_folder().join("../escaped").exists() && !runner.temp_folder().join("escaped").exists());
}

#[test]
fn what_is_no_archive_or_not_the_report_is_refused() {
    posted(b"<html>".to_vec()).expect(101, &["is no zip archive"]);
    posted(zipped(&[("other.json", b"{}")])).expect(101, &["has 0 files called nongemm-report.json"]);
    let two: [(&str, &[u8]); 2] = [("a/nongemm-report.json", b"1"), ("b/nongemm-report.json", b"2")];
    posted(zipped(&two)).expect(101, &["has 2 files called nongemm-report.json"]);
}

#[test]
fn the_token_does_not_follow_to_where_archives_lie() {
    let server = wait(MockServer::start());
    let storage = wait(MockServer::start());
    let runner = poster(&server, &json!([artifact(&server, 1, 10)]));
    let elsewhere = format!("{}/archive.zip", storage.uri());
    let moved = ResponseTemplate::new(302).insert_header("Location", elsewhere.as_str());
    serve(&server, "/repos/acme/ranker/actions/artifacts/1/zip", moved);
    let tokens = Mock::given(header_exists("Authorization")).respond_with(ResponseTemplate::new(400)).expect(0);
    wait(tokens.with_priority(1).mount(&storage));
    let body = zipped(&[("nongemm-report.json", b"report")]);
    serve(&storage, "/archive.zip", ResponseTemplate::new(200).set_body_bytes(body));
    runner.run().expect(0, &["report: report"]);
    wait(storage.verify());
}

#[test]
fn a_missing_permission_is_named() {
    let server = wait(MockServer::start());
    let refusal =
        ResponseTemplate::new(403).set_body_json(json!({ "message": "Resource not accessible by integration" }));
    serve(&server, "/repos/acme/ranker/actions/runs/9001/artifacts", refusal);
    let runner = Runner::new("workflow_run").environment("GITHUB_API_URL", &server.uri()).input("mode", "comment");
    runner.run().expect(101, &["answered 403; the job needs `permissions: actions: read`"]);
}

#[test]
fn an_answer_that_fails_for_a_moment_is_asked_for_again() {
    let server = wait(MockServer::start());
    let failing = Mock::given(method("GET")).respond_with(ResponseTemplate::new(502)).up_to_n_times(1).with_priority(1);
    wait(failing.mount(&server));
    poster(&server, &json!([])).run().expect(0, &["left no artifact"]);
}

#[test]
fn without_another_run_a_report_must_be_named() {
    let runner = |event: &str| {
        Runner::new(event)
            .environment("FAKE_VERSION", VERSION)
            .program("cargo-nongemm", PROGRAM)
            .input("mode", "comment")
    };
    runner("pull_request")
        .run()
        .expect(101, &["the event is no `workflow_run`: give the report by the input `reports`"]);
    let named = runner("pull_request").input("reports", "the report.json");
    fs::write(named.workspace().join("the report.json"), "named").unwrap();
    named.run().expect(0, &["called: comment --github --from=the report.json", "report: named"]);
}

// Releases.

/// The name of this machine's release.
fn target() -> &'static str {
    match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => "x86_64-unknown-linux-gnu",
        ("linux", "aarch64") => "aarch64-unknown-linux-gnu",
        ("macos", "aarch64") => "aarch64-apple-darwin",
        other => panic!("{other:?} has no releases"),
    }
}

/// A release of a program, packed as `.github/workflows/release.yml` packs it.
struct Release {
    folder: tempfile::TempDir,
}

impl Release {
    fn pack() -> Release {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("cargo-nongemm"), format!("#!/bin/sh\n{PROGRAM}\n")).unwrap();
        let mut chmod = Command::new("chmod");
        assert!(chmod.arg("+x").arg(folder.path().join("cargo-nongemm")).status().unwrap().success());
        let mut pack = Command::new(root().join(".github/release/pack.sh"));
        pack.current_dir(folder.path()).args([target(), ".", "dist"]);
        assert!(pack.status().unwrap().success());
        Release { folder }
    }

    fn file(&self, suffix: &str) -> Vec<u8> {
        fs::read(self.folder.path().join("dist").join(format!("cargo-nongemm-{}.tar.gz{suffix}", target()))).unwrap()
    }

    /// Serves it, with this content in place of the archive's if there is one.
    fn serve(&self, server: &MockServer, archive: Option<&[u8]>) {
        let base = format!("/cargo-nongemm/cargo-nongemm/releases/download/v{VERSION}");
        let name = format!("{base}/cargo-nongemm-{}.tar.gz", target());
        let archive = archive.map_or_else(|| self.file(""), <[u8]>::to_vec);
        serve(server, &name, ResponseTemplate::new(200).set_body_bytes(archive));
        serve(server, &format!("{name}.sha256"), ResponseTemplate::new(200).set_body_bytes(self.file(".sha256")));
        let commit = format!("{}\n", "d".repeat(40));
        serve(server, &format!("{base}/commit.txt"), ResponseTemplate::new(200).set_body_string(commit));
    }
}

/// A job that would build from source, which fails, unless it finds a release.
fn installing(server: &MockServer, reference: &str) -> Runner {
    Runner::new("push")
        .at(reference)
        .environment("GITHUB_SERVER_URL", &server.uri())
        .environment("FAKE_VERSION", VERSION)
        .program("cargo", "exit 7")
        .input("mode", "check")
}

#[test]
fn a_release_is_taken_where_the_action_is_of_its_tag_or_its_commit() {
    let server = wait(MockServer::start());
    Release::pack().serve(&server, None);
    for reference in [format!("v{VERSION}"), "d".repeat(40)] {
        let job = installing(&server, &reference).run();
        job.expect(0, &["is a release of cargo-nongemm/cargo-nongemm, with the right checksum", "called: check"]);
        assert!(!job.played().contains(&"Build cargo-nongemm"));
    }
    for reference in ["main", "v1", &"e".repeat(40)] {
        installing(&server, reference).run().expect(7, &["is built from source"]);
    }
    installing(&server, "main").input("version", VERSION).run().expect(0, &["is a release of"]);
}

#[test]
fn a_release_whose_checksum_is_wrong_ends_the_job() {
    let server = wait(MockServer::start());
    Release::pack().serve(&server, Some(b"another archive"));
    let job = installing(&server, &format!("v{VERSION}")).run();
    job.expect(101, &["and not", "as its checksum says: it is not used"]);
    assert!(!job.log.contains("called:"));
}

#[test]
fn a_release_that_does_not_run_here_is_passed_over() {
    let server = wait(MockServer::start());
    Release::pack().serve(&server, None);
    let job = installing(&server, &format!("v{VERSION}")).environment("FAKE_VERSION", "0.0.1").run();
    job.expect(7, &["does not run here; it is built from source"]);
}

#[test]
fn without_a_release_it_is_built_from_source() {
    let server = wait(MockServer::start());
    installing(&server, &format!("v{VERSION}")).run().expect(7, &["is built from source"]);
}
