//! The memory that CUPTI fills, and the two callbacks by which it asks for it and gives it back.

use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Size of one buffer: a thousand kernels with their calls take a third of it.
const BYTES: usize = 1 << 20;

/// What may be out or full at a time. A run that fills more is one of hundreds of thousands of kernels.
const MOST: usize = 256;

/// Memory of the alignment that CUPTI asks for: records are 8-byte aligned.
pub(super) struct Buffer {
    words: Vec<u64>,
    filled: usize,
}

impl Buffer {
    fn new() -> Buffer {
        Buffer { words: vec![0; BYTES / size_of::<u64>()], filled: 0 }
    }

    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        self.words.as_mut_ptr().cast()
    }

    /// Bytes that CUPTI filled.
    pub fn len(&self) -> usize {
        self.filled
    }

    pub fn bytes(&self) -> &[u8] {
        // SAFETY: `filled` is at most the size in bytes of the words, which are all initialized.
        unsafe { std::slice::from_raw_parts(self.words.as_ptr().cast(), self.filled) }
    }
}

#[derive(Default)]
struct Store {
    /// By address: CUPTI is filling them.
    out: HashMap<usize, Buffer>,
    full: Vec<Buffer>,
    /// Times that no buffer was given because there were too many.
    refused: u64,
}

static STORE: Mutex<Option<Store>> = Mutex::new(None);

/// The data behind these locks is whole after every statement, so a panic elsewhere does not spoil it.
pub(super) fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What CUPTI has filled so far.
pub(super) fn take() -> Vec<Buffer> {
    unpoisoned(&STORE).as_mut().map(|store| std::mem::take(&mut store.full)).unwrap_or_default()
}

/// How often CUPTI was refused a buffer since this was asked before: what it would have filled is lost.
pub(super) fn refused() -> u64 {
    unpoisoned(&STORE).as_mut().map(|store| std::mem::take(&mut store.refused)).unwrap_or_default()
}

/// Gives CUPTI a buffer. It calls this on whatever thread, and must not see a panic.
pub(super) extern "C" fn requested(buffer: *mut *mut u8, size: *mut usize, most_records: *mut usize) {
    let mut store = unpoisoned(&STORE);
    let store = store.get_or_insert_with(Store::default);
    let (mut address, mut length) = (std::ptr::null_mut(), 0);
    if store.out.len() + store.full.len() < MOST {
        let mut fresh = Buffer::new();
        (address, length) = (fresh.as_mut_ptr(), BYTES);
        store.out.insert(address as usize, fresh);
    } else {
        store.refused += 1;
    }
    // SAFETY: CUPTI passes three places to write to. A null buffer makes it drop records, and no limit is set on how many
    // records one holds.
    unsafe {
        *buffer = address;
        *size = length;
        *most_records = 0;
    }
}

/// Takes a buffer back, with the first `filled` bytes of it in use.
pub(super) extern "C" fn completed(_: *mut c_void, _: u32, buffer: *mut u8, _size: usize, filled: usize) {
    let mut store = unpoisoned(&STORE);
    let Some(store) = store.as_mut() else { return };
    // One that was not given out here is not touched.
    let Some(mut returned) = store.out.remove(&(buffer as usize)) else { return };
    returned.filled = filled.min(BYTES);
    if returned.filled > 0 {
        store.full.push(returned);
    }
}
