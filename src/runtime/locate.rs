//! Which library is used: the search, in its documented order, with a record of what was passed over.
//!
//! 1. `--onnxruntime VERSION or PATH`, then `ORT_DYLIB_PATH`: taken or refused, never silently replaced by another;
//! 2. the per-user cache;
//! 3. the `onnxruntime` package of a Python installation, found without importing it;
//! 4. system library directories;
//! 5. installed into the cache by a package client, unless offline.

mod gpu;

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;
use std::time::Duration;

use super::cache::{Cache, Entry};
use super::client::{Client, default_clients, run};
use super::install::{self, InstallEvent, Outcome, Target};
use super::platform::{self, Platform};
use super::probe::{find_in, named_in, probe, resolve};
use super::{Considered, Library, MINIMUM_VERSION, Origin, RuntimeError, Version};

pub use gpu::locate_gpu;

/// Where to look, and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocateOptions {
    /// `--onnxruntime`: a release, or the library, its directory or an unpacked wheel.
    pub explicit: Option<Choice>,
    /// The value of `ORT_DYLIB_PATH`, same forms.
    pub environment: Option<PathBuf>,
    /// The value of `NONGEMM_CACHE_DIR`; the user's cache directory where `None`.
    pub cache_directory: Option<PathBuf>,
    /// Never install.
    pub offline: bool,
    /// Python interpreters to ask for an `onnxruntime` package, in order.
    pub interpreters: Vec<String>,
    /// Directories of system libraries, in order.
    pub system_directories: Vec<PathBuf>,
    /// Package clients to install with, in order.
    pub clients: Vec<Client>,
    /// How long one package client may take.
    pub client_limit: Duration,
}

impl LocateOptions {
    /// The search that the program makes: the environment variables of this process, the usual interpreters,
    /// directories and clients.
    pub fn from_environment(explicit: Option<Choice>, offline: bool) -> LocateOptions {
        let path = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        LocateOptions {
            explicit,
            environment: path("ORT_DYLIB_PATH"),
            cache_directory: path("NONGEMM_CACHE_DIR"),
            offline,
            interpreters: vec!["python3".to_owned(), "python".to_owned()],
            system_directories: default_system_directories(),
            clients: default_clients(),
            client_limit: Duration::from_secs(600),
        }
    }
}

/// Finds the ONNX Runtime library to use, or installs it. `event` is told what an installation does, which takes a
/// download of about 25 MB; where something is found, no event is sent and nothing is written.
pub fn locate(options: &LocateOptions, event: &mut dyn FnMut(InstallEvent)) -> Result<Library, RuntimeError> {
    if let Some(choice) = &options.explicit {
        return locate_choice(choice, "--onnxruntime", options, event);
    }
    let mut search = Search { considered: Vec::new() };
    if let Some(given) = &options.environment {
        return search.given(given, "ORT_DYLIB_PATH", Origin::Environment);
    }
    let cache = Cache::at(options.cache_directory.as_deref());
    let platform = platform::current();
    let mut failed = None;
    if let (Ok(cache), Some(platform)) = (&cache, platform) {
        let broken = match search.in_cache(cache, platform, Target::Pinned) {
            Cached::Usable(library) => return Ok(library),
            Cached::Broken => true,
            Cached::Absent => false,
        };
        if broken && !options.offline {
            match search.install(cache, platform, Target::Pinned, options, event) {
                Ok(library) => return Ok(library),
                Err(error) => failed = Some(error),
            }
        }
    }
    if let Some(library) = search.elsewhere(options) {
        return Ok(library);
    }
    if let Some(error) = failed {
        return Err(error);
    }
    let Some(platform) = platform else {
        let (version, platform) = (platform::PIP_VERSION.to_owned(), platform::platform_name());
        return Err(RuntimeError::NoBuild { version, platform, considered: search.considered });
    };
    if options.offline {
        let remedy = format!("pip install onnxruntime=={}", platform.pip.version);
        return Err(RuntimeError::Offline { considered: search.considered, remedy });
    }
    search.install(&cache?, platform, Target::Pinned, options, event)
}

/// An ONNX Runtime that is asked for by name, in place of the one that [`locate`] would find.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// This release, from the cache or a package client.
    Release(Version),
    /// This library, its directory or an unpacked wheel.
    Path(PathBuf),
}

impl FromStr for Choice {
    type Err = String;

    /// `1.30.0` or `1.30` is a release; anything else a path.
    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split('.').count();
        let release = (2..=3).contains(&numbers) && text.split('.').all(|part| part.parse::<u32>().is_ok());
        match text {
            "" => Err("give a version such as 1.30.0, or the path of a library".to_owned()),
            _ if release => Ok(Choice::Release(text.parse()?)),
            path => Ok(Choice::Path(path.into())),
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Choice::Release(version) => version.fmt(f),
            Choice::Path(path) => path.display().fmt(f),
        }
    }
}

