//! One activity record: bytes -> what the host asked for, or what the device did.

use super::layout::{self, ApiVersion, OLDEST, WorkLayout, call, kind};

/// Which interface a call went to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Api {
    /// `cuda...`: libcudart.
    Runtime,
    /// `cu...`: libcuda, which the runtime itself calls, and some libraries directly.
    Driver,
}

/// A call of the host's into CUDA. Times are nanoseconds of CUPTI's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// To which interface.
    pub api: Api,
    /// Which function, by CUPTI's number for it.
    pub function: u32,
    /// When it began.
    pub start_ns: u64,
    /// When it returned.
    pub end_ns: u64,
    /// The thread that made it.
    pub thread: u32,
    /// What the work that it asked for carries too.
    pub correlation: u32,
}

/// What the device did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Ran a kernel.
    Kernel {
        /// Address of its name in the process that recorded it; 0 where it has none.
        name: u64,
    },
    /// Copied memory.
    Copy {
        /// CUPTI's number for from where to where: 1 is host to device, 2 device to host, 8 within the device.
        direction: u8,
        /// How much.
        bytes: u64,
    },
    /// Filled memory.
    Set {
        /// How much.
        bytes: u64,
    },
}

/// One piece of work of the device's. Times are nanoseconds of CUPTI's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    /// What it was.
    pub what: What,
    /// When the device began.
    pub start_ns: u64,
    /// When it was done; never before `start_ns`.
    pub end_ns: u64,
    /// Which device.
    pub device: u32,
    /// In which queue.
    pub stream: u32,
    /// That of the call that asked for it.
    pub correlation: u32,
}

impl Work {
    /// How long it took, in nanoseconds.
    pub fn duration_ns(&self) -> u64 {
        self.end_ns.saturating_sub(self.start_ns)
    }
}

/// One record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Record {
    /// The host asked.
    Call(Call),
    /// The device worked.
    Work(Work),
    /// Of a kind that nobody enabled here, by its number.
    Other(u32),
}

/// Why bytes are not a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The buffer ends inside of the record.
    #[error("a record of kind {kind} ends after {found} of at least {needed} bytes")]
    Truncated {
        /// CUPTI's number of the kind; 0 where not even that is there.
        kind: u32,
        /// Bytes that are there.
        found: usize,
        /// Bytes that are read of it.
        needed: usize,
    },
    /// The library is older than any whose records are known.
    #[error("CUPTI's interface {found} is older than {OLDEST:?}, that of CUDA 12.0")]
    TooOld {
        /// Its version.
        found: u32,
    },
}

/// Reads the record at the beginning of `bytes`, which may hold more behind it.
///
/// # Errors
/// [`DecodeError::Truncated`] where the record is not all there, [`DecodeError::TooOld`] for an unknown layout.
pub fn decode(bytes: &[u8], version: ApiVersion) -> Result<Record, DecodeError> {
    if version < OLDEST {
        return Err(DecodeError::TooOld { found: version.0 });
    }
    let number = Fields { bytes, kind: 0 }.u32(0)?;
    let fields = Fields { bytes, kind: number };
    Ok(match number {
        kind::RUNTIME => Record::Call(fields.call(Api::Runtime)?),
        kind::DRIVER => Record::Call(fields.call(Api::Driver)?),
        kind::KERNEL | kind::CONCURRENT_KERNEL => {
            Record::Work(fields.work(&layout::KERNEL, What::Kernel { name: fields.u64(layout::KERNEL_NAME)? })?)
        }
        kind::MEMCPY => {
            let what = What::Copy { direction: fields.u8(layout::MEMCPY_KIND)?, bytes: fields.u64(layout::BYTES)? };
            Record::Work(fields.work(&layout::MEMCPY, what)?)
        }
        kind::MEMSET => Record::Work(fields.work(&layout::MEMSET, What::Set { bytes: fields.u64(layout::BYTES)? })?),
        other => Record::Other(other),
    })
}

/// The bytes of one record, in the byte order of the machine that wrote them: this one.
struct Fields<'a> {
    bytes: &'a [u8],
    kind: u32,
}

