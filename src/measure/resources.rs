//! What the system counts for this process.

/// Largest resident set of this process so far, in bytes. `getrusage` would also count what the parent had before this
/// program was put in its place.
#[cfg(target_os = "linux")]
pub(super) fn peak_rss_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

/// Largest resident set of this process so far, in bytes.
#[cfg(not(target_os = "linux"))]
pub(super) fn peak_rss_bytes() -> Option<u64> {
    let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
    u64::try_from(usage()?.0).ok().map(|size| size * unit)
}

/// Page faults of this process so far that were served without a disk: fresh memory being touched.
pub(super) fn page_faults() -> Option<u64> {
    u64::try_from(usage()?.1).ok()
}

#[cfg(unix)]
fn usage() -> Option<(i64, i64)> {
    // SAFETY: all zeros is a valid `rusage`, and `getrusage` only writes into the one it is given.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        if libc::getrusage(libc::RUSAGE_SELF, &mut usage) != 0 {
            return None;
        }
        usage
    };
    #[allow(clippy::useless_conversion)] // `c_long` has 32 bits on some systems.
    Some((usage.ru_maxrss.into(), usage.ru_minflt.into()))
}

#[cfg(not(unix))]
fn usage() -> Option<(i64, i64)> {
    None
}