/// Finds the ONNX Runtime that was asked for by `flag`; a release that is not in the cache is installed there. Nothing
/// else is taken in its stead.
///
/// # Errors
/// [`RuntimeError`]: it is too old, cannot be installed or is not allowed to be, or is no ONNX Runtime.
pub fn locate_choice(
    choice: &Choice,
    flag: &'static str,
    options: &LocateOptions,
    event: &mut dyn FnMut(InstallEvent),
) -> Result<Library, RuntimeError> {
    match choice {
        Choice::Path(path) => Search { considered: Vec::new() }.given(path, flag, Origin::Explicit),
        Choice::Release(version) => locate_release(*version, options, event),
    }
}

fn locate_release(
    version: Version,
    options: &LocateOptions,
    event: &mut dyn FnMut(InstallEvent),
) -> Result<Library, RuntimeError> {
    if version < MINIMUM_VERSION {
        return Err(RuntimeError::ReleaseTooOld { version });
    }
    let Some(platform) = platform::current() else {
        let (version, platform) = (version.to_string(), platform::platform_name());
        return Err(RuntimeError::NoBuild { version, platform, considered: Vec::new() });
    };
    let text = version.to_string();
    let target = Target::Wheel(&text);
    let cache = Cache::at(options.cache_directory.as_deref())?;
    let cache = if text == platform.pip.version { cache } else { cache.releases() };
    let mut search = Search { considered: Vec::new() };
    if let Cached::Usable(library) = search.in_cache(&cache, platform, target) {
        return Ok(library);
    }
    if options.offline {
        return Err(RuntimeError::ReleaseOffline { version, considered: search.considered });
    }
    search.install(&cache, platform, target, options, event)
}

/// What the cache has for this machine.
enum Cached {
    Usable(Library),
    Broken,
    Absent,
}

/// The search under way.
struct Search {
    considered: Vec<Considered>,
}

impl Search {
    /// A path of the user's choosing: usable, or the end of the search.
    fn given(self, given: &Path, by: &'static str, origin: Origin) -> Result<Library, RuntimeError> {
        let found = resolve(given).and_then(|path| Ok((probe(&path)?, path)));
        let (version, path) = found.map_err(|refusal| RuntimeError::Refused { path: given.to_owned(), by, refusal })?;
        Ok(Library { path, version, origin, considered: self.considered })
    }

    fn refuse(&mut self, path: impl Into<PathBuf>, why_not: impl ToString) {
        self.considered.push(Considered { path: path.into(), why_not: why_not.to_string() });
    }

    /// Accepts the library at `path` if it works, and otherwise notes why not.
    fn accept(&mut self, path: PathBuf, origin: Origin) -> Option<Library> {
        match probe(&path) {
            Ok(version) => Some(Library { path, version, origin, considered: std::mem::take(&mut self.considered) }),
            Err(refusal) => {
                self.refuse(path, refusal);
                None
            }
        }
    }

    fn in_cache(&mut self, cache: &Cache, platform: &Platform, target: Target<'_>) -> Cached {
        let mut broken = false;
        for &kind in target.kinds() {
            match target.verify(kind, cache, platform) {
                Entry::Whole(path) => {
                    if let Some(library) = self.accept(path, Origin::Cache) {
                        return Cached::Usable(library);
                    }
                }
                Entry::Broken(why) => {
                    self.refuse(cache.entry(target.version(kind, platform), platform), why);
                    broken = true;
                }
                Entry::Absent => {}
            }
        }
        if broken {
            return Cached::Broken;
        }
        self.refuse(&cache.root, "nothing is installed there");
        Cached::Absent
    }

    /// Python's packages, then system directories.
    fn elsewhere(&mut self, options: &LocateOptions) -> Option<Library> {
        for interpreter in &options.interpreters {
            let packages = match ask_python(interpreter, "onnxruntime") {
                Ok(packages) => packages,
                Err(why) => {
                    self.refuse(interpreter, why);
                    continue;
                }
            };
            if packages.is_empty() {
                self.refuse(interpreter, "has no onnxruntime package");
            }
            for package in packages {
                let Some(path) = find_in(&package) else {
                    self.refuse(package, "the package holds no library");
                    continue;
                };
                let origin = Origin::PythonSitePackages { interpreter: interpreter.clone() };
                if let Some(library) = self.accept(path, origin) {
                    return Some(library);
                }
            }
        }
        options.system_directories.iter().find_map(|directory| self.accept(named_in(directory)?, Origin::System))
    }

