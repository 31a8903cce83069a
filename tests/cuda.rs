//! Scenarios on CUDA where it cannot be had: what is missing is named with its remedy, and nothing runs on the CPU in its
//! stead. A driver that is compiled here stands for NVIDIA's, so that these tests say the same on every machine.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, dead_code)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nongemm::runtime::{LocateOptions, locate};

use support::models::{Dim, classifier};
use support::project::{Outcome, Project};

const BOTH: &str = "[suite]\nmodels = [\"classifier.onnx\"]\nprovider = [\"cpu\", \"cuda\"]\n";

/// A project with a sound model.
fn project(text: &str) -> Project {
    let project = Project::new(text);
    project.write_model("classifier.onnx", &classifier(Dim::Fixed(8), 64, 16));
    project
}

fn compile(directory: &Path, name: &str, code: &str, needs: &[PathBuf]) -> PathBuf {
    fs::create_dir_all(directory).unwrap();
    let (source, library) = (directory.join("source.c"), directory.join(name));
    fs::write(&source, code).unwrap();
    let mut command = Command::new("cc");
    command.args(["-shared", "-fPIC", "-Wl,--no-as-needed"]).arg(format!("-Wl,-soname,{name}"));
    let output = command.arg("-o").arg(&library).arg(&source).args(needs).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::remove_file(&source).unwrap();
    library
}

/// A driver that shows one GPU of 8 GiB, or refuses to start.
fn driver(directory: &Path, status: u32) {
    let code = format!(
        "#include <string.h>\n\
         int cuInit(unsigned flags) {{ return {status}; }}\n\
         int cuDriverGetVersion(int *version) {{ *version = 13000; return 0; }}\n\
         int cuDeviceGetCount(int *count) {{ *count = 1; return 0; }}\n\
         int cuDeviceGet(int *handle, int number) {{ *handle = number; return 0; }}\n\
         int cuDeviceGetName(char *name, int length, int handle) {{ strncpy(name, \"GPU of a test\", length); return 0; }}\n\
         int cuDeviceTotalMem_v2(size_t *bytes, int handle) {{ *bytes = 8ul << 30; return 0; }}\n"
    );
    compile(directory, "libcuda.so.1", &code, &[]);
}

