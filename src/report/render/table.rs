//! A text table that fits its width: right-aligned figures, long names cut in the middle, lesser columns dropped.

use std::io::{self, Write};

use anstyle::Style;

use super::text::{self, Charset, Cut};

/// Where the text of a column stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// For words.
    Left,
    /// For figures.
    Right,
}

/// One column: its heading and what may happen to it where the table is too wide.
#[derive(Debug, Clone)]
pub struct Column {
    heading: String,
    align: Align,
    shrink_to: Option<usize>,
    cut: Cut,
    drop_rank: u8,
}

impl Column {
    /// A column of words.
    pub fn left(heading: impl Into<String>) -> Column {
        Column { heading: heading.into(), align: Align::Left, shrink_to: None, cut: Cut::Middle, drop_rank: 0 }
    }

    /// A column of figures.
    pub fn right(heading: impl Into<String>) -> Column {
        Column { align: Align::Right, ..Column::left(heading) }
    }

    /// Lets the column's cells be cut in the middle, down to `columns`.
    pub fn shrink_to(mut self, columns: usize) -> Column {
        self.shrink_to = Some(columns);
        self
    }

    /// Cuts cells near their start, for names whose end tells more, such as `com.microsoft:FusedConv`.
    pub fn cut_early(mut self) -> Column {
        self.cut = Cut::Early;
        self
    }

    /// Lets the column go where shrinking is not enough; the highest rank goes first, rank 0 never.
    pub fn droppable(mut self, rank: u8) -> Column {
        self.drop_rank = rank;
        self
    }
}

/// One cell. Its text may come from anywhere: the table escapes it.
#[derive(Debug, Clone, Default)]
pub struct Cell {
    text: String,
    style: Style,
    spans: bool,
}

impl Cell {
    /// A cell in a style.
    pub fn styled(text: impl Into<String>, style: Style) -> Cell {
        Cell { text: text.into(), style, spans: false }
    }

    /// Lets the cell run over the empty cells to its right, without widening its own column.
    pub fn spanning(mut self) -> Cell {
        self.spans = true;
        self
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Cell {
        Cell::styled(text, Style::new())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Cell {
        Cell::styled(text, Style::new())
    }
}

/// How a table is laid out.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// Columns of the terminal, the indent included.
    pub width: usize,
    /// Spaces before each line.
    pub indent: usize,
    /// What may be drawn with.
    pub charset: Charset,
}

/// Rows under headings. Lines end without trailing spaces.
#[derive(Debug, Clone)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

const GAP: usize = 2;

impl Table {
    /// An empty table.
    pub fn new(columns: impl IntoIterator<Item = Column>) -> Table {
        Table { columns: columns.into_iter().collect(), rows: Vec::new() }
    }

    /// Adds a row; missing cells are empty, cells beyond the last column are not shown.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) -> &mut Table {
        let mut row: Vec<Cell> = cells.into_iter().collect();
        row.resize(self.columns.len(), Cell::default());
        self.rows.push(row);
        self
    }

    /// True without rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Writes headings (if any column has one) and rows. Styles are written as ANSI escapes: a caller whose stream
    /// shows none strips them.
    ///
    /// # Errors
    /// What the writer returns.
    pub fn write(&self, layout: Layout, writer: &mut dyn Write) -> io::Result<()> {
        let escaped = self.escaped(layout.charset);
        let widths = self.fit(&escaped, layout);
        let shown: Vec<usize> = (0..self.columns.len()).filter(|&i| widths[i].is_some()).collect();
        let widths: Vec<usize> = widths.into_iter().map(|width| width.unwrap_or(0)).collect();
        let heading = Style::new().dimmed();
        let headings: Vec<Cell> = self
            .columns
            .iter()
            .map(|column| Cell::styled(text::escape(&column.heading, layout.charset), heading))
            .collect();
        if headings.iter().any(|cell| !cell.text.is_empty()) {
            self.write_row(&headings, &shown, &widths, layout, writer)?;
        }
        escaped.iter().try_for_each(|row| self.write_row(row, &shown, &widths, layout, writer))
    }

    fn escaped(&self, charset: Charset) -> Vec<Vec<Cell>> {
        let cell = |cell: &Cell| Cell { text: text::escape(&cell.text, charset).into_owned(), ..cell.clone() };
        self.rows.iter().map(|row| row.iter().take(self.columns.len()).map(cell).collect()).collect()
    }

