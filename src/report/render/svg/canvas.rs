//! SVG elements as text, and how wide words are.

use crate::report::render::text::{self, Charset};
use crate::report::render::xml;

/// Where a text stands relative to its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::report::render) enum Anchor {
    Start,
    Middle,
    End,
}

/// How a text looks.
#[derive(Debug, Clone, Copy)]
pub(in crate::report::render) struct Font {
    /// In pixels.
    pub size: f64,
    pub bold: bool,
    /// Its colour, by class.
    pub class: &'static str,
}

impl Font {
    pub const fn new(size: f64, class: &'static str) -> Font {
        Font { size, bold: false, class }
    }

    pub const fn bold(size: f64, class: &'static str) -> Font {
        Font { size, bold: true, class }
    }

    /// Pixels that a text takes at most. Which font shows it is up to the viewer: estimated for the widest of those
    /// that are common, so that what fits here fits everywhere.
    pub fn width(self, content: &str) -> f64 {
        let em: f64 = content.chars().map(em).sum();
        em * self.size * if self.bold { 1.08 } else { 1.0 }
    }

    /// The text in at most so many pixels, cut in the middle.
    pub fn fit(self, content: &str, room: f64) -> String {
        let shown = text::escape(content, Charset::Unicode);
        let mut columns = text::width(&shown);
        loop {
            let cut = text::truncate_middle(&shown, columns, Charset::Unicode);
            if columns == 0 || self.width(&cut) <= room {
                return cut.into_owned();
            }
            columns -= 1;
        }
    }

    /// The text in lines of at most so many pixels.
    pub fn wrap(self, content: &str, room: f64) -> Vec<String> {
        let shown = text::escape(content, Charset::Unicode);
        let mut columns = text::width(&shown).max(1);
        loop {
            let lines = text::wrap(&shown, columns);
            if columns == 1 || lines.iter().all(|line| self.width(line) <= room) {
                return lines;
            }
            columns -= 1;
        }
    }
}

/// The advance of a character, in parts of the font's size.
fn em(c: char) -> f64 {
    match c {
        ' ' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | 'i' | 'j' | 'l' | 'I' => 0.34,
        '(' | ')' | '[' | ']' | '-' | '/' | 'f' | 't' | 'r' => 0.42,
        'm' | 'w' | 'M' | 'W' | '@' | '%' | '…' | '<' | '>' | '=' | '+' | '~' => 0.97,
        'A'..='Z' => 0.72,
        c if text::char_width(c) == 2 => 1.05,
        _ => 0.63,
    }
}

/// A rectangle.
#[derive(Debug, Clone, Copy)]
pub(in crate::report::render) struct Area {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

/// Elements in the order in which they are painted.
#[derive(Debug, Default)]
pub(in crate::report::render) struct Canvas {
    out: String,
}

impl Canvas {
    /// A rectangle; `about` is shown when the pointer rests on it.
    pub fn area(&mut self, class: &str, area: Area, about: Option<&str>) {
        let (x, y, width, height) = (px(area.x), px(area.y), px(area.width), px(area.height));
        self.push(&format!(r#"<rect class="{class}" x="{x}" y="{y}" width="{width}" height="{height}""#));
        match about {
            Some(about) => self.push(&format!("><title>{}</title></rect>\n", xml::escape(about))),
            None => self.push("/>\n"),
        }
    }

    pub fn line(&mut self, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        let (x1, y1, x2, y2) = (px(x1), px(y1), px(x2), px(y2));
        self.push(&format!("<line class=\"{class}\" x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\"/>\n"));
    }

    /// A text whose baseline is at `y`.
    pub fn text(&mut self, font: Font, anchor: Anchor, (x, y): (f64, f64), content: &str) {
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => r#" text-anchor="middle""#,
            Anchor::End => r#" text-anchor="end""#,
        };
        let weight = if font.bold { r#" font-weight="600""# } else { "" };
        let (class, size, x, y) = (font.class, px(font.size), px(x), px(y));
        let content = xml::escape(content);
        self.push(&format!(
            "<text class=\"{class}\" x=\"{x}\" y=\"{y}\" font-size=\"{size}\"{anchor}{weight}>{content}</text>\n"
        ));
    }

    pub fn begin(&mut self, class: &str) {
        self.push(&format!("<g class=\"{class}\">\n"));
    }

    pub fn end(&mut self) {
        self.push("</g>\n");
    }

    /// What another canvas holds, painted above.
    pub fn append(&mut self, other: &Canvas) {
        self.push(&other.out);
    }

    pub fn into_string(self) -> String {
        self.out
    }

    fn push(&mut self, text: &str) {
        self.out.push_str(text);
    }
}

/// Hundredths of a pixel, without what says nothing.
pub(in crate::report::render) fn px(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!([px(12.0), px(0.125), px(-0.001), px(7.1)], ["12", "0.12", "0", "7.1"]);
    }

    fn any_text() -> impl Strategy<Value = String> {
        proptest::collection::vec(any::<char>(), 0..40).prop_map(String::from_iter)
    }

    proptest! {
        #[test]
        fn any_text_is_content_and_nothing_else(content in any_text()) {
            let mut canvas = Canvas::default();
            canvas.text(Font::new(12.0, "text"), Anchor::Start, (0.0, 0.0), &content);
            let text = canvas.into_string();
            let document = roxmltree::Document::parse(&text).unwrap();
            prop_assert_eq!(document.root().descendants().filter(roxmltree::Node::is_element).count(), 1);
        }

        #[test]
        fn what_is_fitted_fits(content in any_text(), room in 20.0..300.0f64) {
            let font = Font::bold(12.0, "text");
            prop_assert!(font.width(&font.fit(&content, room)) <= room);
            prop_assert!(font.wrap(&content, room).iter().all(|line| font.width(line) <= room));
        }
    }
}
