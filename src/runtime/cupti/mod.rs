//! CUPTI, NVIDIA's profiling library, loaded at run time: what the device did between two moments.
//!
//! Stock builds of ONNX Runtime for CUDA carry no kernel events, so this process asks CUPTI itself. It fills buffers of ours
//! through two callbacks that carry no data of the caller's, which is why what they fill is a static: a process has one
//! collector. Where CUPTI is looked for: [`find`].

mod buffers;
mod error;
mod search;

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_void};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;

use crate::device::{ApiVersion, Call, OLDEST, Pair, Record, What, Work, decode};

pub use error::CuptiError;
pub use search::{Places, find};

/// `CUptiResult`: 0 where a call succeeded.
type Status = u32;
type BufferRequested = extern "C" fn(*mut *mut u8, *mut usize, *mut usize);
type BufferCompleted = extern "C" fn(*mut c_void, u32, *mut u8, usize, usize);

/// The functions that are called, as `cupti_activity.h` and `cupti_version.h` declare them.
struct Functions {
    get_version: unsafe extern "C" fn(*mut u32) -> Status,
    get_timestamp: unsafe extern "C" fn(*mut u64) -> Status,
    get_result_string: unsafe extern "C" fn(Status, *mut *const c_char) -> Status,
    register_callbacks: unsafe extern "C" fn(BufferRequested, BufferCompleted) -> Status,
    enable: unsafe extern "C" fn(u32) -> Status,
    disable: unsafe extern "C" fn(u32) -> Status,
    flush_all: unsafe extern "C" fn(u32) -> Status,
    next_record: unsafe extern "C" fn(*mut u8, usize, *mut *mut u8) -> Status,
    dropped_records: unsafe extern "C" fn(*mut c_void, u32, *mut usize) -> Status,
    /// Not in every version.
    set_thread_id_type: Option<unsafe extern "C" fn(u32) -> Status>,
}

/// `CUPTI_ERROR_MAX_LIMIT_REACHED`: there is no further record in a buffer.
const NO_MORE: Status = 12;

/// `CUPTI_ACTIVITY_THREAD_ID_TYPE_SYSTEM`: threads are called as the system calls them, and as ONNX Runtime's profiler does.
const SYSTEM_THREAD_IDS: u32 = 1;

/// `CUPTI_ACTIVITY_FLAG_FLUSH_FORCED`: buffers are given back though they are not full.
const FLUSH_FORCED: u32 = 1;

/// `CUpti_ActivityKind` of what is recorded: copies, fills, the driver's and the runtime's calls, kernels that may overlap.
const KINDS: [u32; 5] = [1, 2, 4, 5, 10];

/// What was recorded between [`Collector::start`] and [`Collector::stop`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Activity {
    /// Calls of the host's.
    pub calls: Vec<Call>,
    /// Work of the device's; [`What::Kernel`]'s address is a key of `names`.
    pub work: Vec<Work>,
    /// Names of kernels by their address.
    pub names: BTreeMap<u64, String>,
    /// Records that CUPTI says it had no room for.
    pub dropped: u64,
    /// CUPTI's clock beside this process's, before and after.
    pub clocks: Vec<Pair>,
}

/// Records what the device does. One in a process: CUPTI knows one.
pub struct Collector {
    functions: Functions,
    version: ApiVersion,
    path: PathBuf,
    /// Zero of this process's clock.
    zero: Instant,
    clocks: Vec<Pair>,
    /// Keeps the code that the functions point to.
    _library: std::mem::ManuallyDrop<libloading::Library>,
}

impl std::fmt::Debug for Collector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Collector").field("path", &self.path).field("version", &self.version).finish_non_exhaustive()
    }
}

/// True while a collector exists.
static TAKEN: Mutex<bool> = Mutex::new(false);

