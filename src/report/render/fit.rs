//! Documents that may not exceed a length: sections that are shown whole or row by row, the least important left out
//! first.

/// A part of a document that can do without its last rows, or be left out.
pub(super) struct Section<'a> {
    /// What its rows are called where some are missing, in the plural, such as `logs`.
    pub name: &'static str,
    /// What is left out last has the lowest number.
    pub rank: u8,
    /// What stands before the rows.
    pub open: String,
    /// The rows, made as they are needed.
    pub rows: Box<dyn Iterator<Item = String> + 'a>,
    /// How many rows there are; a section without rows is its `open` and its `close`.
    pub total: usize,
    /// What stands behind the rows.
    pub close: String,
}

impl<'a> Section<'a> {
    /// A section that is shown as it is or not at all.
    pub fn whole(name: &'static str, rank: u8, text: String) -> Section<'a> {
        let (rows, close) = (Box::new(std::iter::empty()), String::new());
        Section { name, rank, open: text, rows, total: 0, close }
    }
}

/// Something that found no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LeftOut {
    /// The section's name.
    pub name: &'static str,
    /// How many rows; `None` for a section without rows.
    pub rows: Option<usize>,
}

/// What fits, and what does not.
pub(super) struct Fitted {
    /// The sections in the order in which they were given.
    pub text: String,
    /// In the same order.
    pub left_out: Vec<LeftOut>,
}

/// As much of the sections as fits into `room` by `measure`, which must be additive. Each takes what those of a lower
/// rank leave.
pub(super) fn fit(sections: Vec<Section<'_>>, room: usize, measure: fn(&str) -> usize) -> Fitted {
    let mut order: Vec<(usize, Section<'_>)> = sections.into_iter().enumerate().collect();
    order.sort_by_key(|(_, section)| section.rank);
    let mut left = room;
    let mut shown: Vec<(usize, String, Option<LeftOut>)> = Vec::new();
    for (place, section) in order {
        let (text, left_out) = take(section, left, measure);
        left -= measure(&text);
        shown.push((place, text, left_out));
    }
    shown.sort_by_key(|(place, ..)| *place);
    let left_out = shown.iter().filter_map(|(_, _, left_out)| *left_out).collect();
    Fitted { text: shown.into_iter().map(|(_, text, _)| text).collect(), left_out }
}

/// As much of one section as fits: its first rows, and nothing where not even one does.
fn take(section: Section<'_>, room: usize, measure: fn(&str) -> usize) -> (String, Option<LeftOut>) {
    let Section { name, open, rows, total, close, .. } = section;
    let around = measure(&open) + measure(&close);
    if total == 0 {
        let nothing = (String::new(), Some(LeftOut { name, rows: None }));
        return if around <= room { (open + &close, None) } else { nothing };
    }
    let mut left = room.saturating_sub(around);
    let (mut text, mut shown) = (open, 0);
    for row in rows {
        let length = measure(&row);
        if length > left {
            break;
        }
        left -= length;
        text.push_str(&row);
        shown += 1;
    }
    match total.saturating_sub(shown) {
        missing if shown == 0 => (String::new(), Some(LeftOut { name, rows: Some(missing) })),
        0 => (text + &close, None),
        missing => (text + &close, Some(LeftOut { name, rows: Some(missing) })),
    }
}

/// What was left out, as a list: `3 rows, 2 logs and the shares`. Sections of one name are counted together.
pub(super) fn named(left_out: &[LeftOut]) -> String {
    let mut together: Vec<LeftOut> = Vec::new();
    for left in left_out {
        match together.iter_mut().find(|other| other.name == left.name) {
            Some(other) => other.rows = other.rows.zip(left.rows).map(|(a, b)| a + b),
            None => together.push(*left),
        }
    }
    let one = |left: &LeftOut| match left.rows {
        Some(rows) => format!("{rows} {}", left.name),
        None => left.name.to_owned(),
    };
    let names: Vec<String> = together.iter().map(one).collect();
    match names.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// Length as GitHub limits it, at its strictest: in units of UTF-16, of which no character has fewer than one.
pub(super) fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(name: &'static str, rank: u8, count: usize) -> Section<'static> {
        let rows = Box::new((0..count).map(|row| format!("{row}\n")));
        Section { name, rank, open: format!("<{name}>\n"), rows, total: count, close: "</>\n".to_owned() }
    }

    fn both(room: usize) -> Fitted {
        fit(vec![rows("a", 2, 3), rows("b", 1, 2)], room, units)
    }

    #[test]
    fn all_is_shown_in_order_where_there_is_room() {
        let fitted = both(26);
        assert_eq!(fitted.text, "<a>\n0\n1\n2\n</>\n<b>\n0\n1\n</>\n");
        assert!(fitted.left_out.is_empty());
    }

    #[test]
    fn rows_go_from_the_end_of_what_matters_least_and_then_the_section() {
        let fitted = both(23);
        assert_eq!(fitted.text, "<a>\n0\n</>\n<b>\n0\n1\n</>\n");
        assert_eq!(named(&fitted.left_out), "2 a");
        let fitted = both(21);
        assert_eq!(fitted.text, "<b>\n0\n1\n</>\n");
        assert_eq!(named(&fitted.left_out), "3 a");
        assert_eq!(named(&both(10).left_out), "3 a and 1 b");
        assert_eq!((both(0).text.as_str(), named(&both(0).left_out).as_str()), ("", "3 a and 2 b"));
    }

    #[test]
    fn a_section_without_rows_is_shown_whole_or_not() {
        let facts = || vec![Section::whole("the facts", 0, "12345".to_owned())];
        assert_eq!(fit(facts(), 5, units).text, "12345");
        assert_eq!(named(&fit(facts(), 4, units).left_out), "the facts");
    }

    #[test]
    fn sections_of_one_name_are_counted_together() {
        let one = |rows| LeftOut { name: "scenarios", rows: Some(rows) };
        assert_eq!(named(&[one(1), LeftOut { name: "the rest", rows: None }, one(2)]), "3 scenarios and the rest");
    }

    #[test]
    fn a_character_may_be_two_units() {
        assert_eq!([units("ä"), units("🦀"), units("")], [1, 2, 0]);
    }
}
