//! What a file on disk claims to be, read from its first bytes before the system's loader is let near it.
//!
//! The loader maps a truncated library without complaint and the process then dies of SIGBUS, so the extents that the
//! headers promise are compared with the file's length here. Only headers are read.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// A 64-bit shared library of one machine type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Image {
    /// Container of the code, which tells the operating system.
    pub format: Format,
    /// Machine type as Rust names it, or `another architecture`.
    pub arch: &'static str,
    /// Bytes that the headers say the file has, at least.
    pub promised: u64,
}

/// Container formats of shared libraries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// Linux and other Unixes.
    Elf,
    /// macOS.
    MachO,
    /// Windows.
    Pe,
}

impl Format {
    /// The format that this operating system loads.
    pub const NATIVE: Format = if cfg!(windows) {
        Format::Pe
    } else if cfg!(target_vendor = "apple") {
        Format::MachO
    } else {
        Format::Elf
    };

    /// The operating system in words.
    pub fn system(self) -> &'static str {
        match self {
            Format::Elf => "Linux",
            Format::MachO => "macOS",
            Format::Pe => "Windows",
        }
    }
}

const OTHER: &str = "another architecture";

/// Reads the headers of `path`; `None` where it is no shared library of a known format.
pub(super) fn read(path: &Path) -> io::Result<Option<Image>> {
    let mut file = File::open(path)?;
    let mut head = Vec::new();
    file.by_ref().take(4096).read_to_end(&mut head)?;
    if head.starts_with(b"\x7fELF") {
        return Ok(elf(&head));
    }
    if head.starts_with(&[0xcf, 0xfa, 0xed, 0xfe]) {
        return mach_o(&mut file);
    }
    if head.starts_with(b"MZ") {
        return Ok(pe(&head));
    }
    Ok(None)
}

/// The names of the libraries that an ELF library needs (`DT_NEEDED`), in its order; empty for anything else.
pub(super) fn needed(bytes: &[u8]) -> Vec<String> {
    needed_offsets(bytes).unwrap_or_default().into_iter().filter_map(|at| text_at(bytes, at)).collect()
}

/// Where in the file the names of [`needed`] stand: the section of type dynamic, whose link is its string table.
fn needed_offsets(bytes: &[u8]) -> Option<Vec<usize>> {
    const DYNAMIC: u32 = 6;
    const NEEDED: u64 = 1;
    const ENTRY: usize = 16;
    if !bytes.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let at = |place: usize| usize::try_from(u64_at(bytes, place)?).ok();
    let (table, size) = (at(40)?, usize::from(u16_at(bytes, 58)?));
    let section = |index: usize| table.checked_add(index.checked_mul(size)?);
    let count = usize::from(u16_at(bytes, 60)?);
    let dynamic = (0..count).filter_map(section).find(|header| u32_at(bytes, header + 4) == Some(DYNAMIC))?;
    let strings = at(section(usize::try_from(u32_at(bytes, dynamic + 40)?).ok()?)? + 24)?;
    let (start, length) = (at(dynamic + 24)?, at(dynamic + 32)?);
    let entries = (0..length / ENTRY).map_while(|index| start.checked_add(index * ENTRY));
    let needed = entries.filter(|entry| u64_at(bytes, *entry) == Some(NEEDED));
    Some(needed.filter_map(|entry| strings.checked_add(at(entry.checked_add(8)?)?)).collect())
}

