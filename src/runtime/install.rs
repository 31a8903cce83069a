//! Installs ONNX Runtime into the cache: one package client after the other, one winner among processes.
//!
//! A lock file lets one process install at a time; the others wait and then use what it made. Everything is prepared in a
//! private directory inside the cache and appears by one rename, so also without the lock (some network file systems
//! have none) nobody sees a half-made entry.

use std::fmt;
use std::fs::{File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::cache::{Cache, Entry, Manifest, hexadecimal, sha256_of};
use super::client::{Client, ClientKind, run_client};
use super::cuda::{provider_beside, provider_name};
use super::platform::{Build, Platform};
use super::record;
use super::{Considered, RuntimeError};

/// What an installation is doing; for a progress line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstallEvent {
    /// The cached library is damaged and is being replaced.
    Repairing {
        /// The entry.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Another process is installing; this one waits for it.
    Waiting {
        /// The lock file.
        lock: PathBuf,
    },
    /// A package client starts to download.
    Downloading {
        /// Such as `python3 -m pip`.
        client: String,
        /// Such as `onnxruntime 1.31.1`.
        package: String,
    },
    /// A package client failed; the next one is tried.
    ClientFailed {
        /// Which.
        client: String,
        /// One clause.
        why: String,
    },
    /// The package is there; its library is taken out and verified.
    Unpacking {
        /// File name of the package.
        package: String,
    },
    /// The package's library is what the package's own list of digests says; this program knows no other.
    Recorded {
        /// File name of the package.
        package: String,
        /// The release whose digest this program does pin.
        pinned: String,
    },
    /// Done.
    Installed {
        /// The library.
        path: PathBuf,
        /// Release of ONNX Runtime.
        version: String,
    },
}

impl fmt::Display for InstallEvent {
    /// One line for a person, without a full stop.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InstallEvent::Repairing { path, why } => write!(f, "replacing damaged {}: {why}", path.display()),
            InstallEvent::Waiting { lock } => {
                write!(f, "waiting for another process that is installing ONNX Runtime ({})", lock.display())
            }
            InstallEvent::Downloading { client, package } => write!(f, "downloading {package} with {client}"),
            InstallEvent::ClientFailed { client, why } => write!(f, "{client}: {why}"),
            InstallEvent::Unpacking { package } => write!(f, "unpacking {package}"),
            InstallEvent::Recorded { package, pinned } => write!(
                f,
                "{package} agrees with its own RECORD; the digest of {pinned} alone is known to this program itself"
            ),
            InstallEvent::Installed { path, version } => {
                write!(f, "installed ONNX Runtime {version} as {}", path.display())
            }
        }
    }
}

/// How long another process's installation is waited for.
const LOCK_PATIENCE: Duration = Duration::from_secs(900);

/// A client that took longer than this to fail was waiting for a network: another client of the same kind asks the same
/// index and would wait as long.
const WAITED_FOR_NETWORK: Duration = Duration::from_secs(10);

/// Prefix of the private directories in the cache.
const PRIVATE: &str = ".installing-";

/// What came of an attempt to install.
pub(super) enum Outcome {
    /// Another process had it ready.
    Found { library: PathBuf },
    /// This process did it.
    Installed { library: PathBuf, client: String },
}

/// What is to be installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target<'a> {
    /// A pinned build: pip's, else npm's.
    Pinned,
    /// The wheel of this release and no other.
    Wheel(&'a str),
    /// The pinned build with CUDA.
    Gpu,
}