    /// The width of each column; `None` for one that was dropped.
    fn fit(&self, rows: &[Vec<Cell>], layout: Layout) -> Vec<Option<usize>> {
        let natural = |i: usize| {
            let cells = rows.iter().map(|row| &row[i]).filter(|cell| !cell.spans).map(|cell| text::width(&cell.text));
            cells.max().unwrap_or(0).max(text::width(&self.columns[i].heading))
        };
        let room = layout.width.saturating_sub(layout.indent);
        let mut widths: Vec<Option<usize>> = (0..self.columns.len()).map(|i| Some(natural(i))).collect();
        let least = |i: usize, width: usize| self.columns[i].shrink_to.map_or(width, |least| least.min(width));
        // Drop columns until the rest fits at its narrowest, then shrink what is left as far as needed.
        while total(widths.iter().enumerate().filter_map(|(i, width)| width.map(|width| least(i, width)))) > room {
            let candidates = (0..widths.len()).filter(|&i| widths[i].is_some() && self.columns[i].drop_rank > 0);
            match candidates.max_by_key(|&i| self.columns[i].drop_rank) {
                Some(dropped) => widths[dropped] = None,
                None => break,
            }
        }
        while total(widths.iter().copied().flatten()) > room {
            let shrinkable = (0..widths.len()).filter(|&i| widths[i].is_some_and(|width| width > least(i, width)));
            match shrinkable.max_by_key(|&i| widths[i]) {
                Some(widest) => widths[widest] = widths[widest].map(|width| width - 1),
                None => break,
            }
        }
        widths
    }

    fn write_row(
        &self,
        row: &[Cell],
        shown: &[usize],
        widths: &[usize],
        layout: Layout,
        writer: &mut dyn Write,
    ) -> io::Result<()> {
        // Spaces are held back until something follows them, so that no line ends in one.
        let mut pending = layout.indent;
        let mut position = 0;
        while position < shown.len() {
            let (cell, column) = (&row[shown[position]], &self.columns[shown[position]]);
            let mut width = widths[shown[position]];
            let mut next = position + 1;
            while cell.spans && next < shown.len() && row[shown[next]].text.is_empty() {
                width += GAP + widths[shown[next]];
                next += 1;
            }
            let text =
                text::truncate(&cell.text, width, if cell.spans { Cut::Middle } else { column.cut }, layout.charset);
            let padding = width.saturating_sub(text::width(&text));
            if column.align == Align::Right && !cell.spans {
                pending += padding;
            }
            if !text.is_empty() {
                write!(writer, "{:pending$}{}{text}{:#}", "", cell.style, cell.style)?;
                pending = 0;
            }
            if column.align == Align::Left || cell.spans {
                pending += padding;
            }
            pending += GAP;
            position = next;
        }
        writeln!(writer)
    }
}

fn total(widths: impl Iterator<Item = usize>) -> usize {
    let (sum, count) = widths.fold((0, 0), |(sum, count), width| (sum + width, count + 1));
    sum + GAP * usize::saturating_sub(count, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new([
            Column::left("operator").shrink_to(8),
            Column::left("group").droppable(2),
            Column::right("ms"),
            Column::right("runs").droppable(1),
        ]);
        table.row(["com.microsoft:SkipLayerNormalization".into(), "normalization".into(), "12.3".into(), "24".into()]);
        table.row(["模型\x1b[2J".into(), "?".into(), "4.0".into(), "1".into()]);
        table.row([Cell::from("float[1,128,768]").spanning(), Cell::default(), "4.0".into()]);
        table
    }

    fn shown(width: usize, charset: Charset) -> String {
        let mut out = Vec::new();
        table().write(Layout { width, indent: 2, charset }, &mut out).unwrap();
        anstream::adapter::strip_bytes(&out).into_vec().try_into().unwrap()
    }

    #[test]
    fn roomy() {
        insta::assert_snapshot!(shown(80, Charset::Unicode));
    }

    #[test]
    fn names_shrink_before_columns_go() {
        insta::assert_snapshot!(shown(50, Charset::Unicode));
    }

    #[test]
    fn columns_go_by_rank() {
        insta::assert_snapshot!(shown(30, Charset::Ascii));
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_or_ends_in_a_space() {
        for width in 20..90 {
            for line in shown(width, Charset::Unicode).lines() {
                assert!(text::width(line) <= width, "{width}: `{line}`");
                assert!(!line.ends_with(' '), "{width}: `{line}`");
            }
        }
    }

    #[test]
    fn an_empty_heading_line_is_left_out() {
        let mut table = Table::new([Column::left(""), Column::right("")]);
        table.row(["a".into(), "1".into()]);
        let mut out = Vec::new();
        table.write(Layout { width: 80, indent: 0, charset: Charset::Unicode }, &mut out).unwrap();
        assert_eq!(out, b"a  1\n");
    }
}
