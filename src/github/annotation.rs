//! A remark on one line of a file, whichever way it reaches the reader.

/// A remark on a line: in a check run, or as a command of a workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    /// The file, relative to the repository's root, with `/`. Empty for a remark on no file: it can be a workflow's
    /// command but no part of a check run, which leaves it out.
    pub path: String,
    /// The line, from 1.
    pub line: u32,
    /// How grave it is.
    pub level: AnnotationLevel,
    /// What it is about, in a few words.
    pub title: String,
    /// What there is to say, as plain text.
    pub message: String,
}

/// How grave a remark is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnnotationLevel {
    /// For information.
    Notice,
    /// To be looked at.
    Warning,
    /// It is why the check failed.
    Failure,
}
