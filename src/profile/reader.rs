//! Events out of a byte stream, through a window that does not grow with the stream.

use std::io::Read;

use memchr::{memchr, memmem};

use super::event::{Event, NameEncoding};
use super::scan::Scan;

/// Bytes read at a time, and the window's size while no single event is longer.
const WINDOW: usize = 256 * 1024;

/// No event is this long: a file that has no line end for so long is not a profile.
const LONGEST_EVENT: usize = 64 * 1024 * 1024;

/// How ONNX Runtime begins an event; it puts each on a line of its own.
const LINE_START: &[u8] = b"{\"cat\" : \"";

/// How it ends a name and begins the arguments.
const ARGS_START: &[u8] = b"\",\"args\" : {";

/// Why a profile could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// Reading failed.
    #[error("cannot read the profile: {0}")]
    Io(#[from] std::io::Error),
    /// The stream ends inside an event or before the closing bracket.
    #[error("the profile is truncated at byte {offset}: ONNX Runtime was stopped, or the disk is full")]
    Truncated {
        /// Where the incomplete part begins.
        offset: u64,
    },
    /// The bytes are no profile.
    #[error("the profile is not what ONNX Runtime writes, from byte {offset}: `{near}`")]
    Malformed {
        /// Where the first unreadable event begins.
        offset: u64,
        /// How it begins.
        near: String,
    },
}

/// Reads a profile event by event. An event lasts until the next is asked for.
#[derive(Debug)]
pub struct Reader<R> {
    source: R,
    encoding: NameEncoding,
    window: Vec<u8>,
    /// The part of the window that is filled and not consumed.
    begin: usize,
    end: usize,
    /// Bytes consumed before the window.
    dropped: u64,
    source_ended: bool,
    opened: bool,
    closed: bool,
}

/// One event's bytes within the window, and whether a line end followed them.
struct Frame {
    begin: usize,
    end: usize,
    framed: bool,
}

impl<R: Read> Reader<R> {
    /// A reader of the whole profile. The encoding of names follows from ONNX Runtime's version.
    pub fn new(source: R, encoding: NameEncoding) -> Self {
        Reader {
            source,
            encoding,
            window: vec![0; WINDOW],
            begin: 0,
            end: 0,
            dropped: 0,
            source_ended: false,
            opened: false,
            closed: false,
        }
    }

