//! Real models that ship inside Python packages, fetched by the user's own pip.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// The path of a file inside a wheel, for example
/// `wheel_file("silero-vad", "6.2.3", "silero_vad/data/silero_vad.onnx")`.
///
/// The wheel is downloaded and unpacked once into the build's folder for test files. Tests and test programs may ask
/// at the same time. Panics, saying what pip said, where that fails: a test that could not run has not passed.
pub fn wheel_file(package: &str, version: &str, file: &str) -> PathBuf {
    let path = wheel(package, version).join(file);
    assert!(path.is_file(), "{package} {version} has no file {file}");
    path
}

/// The folder that a wheel was unpacked into.
pub fn wheel(package: &str, version: &str) -> PathBuf {
    // One download at a time in this process; between processes the rename below decides.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("wheels");
    let unpacked = cache.join(format!("{package}-{version}"));
    if unpacked.is_dir() {
        return unpacked;
    }
    fs::create_dir_all(&cache).expect("the cache folder");
    let fresh = tempfile::tempdir_in(&cache).expect("a folder in the cache");
    let wheel = download(package, version, fresh.path());
    let contents = fresh.path().join("contents");
    unpack(&wheel, &contents);
    // Complete before it is visible; where another process was first, its copy is as good.
    if let Err(error) = fs::rename(&contents, &unpacked) {
        assert!(unpacked.is_dir(), "{}: {error}", unpacked.display());
    }
    unpacked
}

fn download(package: &str, version: &str, into: &Path) -> PathBuf {
    let requirement = format!("{package}=={version}");
    let mut said = String::new();
    for python in ["python3", "python", "py"] {
        let output = Command::new(python)
            .args([
                "-m",
                "pip",
                "download",
                "--no-deps",
                "--only-binary=:all:",
                "--disable-pip-version-check",
                "--quiet",
            ])
            .arg("--dest")
            .arg(into)
            .arg(&requirement)
            .output();
        match output {
            Ok(output) if output.status.success() => {
                let files = fs::read_dir(into).expect("the download's folder");
                return files
                    .map(|entry| entry.expect("an entry of the download's folder").path())
                    .find(|path| path.extension().is_some_and(|it| it == "whl"))
                    .unwrap_or_else(|| panic!("pip downloaded no wheel for {requirement}"));
            }
            Ok(output) => said += &format!("{python}: {}\n", String::from_utf8_lossy(&output.stderr)),
            Err(error) => said += &format!("{python}: {error}\n"),
        }
    }
    panic!("this test needs {requirement}, and pip could not download it:\n{said}");
}

fn unpack(wheel: &Path, into: &Path) {
    let file = File::open(wheel).expect("the wheel");
    let mut archive = zip::ZipArchive::new(file).unwrap_or_else(|error| panic!("{}: {error}", wheel.display()));
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).expect("an entry of the wheel");
        let Some(inside) = entry.enclosed_name() else { continue };
        let path = into.join(inside);
        if entry.is_dir() {
            continue;
        }
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder of the wheel");
        io::copy(&mut entry, &mut File::create(&path).expect("a file of the wheel")).expect("a file of the wheel");
    }
}
