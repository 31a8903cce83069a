//! The way to the GPU's own times, up to the driver: a library with CUPTI's interface, compiled here, is loaded, started,
//! asked for its clock, fills the buffers that it is given, and is read back. What a real CUPTI records on a real GPU is for
//! `benches/cuda.sh` to show.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, dead_code)]

#[path = "support/graphs.rs"]
mod graphs;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use nongemm::device::{Api, ApiVersion, Call, HostNode, Range, What, Work, align, join, offset};
use nongemm::profile::{NameEncoding, Run, Tallies};
use nongemm::runtime::cupti::{Activity, Collector, CuptiError, Places, find, version_of};
use nongemm::runtime::session::{
    BoundSession, Engine, FeedTensor, GraphLevel, Model, Prepacking, SessionProvider, SessionSpec,
};
use nongemm::runtime::{LocateOptions, locate};

/// A process has one collector.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the library does otherwise than a good one.
#[derive(Clone, Copy)]
struct Fake {
    version: u32,
    /// Rounds of records that a flush delivers while recording: a call, a kernel, a copy, a fill, a driver's call each.
    rounds: u32,
    /// Records that it says it dropped.
    dropped: u32,
    /// Answer of `cuptiActivityEnable`.
    enable: u32,
    /// A record that points outside of its buffer.
    astray: bool,
}

const GOOD: Fake = Fake { version: 130_000, rounds: 1, dropped: 0, enable: 0, astray: false };

impl Fake {
    /// Compiles it. A flush while all kinds are enabled fills as many buffers as the rounds take, as CUPTI does.
    fn compile(self, directory: &Path) -> PathBuf {
        let (source, library) = (directory.join("cupti.c"), directory.join("libcupti.so.13"));
        let defines = [
            ("VERSION", self.version),
            ("ROUNDS", self.rounds),
            ("DROPPED", self.dropped),
            ("ENABLE", self.enable),
            ("ASTRAY", u32::from(self.astray)),
        ];
        std::fs::write(&source, SOURCE).unwrap();
        let mut command = Command::new("cc");
        command.args(["-shared", "-fPIC", "-Wall", "-Werror", "-o"]).arg(&library).arg(&source);
        command.args(defines.map(|(name, value)| format!("-D{name}={value}")));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        library
    }
}

const SOURCE: &str = r#"
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

typedef void (*requested)(uint8_t **, size_t *, size_t *);
typedef void (*completed)(void *, uint32_t, uint8_t *, size_t, size_t);
static requested request;
static completed complete;
static unsigned enabled, system_threads, dropped;
static const char *kernel = "a kernel of many";

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

int cuptiGetVersion(uint32_t *version) { *version = VERSION; return 0; }
int cuptiGetTimestamp(uint64_t *time) { *time = now(); return 0; }
int cuptiGetResultString(int status, const char **text) {
    *text = status == 35 ? "CUPTI_ERROR_INSUFFICIENT_PRIVILEGES" : "CUPTI_ERROR_UNKNOWN";
    return 0;
}
int cuptiSetThreadIdType(int type) { system_threads = type == 1; return 0; }
int cuptiActivityRegisterCallbacks(requested r, completed c) { request = r; complete = c; return 0; }
int cuptiActivityEnable(uint32_t kind) { enabled |= 1u << kind; return ENABLE; }
int cuptiActivityDisable(uint32_t kind) { enabled &= ~(1u << kind); return 0; }
int cuptiActivityGetNumDroppedRecords(void *context, uint32_t stream, size_t *number) {
    *number = dropped;
    dropped = 0;
    return 0;
}

static void put(uint8_t *at, size_t offset, uint64_t value, size_t size) { memcpy(at + offset, &value, size); }

/* Sizes of the records that this library writes: those of CUDA 13.0. */
static size_t size_of(uint32_t kind) { return kind == 10 ? 216 : kind == 1 ? 96 : kind == 2 ? 88 : 40; }