/// Runs the program where the loader looks into `folder` first.
fn run(project: &Project, folder: &Path, arguments: &[&str]) -> Outcome {
    let mut command = project.nongemm(arguments);
    let output = command.env("LD_LIBRARY_PATH", folder).env("CUDA_HOME", folder.join("cuda")).output().unwrap();
    let text = |bytes: Vec<u8>| {
        // Lines are broken to the width of a terminal.
        String::from_utf8(bytes).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    Outcome { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// The library that everything else runs with, and beside a copy of it a provider that needs CUDA 13.
fn gpu_build(directory: &Path) -> PathBuf {
    let library = locate(&LocateOptions::from_environment(None, false), &mut |_| {}).unwrap().path;
    fs::create_dir_all(directory).unwrap();
    let copy = directory.join(library.file_name().unwrap());
    fs::copy(&library, &copy).unwrap();
    let cudart = compile(directory, "libcudart.so.13", "int cudart;\n", &[]);
    compile(directory, "libonnxruntime_providers_cuda.so", "int provider;\n", std::slice::from_ref(&cudart));
    fs::remove_file(&cudart).unwrap();
    copy
}

#[test]
fn a_machine_without_a_gpu_is_told_so_and_measures_what_it_can() {
    let folder = tempfile::tempdir().unwrap();
    driver(folder.path(), 100);
    let project = project(BOTH);
    run(&project, folder.path(), &["run"])
        .expect(
            101,
            &["classifier@cpu-fp32-all-t1", "Gemm", "classifier@cuda-fp32-all-t1", "finds no GPU", "nvidia-smi"],
        )
        .expect(101, &["1 of 2 scenarios could not be measured"]);
}

#[test]
fn a_gpu_that_there_is_not_is_named_with_those_there_are() {
    let folder = tempfile::tempdir().unwrap();
    driver(folder.path(), 0);
    let project = project("[suite]\nmodels = [\"classifier.onnx\"]\nprovider = \"cuda\"\n[cuda]\ndevice = 3\n");
    run(&project, folder.path(), &["check"]).expect(101, &["no GPU 3", "shows 1", "`device` under [cuda]"]);
}

#[test]
fn a_build_without_cuda_is_not_run_in_its_stead() {
    let folder = tempfile::tempdir().unwrap();
    driver(folder.path(), 0);
    let library = locate(&LocateOptions::from_environment(None, false), &mut |_| {}).unwrap().path;
    let project = project(BOTH);
    run(&project, folder.path(), &["run", "--onnxruntime", library.to_str().unwrap()])
        .expect(101, &["is a build without CUDA", "onnxruntime-gpu"]);
}

#[test]
fn libraries_of_cuda_that_are_missing_are_named() {
    let folder = tempfile::tempdir().unwrap();
    driver(folder.path(), 0);
    let library = gpu_build(&folder.path().join("onnxruntime"));
    let project = project(BOTH);
    run(&project, folder.path(), &["run", "--onnxruntime", library.to_str().unwrap()])
        .expect(101, &["libraries of CUDA 13 are missing", "libcudart.so.13", "libcudnn.so.9", "nvidia-cudnn-cu13"]);
}

/// Everything that can be looked at beforehand is there, and the provider itself does not start: ONNX Runtime's own words,
/// and no figures.
#[test]
fn a_provider_that_does_not_start_ends_the_scenario() {
    let folder = tempfile::tempdir().unwrap();
    driver(folder.path(), 0);
    let library = gpu_build(&folder.path().join("onnxruntime"));
    let cuda = folder.path().join("cuda/lib64");
    for name in ["libcudart.so.13", "libcudnn.so.9"] {
        compile(&cuda, name, "int nothing;\n", &[]);
    }
    let project = project("[suite]\nmodels = [\"classifier.onnx\"]\nprovider = \"cuda\"\n");
    let outcome = run(&project, folder.path(), &["run", "--onnxruntime", library.to_str().unwrap()]);
    outcome.expect(101, &["CUDAExecutionProvider is not available", "could not be measured"]);
    assert!(!outcome.stdout.contains("Gemm"), "{outcome:#?}");
}

/// CUPTI is asked for and is not there: that is no reason to take another clock.
#[test]
fn a_clock_that_cannot_be_had_is_not_replaced_where_it_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    driver(folder.path(), 0);
    let library = gpu_build(&folder.path().join("onnxruntime"));
    let cuda = folder.path().join("cuda/lib64");
    for name in ["libcudart.so.13", "libcudnn.so.9"] {
        compile(&cuda, name, "int nothing;\n", &[]);
    }
    compile(&cuda, "libcupti.so.13", "int nothing;\n", &[]);
    let text = "[suite]\nmodels = [\"classifier.onnx\"]\nprovider = \"cuda\"\n[cuda]\nclock = \"cupti\"\n";
    run(&project(text), folder.path(), &["run", "--onnxruntime", library.to_str().unwrap()])
        .expect(101, &["has no cuptiGetVersion, so it is not CUPTI's library"]);
}

#[test]
fn weights_that_do_not_fit_onto_the_gpu_are_refused_before_anything_is_downloaded_to_it() {
    let folder = tempfile::tempdir().unwrap();
    driver(folder.path(), 0);
    let library = gpu_build(&folder.path().join("onnxruntime"));
    let cuda = folder.path().join("cuda/lib64");
    for name in ["libcudart.so.13", "libcudnn.so.9"] {
        compile(&cuda, name, "int nothing;\n", &[]);
    }
    let arguments = ["run", "llama-2-7b", "--provider", "cuda", "--onnxruntime", library.to_str().unwrap()];
    run(&project(BOTH), folder.path(), &arguments)
        .expect(101, &["GPU of a test has 8", "on the device", "--ignore-memory"]);
}

#[test]
fn options_stand_in_the_ids_and_mistakes_point_at_their_place() {
    let project = project(&format!("{BOTH}[cuda]\ntf32 = false\ncudnn-search = \"heuristic\"\n"));
    project
        .run(&["list", "scenarios"])
        .expect(0, &["classifier@cpu-fp32-all-t1 ", "classifier@cuda-fp32-all-t1-heuristic-notf32"]);
    project
        .run(&["list", "scenarios", "bert-base", "--provider", "cuda"])
        .expect(0, &["bert-base@cuda-fp16-all-b1-s128-t1"]);
    let wrong = self::project(&format!("{BOTH}[cuda]\nclock = \"cuppti\"\n"));
    wrong.run(&["run"]).expect(101, &["nongemm.toml:", "cuppti", "cupti", "synchronous"]);
    let wrong = self::project(&format!("{BOTH}[cuda]\ndevice = -1\n"));
    wrong.run(&["run"]).expect(101, &["`cuda.device` must be at least 0"]);
}
