//! The per-user cache of installed libraries: where it lies, what an entry holds, whether an entry is whole.
//!
//! `<cache>/onnxruntime/<version>-<platform>/` holds the library, its licence files and `manifest.json`. An entry appears
//! by one rename, so a half-made one is never seen under its name; damage that comes later is found by the digest, which
//! [`super::locate`] compares each time it chooses from the cache (about 30 ms) and a launch does not.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::RuntimeError;
use super::platform::{Build, Platform};

/// Version of [`Manifest`].
const MANIFEST_SCHEMA: u32 = 1;

/// Name of the manifest in an entry.
const MANIFEST: &str = "manifest.json";

/// What an entry says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    schema: u32,
    /// Release of ONNX Runtime.
    version: String,
    /// Operating system and architecture.
    platform: String,
    /// The package client that fetched it.
    client: String,
    /// File name of the library.
    library: String,
    size_bytes: u64,
    sha256: String,
}

impl Manifest {
    pub fn new(build: &Build<'_>, platform: &Platform, client: &str) -> Manifest {
        Manifest {
            schema: MANIFEST_SCHEMA,
            version: build.version.to_owned(),
            platform: platform.name.to_owned(),
            client: client.to_owned(),
            library: build.file_name().to_owned(),
            size_bytes: build.size,
            sha256: build.sha256.to_owned(),
        }
    }

    fn read(entry: &Path) -> Result<Manifest, String> {
        let text = std::fs::read_to_string(entry.join(MANIFEST))
            .map_err(|error| format!("no readable {MANIFEST}: {error}"))?;
        serde_json::from_str(&text).map_err(|error| format!("{MANIFEST}: {error}"))
    }

    pub fn write(&self, entry: &Path) -> io::Result<()> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        std::fs::write(entry.join(MANIFEST), text)
    }
}

/// State of one entry.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Absent,
    /// The library, complete and unchanged.
    Whole(PathBuf),
    /// Something is there that must not be used.
    Broken(String),
}

/// The directory that holds the entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cache {
    pub root: PathBuf,
}

impl Cache {
    /// In `directory` (`NONGEMM_CACHE_DIR`), else in the user's cache directory.
    pub fn at(directory: Option<&Path>) -> Result<Cache, RuntimeError> {
        let base = match directory {
            Some(directory) => std::path::absolute(directory)
                .map_err(|source| RuntimeError::Cache { directory: directory.to_owned(), source })?,
            None => {
                let strategy = etcetera::choose_base_strategy().map_err(|_| RuntimeError::NoHome)?;
                strategy.cache_dir().join("cargo-nongemm")
            }
        };
        Ok(Cache { root: base.join("onnxruntime") })
    }

    /// The part for wheels of other releases than the pinned one: npm's release may also come as a wheel, and then is
    /// another library of the same version.
    pub fn releases(&self) -> Cache {
        Cache { root: self.root.join("releases") }
    }

    /// The part for builds with CUDA, whose library has the same version and another content.
    pub fn gpu(&self) -> Cache {
        Cache { root: self.root.join("gpu") }
    }

    /// Where the entry of a release lies, whether it exists or not.
    pub fn entry(&self, version: &str, platform: &Platform) -> PathBuf {
        self.root.join(format!("{version}-{}", platform.name))
    }

    /// Reads and verifies an entry, down to the digest of its library.
    pub fn verify(&self, build: &Build<'_>, platform: &Platform) -> Entry {
        let entry = self.entry(build.version, platform);
        if !entry.exists() {
            return Entry::Absent;
        }
        match verify(&entry, build, platform) {
            Ok(library) => Entry::Whole(library),
            Err(why) => Entry::Broken(why),
        }
    }

    /// The same for a wheel that is not pinned: its library must be what the entry's own manifest says, which was
    /// checked against the wheel's record when it was installed.
    pub fn verify_recorded(&self, version: &str, platform: &Platform) -> Entry {
        let entry = self.entry(version, platform);
        if !entry.exists() {
            return Entry::Absent;
        }
        match Manifest::read(&entry) {
            Err(why) => Entry::Broken(why),
            Ok(Manifest { size_bytes: size, sha256, .. }) => {
                let path = platform.wheel_entry(version);
                self.verify(&Build { version, entry: &path, size, sha256: &sha256 }, platform)
            }
        }
    }
}