static size_t call(uint8_t *at, uint32_t kind, uint32_t correlation, uint64_t time) {
    put(at, 0, kind, 4); put(at, 4, 211, 4); put(at, 8, time, 8); put(at, 16, time + 5000, 8);
    put(at, 28, system_threads ? 4242 : 1, 4); put(at, 32, correlation, 4);
    return size_of(kind);
}

static size_t round_of(uint8_t *at, uint32_t correlation) {
    uint64_t time = now();
    size_t used = call(at, 5, correlation, time);
    used += call(at + used, 4, correlation, time + 1000);
    uint8_t *work = at + used;
    put(work, 0, 10, 4); put(work, 16, time + 9000, 8); put(work, 24, time + 19000, 8); put(work, 40, 0, 4);
    put(work, 48, 7, 4); put(work, 92, correlation, 4); put(work, 104, (uint64_t)(uintptr_t)kernel, 8);
    used += size_of(10);
    work = at + used;
    put(work, 0, 1, 4); put(work, 4, 1, 1); put(work, 8, 4096, 8); put(work, 16, time, 8); put(work, 24, time + 100, 8);
    put(work, 40, 7, 4); put(work, 44, correlation + 1, 4);
    used += size_of(1);
    work = at + used;
    put(work, 0, 2, 4); put(work, 8, 64, 8); put(work, 16, time, 8); put(work, 24, time + 50, 8);
    put(work, 40, 7, 4); put(work, 44, correlation + 2, 4);
    return used + size_of(2);
}

int cuptiActivityFlushAll(uint32_t forced) {
    static unsigned flushes;
    unsigned all = 1u << 1 | 1u << 2 | 1u << 4 | 1u << 5 | 1u << 10;
    uint8_t *buffer = NULL;
    size_t size = 0, most = 1, used = 0;
    if (!forced || (enabled & all) != all) return 0;
    /* The first flush is of what came while the kinds were enabled one by one. */
    unsigned rounds = flushes++ % 2 ? ROUNDS : 1;
    for (unsigned i = 0; i < rounds; i++) {
        if (buffer == NULL) {
            request(&buffer, &size, &most);
            if (buffer == NULL || size == 0) { dropped += 5; continue; }
            if ((uintptr_t)buffer % 8 || most != 0) return 999;
            memset(buffer, 0, size);
            used = 0;
        }
        used += round_of(buffer + used, 10 * i);
        if (size - used < 1024) { complete(NULL, 0, buffer, size, used); buffer = NULL; }
    }
    if (buffer != NULL) complete(NULL, 0, buffer, size, used);
    if (flushes % 2 == 0) dropped += DROPPED;
    return 0;
}

int cuptiActivityGetNextRecord(uint8_t *buffer, size_t valid, uint8_t **record) {
    if (ASTRAY) { *record = buffer + valid + 64; return 0; }
    uint32_t kind = 0;
    if (*record != NULL) memcpy(&kind, *record, 4);
    uint8_t *next = *record == NULL ? buffer : *record + size_of(kind);
    if (next >= buffer + valid) return 12;
    *record = next;
    return 0;
}
"#;

fn record(fake: Fake) -> Result<Activity, CuptiError> {
    let directory = tempfile::tempdir().unwrap();
    let mut collector = Collector::load(&fake.compile(directory.path()), Instant::now())?;
    collector.start()?;
    collector.stop()
}

#[test]
fn what_the_device_did_comes_back_typed_and_named() {
    let _alone = alone();
    let activity = record(GOOD).unwrap();
    let apis: Vec<Api> = activity.calls.iter().map(|call| call.api).collect();
    assert_eq!(apis, [Api::Runtime, Api::Driver]);
    assert!(activity.calls.iter().all(|call| call.thread == 4242 && call.end_ns - call.start_ns == 5_000));
    let [kernel, copy, fill] = activity.work.as_slice() else { panic!("{activity:?}") };
    let What::Kernel { name } = kernel.what else { panic!("{kernel:?}") };
    assert_eq!(activity.names[&name], "a kernel of many");
    assert_eq!((kernel.duration_ns(), kernel.stream, kernel.correlation), (10_000, 7, activity.calls[0].correlation));
    assert_eq!((copy.what, fill.what), (What::Copy { direction: 1, bytes: 4096 }, What::Set { bytes: 64 }));
    assert_eq!(activity.dropped, 0);
}