impl Collector {
    /// Loads the library and hands it the callbacks; nothing is recorded yet. The device may have been in use for long. `zero` is the zero of the process's clock in [`Activity::clocks`].
    ///
    /// # Errors
    /// [`CuptiError`]: it cannot be loaded, is too old, or is in use already.
    pub fn load(path: &Path, zero: Instant) -> Result<Collector, CuptiError> {
        let (library, functions, version) = open(path)?;
        let mut taken = buffers::unpoisoned(&TAKEN);
        if *taken {
            return Err(CuptiError::Taken);
        }
        let collector = Collector {
            functions,
            version,
            path: path.to_owned(),
            zero,
            clocks: Vec::new(),
            _library: std::mem::ManuallyDrop::new(library),
        };
        if let Some(set) = collector.functions.set_thread_id_type {
            // SAFETY: takes a number. Where it is refused, threads have other names and are matched without.
            let _ = unsafe { set(SYSTEM_THREAD_IDS) };
        }
        // SAFETY: both callbacks live as long as the program, and the library is never unloaded.
        let status = unsafe { (collector.functions.register_callbacks)(buffers::requested, buffers::completed) };
        collector.check("cuptiActivityRegisterCallbacks", status)?;
        *taken = true;
        Ok(collector)
    }

    /// The interface's version, which decides the layout of records.
    pub fn version(&self) -> ApiVersion {
        self.version
    }

    /// Starts to record.
    ///
    /// # Errors
    /// [`CuptiError::Call`]: the driver does not allow it, or another profiler is at work.
    pub fn start(&mut self) -> Result<(), CuptiError> {
        for kind in KINDS {
            // SAFETY: takes a number.
            let status = unsafe { (self.functions.enable)(kind) };
            self.check("cuptiActivityEnable", status)?;
        }
        // What came while the kinds were enabled one by one is nobody's.
        self.flush()?;
        buffers::take();
        self.count_dropped()?;
        self.clocks = vec![self.read_clock()?, self.read_clock()?, self.read_clock()?];
        Ok(())
    }

    /// Stops and returns what was recorded. What the device was asked for must be done: ONNX Runtime waits for it at the end
    /// of each run.
    ///
    /// # Errors
    /// [`CuptiError`]: a call failed, or a record cannot be read.
    pub fn stop(&mut self) -> Result<Activity, CuptiError> {
        for _ in 0..3 {
            let pair = self.read_clock()?;
            self.clocks.push(pair);
        }
        self.flush()?;
        for kind in KINDS {
            // SAFETY: takes a number.
            let status = unsafe { (self.functions.disable)(kind) };
            self.check("cuptiActivityDisable", status)?;
        }
        let mut activity = Activity {
            clocks: std::mem::take(&mut self.clocks),
            dropped: self.count_dropped()?,
            ..Activity::default()
        };
        for mut buffer in buffers::take() {
            self.read(&mut buffer, &mut activity)?;
        }
        Ok(activity)
    }

    /// Every record of a buffer.
    fn read(&self, buffer: &mut buffers::Buffer, activity: &mut Activity) -> Result<(), CuptiError> {
        let (start, length) = (buffer.as_mut_ptr(), buffer.len());
        let mut record: *mut u8 = std::ptr::null_mut();
        loop {
            // SAFETY: `start` points to `length` bytes that CUPTI filled, and `record` is null or what it returned before.
            let status = unsafe { (self.functions.next_record)(start, length, &mut record) };
            if status == NO_MORE {
                return Ok(());
            }
            self.check("cuptiActivityGetNextRecord", status)?;
            let offset = (record as usize).checked_sub(start as usize).filter(|offset| *offset < length);
            let offset = offset.ok_or(CuptiError::Astray)?;
            let bytes = buffer.bytes().get(offset..).unwrap_or_default();
            match decode(bytes, self.version)? {
                Record::Call(call) => activity.calls.push(call),
                Record::Work(work) => {
                    if let What::Kernel { name } = work.what {
                        activity.names.entry(name).or_insert_with(|| text_at(name));
                    }
                    activity.work.push(work);
                }
                Record::Other(_) => {}
            }
        }
    }

    fn flush(&self) -> Result<(), CuptiError> {
        // SAFETY: takes a number; it calls back for each buffer before it returns.
        let status = unsafe { (self.functions.flush_all)(FLUSH_FORCED) };
        self.check("cuptiActivityFlushAll", status)
    }

    /// Records dropped since the last time this was asked.
    fn count_dropped(&self) -> Result<u64, CuptiError> {
        let mut dropped = 0_usize;
        // SAFETY: no context and no stream stand for all of them; it writes one number.
        let status = unsafe { (self.functions.dropped_records)(std::ptr::null_mut(), 0, &mut dropped) };
        self.check("cuptiActivityGetNumDroppedRecords", status)?;
        Ok(u64::try_from(dropped).unwrap_or(u64::MAX).saturating_add(buffers::refused()))
    }

