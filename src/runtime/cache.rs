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
use super::platform::{Pinned, Platform};

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
    pub fn new(pinned: &Pinned, platform: &Platform, client: &str) -> Manifest {
        Manifest {
            schema: MANIFEST_SCHEMA,
            version: pinned.version.to_owned(),
            platform: platform.name.to_owned(),
            client: client.to_owned(),
            library: pinned.file_name().to_owned(),
            size_bytes: pinned.size,
            sha256: pinned.sha256.to_owned(),
        }
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

    /// Where the entry of a build lies, whether it exists or not.
    pub fn entry(&self, pinned: &Pinned, platform: &Platform) -> PathBuf {
        self.root.join(format!("{}-{}", pinned.version, platform.name))
    }

    /// Reads and verifies an entry, down to the digest of its library.
    pub fn verify(&self, pinned: &Pinned, platform: &Platform) -> Entry {
        let entry = self.entry(pinned, platform);
        if !entry.exists() {
            return Entry::Absent;
        }
        match verify(&entry, pinned, platform) {
            Ok(library) => Entry::Whole(library),
            Err(why) => Entry::Broken(why),
        }
    }
}

fn verify(entry: &Path, pinned: &Pinned, platform: &Platform) -> Result<PathBuf, String> {
    let text =
        std::fs::read_to_string(entry.join(MANIFEST)).map_err(|error| format!("no readable {MANIFEST}: {error}"))?;
    let manifest: Manifest = serde_json::from_str(&text).map_err(|error| format!("{MANIFEST}: {error}"))?;
    if manifest != Manifest::new(pinned, platform, &manifest.client) {
        return Err(format!("{MANIFEST} is not that of ONNX Runtime {} for {}", pinned.version, platform.name));
    }
    let library = entry.join(pinned.file_name());
    let size = std::fs::metadata(&library).map_err(|error| format!("{}: {error}", pinned.file_name()))?.len();
    if size != pinned.size {
        return Err(format!("{} has {size} bytes instead of {}", pinned.file_name(), pinned.size));
    }
    let digest = sha256_of(&library).map_err(|error| format!("{}: {error}", pinned.file_name()))?;
    if digest != pinned.sha256 {
        return Err(format!("{} has been changed: SHA-256 {digest} instead of {}", pinned.file_name(), pinned.sha256));
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

    const PINNED: Pinned = Pinned {
        version: "1.31.1",
        entry: "a/lib.so",
        size: 3,
        sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    };

    fn entry() -> (tempfile::TempDir, Cache, &'static Platform) {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::at(Some(directory.path())).unwrap();
        let platform = platform::current().unwrap();
        let entry = cache.entry(&PINNED, platform);
        std::fs::create_dir_all(&entry).unwrap();
        std::fs::write(entry.join("lib.so"), "abc").unwrap();
        Manifest::new(&PINNED, platform, "pip").write(&entry).unwrap();
        (directory, cache, platform)
    }

    fn broken(spoil: impl Fn(&Path)) -> String {
        let (_directory, cache, platform) = entry();
        spoil(&cache.entry(&PINNED, platform));
        match cache.verify(&PINNED, platform) {
            Entry::Broken(why) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_whole_entry_is_used() {
        let (_directory, cache, platform) = entry();
        let library = cache.entry(&PINNED, platform).join("lib.so");
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
}