impl Target<'_> {
    /// The kinds of package that it may come in, the preferred one first.
    pub fn kinds(self) -> &'static [ClientKind] {
        match self {
            Target::Pinned => &[ClientKind::Pip, ClientKind::Npm],
            Target::Wheel(_) | Target::Gpu => &[ClientKind::Pip],
        }
    }

    /// The release that a kind of package brings.
    pub fn version<'p>(&'p self, kind: ClientKind, platform: &'p Platform) -> &'p str {
        match self {
            Target::Pinned => pinned_for(kind, platform).version,
            Target::Wheel(version) => version,
            Target::Gpu => platform.gpu.as_ref().map_or(platform.pip.version, |build| build.version),
        }
    }

    /// What the cache has of it.
    pub fn verify(self, kind: ClientKind, cache: &Cache, platform: &Platform) -> Entry {
        let entry = match self.pinned(kind, platform) {
            Some(build) => cache.verify(build, platform),
            None => cache.verify_recorded(self.version(kind, platform), platform),
        };
        match entry {
            Entry::Whole(library) if self == Target::Gpu && provider_beside(&library).is_none() => {
                Entry::Broken(format!("{} is missing", provider_name()))
            }
            entry => entry,
        }
    }

    /// The package that it comes in.
    fn package(self, kind: ClientKind) -> &'static str {
        match (self, kind) {
            (Target::Gpu, _) => "onnxruntime-gpu",
            (_, ClientKind::Pip) => "onnxruntime",
            (_, ClientKind::Npm) => "onnxruntime-node",
        }
    }

    /// The digest that it must have, where this program knows one.
    fn pinned(self, kind: ClientKind, platform: &Platform) -> Option<&Build<'static>> {
        let build = pinned_for(kind, platform);
        match self {
            Target::Gpu => platform.gpu.as_ref(),
            Target::Wheel(version) if version != build.version => None,
            _ => Some(build),
        }
    }
}

/// Installs the target with the first client that manages to. What the clients said on failure goes to `refused`.
pub(super) fn install(
    cache: &Cache,
    platform: &Platform,
    target: Target<'_>,
    clients: &[Client],
    limit: Duration,
    refused: &mut Vec<Considered>,
    event: &mut dyn FnMut(InstallEvent),
) -> Result<Outcome, RuntimeError> {
    let unusable = |source| RuntimeError::Cache { directory: cache.root.clone(), source };
    std::fs::create_dir_all(&cache.root).map_err(unusable)?;
    let lock = lock(&cache.root, event)?;
    for &kind in target.kinds() {
        let path = || cache.entry(target.version(kind, platform), platform);
        match target.verify(kind, cache, platform) {
            Entry::Whole(library) => return Ok(Outcome::Found { library }),
            Entry::Broken(why) => event(InstallEvent::Repairing { path: path(), why }),
            Entry::Absent => {}
        }
    }
    if lock.is_some() {
        // With the lock held, what another installation left is what it left when it died.
        remove_leftovers(&cache.root);
    }
    let mut unreachable: Vec<ClientKind> = Vec::new();
    for client in clients.iter().filter(|client| target.kinds().contains(&client.kind)) {
        if unreachable.contains(&client.kind) {
            let why_not = "not tried: it would ask the same index".to_owned();
            refused.push(Considered { path: client.name().into(), why_not });
            continue;
        }
        let start = Instant::now();
        let private = tempfile::Builder::new().prefix(PRIVATE).tempdir_in(&cache.root).map_err(unusable)?;
        match fetch(client, target, platform, private.path(), limit, event) {
            Ok(staged) => {
                let version = target.version(client.kind, platform);
                let verify = || target.verify(client.kind, cache, platform);
                let (library, ours) = settle(&cache.entry(version, platform), &staged, private.path(), verify)?;
                if !ours {
                    return Ok(Outcome::Found { library });
                }
                event(InstallEvent::Installed { path: library.clone(), version: version.to_owned() });
                return Ok(Outcome::Installed { library, client: client.name() });
            }
            Err(why) => {
                event(InstallEvent::ClientFailed { client: client.name(), why: why.clone() });
                refused.push(Considered { path: client.name().into(), why_not: why });
                if start.elapsed() >= WAITED_FOR_NETWORK.min(limit) {
                    unreachable.push(client.kind);
                }
            }
        }
    }
    let version = target.version(ClientKind::Pip, platform).to_owned();
    Err(RuntimeError::NotInstalled { version, considered: std::mem::take(refused) })
}