#[test]
fn the_two_clocks_are_related_from_both_sides() {
    let _alone = alone();
    let activity = record(GOOD).unwrap();
    assert_eq!(activity.clocks.len(), 6);
    let range = offset(&activity.clocks).unwrap();
    assert!(range.width_ns() < 1_000_000, "{range:?}");
}

#[test]
fn a_run_that_fills_several_buffers_is_read_to_its_end() {
    let _alone = alone();
    let rounds = 12_000;
    let activity = record(Fake { rounds, ..GOOD }).unwrap();
    assert_eq!((activity.calls.len(), activity.work.len()), (2 * rounds as usize, 3 * rounds as usize));
    assert_eq!((activity.names.len(), activity.dropped), (1, 0));
}

#[test]
fn recording_can_begin_again_and_forgets_what_was_before() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let mut collector = Collector::load(&GOOD.compile(directory.path()), Instant::now()).unwrap();
    assert_eq!(collector.version(), ApiVersion(130_000));
    for _ in 0..3 {
        collector.start().unwrap();
        assert_eq!(collector.stop().unwrap().work.len(), 3);
    }
}

#[test]
fn what_was_dropped_is_counted() {
    let _alone = alone();
    assert_eq!(record(Fake { dropped: 17, ..GOOD }).unwrap().dropped, 17);
}

#[test]
fn more_than_there_is_memory_for_is_dropped_and_said() {
    let _alone = alone();
    // 480 bytes a round, in buffers of a mebibyte of which there may be 256.
    let activity = record(Fake { rounds: 600_000, ..GOOD }).unwrap();
    assert!(activity.dropped > 100_000, "{}", activity.dropped);
    assert!(activity.work.len() > 1_000_000);
}

#[test]
fn a_driver_that_keeps_profiling_for_administrators_is_told_from_others() {
    let _alone = alone();
    let error = record(Fake { enable: 35, ..GOOD }).unwrap_err().to_string();
    for part in [
        "cuptiActivityEnable",
        "CUPTI_ERROR_INSUFFICIENT_PRIVILEGES",
        "NVreg_RestrictProfilingToAdminUsers",
        "synchronous",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[test]
fn an_old_library_and_one_of_something_else_are_refused() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let old = Fake { version: 16, ..GOOD }.compile(directory.path());
    let error = version_of(&old).unwrap_err().to_string();
    assert!(error.contains("interface 16") && error.contains("CUDA 12.0"), "{error}");
    let (source, other) = (directory.path().join("other.c"), directory.path().join("libother.so"));
    std::fs::write(&source, "int other;\n").unwrap();
    let output = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&other).arg(&source).output().unwrap();
    assert!(output.status.success());
    assert!(matches!(version_of(&other), Err(CuptiError::Symbol { symbol: "cuptiGetVersion", .. })));
    std::fs::write(&other, "no library").unwrap();
    assert!(matches!(version_of(&other), Err(CuptiError::Load { .. })));
}

#[test]
fn a_record_outside_of_its_buffer_is_not_followed() {
    let _alone = alone();
    assert_eq!(record(Fake { astray: true, ..GOOD }), Err(CuptiError::Astray));
}

#[test]
fn a_process_records_once() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let library = GOOD.compile(directory.path());
    let first = Collector::load(&library, Instant::now()).unwrap();
    assert!(matches!(Collector::load(&library, Instant::now()), Err(CuptiError::Taken)));
    drop(first);
    Collector::load(&library, Instant::now()).unwrap();
}

#[test]
fn the_library_is_found_and_asked_where_cuda_lies() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let library = GOOD.compile(directory.path());
    let places = Places { cuda: vec![directory.path().to_owned()], system: Vec::new() };
    assert_eq!(find(&places, 13), Ok(library.clone()));
    assert_eq!(version_of(&library), Ok(ApiVersion(130_000)));
}

