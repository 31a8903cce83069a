//! What a Markdown parser makes of a comment.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// Tags that the comment may hold, all of which GitHub lets through.
const OURS: [&str; 10] =
    ["<details>", "</details>", "<summary>", "</summary>", "<sub>", "</sub>", "<code>", "</code>", "<br>", "<wbr>"];

/// The parts of a comment that GitHub would act on.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    /// The cells of each row of each table, the heading's included.
    pub tables: Vec<Vec<Vec<String>>>,
    /// Where links lead.
    pub links: Vec<String>,
    /// How many images there are.
    pub images: usize,
    /// HTML tags in their order.
    pub tags: Vec<String>,
    /// Headings.
    pub headings: Vec<String>,
}

impl Parsed {
    pub fn of(comment: &str) -> Parsed {
        let mut parsed = Parsed::default();
        let (mut heading, mut in_cell) = (None, false);
        for event in Parser::new_ext(comment, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH) {
            match event {
                Event::Start(Tag::Table(_)) => parsed.tables.push(Vec::new()),
                Event::Start(Tag::TableHead | Tag::TableRow) => parsed.table().push(Vec::new()),
                Event::Start(Tag::TableCell) => {
                    parsed.row().push(String::new());
                    in_cell = true;
                }
                Event::End(TagEnd::TableCell) => in_cell = false,
                Event::Start(Tag::Link { dest_url, .. }) => parsed.links.push(dest_url.into_string()),
                Event::Start(Tag::Image { .. }) => parsed.images += 1,
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => parsed.headings.extend(heading.take()),
                Event::Text(text) => match &mut heading {
                    Some(heading) => heading.push_str(&text),
                    None if in_cell => parsed.cell().push_str(&text),
                    None => {}
                },
                Event::Html(html) | Event::InlineHtml(html) => parsed.tags.extend(tags(&html)),
                _ => {}
            }
        }
        parsed
    }

    fn table(&mut self) -> &mut Vec<Vec<String>> {
        self.tables.last_mut().expect("a row stands in a table")
    }

    fn row(&mut self) -> &mut Vec<String> {
        self.table().last_mut().expect("a cell stands in a row")
    }

    fn cell(&mut self) -> &mut String {
        self.row().last_mut().expect("a text stands in a cell")
    }

    /// No image, no second heading, no tag but ours, and each closed where it must be.
    pub fn assert_ours(&self) {
        assert_eq!((self.images, self.headings.len()), (0, 1), "{self:?}");
        let mut open: Vec<&str> = Vec::new();
        for tag in &self.tags {
            assert!(OURS.contains(&tag.as_str()), "{tag} is not ours");
            match tag.strip_prefix("</") {
                Some(name) => assert_eq!(open.pop(), Some(name), "{:?}", self.tags),
                None if tag == "<br>" || tag == "<wbr>" => {}
                None => open.push(&tag[1..]),
            }
        }
        assert!(open.is_empty(), "left open: {open:?}");
    }
}

/// The tags in a piece of HTML, each from its bracket to the next.
fn tags(html: &str) -> impl Iterator<Item = String> + '_ {
    html.split_inclusive('>').filter_map(|part| part.rfind('<').map(|at| part[at..].to_owned()))
}

/// A comment without what its fenced blocks show.
pub(super) fn outside_fences(comment: &str) -> String {
    let mut fenced = false;
    let outside = comment.lines().filter(|line| {
        let fence = line.starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    });
    outside.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_parser_sees_what_github_would_act_on() {
    let parsed = Parsed::of("# a\n\n| b | <b>c</b> |\n| --- | --- |\n| [d](e) | ![f](g) |\n\n```\n<i>\n```\n");
    assert_eq!(parsed.headings, ["a"]);
    assert_eq!(parsed.tables, [[["b", "c"], ["d", "f"]]]);
    assert_eq!((parsed.links, parsed.images), (vec!["e".to_owned()], 1));
    assert_eq!(parsed.tags, ["<b>", "</b>"]);
    assert_eq!(outside_fences("a\n```sh\nb\n```\nc"), "a\nc");
}
