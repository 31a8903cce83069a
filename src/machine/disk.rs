//! Room on a disk.

use std::ffi::CString;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Bytes that an unprivileged process can still write to the file system of `folder`.
#[allow(clippy::unnecessary_cast, reason = "the fields are narrower on some systems")]
pub(super) fn available_bytes(folder: &Path) -> Option<u64> {
    let path = CString::new(folder.as_os_str().as_bytes()).ok()?;
    let mut answer = MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: `path` ends with a zero, and `answer` has the size that the call writes.
    let status = unsafe { libc::statvfs(path.as_ptr(), answer.as_mut_ptr()) };
    if status != 0 {
        return None;
    }
    // SAFETY: the call succeeded, so it wrote all of it.
    let answer = unsafe { answer.assume_init() };
    Some((answer.f_bavail as u64).saturating_mul(answer.f_frsize as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_there_has_a_disk_and_another_has_none() {
        let folder = tempfile::tempdir().unwrap();
        assert!(available_bytes(folder.path()).is_some_and(|bytes| bytes > 0));
        assert_eq!(available_bytes(&folder.path().join("absent")), None);
    }
}
