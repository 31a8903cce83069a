//! The C heap while packed weights come and go.

/// While it lives, the C library keeps memory that is freed instead of giving it back to the system.
///
/// ONNX Runtime packs each weight into fresh memory before it finds that it has an equal copy, and frees it again. By
/// default blocks of that size are mapped for each request, so that every page of every copy is faulted in anew: over
/// half of the time that a session on shared weights takes.
#[derive(Debug)]
pub struct KeptHeap(());

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod glibc {
    use libc::{M_ARENA_MAX, M_MMAP_MAX, M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, c_int, mallopt};

    /// Blocks that glibc maps by default, at most.
    const USUAL_MAPPED: c_int = 65_536;
    /// The size of blocks that are mapped, where it ends up by itself in a process that has freed some large ones.
    const USUAL_THRESHOLD: c_int = 32 << 20;

    impl super::KeptHeap {
        /// Keeps freed memory from now on, in the whole process.
        pub fn hold() -> Self {
            // SAFETY: `mallopt` takes plain numbers, and refuses those that it does not like.
            unsafe {
                mallopt(M_MMAP_MAX, 0);
                mallopt(M_TRIM_THRESHOLD, c_int::MAX);
                // The heaps of other threads cannot hold blocks of this size.
                mallopt(M_ARENA_MAX, 1);
            }
            super::KeptHeap(())
        }
    }

    impl Drop for super::KeptHeap {
        fn drop(&mut self) {
            // SAFETY: as above; trimming gives back only what is free.
            unsafe {
                mallopt(M_MMAP_MAX, USUAL_MAPPED);
                mallopt(M_MMAP_THRESHOLD, USUAL_THRESHOLD);
                mallopt(M_TRIM_THRESHOLD, 2 * USUAL_THRESHOLD);
                libc::malloc_trim(0);
            }
        }
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
impl KeptHeap {
    /// Does nothing here.
    pub fn hold() -> Self {
        KeptHeap(())
    }
}
