use std::process::Command;

use super::super::{Origin, Version};
use super::*;

fn library(directory: &Path) -> Library {
    let version = Version { major: 1, minor: 31, patch: 1 };
    let path = directory.join("libonnxruntime.so.1.31.1");
    Library { path, version, origin: Origin::Explicit, considered: Vec::new() }
}

#[test]
fn a_cpu_build_is_named_as_such() {
    let directory = tempfile::tempdir().unwrap();
    let why = surroundings(&library(directory.path()), &Toolkit::default()).unwrap_err().to_string();
    assert!(why.contains("not beside it") && why.contains("onnxruntime-gpu"), "{why}");
}

#[test]
fn a_provider_that_links_to_nothing_needs_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let provider = directory.path().join(provider_name());
    std::fs::write(&provider, b"\x7fELF\x02\x01 and no more").unwrap();
    assert_eq!(needed_by(&provider), [""; 0]);
}

#[test]
fn the_release_is_read_from_the_name() {
    assert_eq!(release_of("libcudart.so.13", "libcudart.so."), Some(13));
    assert_eq!(release_of("libcudart.so.12.9", "libcudart.so."), Some(12));
    assert_eq!(release_of("libcudart.so", "libcudart.so."), None);
}

/// A shared library of this name that links to those.
#[cfg(target_os = "linux")]
fn compile(directory: &Path, name: &str, needs: &[&str]) {
    std::fs::create_dir_all(directory).unwrap();
    let source = directory.join("empty.c");
    std::fs::write(&source, "int nothing;\n").unwrap();
    let mut command = Command::new("cc");
    command.args(["-shared", "-fPIC", "-nostdlib", "-Wl,--no-as-needed"]);
    command.arg(format!("-Wl,-soname,{name}")).arg("-o").arg(directory.join(name)).arg(&source);
    command.args(needs.iter().map(|needed| directory.join(needed)));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A provider that needs CUDA 13 and cuDNN 9 of this machine, which has neither.
#[cfg(target_os = "linux")]
fn gpu_build(directory: &Path) -> Library {
    for name in ["libcudart.so.13", "libcublas.so.13"] {
        compile(directory, name, &[]);
    }
    compile(directory, provider_name(), &["libcudart.so.13", "libcublas.so.13"]);
    for name in ["libcudart.so.13", "libcublas.so.13"] {
        std::fs::remove_file(directory.join(name)).unwrap();
    }
    library(directory)
}

#[cfg(target_os = "linux")]
#[test]
fn what_is_missing_is_named_with_the_packages_that_hold_it() {
    let directory = tempfile::tempdir().unwrap();
    let library = gpu_build(directory.path());
    let toolkit = Toolkit::of(vec![directory.path().join("nvidia/cu12/lib")]);
    compile(&directory.path().join("nvidia/cu12/lib"), "libcudart.so.12", &[]);
    let why = surroundings(&library, &toolkit).unwrap_err().to_string();
    for part in
        ["libcudart.so.13", "libcublas.so.13", "libcudnn.so.9", "libcudart.so.12", "nvidia-cudnn-cu13", "CUDA 13"]
    {
        assert!(why.contains(part), "{part}: {why}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn what_lies_in_the_wheels_is_found_there() {
    let directory = tempfile::tempdir().unwrap();
    let library = gpu_build(directory.path());
    let [cuda, cudnn] = ["nvidia/cu13/lib", "nvidia/cudnn/lib"].map(|folder| directory.path().join(folder));
    for name in ["libcudart.so.13", "libcublas.so.13"] {
        compile(&cuda, name, &[]);
    }
    compile(&cudnn, "libcudnn.so.9", &[]);
    let found = surroundings(&library, &Toolkit::of(vec![cuda.clone(), cudnn.clone()])).unwrap();
    assert_eq!(found, Surroundings { folders: vec![cuda, cudnn], cuda_major: 13 });
}