impl Fields<'_> {
    fn read<const SIZE: usize>(&self, offset: usize) -> Result<[u8; SIZE], DecodeError> {
        let truncated =
            DecodeError::Truncated { kind: self.kind, found: self.bytes.len(), needed: offset.saturating_add(SIZE) };
        let rest = self.bytes.get(offset..).ok_or(truncated)?;
        rest.first_chunk().copied().ok_or(truncated)
    }

    fn u8(&self, offset: usize) -> Result<u8, DecodeError> {
        self.read(offset).map(u8::from_ne_bytes)
    }

    fn u32(&self, offset: usize) -> Result<u32, DecodeError> {
        self.read(offset).map(u32::from_ne_bytes)
    }

    fn u64(&self, offset: usize) -> Result<u64, DecodeError> {
        self.read(offset).map(u64::from_ne_bytes)
    }

    fn call(&self, api: Api) -> Result<Call, DecodeError> {
        let start_ns = self.u64(call::START)?;
        Ok(Call {
            api,
            function: self.u32(call::FUNCTION)?,
            start_ns,
            end_ns: self.u64(call::END)?.max(start_ns),
            thread: self.u32(call::THREAD)?,
            correlation: self.u32(call::CORRELATION)?,
        })
    }

    fn work(&self, layout: &WorkLayout, what: What) -> Result<Work, DecodeError> {
        let start_ns = self.u64(layout.start)?;
        Ok(Work {
            what,
            start_ns,
            end_ns: self.u64(layout.end)?.max(start_ns),
            device: self.u32(layout.device)?,
            stream: self.u32(layout.stream)?,
            correlation: self.u32(layout.correlation)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: ApiVersion = ApiVersion(130_000);

    /// A record of zeros with these fields in it.
    fn bytes(fields: &[(usize, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0; 160];
        for (offset, field) in fields {
            bytes[*offset..*offset + field.len()].copy_from_slice(field);
        }
        bytes
    }

    #[test]
    fn a_kernel_is_read_from_its_bytes() {
        let bytes = bytes(&[
            (0, &10_u32.to_ne_bytes()),
            (16, &1_000_u64.to_ne_bytes()),
            (24, &1_750_u64.to_ne_bytes()),
            (40, &1_u32.to_ne_bytes()),
            (48, &7_u32.to_ne_bytes()),
            (92, &42_u32.to_ne_bytes()),
            (104, &0xabcd_u64.to_ne_bytes()),
        ]);
        let what = What::Kernel { name: 0xabcd };
        let work = Work { what, start_ns: 1_000, end_ns: 1_750, device: 1, stream: 7, correlation: 42 };
        assert_eq!(decode(&bytes, NOW), Ok(Record::Work(work)));
        assert_eq!(work.duration_ns(), 750);
    }

    #[test]
    fn copies_and_fills_know_their_bytes() {
        let head = |kind: u32| {
            bytes(&[
                (0, &kind.to_ne_bytes()),
                (4, &[2]),
                (8, &4096_u64.to_ne_bytes()),
                (16, &5_u64.to_ne_bytes()),
                (24, &9_u64.to_ne_bytes()),
                (40, &3_u32.to_ne_bytes()),
                (44, &17_u32.to_ne_bytes()),
            ])
        };
        let work = |what| Record::Work(Work { what, start_ns: 5, end_ns: 9, device: 0, stream: 3, correlation: 17 });
        assert_eq!(decode(&head(1), NOW), Ok(work(What::Copy { direction: 2, bytes: 4096 })));
        assert_eq!(decode(&head(2), NOW), Ok(work(What::Set { bytes: 4096 })));
    }

    #[test]
    fn calls_are_told_by_interface() {
        let head = |kind: u32| {
            bytes(&[
                (0, &kind.to_ne_bytes()),
                (4, &211_u32.to_ne_bytes()),
                (8, &100_u64.to_ne_bytes()),
                (16, &90_u64.to_ne_bytes()),
                (28, &1234_u32.to_ne_bytes()),
                (32, &8_u32.to_ne_bytes()),
            ])
        };
        for (kind, api) in [(5, Api::Runtime), (4, Api::Driver)] {
            // An end before the start is the mark of a time that could not be had: such a call took no time.
            let call = Call { api, function: 211, start_ns: 100, end_ns: 100, thread: 1234, correlation: 8 };
            assert_eq!(decode(&head(kind), NOW), Ok(Record::Call(call)));
        }
        assert_eq!(decode(&head(29), NOW), Ok(Record::Other(29)));
    }

    #[test]
    fn an_old_library_is_refused_by_its_version() {
        assert_eq!(decode(&bytes(&[]), ApiVersion(14)), Err(DecodeError::TooOld { found: 14 }));
    }

    proptest! {
        #[test]
        fn no_bytes_whatever_are_read_beyond_their_end(kind in 0_u32..12, rest in prop::collection::vec(any::<u8>(), 0..200)) {
            let bytes = [kind.to_ne_bytes().as_slice(), rest.as_slice()].concat();
            match decode(&bytes, NOW) {
                Ok(Record::Work(work)) => prop_assert!(work.start_ns <= work.end_ns),
                Ok(Record::Call(call)) => prop_assert!(call.start_ns <= call.end_ns),
                Ok(Record::Other(other)) => prop_assert_eq!(other, kind),
                Err(DecodeError::Truncated { found, needed, .. }) => prop_assert!(found == bytes.len() && needed > found),
                Err(error) => prop_assert!(false, "{error}"),
            }
        }
    }
}
