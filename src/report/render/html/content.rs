//! What stands in a page: text that came from outside, tables, and charts. The types decide what the templates escape:
//! text is escaped always, and only what is made here of elements of its own is not.

use std::fmt;

use askama::Template;
use askama::filters::HtmlSafe;

use crate::report::render::text::{self, Charset};

/// Foreign text as people are to see it; the template escapes what HTML acts on.
pub(super) fn shown(foreign: &str) -> String {
    text::escape(foreign, Charset::Unicode).into_owned()
}

/// A drawing: elements of ours, in which all foreign text is escaped.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Svg(pub String);

impl fmt::Display for Svg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl HtmlSafe for Svg {}

/// A sentence in pieces: plain ones, and names and commands that are shown as code.
#[derive(Debug, Clone, PartialEq, Template)]
#[template(path = "sentence.html")]
pub(super) struct Sentence {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq)]
struct Piece {
    text: String,
    is_code: bool,
}

impl HtmlSafe for Sentence {}

impl Sentence {
    /// A sentence of ours with foreign names in it: what stands between backticks is code.
    pub fn of(text: &str) -> Sentence {
        let parts: Vec<&str> = text.split('`').collect();
        // An odd backtick belongs to a name; nobody can say which.
        if parts.len().is_multiple_of(2) {
            return Sentence { pieces: vec![Piece { text: shown(text), is_code: false }] };
        }
        let piece = |(index, part): (usize, &&str)| Piece { text: shown(part), is_code: index % 2 == 1 };
        Sentence { pieces: parts.iter().enumerate().map(piece).filter(|piece| !piece.text.is_empty()).collect() }
    }

    /// A name, a command.
    pub fn code(text: &str) -> Sentence {
        Sentence { pieces: vec![Piece { text: shown(text), is_code: true }] }
    }

    /// The same and more.
    pub fn then(mut self, more: Sentence) -> Sentence {
        self.pieces.extend(more.pieces);
        self
    }
}

/// A word that is seen from afar, coloured by what it means.
#[derive(Debug, Clone, PartialEq, Template)]
#[template(source = "<span class=\"badge {{ class }}\">{{ word }}</span>", ext = "html")]
pub(super) struct Badge {
    /// One of `good`, `bad`, `warn`, `quiet`.
    pub class: &'static str,
    pub word: &'static str,
}

impl HtmlSafe for Badge {}

/// A link to another place of the page, shown as code.
#[derive(Debug, Clone, PartialEq, Template)]
#[template(source = "<a href=\"#{{ target }}\"><code>{{ text }}</code></a>", ext = "html")]
pub(super) struct Link {
    pub target: String,
    pub text: String,
}

impl HtmlSafe for Link {}

/// What stands in a cell.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Content {
    Sentence(Sentence),
    Number(String),
    Badge(Badge),
    Link(Link),
    Chart(Svg),
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Content::Sentence(sentence) => write!(f, "{sentence}"),
            // Digits, signs and units of ours.
            Content::Number(number) => f.write_str(number),
            Content::Badge(badge) => write!(f, "{badge}"),
            Content::Link(link) => write!(f, "{link}"),
            Content::Chart(svg) => write!(f, "{svg}"),
        }
    }
}

impl HtmlSafe for Content {}

impl Content {
    /// Plain words, with code between backticks.
    pub fn words(text: &str) -> Content {
        Content::Sentence(Sentence::of(text))
    }

    /// A name.
    pub fn code(text: &str) -> Content {
        Content::Sentence(Sentence::code(text))
    }

    /// Nothing.
    pub fn none() -> Content {
        Content::Number(String::new())
    }

    /// How much room the cell needs: a name is not broken, a sentence not squeezed.
    fn class(&self) -> &'static str {
        match self {
            Content::Number(_) => "number",
            Content::Chart(_) => "chart",
            Content::Badge(_) => "",
            Content::Link(link) => room(link.text.chars().count(), true),
            Content::Sentence(Sentence { pieces }) => room(
                pieces.iter().map(|piece| piece.text.chars().count()).sum(),
                pieces.iter().any(|piece| piece.is_code),
            ),
        }
    }
}

/// The class of a cell by the length of its text.
fn room(length: usize, has_code: bool) -> &'static str {
    match length {
        0..=28 if has_code => "short",
        29..=60 if has_code => "long",
        0..=60 => "",
        _ => "words",
    }
}

/// A table with a heading for each column and one for each row.
#[derive(Debug, Clone, PartialEq, Template)]
#[template(path = "table.html")]
pub(super) struct Table {
    caption: String,
    heads: Vec<Head>,
    rows: Vec<Vec<Content>>,
}

#[derive(Debug, Clone, PartialEq)]
struct Head {
    text: String,
    class: &'static str,
}

impl HtmlSafe for Table {}

impl Table {
    /// An empty table. A column whose name begins with `#` is one of figures.
    pub fn new(caption: impl Into<String>, columns: &[&str]) -> Table {
        let head = |column: &&str| match column.strip_prefix('#') {
            Some(text) => Head { text: shown(text), class: "number" },
            None => Head { text: shown(column), class: "" },
        };
        Table { caption: shown(&caption.into()), heads: columns.iter().map(head).collect(), rows: Vec::new() }
    }

    /// Appends a row; its first cell is the row's heading.
    pub fn push(&mut self, row: Vec<Content>) {
        self.rows.push(row);
    }

    /// True where there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_stands_between_backticks_is_code() {
        assert_eq!(Sentence::of("run `a<b`, then").to_string(), "run <code>a&#60;b</code>, then");
        assert_eq!(Sentence::of("odd ` one").to_string(), "odd ` one");
        assert_eq!(Sentence::code("`x`\n").to_string(), "<code>`x`\\n</code>");
    }

    #[test]
    fn a_table_has_a_heading_for_each_column_and_each_row() {
        let mut table = Table::new("a & b", &["name", "#ms"]);
        table.push(vec![Content::code("<x>"), Content::Number("1.5".into())]);
        let text = table.to_string();
        let document = roxmltree::Document::parse(&text).unwrap();
        let scopes: Vec<_> = document.descendants().filter_map(|node| node.attribute("scope")).collect();
        assert_eq!(scopes, ["col", "col", "row"]);
        assert!(text.contains("<caption>a &#38; b</caption>") && text.contains("<code>&#60;x&#62;</code>"), "{text}");
    }

    proptest! {
        #[test]
        fn any_text_is_shown_and_opens_nothing(
            text in proptest::collection::vec(any::<char>(), 0..40).prop_map(String::from_iter)
        ) {
            let mut table = Table::new(text.clone(), &["name"]);
            table.push(vec![Content::words(&text)]);
            table.push(vec![Content::Link(Link { target: "s1".into(), text: shown(&text) })]);
            let elements = ["div", "table", "caption", "thead", "tbody", "tr", "th", "td", "code", "a"];
            let html = table.to_string().replace(['\u{fffe}', '\u{ffff}'], "");
            let document = roxmltree::Document::parse(&html).unwrap();
            for node in document.descendants().filter(roxmltree::Node::is_element) {
                prop_assert!(elements.contains(&node.tag_name().name()), "{:?}", node);
            }
        }
    }
}
