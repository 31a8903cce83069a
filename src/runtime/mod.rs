//! ONNX Runtime: found or installed, loaded, sessions. The only place that imports `ort`.
//!
//! [`locate`] decides which library is used and can say why; [`load`] brings it into this process. Nothing here
//! prints: what an installation does is told through [`InstallEvent`]s.

mod cache;
mod client;
pub mod cuda;
pub mod cupti;
mod image;
mod install;
mod library;
mod locate;
mod platform;
mod probe;
mod record;
pub mod session;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use client::{Client, ClientKind, default_clients};
pub use install::InstallEvent;
pub use library::{LogEntry, LogLevel, available_providers, environment, load, load_path, logged};
pub use locate::{Choice, LocateOptions, default_system_directories, locate, locate_choice, locate_gpu};
pub use platform::{PIP_VERSION, platform_name};
pub use probe::{Refusal, probe};

/// The oldest ONNX Runtime that works: per-run profiling came with it, and `ort` asks for its API.
pub const MINIMUM_VERSION: Version = Version { major: 1, minor: 25, patch: 0 };

/// A release of ONNX Runtime, such as `1.31.1`. Written and serialized in that form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Version {
    /// Always 1 so far.
    pub major: u32,
    /// Grows with each release; also the number of the newest API that the library offers.
    pub minor: u32,
    /// Fixes of the release.
    pub patch: u32,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}.{}.{}", self.major, self.minor, self.patch))
    }
}

impl From<Version> for String {
    fn from(version: Version) -> String {
        version.to_string()
    }
}

impl FromStr for Version {
    type Err = String;

    /// Reads `1.31.1`; what follows the digits of the third number (`1.32.0-dev`, `1.32.0+cu13`) is left out.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a version such as 1.31.1");
        let mut parts = text.trim().splitn(3, '.');
        let mut whole = || parts.next().and_then(|part| part.parse::<u32>().ok()).ok_or_else(wrong);
        let (major, minor) = (whole()?, whole()?);
        let last = parts.next().unwrap_or("0");
        let digits = last.find(|c: char| !c.is_ascii_digit()).map_or(last, |end| &last[..end]);
        Ok(Version { major, minor, patch: digits.parse().map_err(|_| wrong())? })
    }
}

impl TryFrom<String> for Version {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// How a library came to be chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "from")]
pub enum Origin {
    /// `--onnxruntime PATH`.
    Explicit,
    /// The environment variable `ORT_DYLIB_PATH`.
    Environment,
    /// The per-user cache, installed there by an earlier run.
    Cache,
    /// A Python installation has the `onnxruntime` package.
    PythonSitePackages {
        /// The interpreter that was asked, such as `python3`.
        interpreter: String,
    },
    /// A directory of system libraries.
    System,
    /// Installed into the per-user cache just now.
    Installed {
        /// The package client that fetched it, such as `python3 -m pip`.
        client: String,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Explicit => f.write_str("given by --onnxruntime"),
            Origin::Environment => f.write_str("given by ORT_DYLIB_PATH"),
            Origin::Cache => f.write_str("from the cache"),
            Origin::PythonSitePackages { interpreter } => write!(f, "the package that {interpreter} has installed"),
            Origin::System => f.write_str("a system library"),
            Origin::Installed { client } => write!(f, "installed into the cache by {client}"),
        }
    }
}

/// A place that was looked at before the choice fell, and why nothing there was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Considered {
    /// File or directory.
    pub path: PathBuf,
    /// One clause, without a full stop.
    pub why_not: String,
}

/// An ONNX Runtime library that was probed and can be loaded here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Library {
    /// The shared library, as an absolute path.
    pub path: PathBuf,
    /// What the library says of itself.
    pub version: Version,
    /// Where it came from.
    pub origin: Origin,
    /// What was refused or missing on the way to it, in the order of the search.
    pub considered: Vec<Considered>,
}