    fn read_clock(&self) -> Result<Pair, CuptiError> {
        let mut device_ns = 0_u64;
        let before_ns = self.now_ns();
        // SAFETY: it writes one number.
        let status = unsafe { (self.functions.get_timestamp)(&mut device_ns) };
        let after_ns = self.now_ns();
        self.check("cuptiGetTimestamp", status)?;
        Ok(Pair { before_ns, device_ns, after_ns })
    }

    /// The process's clock, in nanoseconds since its zero.
    pub fn now_ns(&self) -> i64 {
        i64::try_from(self.zero.elapsed().as_nanos()).unwrap_or(i64::MAX)
    }

    fn check(&self, function: &'static str, status: Status) -> Result<(), CuptiError> {
        if status == 0 {
            return Ok(());
        }
        let mut text: *const c_char = std::ptr::null();
        // SAFETY: it writes the address of a text that lives as long as the library, or leaves it null.
        let known = unsafe { (self.functions.get_result_string)(status, &mut text) } == 0 && !text.is_null();
        // SAFETY: as above.
        let message = known.then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned());
        Err(CuptiError::Call { function, status, message: message.unwrap_or_else(|| "no explanation".to_owned()) })
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        *buffers::unpoisoned(&TAKEN) = false;
    }
}

/// Version of the library at `path`, asked without recording anything.
///
/// # Errors
/// As [`Collector::load`].
pub fn version_of(path: &Path) -> Result<ApiVersion, CuptiError> {
    let (library, _, version) = open(path)?;
    // It starts threads and takes hold of the driver: nobody promises that it survives being unloaded.
    std::mem::forget(library);
    Ok(version)
}

fn open(path: &Path) -> Result<(libloading::Library, Functions, ApiVersion), CuptiError> {
    // SAFETY: loading runs the library's initializers; it is the one of the user's CUDA installation.
    let library = unsafe { libloading::Library::new(path) }
        .map_err(|error| CuptiError::Load { path: path.to_owned(), reason: super::probe::with_causes(&error) })?;
    let functions = Functions::of(&library, path)?;
    let mut version = 0_u32;
    // SAFETY: it writes one number.
    let status = unsafe { (functions.get_version)(&mut version) };
    if status != 0 {
        let message = "it does not tell its version".to_owned();
        return Err(CuptiError::Call { function: "cuptiGetVersion", status, message });
    }
    if ApiVersion(version) < OLDEST {
        return Err(CuptiError::TooOld { path: path.to_owned(), version });
    }
    Ok((library, functions, ApiVersion(version)))
}

impl Functions {
    fn of(library: &libloading::Library, path: &Path) -> Result<Functions, CuptiError> {
        /// The address of a function.
        macro_rules! function {
            ($name:literal) => {
                // SAFETY: the types of `Functions` are those that CUPTI's headers declare.
                *unsafe { library.get(concat!($name, "\0").as_bytes()) }
                    .map_err(|_| CuptiError::Symbol { path: path.to_owned(), symbol: $name })?
            };
        }
        Ok(Functions {
            get_version: function!("cuptiGetVersion"),
            get_timestamp: function!("cuptiGetTimestamp"),
            get_result_string: function!("cuptiGetResultString"),
            register_callbacks: function!("cuptiActivityRegisterCallbacks"),
            enable: function!("cuptiActivityEnable"),
            disable: function!("cuptiActivityDisable"),
            flush_all: function!("cuptiActivityFlushAll"),
            next_record: function!("cuptiActivityGetNextRecord"),
            dropped_records: function!("cuptiActivityGetNumDroppedRecords"),
            // SAFETY: as above.
            set_thread_id_type: unsafe { library.get(b"cuptiSetThreadIdType\0") }.ok().map(|symbol| *symbol),
        })
    }
}

/// The text at an address that a kernel's record holds.
fn text_at(address: u64) -> String {
    match usize::try_from(address) {
        Err(_) | Ok(0) => "unnamed kernel".to_owned(),
        // SAFETY: CUPTI keeps a kernel's name for as long as the module that holds the kernel is loaded; ONNX Runtime unloads
        // none while its session lives, and the session outlives the run that was recorded.
        Ok(address) => unsafe { CStr::from_ptr(address as *const c_char) }.to_string_lossy().into_owned(),
    }
}
