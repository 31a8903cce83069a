//! Is this file an ONNX Runtime that can be used here? Headers first, then the library itself is asked.
//!
//! The library is loaded into this process to ask its version. Its headers, architecture and length are checked before,
//! which is what keeps the loader from crashing on a file that is no library or half of one; a library damaged inside
//! its code would still be run. Libraries are not unloaded: ONNX Runtime does not promise to survive it.

use std::ffi::CStr;
use std::path::{Path, PathBuf};

use super::image::{self, Format};
use super::{MINIMUM_VERSION, Version};

/// What is wrong with a file that was to be ONNX Runtime.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such file or directory.
    #[error("there is no such file or directory")]
    Missing,
    /// A directory without the library.
    #[error("the directory holds no ONNX Runtime library (such as {example})")]
    NoneInDirectory {
        /// File name on this system.
        example: &'static str,
    },
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// Neither ELF nor Mach-O nor PE, or not a shared library.
    #[error("it is not a shared library")]
    NotALibrary,
    /// For another operating system or processor.
    #[error("it is a library for {found}, and this program runs on {wanted}: take the package for this machine")]
    WrongMachine {
        /// System and architecture of the file.
        found: String,
        /// Of this program.
        wanted: String,
    },
    /// Shorter than its headers say.
    #[error("it is truncated: {actual} bytes where its headers promise {promised}; install it again")]
    Truncated {
        /// Length of the file in bytes.
        actual: u64,
        /// Length by the headers in bytes.
        promised: u64,
    },
    /// The system's loader refuses it.
    #[error("the system cannot load it: {0}")]
    Loader(String),
    /// A library of something else.
    #[error("it does not export OrtGetApiBase, so it is not ONNX Runtime's library")]
    NotOnnxRuntime,
    /// The version that it gives cannot be read.
    #[error("it gives `{0}` as its version")]
    OddVersion(String),
    /// Older than [`MINIMUM_VERSION`].
    #[error("it is ONNX Runtime {0}, and {MINIMUM_VERSION} or newer is needed: upgrade it")]
    TooOld(Version),
    /// A build without the API that its version should have.
    #[error("it is ONNX Runtime {0} but does not offer API {api}", api = MINIMUM_VERSION.minor)]
    NoApi(Version),
}

/// Loads the library at `path` (a file) and asks its version.
pub fn probe(path: &Path) -> Result<Version, Refusal> {
    check_headers(path)?;
    // SAFETY: loading runs the library's initializers. The file has been found to be a complete library for this
    // machine, and it is a file that the user named or that a package put where ONNX Runtime is looked for.
    let library = unsafe { libloading::Library::new(path) }.map_err(|error| Refusal::Loader(with_causes(&error)))?;
    let version = ask_version(&library);
    // Unloading ONNX Runtime is not safe once its initializers ran; a second load gets the same mapping.
    std::mem::forget(library);
    version
}

fn check_headers(path: &Path) -> Result<(), Refusal> {
    let unreadable = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => Refusal::Missing,
        _ => Refusal::Unreadable(error.to_string()),
    };
    let actual = std::fs::metadata(path).map_err(unreadable)?.len();
    let image = image::read(path).map_err(unreadable)?.ok_or(Refusal::NotALibrary)?;
    if image.format != Format::NATIVE || image.arch != std::env::consts::ARCH {
        return Err(Refusal::WrongMachine {
            found: format!("{} on {}", image.format.system(), image.arch),
            wanted: format!("{} on {}", Format::NATIVE.system(), std::env::consts::ARCH),
        });
    }
    if actual < image.promised {
        return Err(Refusal::Truncated { actual, promised: image.promised });
    }
    Ok(())
}