/// Why no ONNX Runtime could be had. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The library that the user named cannot be used; nothing else is tried in its stead.
    #[error(
        "{path} cannot be used as ONNX Runtime: {refusal}\n  it was given by {by}; give a shared library of ONNX Runtime \
         {MINIMUM_VERSION} or newer, its directory, or an unpacked wheel; or leave {by} out and one is found or installed",
        path = path.display()
    )]
    Refused {
        /// As given.
        path: PathBuf,
        /// `--onnxruntime` or `ORT_DYLIB_PATH`.
        by: &'static str,
        /// What is wrong with it.
        #[source]
        refusal: Refusal,
    },
    /// Nothing usable is on this machine, and installing was forbidden.
    #[error(
        "no usable ONNX Runtime on this machine, and --offline forbids installing one; looked at:{}\n  run `cargo nongemm \
         doctor` once without --offline to install {PIP_VERSION}, or `{remedy}`, or give --onnxruntime PATH",
        list(considered)
    )]
    Offline {
        /// Where it was looked for.
        considered: Vec<Considered>,
        /// A command that brings it.
        remedy: String,
    },
    /// A release that was asked for is not in the cache, and installing was forbidden.
    #[error(
        "ONNX Runtime {version} is not in the cache, and --offline forbids installing it; looked at:{}\n  run this once \
         without --offline, or give the path of a library in place of the version",
        list(considered)
    )]
    ReleaseOffline {
        /// The release.
        version: Version,
        /// Where it was looked for.
        considered: Vec<Considered>,
    },
    /// A release that was asked for is too old to be measured.
    #[error(
        "ONNX Runtime {version} cannot be measured: {MINIMUM_VERSION} or newer is needed, which profiles single runs"
    )]
    ReleaseTooOld {
        /// The release.
        version: Version,
    },
    /// Every package client failed, or there is none.
    #[error(
        "ONNX Runtime {version} could not be installed:{}\n  install Python with pip (or npm), check the network and \
         the package index it is set to use, or give --onnxruntime PATH",
        list(considered)
    )]
    NotInstalled {
        /// The release that was wanted most.
        version: String,
        /// Where it was looked for, then each client with what it said.
        considered: Vec<Considered>,
    },
    /// The cache cannot be written or read.
    #[error(
        "the cache directory {} cannot be used: {source}\n  set NONGEMM_CACHE_DIR to a directory that can be written, or \
         give --onnxruntime PATH",
        directory.display()
    )]
    Cache {
        /// The directory or file.
        directory: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// There is no home directory to put a cache in.
    #[error("there is no home directory to keep a cache in: set NONGEMM_CACHE_DIR to a directory that can be written")]
    NoHome,
    /// Another process has held the installation lock for too long.
    #[error(
        "another process has been installing ONNX Runtime for more than {} s and holds {}\n  wait for it or end it, then \
         try again",
        waited.as_secs(),
        lock.display()
    )]
    Busy {
        /// The lock file.
        lock: PathBuf,
        /// How long it was waited for.
        waited: Duration,
    },
    /// No package index has a build for this machine.
    #[error(
        "there is no prebuilt ONNX Runtime {version} for {platform}; looked at:{}\n  build ONNX Runtime {MINIMUM_VERSION} \
         or newer for it and give --onnxruntime PATH",
        list(considered)
    )]
    NoBuild {
        /// The release that was wanted.
        version: String,
        /// Operating system and architecture.
        platform: String,
        /// Where it was looked for.
        considered: Vec<Considered>,
    },
    /// The library was accepted and then failed to load or to start.
    #[error("{} was found but does not start: {message}\n  `cargo nongemm doctor` shows where it came from", path.display())]
    Load {
        /// The library.
        path: PathBuf,
        /// What the loader or ONNX Runtime said.
        message: String,
    },
    /// One process holds one ONNX Runtime.
    #[error(
        "this process runs ONNX Runtime from {} and cannot change to {}: start another process for it",
        loaded.display(),
        wanted.display()
    )]
    AlreadyLoaded {
        /// In use.
        loaded: PathBuf,
        /// Asked for.
        wanted: PathBuf,
    },
    /// A question to the library came before [`load`].
    #[error("no ONNX Runtime library is loaded in this process yet")]
    NotLoaded,
}

/// One indented line for each place, for the end of a message.
fn list(considered: &[Considered]) -> String {
    let line = |place: &Considered| format!("\n    {}: {}", show(&place.path), place.why_not);
    considered.iter().map(line).collect()
}

fn show(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_with_and_without_suffix() {
        let version = |text: &str| text.parse::<Version>();
        assert_eq!(version("1.31.1"), Ok(Version { major: 1, minor: 31, patch: 1 }));
        assert_eq!(version("1.32.0-dev2026"), Ok(Version { major: 1, minor: 32, patch: 0 }));
        assert_eq!(version("1.25"), Ok(Version { major: 1, minor: 25, patch: 0 }));
        for wrong in ["", "1", "one.two", "1.x.3", "1.2.", "1.2.x"] {
            assert!(version(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn versions_order_by_number() {
        let [old, new] = ["1.9.2", "1.25.0"].map(|text| text.parse::<Version>().unwrap());
        assert!(old < new && new >= MINIMUM_VERSION);
    }

    #[test]
    fn offline_error_names_places_and_remedy() {
        let considered = vec![Considered { path: "/some/cache".into(), why_not: "nothing is installed there".into() }];
        let text = RuntimeError::Offline { considered, remedy: "pip install onnxruntime".into() }.to_string();
        for part in ["--offline", "/some/cache: nothing is installed there", "pip install onnxruntime", "--onnxruntime"]
        {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
