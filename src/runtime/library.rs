//! The library in this process: loaded once, its warnings kept, its providers listed.

use std::collections::VecDeque;
use std::ffi::{CStr, c_char, c_int};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use ort::environment::Environment;

use super::{Library, RuntimeError};

/// How grave a message of ONNX Runtime's is. Less grave ones are not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Something is odd; the run goes on.
    Warning,
    /// A call failed.
    Error,
    /// The library cannot go on.
    Fatal,
}

/// One message of ONNX Runtime's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// How grave.
    pub level: LogLevel,
    /// Source file, line and function in ONNX Runtime.
    pub location: String,
    /// The text.
    pub message: String,
}

/// Messages that are kept; the oldest go first. A model can warn once for each of its thousands of initializers.
const KEPT: usize = 256;

static LOG: Mutex<VecDeque<LogEntry>> = Mutex::new(VecDeque::new());
static LOADING: Mutex<()> = Mutex::new(());
static LOADED: OnceLock<(PathBuf, Environment)> = OnceLock::new();

/// Loads the library into this process and starts ONNX Runtime's environment: telemetry off, warnings kept for
/// [`logged`] instead of written to stderr. A second call with the same library does nothing. The file is not verified
/// again: [`super::locate`] did.
pub fn load(library: &Library) -> Result<(), RuntimeError> {
    load_path(&library.path)
}

/// [`load`] for a process that is given only the path of a library that another process has located.
pub fn load_path(library: &Path) -> Result<(), RuntimeError> {
    let _one_at_a_time = unpoisoned(&LOADING);
    if let Some((loaded, _)) = LOADED.get() {
        if loaded == library {
            return Ok(());
        }
        return Err(RuntimeError::AlreadyLoaded { loaded: loaded.clone(), wanted: library.to_owned() });
    }
    let failed = |message: String| RuntimeError::Load { path: library.to_owned(), message };
    let environment = ort::init_from(library)
        .map_err(|error| failed(error.to_string()))?
        .with_name("nongemm")
        .with_telemetry(false)
        .with_logger(Arc::new(|level, _category: &str, _id: &str, location: &str, message: &str| {
            keep(level, location, message);
        }))
        .build()
        .map_err(|error| failed(error.to_string()))?;
    // ort asks for every message, down to those of each node: formatting them would be part of what is measured.
    environment.set_log_level(ort::logging::LogLevel::Warning);
    // The lock is held and nobody else sets it, so this cannot fail.
    let _ = LOADED.set((library.to_owned(), environment));
    Ok(())
}

/// The environment that sessions are built in; only after [`load`].
pub fn environment() -> Result<&'static Environment, RuntimeError> {
    LOADED.get().map(|(_, environment)| environment).ok_or(RuntimeError::NotLoaded)
}

/// What ONNX Runtime has warned of so far in this process, oldest first; at most the last 256.
pub fn logged() -> Vec<LogEntry> {
    unpoisoned(&LOG).iter().cloned().collect()
}

/// The execution providers that the loaded library was built with, in its order of preference. Being built in does not
/// mean that one works on this machine: see [`super::cuda::diagnose`].
pub fn available_providers() -> Result<Vec<String>, RuntimeError> {
    let (path, _) = LOADED.get().ok_or(RuntimeError::NotLoaded)?;
    let mut names: *mut *mut c_char = std::ptr::null_mut();
    let mut count: c_int = 0;
    // SAFETY: the API is loaded; it fills `names` with `count` strings that live until they are released below.
    let providers = unsafe {
        let status = (ort::api().GetAvailableProviders)(&mut names, &mut count);
        if !status.0.is_null() {
            (ort::api().ReleaseStatus)(status.0);
            return Err(RuntimeError::Load { path: path.clone(), message: "it does not list its providers".into() });
        }
        let count_usize = usize::try_from(count).unwrap_or(0);
        let texts = std::slice::from_raw_parts(names, count_usize);
        let providers = texts.iter().map(|text| CStr::from_ptr(*text).to_string_lossy().into_owned()).collect();
        let status = (ort::api().ReleaseAvailableProviders)(names, count);
        if !status.0.is_null() {
            (ort::api().ReleaseStatus)(status.0);
        }
        providers
    };
    Ok(providers)
}

fn keep(level: ort::logging::LogLevel, location: &str, message: &str) {
    let level = match level {
        ort::logging::LogLevel::Verbose | ort::logging::LogLevel::Info => return,
        ort::logging::LogLevel::Warning => LogLevel::Warning,
        ort::logging::LogLevel::Error => LogLevel::Error,
        ort::logging::LogLevel::Fatal => LogLevel::Fatal,
    };
    let mut log = unpoisoned(&LOG);
    if log.len() == KEPT {
        log.pop_front();
    }
    log.push_back(LogEntry { level, location: location.to_owned(), message: message.trim_end().to_owned() });
}

/// The data behind these locks is whole after every statement, so a panic elsewhere does not spoil it.
fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_bounded_and_leaves_out_chatter() {
        keep(ort::logging::LogLevel::Info, "a.cc:1", "chatter");
        for number in 0..KEPT + 10 {
            keep(ort::logging::LogLevel::Warning, "a.cc:2", &format!("warning {number}\n"));
        }
        let log = logged();
        assert_eq!(log.len(), KEPT);
        assert!(log.iter().all(|entry| entry.message.starts_with("warning ")));
        assert_eq!(log.last().map(|entry| entry.message.clone()), Some(format!("warning {}", KEPT + 9)));
    }
}
