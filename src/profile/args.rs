//! The arguments of an event, looked up by key on demand: a node has about sixteen, in an order that varies from event
//! to event, and few are wanted.

use memchr::memmem;

use super::scan::Scan;

/// The text of an `args` object, from its opening brace to its closing one or beyond.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Args<'a>(&'a [u8]);

impl<'a> Args<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Args(text)
    }

    /// The value of a top-level key: a string's contents, or the JSON text of anything else.
    pub(super) fn get(&self, key: &str) -> Option<&'a [u8]> {
        self.find_spelled_as_written(key).or_else(|| self.walk(key))
    }

    /// ONNX Runtime puts blanks on both sides of the colon at this level and on one side in the objects within, so that
    /// a search finds the key without a walk through everything before it.
    fn find_spelled_as_written(&self, key: &str) -> Option<&'a [u8]> {
        let mut needle = [0u8; 40];
        let length = key.len() + 5;
        let spelled = needle.get_mut(..length)?;
        spelled[0] = b'"';
        spelled[1..=key.len()].copy_from_slice(key.as_bytes());
        spelled[key.len() + 1..].copy_from_slice(b"\" : ");
        let at = memmem::find(self.0, spelled)?;
        Scan::new(self.0.get(at + length..)?).value()
    }

    fn walk(&self, key: &str) -> Option<&'a [u8]> {
        let mut scan = Scan::new(self.0);
        scan.expect(b'{')?;
        loop {
            scan.space();
            if scan.peek()? == b'}' {
                return None;
            }
            let found = scan.key()?;
            let value = scan.value()?;
            if found == key.as_bytes() {
                return Some(value);
            }
            scan.space();
            if scan.peek()? == b',' {
                scan.skip(1);
            }
        }
    }
}