fn text_at(bytes: &[u8], at: usize) -> Option<String> {
    let rest = bytes.get(at..)?;
    let end = rest.iter().take(256).position(|byte| *byte == 0)?;
    Some(std::str::from_utf8(&rest[..end]).ok()?.to_owned())
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

/// 64-bit little-endian ELF of type `ET_DYN`: loadable segments and the section table bound the length.
fn elf(head: &[u8]) -> Option<Image> {
    const CLASS_64: u8 = 2;
    const LITTLE_ENDIAN: u8 = 1;
    const SHARED: u16 = 3;
    if head.get(4) != Some(&CLASS_64) || head.get(5) != Some(&LITTLE_ENDIAN) || u16_at(head, 16)? != SHARED {
        return None;
    }
    let arch = match u16_at(head, 18)? {
        0x3e => "x86_64",
        0xb7 => "aarch64",
        _ => OTHER,
    };
    let sections = u64_at(head, 40)?;
    let section_bytes = u64::from(u16_at(head, 58)?) * u64::from(u16_at(head, 60)?);
    let mut promised = sections.saturating_add(section_bytes);
    let table = usize::try_from(u64_at(head, 32)?).ok()?;
    let size = usize::from(u16_at(head, 54)?);
    for index in 0..usize::from(u16_at(head, 56)?) {
        // A table beyond what was read ends the walk; the section table, last in the file, still bounds the length.
        let Some(at) = index.checked_mul(size).and_then(|offset| table.checked_add(offset)) else { break };
        let (Some(offset), Some(length)) = (u64_at(head, at + 8), u64_at(head, at + 32)) else { break };
        promised = promised.max(offset.saturating_add(length));
    }
    Some(Image { format: Format::Elf, arch, promised })
}

/// 64-bit Mach-O dynamic library: its segments bound the length. Universal files are not read; ONNX Runtime's wheels and
/// packages hold thin ones.
fn mach_o(file: &mut File) -> io::Result<Option<Image>> {
    const DYLIB: u32 = 6;
    const SEGMENT_64: u32 = 0x19;
    file.seek(SeekFrom::Start(0))?;
    let mut head = Vec::new();
    file.take(1 << 16).read_to_end(&mut head)?;
    let walk = || {
        if u32_at(&head, 12)? != DYLIB {
            return None;
        }
        let arch = match u32_at(&head, 4)? {
            0x0100_0007 => "x86_64",
            0x0100_000c => "aarch64",
            _ => OTHER,
        };
        let (mut at, mut promised) = (32usize, 0u64);
        for _ in 0..u32_at(&head, 16)? {
            let (command, size) = (u32_at(&head, at)?, usize::try_from(u32_at(&head, at + 4)?).ok()?);
            if command == SEGMENT_64 {
                promised = promised.max(u64_at(&head, at + 40)?.saturating_add(u64_at(&head, at + 48)?));
            }
            at = at.checked_add(size)?;
        }
        Some(Image { format: Format::MachO, arch, promised })
    };
    Ok(walk())
}

/// PE32+ library: its sections bound the length.
fn pe(head: &[u8]) -> Option<Image> {
    const DLL: u16 = 0x2000;
    let at = usize::try_from(u32_at(head, 0x3c)?).ok()?;
    if head.get(at..at.checked_add(4)?)? != b"PE\0\0" || u16_at(head, at + 22)? & DLL == 0 {
        return None;
    }
    let arch = match u16_at(head, at + 4)? {
        0x8664 => "x86_64",
        0xaa64 => "aarch64",
        _ => OTHER,
    };
    let first = at + 24 + usize::from(u16_at(head, at + 20)?);
    let mut promised = 0;
    for index in 0..usize::from(u16_at(head, at + 6)?) {
        let section = first + 40 * index;
        let (size, offset) = (u32_at(head, section + 16)?, u32_at(head, section + 20)?);
        promised = promised.max(u64::from(offset) + u64::from(size));
    }
    Some(Image { format: Format::Pe, arch, promised })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header-only ELF library whose section table ends at `promised`.
    fn elf_bytes(machine: u16, promised: u64) -> Vec<u8> {
        let mut bytes = vec![0u8; 64];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        bytes[16..18].copy_from_slice(&3u16.to_le_bytes());
        bytes[18..20].copy_from_slice(&machine.to_le_bytes());
        bytes[40..48].copy_from_slice(&(promised - 64).to_le_bytes());
        bytes[58..60].copy_from_slice(&64u16.to_le_bytes());
        bytes[60..62].copy_from_slice(&1u16.to_le_bytes());
        bytes
    }

    fn pe_bytes(machine: u16) -> Vec<u8> {
        let mut bytes = vec![0u8; 512];
        bytes[..2].copy_from_slice(b"MZ");
        bytes[0x3c] = 0x80;
        bytes[0x80..0x84].copy_from_slice(b"PE\0\0");
        bytes[0x84..0x86].copy_from_slice(&machine.to_le_bytes());
        bytes[0x86] = 1;
        bytes[0x94] = 16;
        bytes[0x96..0x98].copy_from_slice(&0x2022u16.to_le_bytes());
        bytes[0x98 + 16 + 16..0x98 + 16 + 20].copy_from_slice(&0x1000u32.to_le_bytes());
        bytes[0x98 + 16 + 20..0x98 + 16 + 24].copy_from_slice(&0x400u32.to_le_bytes());
        bytes
    }

    fn mach_o_bytes(cpu: u32) -> Vec<u8> {
        let mut words = vec![0xfeed_facf, cpu, 0, 6, 1, 72, 0, 0, 0x19, 72];
        words.resize(8 + 18, 0);
        (words[8 + 10], words[8 + 12]) = (0x4000, 0x8000);
        words.into_iter().flat_map(u32::to_le_bytes).collect()
    }

    fn image(bytes: &[u8]) -> Option<Image> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        read(file.path()).unwrap()
    }

    #[test]
    fn headers_of_the_three_systems_are_read() {
        let expect = |format, arch, promised| Some(Image { format, arch, promised });
        assert_eq!(image(&elf_bytes(0xb7, 5000)), expect(Format::Elf, "aarch64", 5000));
        assert_eq!(image(&elf_bytes(0x28, 5000)), expect(Format::Elf, OTHER, 5000));
        assert_eq!(image(&pe_bytes(0x8664)), expect(Format::Pe, "x86_64", 0x1400));
        assert_eq!(image(&mach_o_bytes(0x0100_000c)), expect(Format::MachO, "aarch64", 0xc000));
    }

    #[test]
    fn needed_libraries_are_read_from_the_dynamic_section() {
        let mut bytes = elf_bytes(0x3e, 64 + 2 * 64);
        bytes[60] = 2;
        bytes[40..48].copy_from_slice(&64u64.to_le_bytes());
        bytes.resize(64 + 2 * 64, 0);
        let mut section = |index: usize, kind: u32, offset: u64, size: u64, link: u32| {
            let at = 64 + 64 * index;
            bytes[at + 4..at + 8].copy_from_slice(&kind.to_le_bytes());
            bytes[at + 24..at + 32].copy_from_slice(&offset.to_le_bytes());
            bytes[at + 32..at + 40].copy_from_slice(&size.to_le_bytes());
            bytes[at + 40..at + 44].copy_from_slice(&link.to_le_bytes());
        };
        section(0, 3, 192, 17, 0);
        section(1, 6, 209, 48, 0);
        bytes.extend(*b"\0libcudart.so.13\0");
        for (tag, value) in [(1u64, 1u64), (5, 7), (0, 0)] {
            bytes.extend(tag.to_le_bytes());
            bytes.extend(value.to_le_bytes());
        }
        assert_eq!(needed(&bytes), ["libcudart.so.13"]);
        assert_eq!(needed(b"MZ"), [""; 0]);
        assert_eq!(needed(&bytes[..100]), [""; 0]);
    }

    #[test]
    fn what_is_no_library_is_none() {
        for bytes in [&b""[..], b"MZ", b"\x7fELF", b"not a library at all", b"\xcf\xfa\xed\xfe"] {
            assert_eq!(image(bytes), None, "{bytes:?}");
        }
        let mut object_file = elf_bytes(0x3e, 5000);
        object_file[16] = 1;
        assert_eq!(image(&object_file), None);
    }
}
