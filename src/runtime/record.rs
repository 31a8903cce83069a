//! What a wheel says of the files in it: the RECORD of the binary distribution format, with a digest for each file.
//!
//! It is what pip itself checks a wheel by, and all there is for releases whose digests this program does not pin.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Size and digest of one file of a wheel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Recorded {
    /// Bytes.
    pub size: u64,
    /// SHA-256 in lower-case hexadecimal.
    pub sha256: String,
}

/// What the wheel's RECORD says of `entry`; `None` where it has no record, or none of this file.
pub(super) fn read(wheel: &Path, entry: &str) -> io::Result<Option<Recorded>> {
    /// A record has a line of about a hundred bytes a file; no wheel of ONNX Runtime has a thousand.
    const LARGEST: u64 = 16 << 20;
    let mut zip = zip::ZipArchive::new(File::open(wheel)?).map_err(io::Error::other)?;
    let is_record = |name: &str| name.ends_with(".dist-info/RECORD") && name.matches('/').count() == 1;
    let name = zip.file_names().filter_map(Result::ok).find(|name| is_record(name)).map(|name| name.into_owned());
    let Some(name) = name else { return Ok(None) };
    let mut text = String::new();
    zip.by_name(&name).map_err(io::Error::other)?.take(LARGEST).read_to_string(&mut text)?;
    Ok(find(&text, entry))
}

/// The line of one file: `path,sha256=DIGEST,SIZE`. Names with commas are quoted; no library's is.
fn find(record: &str, entry: &str) -> Option<Recorded> {
    let mut fields = record.lines().find_map(|line| line.strip_prefix(entry)?.strip_prefix(','))?.split(',');
    let digest = fields.next()?.strip_prefix("sha256=")?;
    Some(Recorded { size: fields.next()?.trim().parse().ok()?, sha256: hexadecimal(digest)? })
}

/// 32 bytes in URL-safe base64 without padding (RFC 4648, section 5), as hexadecimal.
fn hexadecimal(base64: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let (mut pending, mut bits) = (0_u32, 0_u32);
    for letter in base64.bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        pending = (pending << 6) | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((pending >> bits) & 0xff);
            pending &= (1 << bits) - 1;
        }
    }
    (bytes.len() == 32 && pending == 0).then(|| bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: &str = "onnxruntime/capi/libonnxruntime.so.1.30.0";

    #[test]
    fn the_line_of_the_file_is_found_and_its_digest_converted() {
        // The digest of "abc", in both notations.
        let record = "onnxruntime/__init__.py,sha256=x,1\n\
                      onnxruntime/capi/libonnxruntime.so.1.30.0.sig,sha256=y,2\n\
                      onnxruntime/capi/libonnxruntime.so.1.30.0,sha256=ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0,3\r\n\
                      onnxruntime-1.30.0.dist-info/RECORD,,\n";
        let found = find(record, ENTRY).unwrap();
        assert_eq!(found.size, 3);
        assert_eq!(found.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn what_is_no_digest_is_no_record() {
        for line in ["", ",,", ",md5=abc,3", ",sha256=,3", ",sha256=ungWv48B,3", ",sha256=!!!!,3", ",sha256=ungW,x"] {
            assert_eq!(find(&format!("{ENTRY}{line}\n"), ENTRY), None, "{line}");
        }
        let short = "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa";
        assert_eq!(hexadecimal(short), None, "31 bytes and a bit");
    }

    #[test]
    fn a_wheel_without_a_record_has_none() {
        let wheel = tempfile::NamedTempFile::new().unwrap();
        zip::ZipWriter::new(wheel.reopen().unwrap()).finish().unwrap();
        assert_eq!(read(wheel.path(), ENTRY).unwrap(), None);
    }
}
