//! What can be wrong with a configuration, pointed at in its text.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::suggest::nearest;

/// Why no configuration could be had.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The text says something that cannot be.
    #[error(transparent)]
    Invalid(Box<Diagnostic>),
    /// A file could not be read.
    #[error("cannot read the configuration {path}: {source}", path = path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Cargo could not describe the project, which is asked where no `nongemm.toml` is found.
    #[error(
        "cannot ask Cargo about {manifest}: {source}\nrepair the manifest, or write a nongemm.toml beside it (`cargo nongemm init`)",
        manifest = manifest.display()
    )]
    Cargo {
        /// The manifest asked about.
        manifest: PathBuf,
        /// Why.
        source: Box<cargo_metadata::Error>,
    },
    /// `-p` was given where there is no Cargo project.
    #[error(
        "`--package {package}`: no Cargo.toml in {dir} or above; go to the project, or give `--manifest-path`",
        dir = dir.display()
    )]
    NoProject {
        /// As given.
        package: String,
        /// Where the search began.
        dir: PathBuf,
    },
    /// `-p` names a package that the workspace has not.
    #[error("`--package {package}`: no such package in the workspace of {manifest}{hint}", manifest = manifest.display())]
    NoPackage {
        /// As given.
        package: String,
        /// The manifest asked about.
        manifest: PathBuf,
        /// `; did you mean ...`, or nothing.
        hint: String,
    },
}

impl ConfigError {
    /// The message for a terminal, with colours where `styled`.
    pub fn render(&self, styled: bool) -> String {
        match self {
            ConfigError::Invalid(diagnostic) => diagnostic.render(styled),
            other => other.to_string(),
        }
    }
}

impl From<Diagnostic> for ConfigError {
    fn from(diagnostic: Diagnostic) -> Self {
        ConfigError::Invalid(Box::new(diagnostic))
    }
}

/// A mistake in the text of a configuration. Displayed as the message, then the lines it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file.
    pub file: PathBuf,
    /// Its text.
    pub text: String,
    /// Bytes of the text that are wrong.
    pub span: Range<usize>,
    /// What is wrong, in a sentence.
    pub title: String,
    /// What to say at the place; may be empty.
    pub label: String,
    /// What to do.
    pub help: Option<String>,
}

impl std::error::Error for Diagnostic {}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl Diagnostic {
    /// The message and the lines it is about, with colours where `styled`. Has no `error:` before it.
    pub fn render(&self, styled: bool) -> String {
        let path = self.file.display().to_string();
        let annotation = AnnotationKind::Primary.span(self.span.clone()).label(self.label.as_str());
        let snippet = Snippet::source(self.text.as_str()).path(path.as_str()).annotation(annotation);
        let mut group = Group::with_title(Level::ERROR.no_name().primary_title(self.title.as_str())).element(snippet);
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        let renderer = if styled { Renderer::styled() } else { Renderer::plain() };
        renderer.decor_style(DecorStyle::Ascii).render(&[group])
    }

    /// From an error of the TOML parser or of serde, whose messages name what was expected.
    pub(super) fn from_toml(error: &toml::de::Error, file: PathBuf, text: String) -> Diagnostic {
        let span = error.span().unwrap_or(0..0);
        let message = error.message();
        let mut diagnostic =
            Diagnostic { file, text, span, title: plain_words(message), label: String::new(), help: None };
        let unknown = [("unknown field", "key"), ("unknown variant", "value")]
            .into_iter()
            .find(|(prefix, _)| message.starts_with(prefix));
        if let Some((_, what)) = unknown {
            let mut quoted = message.split('`').skip(1).step_by(2);
            let wrong = quoted.next().unwrap_or_default();
            let allowed: Vec<&str> = quoted.collect();
            diagnostic.title = format!("unknown {what} `{wrong}`");
            diagnostic.label = nearest(wrong, allowed.iter().copied())
                .map(|name| format!("did you mean `{name}`?"))
                .unwrap_or_default();
            diagnostic.help = Some(format!("{what}s that may stand here: {}", allowed.join(", ")));
        }
        diagnostic
    }
}

/// A parser's message in the words of the configuration's reader instead of Rust's.
fn plain_words(message: &str) -> String {
    let words = [
        ("expected i64", "expected a whole number"),
        ("expected f64", "expected a number"),
        ("expected a sequence", "expected a list"),
        ("expected a map", "expected a table"),
        ("expected struct RawModel", "expected a table"),
        ("expected struct RawBudget", "expected a table"),
        ("expected struct RawIterations", "expected a table such as { min = 10, max = 200 }"),
        ("expected struct RawSuite", "expected a table"),
        ("expected struct RawMeasure", "expected a table"),
        ("expected struct RawGroupGate", "expected a table"),
        ("expected struct RawGate", "expected a table"),
        ("expected struct RawRule", "expected a table"),
        ("expected struct RawCompare", "expected a table"),
    ];
    words.iter().fold(message.trim().replace('\n', ", "), |text, (rust, plain)| text.replace(rust, plain))
}
