//! Where the fields that are read lie in CUPTI's records.
//!
//! A record has no length and no version of its own: its layout is that of the library that wrote it. NVIDIA appends fields
//! with each version and says so by a new number in the name of the structure (`CUpti_ActivityKernel9`, then `10`); those that
//! are read here have kept their places from CUDA 12.0 to 13.5.
//! `benches/cupti-layout.sh` compiles the public header `cupti_activity.h` of several releases and compares every offset.

/// Version of CUPTI's interface, as `cuptiGetVersion` gives it: 18 is CUDA 12.0, 26 is 12.8, 130000 is 13.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiVersion(pub u32);

/// The oldest interface whose records are known: that of CUDA 12.0.
pub const OLDEST: ApiVersion = ApiVersion(18);

/// Values of `CUpti_ActivityKind`, the first field of each record.
pub(super) mod kind {
    pub const MEMCPY: u32 = 1;
    pub const MEMSET: u32 = 2;
    pub const KERNEL: u32 = 3;
    pub const DRIVER: u32 = 4;
    pub const RUNTIME: u32 = 5;
    pub const CONCURRENT_KERNEL: u32 = 10;
}

/// `CUpti_ActivityAPI`: a call into the runtime or the driver. Unchanged from 12.0 to 13.5.
pub(super) mod call {
    pub const FUNCTION: usize = 4;
    pub const START: usize = 8;
    pub const END: usize = 16;
    pub const THREAD: usize = 28;
    pub const CORRELATION: usize = 32;
}

/// Offsets in a record of work on the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WorkLayout {
    pub start: usize,
    pub end: usize,
    pub device: usize,
    pub stream: usize,
    pub correlation: usize,
}

/// `CUpti_ActivityKernel9` of 12.0 to `13` of 13.5.
pub(super) const KERNEL: WorkLayout = WorkLayout { start: 16, end: 24, device: 40, stream: 48, correlation: 92 };

/// Address of a kernel's name in the same.
pub(super) const KERNEL_NAME: usize = 104;

/// `CUpti_ActivityMemcpy5` of 12.0 to `7` of 13.5.
pub(super) const MEMCPY: WorkLayout = WorkLayout { start: 16, end: 24, device: 32, stream: 40, correlation: 44 };

/// One byte: `CUpti_ActivityMemcpyKind`.
pub(super) const MEMCPY_KIND: usize = 4;

/// `CUpti_ActivityMemset4` of 12.0, `5` of 13.5.
pub(super) const MEMSET: WorkLayout = WorkLayout { start: 16, end: 24, device: 32, stream: 40, correlation: 44 };

/// Bytes copied, or set, in both of them.
pub(super) const BYTES: usize = 8;