    /// The next event, or `None` after the closing bracket.
    ///
    /// # Errors
    /// [`ProfileError::Truncated`] where the stream ends early, [`ProfileError::Malformed`] where it is something else.
    pub fn next_event(&mut self) -> Result<Option<Event<'_>>, ProfileError> {
        if !self.opened {
            self.open()?;
        }
        let Some(frame) = self.next_frame()? else { return Ok(None) };
        let bytes = self.window.get(frame.begin..frame.end).unwrap_or_default();
        Event::parse(bytes, self.encoding, frame.framed).map(Some).ok_or_else(|| ProfileError::Malformed {
            offset: self.dropped + u64::try_from(frame.begin).unwrap_or(u64::MAX),
            near: excerpt(bytes),
        })
    }

    fn open(&mut self) -> Result<(), ProfileError> {
        self.skip_blanks()?;
        match self.rest().first() {
            Some(b'[') => {
                self.begin += 1;
                self.opened = true;
                Ok(())
            }
            Some(_) => Err(self.malformed()),
            None => Err(self.truncated()),
        }
    }

    /// Finds the next event's extent, or `None` after the closing bracket.
    fn next_frame(&mut self) -> Result<Option<Frame>, ProfileError> {
        loop {
            self.skip_blanks()?;
            match self.rest().first() {
                Some(b',') => self.begin += 1,
                Some(b']') => {
                    self.closed = true;
                    return Ok(None);
                }
                Some(b'{') => break,
                Some(_) => return Err(self.malformed()),
                None if self.closed => return Ok(None),
                None => return Err(self.truncated()),
            }
        }
        while self.rest().len() < LINE_START.len() && self.fill()? {}
        match self.rest().starts_with(LINE_START) {
            true => self.lines().map(Some),
            false => self.json_object().map(Some),
        }
    }

    /// ONNX Runtime's own spelling: an event is a line, and only line ends in names that were written as they are make
    /// it more. It is over with the first line end that stands after the beginning of the arguments and two braces.
    fn lines(&mut self) -> Result<Frame, ProfileError> {
        let mut searched = 0;
        loop {
            let unsearched = self.window.get(self.begin + searched..self.end).unwrap_or_default();
            let Some(line_end) = memchr(b'\n', unsearched) else {
                searched += unsearched.len();
                if self.fill()? {
                    continue;
                }
                return Err(self.truncated());
            };
            searched += line_end + 1;
            let event = without_separator(self.window.get(self.begin..self.begin + searched).unwrap_or_default());
            if event.ends_with(b"}}") && memmem::find(event, ARGS_START).is_some() {
                let frame = Frame { begin: self.begin, end: self.begin + event.len(), framed: true };
                self.begin += searched;
                return Ok(frame);
            }
        }
    }

    /// Any other spelling of the same JSON: the object is walked through to find its end.
    fn json_object(&mut self) -> Result<Frame, ProfileError> {
        loop {
            if let Some(object) = Scan::new(self.rest()).value() {
                let frame = Frame { begin: self.begin, end: self.begin + object.len(), framed: false };
                self.begin = frame.end;
                return Ok(frame);
            }
            if !self.fill()? {
                return Err(self.truncated());
            }
        }
    }

    /// What is in the window and not consumed.
    fn rest(&self) -> &[u8] {
        self.window.get(self.begin..self.end).unwrap_or_default()
    }

    fn skip_blanks(&mut self) -> Result<(), ProfileError> {
        loop {
            match self.rest().iter().position(|byte| !byte.is_ascii_whitespace()) {
                Some(blanks) => {
                    self.begin += blanks;
                    return Ok(());
                }
                None => {
                    self.begin = self.end;
                    if !self.fill()? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Reads more into the window; false at the end of the source.
    fn fill(&mut self) -> Result<bool, ProfileError> {
        if self.source_ended {
            return Ok(false);
        }
        if self.begin > 0 {
            self.window.copy_within(self.begin..self.end, 0);
            self.dropped += u64::try_from(self.begin).unwrap_or(u64::MAX);
            self.end -= self.begin;
            self.begin = 0;
        }
        if self.end == self.window.len() {
            if self.window.len() >= LONGEST_EVENT {
                return Err(self.malformed());
            }
            self.window.resize(self.window.len() * 2, 0);
        }
        let room = self.window.get_mut(self.end..).unwrap_or_default();
        let count = loop {
            match self.source.read(room) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        self.source_ended = count == 0;
        self.end += count;
        Ok(count > 0)
    }

    fn offset(&self) -> u64 {
        self.dropped + u64::try_from(self.begin).unwrap_or(u64::MAX)
    }

    fn truncated(&self) -> ProfileError {
        ProfileError::Truncated { offset: self.offset() }
    }

    fn malformed(&self) -> ProfileError {
        ProfileError::Malformed { offset: self.offset(), near: excerpt(self.rest()) }
    }
}

/// A line without the line end and the comma that separates it from the next.
fn without_separator(line: &[u8]) -> &[u8] {
    let line = line.trim_ascii_end();
    line.strip_suffix(b",").unwrap_or(line)
}

fn excerpt(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes.get(..bytes.len().min(80)).unwrap_or_default());
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: &str = r#"{"cat" : "Node","pid" :9,"tid" :7,"dur" :5,"ts" :12,"ph" : "X","name" :"NAME_kernel_time","args" : {"op_name" : "Add","thread_scheduling_stats" : {"main": {"x": {"y": 1}}}}}"#;

    fn file(names: &[&str]) -> String {
        let events: Vec<String> = names.iter().map(|name| NODE.replace("NAME", name)).collect();
        format!("[\n{}\n]\n", events.join(",\n"))
    }

    fn names(bytes: &[u8], encoding: NameEncoding) -> Result<Vec<String>, ProfileError> {
        let mut reader = Reader::new(bytes, encoding);
        let mut names = Vec::new();
        while let Some(event) = reader.next_event()? {
            names.push(event.name().into_owned());
        }
        Ok(names)
    }

    /// Hands out a few bytes at a time.
    struct Trickle<'a>(&'a [u8], usize);

    impl Read for Trickle<'_> {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            let count = self.1.min(self.0.len()).min(into.len());
            into[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    #[test]
    fn events_come_in_order_whatever_their_names() {
        let odd = ["a", "two\nlines}},\n", "q\"uo\\te", r#"x","ph" : "X"#, ""];
        assert_eq!(names(file(&odd).as_bytes(), NameEncoding::Raw).unwrap(), odd);
    }

    #[test]
    fn the_window_may_end_anywhere() {
        let text = file(&["a", "b\nb", "c"]);
        for step in [1, 2, 7, 100] {
            let mut reader = Reader::new(Trickle(text.as_bytes(), step), NameEncoding::Raw);
            let mut count = 0;
            while reader.next_event().unwrap().is_some() {
                count += 1;
            }
            assert_eq!(count, 3, "{step} bytes at a time");
        }
    }

    #[test]
    fn the_window_stays_small_and_grows_for_one_long_event_alone() {
        let many = vec!["n"; 20_000];
        let text = file(&many);
        let mut reader = Reader::new(text.as_bytes(), NameEncoding::Raw);
        while reader.next_event().unwrap().is_some() {}
        assert_eq!(reader.window.len(), WINDOW);
        let long = "x".repeat(3 * WINDOW);
        assert_eq!(names(file(&["a", &long, "b"]).as_bytes(), NameEncoding::Raw).unwrap(), ["a", &long, "b"]);
    }

    #[test]
    fn other_spellings_of_the_same_json() {
        let compact = r#"[{"cat":"Node","ts":1,"dur":2,"name":"a_kernel_time","args":{"op_name":"Add"}},{"cat":"Node","name":"b\n_kernel_time","args":{}}]"#;
        assert_eq!(names(compact.as_bytes(), NameEncoding::Escaped).unwrap(), ["a", "b\n"]);
        let pretty = "[\n  {\n    \"name\": \"a\",\n    \"args\": {}\n  },\n  {\n    \"name\": \"b\"\n  }\n]";
        assert_eq!(names(pretty.as_bytes(), NameEncoding::Escaped).unwrap(), ["a", "b"]);
        assert!(names(b"[]", NameEncoding::Raw).unwrap().is_empty());
    }

    #[test]
    fn a_truncated_file_is_told_from_a_whole_one_at_every_length() {
        let text = file(&["a", "b"]);
        let whole = text.trim_end().len();
        for length in 0..whole {
            let result = names(&text.as_bytes()[..length], NameEncoding::Raw);
            assert!(matches!(result, Err(ProfileError::Truncated { .. })), "{length} of {whole}: {result:?}");
        }
    }

    #[test]
    fn what_is_no_profile_is_quoted() {
        for text in ["{}", "hello", "[1, 2]", "[{\"cat\" : \"Node\",oops}}\n]"] {
            let result = names(text.as_bytes(), NameEncoding::Raw);
            assert!(result.is_err(), "{text}");
        }
        let error = names(b"[ 1 ]", NameEncoding::Raw).unwrap_err();
        assert!(error.to_string().contains("byte 2: `1 ]`"), "{error}");
    }
}