fn verify(entry: &Path, build: &Build<'_>, platform: &Platform) -> Result<PathBuf, String> {
    let manifest = Manifest::read(entry)?;
    if manifest != Manifest::new(build, platform, &manifest.client) {
        return Err(format!("{MANIFEST} is not that of ONNX Runtime {} for {}", build.version, platform.name));
    }
    let library = entry.join(build.file_name());
    let size = std::fs::metadata(&library).map_err(|error| format!("{}: {error}", build.file_name()))?.len();
    if size != build.size {
        return Err(format!("{} has {size} bytes instead of {}", build.file_name(), build.size));
    }
    let digest = sha256_of(&library).map_err(|error| format!("{}: {error}", build.file_name()))?;
    if digest != build.sha256 {
        return Err(format!("{} has been changed: SHA-256 {digest} instead of {}", build.file_name(), build.sha256));
    }
    Ok(library)
}

/// SHA-256 of a file in lower-case hexadecimal.
pub(super) fn sha256_of(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(hexadecimal(&hasher.finalize()));
        }
        hasher.update(&buffer[..read]);
    }
}

/// Lower-case hexadecimal.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::platform;
    use super::*;

    const PINNED: Build<'static> = Build {
        version: "1.31.1",
        entry: "a/lib.so",
        size: 3,
        sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    };

    fn entry() -> (tempfile::TempDir, Cache, &'static Platform) {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::at(Some(directory.path())).unwrap();
        let platform = platform::current().unwrap();
        let entry = cache.entry(PINNED.version, platform);
        std::fs::create_dir_all(&entry).unwrap();
        std::fs::write(entry.join("lib.so"), "abc").unwrap();
        Manifest::new(&PINNED, platform, "pip").write(&entry).unwrap();
        (directory, cache, platform)
    }

    fn broken(spoil: impl Fn(&Path)) -> String {
        let (_directory, cache, platform) = entry();
        spoil(&cache.entry(PINNED.version, platform));
        match cache.verify(&PINNED, platform) {
            Entry::Broken(why) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_whole_entry_is_used() {
        let (_directory, cache, platform) = entry();
        let library = cache.entry(PINNED.version, platform).join("lib.so");
        assert_eq!(cache.verify(&PINNED, platform), Entry::Whole(library));
    }

    #[test]
    fn an_empty_cache_has_no_entry() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::at(Some(directory.path())).unwrap();
        assert_eq!(cache.verify(&PINNED, platform::current().unwrap()), Entry::Absent);
    }

    #[test]
    fn a_changed_byte_breaks_an_entry() {
        assert!(broken(|entry| std::fs::write(entry.join("lib.so"), "abd").unwrap()).contains("changed"));
    }

    #[test]
    fn a_short_library_breaks_an_entry() {
        assert!(broken(|entry| std::fs::write(entry.join("lib.so"), "ab").unwrap()).contains("2 bytes instead of 3"));
    }

    #[test]
    fn a_missing_library_breaks_an_entry() {
        assert!(broken(|entry| std::fs::remove_file(entry.join("lib.so")).unwrap()).contains("lib.so"));
    }

    #[test]
    fn a_missing_or_half_manifest_breaks_an_entry() {
        assert!(broken(|entry| std::fs::remove_file(entry.join(MANIFEST)).unwrap()).contains(MANIFEST));
        assert!(broken(|entry| std::fs::write(entry.join(MANIFEST), "{\"schema\": 1").unwrap()).contains(MANIFEST));
    }

    #[test]
    fn the_manifest_of_another_build_breaks_an_entry() {
        let why = broken(|entry| {
            let text = std::fs::read_to_string(entry.join(MANIFEST)).unwrap();
            std::fs::write(entry.join(MANIFEST), text.replace("1.31.1", "1.30.0")).unwrap();
        });
        assert!(why.contains("is not that of"), "{why}");
    }

    #[test]
    fn a_release_that_is_not_pinned_is_held_to_its_own_manifest() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::at(Some(directory.path())).unwrap().releases();
        let platform = platform::current().unwrap();
        assert_eq!(cache.verify_recorded("1.29.0", platform), Entry::Absent);
        let entry = cache.entry("1.29.0", platform);
        std::fs::create_dir_all(&entry).unwrap();
        let path = platform.wheel_entry("1.29.0");
        let build = Build { version: "1.29.0", entry: &path, ..PINNED };
        Manifest::new(&build, platform, "pip").write(&entry).unwrap();
        let library = entry.join(build.file_name());
        std::fs::write(&library, "abc").unwrap();
        assert_eq!(cache.verify_recorded("1.29.0", platform), Entry::Whole(library.clone()));
        std::fs::write(&library, "abd").unwrap();
        assert!(matches!(cache.verify_recorded("1.29.0", platform), Entry::Broken(why) if why.contains("changed")));
        std::fs::rename(&entry, cache.entry("1.28.0", platform)).unwrap();
        assert!(matches!(cache.verify_recorded("1.28.0", platform), Entry::Broken(_)), "an entry of another release");
    }
}