fn ask_version(library: &libloading::Library) -> Result<Version, Refusal> {
    type GetApiBase = unsafe extern "system" fn() -> *const ort::sys::OrtApiBase;
    // SAFETY: a symbol of this name has this signature in every release of ONNX Runtime; it only returns a pointer to
    // a static table, whose two functions have not changed since 1.0 either.
    unsafe {
        let get = library.get::<GetApiBase>(b"OrtGetApiBase\0").map_err(|_| Refusal::NotOnnxRuntime)?;
        let base = get().as_ref().ok_or(Refusal::NotOnnxRuntime)?;
        let text = (base.GetVersionString)();
        if text.is_null() {
            return Err(Refusal::OddVersion(String::new()));
        }
        let text = CStr::from_ptr(text).to_string_lossy();
        let version = text.parse::<Version>().map_err(|_| Refusal::OddVersion(text.into_owned()))?;
        if version < MINIMUM_VERSION {
            return Err(Refusal::TooOld(version));
        }
        // Asked after the version: an old library writes a line to stderr when it is asked for an API it lacks.
        if (base.GetApi)(MINIMUM_VERSION.minor).is_null() {
            return Err(Refusal::NoApi(version));
        }
        Ok(version)
    }
}

/// The library in what a user may name: the file, its directory, a wheel unpacked, a prefix.
pub(super) fn resolve(given: &Path) -> Result<PathBuf, Refusal> {
    let given = std::path::absolute(given).map_err(|error| Refusal::Unreadable(error.to_string()))?;
    if given.is_dir() {
        return find_in(&given).ok_or(Refusal::NoneInDirectory { example: example_name() });
    }
    if given.exists() { Ok(given) } else { Err(Refusal::Missing) }
}

/// The first library in a directory or in the places below it where wheels and archives keep it.
pub(super) fn find_in(directory: &Path) -> Option<PathBuf> {
    let places = ["", "capi", "onnxruntime/capi", "lib"];
    places.iter().find_map(|place| named_in(&directory.join(place)))
}

/// The library in this very directory. Of several names the longest is taken: `libonnxruntime.so` may be a dangling
/// link, `libonnxruntime.so.1.31.1` is the file.
pub(super) fn named_in(directory: &Path) -> Option<PathBuf> {
    let names = std::fs::read_dir(directory).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<_> = names.filter(|name| is_library_name(name)).collect();
    names.sort_by_key(|name| (name.len(), name.clone()));
    names.into_iter().rev().map(|name| directory.join(name)).find(|path| path.is_file())
}

fn is_library_name(name: &str) -> bool {
    match Format::NATIVE {
        Format::Elf => name == "libonnxruntime.so" || name.starts_with("libonnxruntime.so."),
        Format::MachO => {
            name == "libonnxruntime.dylib" || (name.starts_with("libonnxruntime.") && name.ends_with(".dylib"))
        }
        Format::Pe => name.eq_ignore_ascii_case("onnxruntime.dll"),
    }
}

fn example_name() -> &'static str {
    match Format::NATIVE {
        Format::Elf => "libonnxruntime.so.1.31.1",
        Format::MachO => "libonnxruntime.1.31.1.dylib",
        Format::Pe => "onnxruntime.dll",
    }
}

/// An error with what caused it: the loader's own words are in the cause.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn library_names_of_this_system() {
        assert!(is_library_name(example_name()));
        for other in ["libonnxruntime_providers_shared.so", "onnxruntime_pybind11_state.so", "libfoo.so"] {
            assert!(!is_library_name(other), "{other}");
        }
    }

    #[test]
    fn directories_are_searched_like_an_unpacked_wheel() {
        let wheel = tempfile::tempdir().unwrap();
        let capi = wheel.path().join("onnxruntime").join("capi");
        std::fs::create_dir_all(&capi).unwrap();
        assert_eq!(resolve(wheel.path()), Err(Refusal::NoneInDirectory { example: example_name() }));
        std::fs::write(capi.join(example_name()), b"x").unwrap();
        for given in [wheel.path(), &wheel.path().join("onnxruntime"), &capi, &capi.join(example_name())] {
            assert_eq!(resolve(given), Ok(capi.join(example_name())), "{}", given.display());
        }
        assert_eq!(resolve(&capi.join("nothing")), Err(Refusal::Missing));
    }

    #[test]
    fn a_text_file_is_not_a_library() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "#!/bin/sh\n").unwrap();
        assert_eq!(probe(file.path()), Err(Refusal::NotALibrary));
    }
}
