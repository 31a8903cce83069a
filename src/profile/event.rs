//! One event of a profile, borrowed from the reader's window.

use std::borrow::Cow;

use memchr::memmem;

use super::args::Args;
use super::scan::{Scan, integer, unescape};

/// What an event describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Category {
    /// A session, a run, or an executor inside a run.
    Session,
    /// The execution of one node.
    Node,
    /// Anything else, such as device kernels.
    Other,
}

/// How the profile's writer spelled names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameEncoding {
    /// As they are, quotes and newlines included: older ONNX Runtime.
    Raw,
    /// As JSON strings; a name that turns out to be none is taken as it is.
    Escaped,
}

/// Minor version of the oldest ONNX Runtime seen to write names as JSON strings.
const FIRST_TO_ESCAPE: u32 = 31;

impl NameEncoding {
    /// The encoding of an ONNX Runtime version such as `1.31.1`; of an unreadable version, JSON's.
    pub fn of_version(version: &str) -> Self {
        let mut parts = version.split('.').map(|part| part.parse::<u32>().ok());
        match (parts.next().flatten(), parts.next().flatten()) {
            (Some(1), Some(minor)) if minor < FIRST_TO_ESCAPE => NameEncoding::Raw,
            _ => NameEncoding::Escaped,
        }
    }
}

/// One event. Times are whole microseconds, truncated by the writer.
#[derive(Debug, Clone)]
pub struct Event<'a> {
    /// What it describes.
    pub category: Category,
    /// Thread that ran it.
    pub thread: i64,
    /// Start, since profiling began.
    pub start_us: i64,
    /// Duration.
    pub duration_us: i64,
    pub(super) name: &'a [u8],
    pub(super) encoding: NameEncoding,
    pub(super) args: Args<'a>,
}

/// Node names carry this at their end in profiles.
const NODE_SUFFIX: &[u8] = b"_kernel_time";

/// What every version writes ahead of the arguments.
const KEYS_BEFORE_ARGS: [&[u8]; 5] = [b"cat", b"tid", b"dur", b"ts", b"name"];

impl<'a> Event<'a> {
    /// True name of the event: of a node event, the node's.
    pub fn name(&self) -> Cow<'a, str> {
        match self.encoding {
            NameEncoding::Raw => String::from_utf8_lossy(self.name),
            NameEncoding::Escaped => unescape(self.name),
        }
    }

    /// True for the event that spans one inference.
    pub fn is_model_run(&self) -> bool {
        self.category == Category::Session && self.name == b"model_run"
    }

    /// True for the event that ONNX Runtime writes after it dropped others.
    pub fn is_truncation_mark(&self) -> bool {
        self.name == b"profile_truncated"
    }

    /// A textual argument such as `op_name`, `provider` or `node_index`.
    pub fn arg(&self, key: &str) -> Option<Cow<'a, str>> {
        self.args.get(key).map(unescape)
    }

    /// An argument's JSON as it stands, without quotes where it is a string.
    pub fn raw_arg(&self, key: &str) -> Option<&'a [u8]> {
        self.args.get(key)
    }

    /// Reads the object that fills `bytes`; `None` where it is not one complete event. `framed` says that the line's end
    /// was seen.
    pub(super) fn parse(bytes: &'a [u8], encoding: NameEncoding, framed: bool) -> Option<Event<'a>> {
        let mut event = Event {
            category: Category::Other,
            thread: 0,
            start_us: 0,
            duration_us: 0,
            name: b"",
            encoding,
            args: Args::default(),
        };
        let mut scan = Scan::new(bytes);
        scan.expect(b'{')?;
        scan.space();
        if scan.peek()? == b'}' {
            return Some(event);
        }
        let mut known = 0;
        loop {
            let key = scan.key()?;
            known += usize::from(KEYS_BEFORE_ARGS.contains(&key));
            match key {
                b"cat" => {
                    event.category = match scan.value()? {
                        b"Node" => Category::Node,
                        b"Session" => Category::Session,
                        _ => Category::Other,
                    }
                }
                b"tid" => event.thread = integer(scan.value()?)?,
                b"dur" => event.duration_us = integer(scan.value()?)?,
                b"ts" => event.start_us = integer(scan.value()?)?,
                b"name" => event.name = name(&mut scan, encoding)?,
                b"args" => {
                    if framed && known == KEYS_BEFORE_ARGS.len() && bytes.ends_with(b"}}") {
                        // Everything else is known, so a walk through the longest part is left to those who ask.
                        event.args = Args::new(scan.rest());
                        break;
                    }
                    event.args = Args::new(scan.value()?);
                }
                _ => {
                    scan.value()?;
                }
            }
            scan.space();
            match scan.peek()? {
                b',' => scan.skip(1),
                b'}' => break,
                _ => return None,
            }
        }
        if event.category == Category::Node {
            event.name = event.name.strip_suffix(NODE_SUFFIX).unwrap_or(event.name);
        }
        Some(event)
    }
}