/// Profiles one run of a model as ONNX Runtime does it here.
fn profiled(model: &[u8], feed: &FeedTensor) -> Run {
    let library = locate(&LocateOptions::from_environment(None, false), &mut |_| {}).unwrap().path;
    let engine = Engine::load(&library).unwrap();
    let spec = SessionSpec {
        model: Model::Bytes(model),
        external: Vec::new(),
        provider: SessionProvider::Cpu,
        level: GraphLevel::Disable,
        threads: 1,
        prepacking: Prepacking::Distinct,
        optimized: None,
    };
    let mut session = BoundSession::new(&engine, &spec, std::slice::from_ref(feed)).unwrap();
    session.run().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (_, path) = session.run_profiled(&folder.path().join("profile")).unwrap();
    let encoding = NameEncoding::of_version(engine.version());
    let mut runs = Tallies::default().runs(std::fs::File::open(path).unwrap(), encoding).unwrap();
    assert_eq!(runs.len(), 1);
    runs.remove(0)
}

/// The profile's own times are real: cut to microseconds, of nodes of a few and of some hundred microseconds in turns. What
/// is made up is who launched what, and where the clocks begin.
#[test]
fn launches_find_their_nodes_in_a_profile_that_onnx_runtime_wrote() {
    let mixed = graphs::Mixed { blocks: 12, rows: 64, columns: 192, tiny: 4 };
    let (model, feed) = mixed.build(graphs::Part::Whole);
    let run = profiled(&model, &feed);
    // The name of the link is the thread's number.
    let link = std::fs::read_link("/proc/thread-self").unwrap();
    let thread: u32 = link.file_name().unwrap().to_str().unwrap().parse().unwrap();
    assert!(run.rows.iter().all(|row| row.thread == i64::from(thread)), "threads are called as the system calls them");
    let nodes: Vec<HostNode> = run
        .rows
        .iter()
        .map(|row| HostNode {
            thread: row.thread,
            start_ns: row.start_us * 1_000 + 500,
            end_ns: (row.start_us + row.duration_us) * 1_000 + 1_000,
            parent: row.parent,
            on_device: true,
        })
        .collect();
    let shift_ns = -7_000_000_000_i64;
    let launched: Vec<usize> = (0..nodes.len()).filter(|&index| run.rows[index].duration_us >= 4).collect();
    assert!(launched.len() > 8, "{run:?}");
    let calls: Vec<Call> = launched
        .iter()
        .map(|&index| {
            let length = nodes[index].end_ns - nodes[index].start_ns;
            let at = |part: i64| u64::try_from(nodes[index].start_ns + length * part / 100 - shift_ns).unwrap();
            let (start_ns, end_ns) = (at(35), at(65));
            let (thread, correlation) = (thread, u32::try_from(index).unwrap());
            Call { api: Api::Runtime, function: 211, start_ns, end_ns, thread, correlation }
        })
        .collect();
    let work: Vec<Work> = calls
        .iter()
        .map(|call| Work {
            what: What::Set { bytes: 1 },
            start_ns: call.end_ns + 10_000,
            end_ns: call.end_ns + 12_000,
            device: 0,
            stream: 7,
            correlation: call.correlation,
        })
        .collect();
    let allowed = Range { low_ns: shift_ns - 150_000, high_ns: shift_ns + 350_000 };
    let found = align(&nodes, &calls, allowed);
    assert_eq!(found.part(), 1.0, "{found:?}");
    let window = (run.start_us * 1_000, (run.start_us + run.duration_us) * 1_000);
    let joined = join(&nodes, &calls, &work, found.shift_ns, window);
    let owners: Vec<usize> = (0..nodes.len()).filter(|&index| joined.nodes[index].pieces == 1).collect();
    assert_eq!((owners, joined.orphans.len()), (launched, 0), "{found:?}");
}