    fn install(
        &mut self,
        cache: &Cache,
        platform: &Platform,
        target: Target<'_>,
        options: &LocateOptions,
        event: &mut dyn FnMut(InstallEvent),
    ) -> Result<Library, RuntimeError> {
        let (clients, limit) = (&options.clients, options.client_limit);
        let outcome = install::install(cache, platform, target, clients, limit, &mut self.considered, event)?;
        let (path, origin) = match outcome {
            Outcome::Found { library } => (library, Origin::Cache),
            Outcome::Installed { library, client } => (library, Origin::Installed { client }),
        };
        // The digest was right, so what fails now is this machine: its C library is too old, say.
        let version =
            probe(&path).map_err(|refusal| RuntimeError::Load { path: path.clone(), message: refusal.to_string() })?;
        Ok(Library { path, version, origin, considered: std::mem::take(&mut self.considered) })
    }
}

/// Asks an interpreter where a package of its lies, without importing it: the import takes a second and runs
/// what is installed. The directory that the question is asked from must not be taken for a package.
pub(super) fn ask_python(interpreter: &str, package: &str) -> Result<Vec<PathBuf>, String> {
    const QUESTION: &str = "\
import importlib.util, os, sys
sys.path[:] = [entry for entry in sys.path if entry]
spec = importlib.util.find_spec(sys.argv[1])
places = list(spec.submodule_search_locations or []) if spec else []
sys.stdout.buffer.write(b'\\n'.join(os.fsencode(os.path.abspath(place)) for place in places))
";
    let mut command = Command::new(interpreter);
    command.args(["-c", QUESTION, package]);
    let finished = run(&mut command, Duration::from_secs(20)).map_err(|error| error.to_string())?;
    if !finished.status.success() {
        let last = finished.stderr.lines().last().unwrap_or_default().trim().to_owned();
        return Err(format!("cannot be asked for its packages ({}): {last}", finished.status));
    }
    let lines = finished.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    Ok(lines.map(path_from_bytes).collect())
}

#[cfg(unix)]
fn path_from_bytes(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}

#[cfg(not(unix))]
fn path_from_bytes(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(bytes).trim_end().to_owned())
}

/// Where this system keeps shared libraries: the loader's own path variable, then the usual directories. None on
/// Windows, whose system directory holds an old ONNX Runtime of its own.
pub fn default_system_directories() -> Vec<PathBuf> {
    let (variable, fixed): (_, &[&str]) = if cfg!(windows) {
        return Vec::new();
    } else if cfg!(target_vendor = "apple") {
        ("DYLD_LIBRARY_PATH", &["/opt/homebrew/lib", "/usr/local/lib"])
    } else {
        ("LD_LIBRARY_PATH", &["/usr/local/lib", "/usr/local/lib64", "/usr/lib64", "/usr/lib", "/opt/onnxruntime/lib"])
    };
    let listed = std::env::var_os(variable).unwrap_or_default();
    let mut directories: Vec<_> = std::env::split_paths(&listed).filter(|directory| directory.is_absolute()).collect();
    directories.extend(fixed.iter().map(PathBuf::from));
    directories.push(PathBuf::from(format!("/usr/lib/{}-linux-gnu", std::env::consts::ARCH)));
    directories
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn an_interpreter_that_fails_is_quoted() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let interpreter = directory.path().join("python");
        std::fs::write(&interpreter, "#!/bin/sh\necho broken installation >&2\nexit 1\n").unwrap();
        std::fs::set_permissions(&interpreter, std::fs::Permissions::from_mode(0o755)).unwrap();
        let error = ask_python(interpreter.to_str().unwrap(), "onnxruntime").unwrap_err();
        assert!(error.contains("broken installation"), "{error}");
    }

    #[test]
    fn an_interpreter_that_is_not_there_is_said_to_be_missing() {
        assert_eq!(ask_python("no-such-python", "onnxruntime"), Err("there is no such program".to_owned()));
    }

    #[test]
    fn numbers_are_a_release_and_all_else_is_a_path() {
        let release = |major, minor, patch| Choice::Release(Version { major, minor, patch });
        for (text, choice) in [
            ("1.30.0", release(1, 30, 0)),
            ("1.30", release(1, 30, 0)),
            ("1", Choice::Path("1".into())),
            ("1.30.0.1", Choice::Path("1.30.0.1".into())),
            ("./1.30.0", Choice::Path("./1.30.0".into())),
            ("lib/libonnxruntime.so.1.30.0", Choice::Path("lib/libonnxruntime.so.1.30.0".into())),
        ] {
            assert_eq!(text.parse(), Ok(choice), "{text}");
        }
        assert!("".parse::<Choice>().is_err());
    }
}