fn pinned_for(kind: ClientKind, platform: &Platform) -> &Build<'static> {
    match kind {
        ClientKind::Pip => &platform.pip,
        ClientKind::Npm => &platform.npm,
    }
}

/// Takes the lock of the cache, waiting for another holder. `None` where the file system has no locks.
fn lock(root: &Path, event: &mut dyn FnMut(InstallEvent)) -> Result<Option<File>, RuntimeError> {
    let path = root.join(".lock");
    let unusable = |source| RuntimeError::Cache { directory: path.clone(), source };
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(unusable)?;
    let start = Instant::now();
    let mut told = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::Error(_)) => return Ok(None),
            Err(TryLockError::WouldBlock) => {}
        }
        if start.elapsed() >= LOCK_PATIENCE {
            return Err(RuntimeError::Busy { lock: path, waited: LOCK_PATIENCE });
        }
        if !std::mem::replace(&mut told, true) {
            event(InstallEvent::Waiting { lock: path.clone() });
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A leftover that cannot be removed is only in the way of disk space, so failures are not worth an error.
fn remove_leftovers(root: &Path) {
    let Ok(entries) = std::fs::read_dir(root) else { return };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(PRIVATE) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// Downloads and unpacks into `private`; the directory returned is a whole entry.
fn fetch(
    client: &Client,
    target: Target<'_>,
    platform: &Platform,
    private: &Path,
    limit: Duration,
    event: &mut dyn FnMut(InstallEvent),
) -> Result<PathBuf, String> {
    let name = target.package(client.kind);
    let extension = match client.kind {
        ClientKind::Pip => "whl",
        ClientKind::Npm => "tgz",
    };
    let (download, staged) = (private.join("download"), private.join("entry"));
    for directory in [&download, &staged] {
        std::fs::create_dir(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    }
    let version = target.version(client.kind, platform);
    let package = format!("{name} {version}");
    event(InstallEvent::Downloading { client: client.name(), package: package.clone() });
    run_client(&mut client.download(name, version, platform, &download), limit)?;
    let archive = only_file(&download, extension)
        .ok_or_else(|| format!("reported success but left no .{extension} file for {package}"))?;
    let file_name = archive.file_name().unwrap_or_default().to_string_lossy().into_owned();
    event(InstallEvent::Unpacking { package: file_name.clone() });
    match target.pinned(client.kind, platform) {
        Some(build) => stage(client, build, platform, &archive, &staged)?,
        None => {
            let entry = platform.wheel_entry(version);
            let recorded = record::read(&archive, &entry)
                .map_err(|error| format!("{file_name} cannot be read: {error}"))?
                .ok_or_else(|| format!("{file_name} has no record of {entry}"))?;
            let build = Build { version, entry: &entry, size: recorded.size, sha256: &recorded.sha256 };
            stage(client, &build, platform, &archive, &staged)?;
            event(InstallEvent::Recorded { package: file_name, pinned: platform.pip.version.to_owned() });
        }
    }
    if target == Target::Gpu {
        check_provider(&archive, &platform.pip, &staged)?;
    }
    Ok(staged)
}

/// Takes the library of an archive out into `staged`, with its manifest, if it is what `build` says.
fn stage(client: &Client, build: &Build<'_>, platform: &Platform, archive: &Path, staged: &Path) -> Result<(), String> {
    let file_name = archive.file_name().unwrap_or_default().to_string_lossy();
    let unpacked = match client.kind {
        ClientKind::Pip => unpack_wheel(archive, build, staged),
        ClientKind::Npm => unpack_tarball(archive, build, staged),
    };
    let digest = unpacked.map_err(|error| format!("{file_name} cannot be unpacked: {error}"))?;
    match digest {
        None => return Err(format!("{file_name} does not contain {}", build.entry)),
        Some(digest) if digest != build.sha256 => {
            return Err(format!(
                "the library in {file_name} is not the published one: SHA-256 {digest} instead of {}",
                build.sha256
            ));
        }
        Some(_) => {}
    }
    Manifest::new(build, platform, &client.name())
        .write(staged)
        .map_err(|error| format!("{}: {error}", staged.display()))
}

/// The CUDA provider must be what the wheel's own record says: it is a library of its own that no digest here covers.
fn check_provider(archive: &Path, build: &Build<'_>, staged: &Path) -> Result<(), String> {
    let entry = format!("{}{}", build.directory(), provider_name());
    let recorded = record::read(archive, &entry)
        .map_err(|error| format!("its record cannot be read: {error}"))?
        .ok_or_else(|| format!("it has no record of {entry}"))?;
    let path = staged.join(provider_name());
    let digest = sha256_of(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    if digest == recorded.sha256 {
        return Ok(());
    }
    Err(format!("{entry} is not what its own record says: SHA-256 {digest} instead of {}", recorded.sha256))
}

fn only_file(directory: &Path, extension: &str) -> Option<PathBuf> {
    let paths = std::fs::read_dir(directory).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    paths.filter(|path| path.extension().is_some_and(|found| found == extension)).max()
}

/// Is this file of the archive worth keeping: the library, the provider libraries beside it, the licences?
fn wanted(entry: &str, build: &Build<'_>) -> bool {
    let (directory, name) = entry.rsplit_once('/').map_or(("", entry), |(directory, name)| (directory, name));
    let beside = format!("{directory}/") == build.directory();
    let licence = ["LICENSE", "ThirdPartyNotices", "Privacy"].iter().any(|start| name.starts_with(start));
    entry == build.entry
        || (beside && (name.contains("onnxruntime_providers_") || name.ends_with(".dll")))
        || (licence && entry.matches('/').count() == 1)
}

/// Unpacks what is [`wanted`]; the digest is that of the library, `None` where the archive has none.
fn unpack_wheel(archive: &Path, build: &Build<'_>, into: &Path) -> io::Result<Option<String>> {
    let mut zip = zip::ZipArchive::new(File::open(archive)?).map_err(io::Error::other)?;
    let mut digest = None;
    for index in 0..zip.len() {
        let mut file = zip.by_index(index).map_err(io::Error::other)?;
        let entry = file.name().map_err(io::Error::other)?.into_owned();
        if wanted(&entry, build) {
            let written = write_out(&mut file, &entry, into)?;
            digest = if entry == build.entry { Some(written) } else { digest };
        }
    }
    Ok(digest)
}

/// As [`unpack_wheel`], for a gzipped tar archive.
fn unpack_tarball(archive: &Path, build: &Build<'_>, into: &Path) -> io::Result<Option<String>> {
    let mut tarball = tar::Archive::new(flate2::read::GzDecoder::new(File::open(archive)?));
    let mut digest = None;
    for file in tarball.entries()? {
        let mut file = file?;
        let entry = String::from_utf8_lossy(&file.path_bytes()).into_owned();
        if wanted(&entry, build) {
            let written = write_out(&mut file, &entry, into)?;
            digest = if entry == build.entry { Some(written) } else { digest };
        }
    }
    Ok(digest)
}

/// Writes one file under its bare name and returns its digest.
fn write_out(from: &mut dyn Read, entry: &str, into: &Path) -> io::Result<String> {
    /// No file of any package comes near it, the kernels for CUDA included; an archive that does is not the published one.
    const LARGEST: u64 = 4 << 30;
    let mut to = File::create(into.join(entry.rsplit('/').next().unwrap_or(entry)))?;
    let mut hasher = Sha256::new();
    let mut from = from.take(LARGEST);
    let mut buffer = vec![0; 1 << 18];
    loop {
        let read = from.read(&mut buffer)?;
        if read == 0 {
            to.sync_all()?;
            return Ok(hexadecimal(&hasher.finalize()));
        }
        hasher.update(&buffer[..read]);
        to.write_all(&buffer[..read])?;
    }
}

/// Publishes what was staged and reads it back with `verify`: the library, and whether it is this process's. Without a
/// lock another process may have been first; its entry is as good.
fn settle(
    entry: &Path,
    staged: &Path,
    private: &Path,
    verify: impl FnOnce() -> Entry,
) -> Result<(PathBuf, bool), RuntimeError> {
    let published = publish(staged, entry, private);
    let directory = entry.to_owned();
    match (verify(), published) {
        (Entry::Whole(library), published) => Ok((library, published.is_ok())),
        (_, Err(source)) => Err(RuntimeError::Cache { directory, source }),
        (_, Ok(())) => {
            let source = io::Error::other("what was written there reads otherwise");
            Err(RuntimeError::Cache { directory, source })
        }
    }
}

/// Puts the staged directory in the entry's place. What stands there is moved into `private`, which is removed later.
fn publish(staged: &Path, entry: &Path, private: &Path) -> io::Result<()> {
    if entry.exists() {
        std::fs::rename(entry, private.join("replaced"))?;
    }
    std::fs::rename(staged, entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PINNED: Build<'static> =
        Build { version: "1.31.1", entry: "onnxruntime/capi/libonnxruntime.so.1.31.1", size: 3, sha256: "" };

    #[test]
    fn only_the_library_its_providers_and_licences_are_kept() {
        for kept in [PINNED.entry, "onnxruntime/capi/libonnxruntime_providers_shared.so", "onnxruntime/LICENSE"] {
            assert!(wanted(kept, &PINNED), "{kept}");
        }
        for left in [
            "onnxruntime/capi/onnxruntime_pybind11_state.cpython-312-x86_64-linux-gnu.so",
            "onnxruntime/tools/LICENSE",
            "onnxruntime/__init__.py",
            "libonnxruntime.so.1.31.1",
            "../onnxruntime/capi/libonnxruntime.so.1.31.1",
        ] {
            assert!(!wanted(left, &PINNED), "{left}");
        }
    }

    #[test]
    fn a_wheel_without_the_library_has_no_digest() {
        let directory = tempfile::tempdir().unwrap();
        let wheel = directory.path().join("onnxruntime.whl");
        let mut zip = zip::ZipWriter::new(File::create(&wheel).unwrap());
        zip.start_file("onnxruntime/LICENSE", zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(b"MIT").unwrap();
        zip.finish().unwrap();
        assert_eq!(unpack_wheel(&wheel, &PINNED, directory.path()).unwrap(), None);
        assert_eq!(std::fs::read(directory.path().join("LICENSE")).unwrap(), b"MIT");
    }

    #[test]
    fn a_truncated_archive_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let archive = directory.path().join("half");
        std::fs::write(&archive, b"PK\x03\x04 and then the connection broke").unwrap();
        assert!(unpack_wheel(&archive, &PINNED, directory.path()).is_err());
        std::fs::write(&archive, [0x1f, 0x8b, 8, 0, 0, 0]).unwrap();
        assert!(unpack_tarball(&archive, &PINNED, directory.path()).is_err());
    }

    #[test]
    fn publishing_replaces_what_stands_there() {
        let directory = tempfile::tempdir().unwrap();
        let [staged, entry, private] = ["staged", "entry", "private"].map(|name| directory.path().join(name));
        for (path, text) in [(&staged, "new"), (&entry, "old"), (&private, "")] {
            std::fs::create_dir(path).unwrap();
            std::fs::write(path.join("file"), text).unwrap();
        }
        publish(&staged, &entry, &private).unwrap();
        assert_eq!(std::fs::read_to_string(entry.join("file")).unwrap(), "new");
        assert_eq!(std::fs::read_to_string(private.join("replaced/file")).unwrap(), "old");
    }

    #[test]
    fn the_lock_is_waited_for_and_the_wait_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let holder = lock(directory.path(), &mut |_| {}).unwrap();
        let release = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(250));
            drop(holder);
        });
        let mut events = Vec::new();
        assert!(lock(directory.path(), &mut |event| events.push(event)).unwrap().is_some());
        release.join().unwrap();
        assert_eq!(events, [InstallEvent::Waiting { lock: directory.path().join(".lock") }]);
    }
}