/// A name written without escapes ends where the next key begins, whatever quotes it holds.
fn name<'a>(scan: &mut Scan<'a>, encoding: NameEncoding) -> Option<&'a [u8]> {
    let mut ahead = *scan;
    if encoding == NameEncoding::Escaped {
        let name = ahead.value();
        ahead.space();
        if name.is_some() && matches!(ahead.rest(), [b'}', ..] | [b',', b'"' | b' ' | b'\n' | b'\r' | b'\t', ..]) {
            *scan = ahead;
            return name;
        }
        ahead = *scan;
    }
    ahead.expect(b'"')?;
    let rest = ahead.rest();
    let Some(end) = end_of_raw_name(rest) else { return scan.value() };
    ahead.skip(end + 1);
    *scan = ahead;
    rest.get(..end)
}

/// Offset of the quote that is followed by the key `args`.
fn end_of_raw_name(rest: &[u8]) -> Option<usize> {
    memmem::find(rest, b"\",\"args\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = r#"{"cat" : "Node","pid" :9,"tid" :77,"dur" :5,"ts" :1234,"ph" : "X","name" :""#;
    const TAIL: &str = r#"","args" : {"op_name" : "Add","input_type_shape" : [{"float":[2,3]}],"node_index" : "3"}}"#;

    fn event(name: &str) -> String {
        format!("{HEAD}{name}{TAIL}")
    }

    #[test]
    fn fields_of_a_node() {
        let text = event("add_kernel_time");
        let event = Event::parse(text.as_bytes(), NameEncoding::Raw, true).unwrap();
        assert_eq!(event.category, Category::Node);
        assert_eq!((event.thread, event.start_us, event.duration_us), (77, 1234, 5));
        assert_eq!(event.name(), "add");
        assert_eq!(event.arg("op_name").unwrap(), "Add");
        assert_eq!(event.arg("node_index").unwrap(), "3");
        assert_eq!(event.raw_arg("input_type_shape").unwrap(), br#"[{"float":[2,3]}]"#);
        assert_eq!(event.arg("provider"), None);
    }

    #[test]
    fn raw_names_survive_whatever_they_hold() {
        for name in [r#"we"ird\n\\"#, "two\nlines", r#"a","ph" : "X","name" :"b"#, r#"}},"#, r#"","args2" : {}"#, "é\t"]
        {
            let text = event(&format!("{name}_kernel_time"));
            let event = Event::parse(text.as_bytes(), NameEncoding::Raw, true).unwrap();
            assert_eq!(event.name(), name);
            assert_eq!(event.arg("op_name").unwrap(), "Add");
        }
    }

    #[test]
    fn escaped_names_are_resolved() {
        let text = event(r#"we\"ird\n\\\u00e9_kernel_time"#);
        let event = Event::parse(text.as_bytes(), NameEncoding::Escaped, true).unwrap();
        assert_eq!(event.name(), "we\"ird\n\\é");
    }

    #[test]
    fn a_name_that_was_not_escaped_after_all_is_taken_as_it_is() {
        let text = event("we\"ird_kernel_time");
        let event = Event::parse(text.as_bytes(), NameEncoding::Escaped, true).unwrap();
        assert_eq!(event.name(), "we\"ird");
        assert_eq!(event.arg("op_name").unwrap(), "Add");
    }

    #[test]
    fn unknown_keys_order_spacing_and_quoted_numbers_are_tolerated() {
        let text = r#" { "args": {"op_name":"Add" , "x": {"y": [1, "}"]}} , "new":[{}], "ts":"12","dur":"7","cat":"Node",
            "name":"n_kernel_time", "tid" : "8" } "#;
        let event = Event::parse(text.as_bytes(), NameEncoding::Escaped, true).unwrap();
        assert_eq!((event.thread, event.start_us, event.duration_us), (8, 12, 7));
        assert_eq!(event.name(), "n");
        assert_eq!(event.arg("op_name").unwrap(), "Add");
        assert_eq!(event.arg("y"), None, "keys of nested objects are not the event's");
    }

    #[test]
    fn half_an_event_is_none() {
        let text = event("add_kernel_time");
        for cut in [1, 30, HEAD.len() + 3, text.len() - 30, text.len() - 1] {
            assert!(Event::parse(&text.as_bytes()[..cut], NameEncoding::Raw, true).is_none(), "{cut}");
        }
    }

    #[test]
    fn encoding_follows_the_version() {
        assert_eq!(NameEncoding::of_version("1.25.0"), NameEncoding::Raw);
        assert_eq!(NameEncoding::of_version("1.31.1"), NameEncoding::Escaped);
        assert_eq!(NameEncoding::of_version("2.0.0"), NameEncoding::Escaped);
    }
}
