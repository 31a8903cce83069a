use roxmltree::{Document, Node};

use super::*;
use crate::report::study::{Piece, fixtures};
use crate::report::{Report, ScenarioResult};

fn shown(study: &Study) -> String {
    let mut out = Vec::new();
    render(study, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// Charts of every shape: two rows, twelve, all, two providers on two machines, and names that are not nice.
fn studies() -> Vec<(&'static str, Study)> {
    let of = |models: &[&str]| fixtures::study(&fixtures::report(models));
    let quick = ["bert-base", "gpt2", "gpt2-decode", "vit-b-16", "swin-t", "segformer-b0"];
    vec![
        ("two", of(&["bert-base"])),
        ("twelve", of(&quick)),
        ("all", of(&fixtures::FULL)),
        ("providers", providers()),
        ("hostile", hostile()),
    ]
}

fn providers() -> Study {
    let cpu = fixtures::report(&["gpt2", "maskrcnn-resnet50-fpn"]);
    let mut cuda = cpu.clone();
    fixtures::on_cuda(&mut cuda);
    cuda.machine.cpu = "Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz".into();
    let pieces = [Piece { name: "cpu.json", report: &cpu }, Piece { name: "cuda.json", report: &cuda }];
    Study::of_suite(&pieces, &fixtures::FULL).unwrap()
}

fn hostile() -> Study {
    let mut report: Report =
        fixtures::report(&["a-model-with-a-very-long-name-that-nobody-can-read-to-its-end", "模型模型模型"]);
    report.machine.cpu = "</text><script>alert(1)</script>".repeat(20);
    report.scenarios[3].result = ScenarioResult::Failed { reason: "<b>\n]]>&\u{202e}".repeat(40), log: Vec::new() };
    if let ScenarioResult::Measured { summary } = &mut report.scenarios[0].result {
        summary.operators[1].group = None;
        summary.operators[0].share.0 = vec![0.0; 3];
    }
    fixtures::study(&report)
}

fn attribute(node: Node<'_, '_>, name: &str) -> f64 {
    node.attribute(name).unwrap_or_else(|| panic!("{name} of {node:?}")).parse().unwrap()
}

fn elements<'a>(document: &'a Document<'a>, name: &'static str) -> impl Iterator<Item = Node<'a, 'a>> {
    document.descendants().filter(move |node| node.has_tag_name(name))
}

/// Left, top, right and bottom.
#[derive(Debug, Clone, Copy)]
struct Extent(f64, f64, f64, f64);

impl Extent {
    fn of_text(node: Node<'_, '_>) -> Extent {
        let size = attribute(node, "font-size");
        let font = Font { size, bold: node.has_attribute("font-weight"), class: "" };
        let (x, y, width) = (attribute(node, "x"), attribute(node, "y"), font.width(node.text().unwrap_or_default()));
        let left = match node.attribute("text-anchor") {
            None => x,
            Some("middle") => x - width / 2.0,
            Some(_) => x - width,
        };
        Extent(left, y - 0.75 * size, left + width, y + 0.22 * size)
    }

    fn of_area(node: Node<'_, '_>) -> Extent {
        let (x, y) = (attribute(node, "x"), attribute(node, "y"));
        Extent(x, y, x + attribute(node, "width"), y + attribute(node, "height"))
    }

    fn overlaps(self, other: Extent) -> bool {
        self.0 < other.2 && other.0 < self.2 && self.1 < other.3 && other.1 < self.3
    }

    fn within(self, outer: Extent) -> bool {
        self.0 >= outer.0 && self.1 >= outer.1 && self.2 <= outer.2 && self.3 <= outer.3
    }
}

#[test]
fn all_text_is_on_the_canvas_and_no_two_overlap() {
    for (name, study) in studies() {
        let text = shown(&study);
        let document = Document::parse(&text).unwrap();
        let root = document.root_element();
        let page = Extent(0.0, 0.0, attribute(root, "width"), attribute(root, "height"));
        let texts: Vec<(Extent, &str)> =
            elements(&document, "text").map(|node| (Extent::of_text(node), node.text().unwrap_or_default())).collect();
        assert!(texts.len() > 10, "{name}");
        for (index, (extent, text)) in texts.iter().enumerate() {
            assert!(extent.within(page), "{name}: `{text}` at {extent:?} leaves {page:?}");
            for (other, beside) in &texts[index + 1..] {
                assert!(!extent.overlaps(*other), "{name}: `{text}` {extent:?} lies over `{beside}` {other:?}");
            }
        }
    }
}

#[test]
fn each_bar_has_a_segment_for_each_group_and_fills_its_width() {
    for (name, study) in studies() {
        let text = shown(&study);
        let document = Document::parse(&text).unwrap();
        let bars: Vec<Node<'_, '_>> =
            elements(&document, "g").filter(|node| node.attribute("class") == Some("bar")).collect();
        let measured: Vec<(&Row, &crate::report::study::Breakdown)> = study
            .rows
            .iter()
            .filter_map(|row| match &row.result {
                RowResult::Measured(breakdown) => Some((row, breakdown)),
                RowResult::Failed { .. } => None,
            })
            .collect();
        assert_eq!(bars.len(), measured.len(), "{name}");
        let missing = elements(&document, "rect").filter(|node| node.attribute("class") == Some("missing")).count();
        assert_eq!(missing + bars.len(), study.rows.len(), "{name}: what failed is there too");
        let full = Columns::of(&study, Varying::of(&study));
        for (bar, (row, breakdown)) in bars.iter().zip(measured) {
            let segments: Vec<Node<'_, '_>> = bar.children().filter(|node| node.has_tag_name("rect")).collect();
            let positive = breakdown.groups.iter().filter(|g| g.share > 0.0 && study.groups.contains(&g.group)).count();
            assert_eq!(segments.len(), positive + usize::from(breakdown.gemm > 0.0), "{name}: {}", row.id);
            let mut edge = full.bar;
            for segment in &segments {
                let extent = Extent::of_area(*segment);
                assert!((extent.0 - edge).abs() < 0.011, "{name}: {}: a gap at {edge}", row.id);
                edge = extent.2;
            }
            assert!((edge - full.bar - full.bar_width).abs() < 0.011, "{name}: {}: ends at {edge}", row.id);
        }
    }
}

#[test]
fn bars_do_not_touch_each_other_and_shares_stand_inside_their_segments() {
    for (name, study) in studies() {
        let text = shown(&study);
        let document = Document::parse(&text).unwrap();
        let page = |node: &Node<'_, '_>| ["page", "band"].contains(&node.attribute("class").unwrap_or_default());
        let areas: Vec<Extent> = elements(&document, "rect").filter(|node| !page(node)).map(Extent::of_area).collect();
        for (index, area) in areas.iter().enumerate() {
            // Neighbours in a bar share an edge, which is rounded to hundredths.
            let area = Extent(area.0 + 0.01, area.1, area.2 - 0.01, area.3);
            for other in &areas[index + 1..] {
                assert!(!area.overlaps(*other), "{name}: {area:?} lies over {other:?}");
            }
        }
        for label in elements(&document, "text")
            .filter(|node| node.parent().is_some_and(|parent| parent.attribute("class") == Some("bar")))
        {
            let extent = Extent::of_text(label);
            assert!(areas.iter().any(|area| extent.within(*area)), "{name}: {:?} sticks out", label.text());
        }
    }
}

#[test]
fn the_legend_names_what_occurs_and_nothing_else() {
    for (name, study) in studies() {
        let text = shown(&study);
        let document = Document::parse(&text).unwrap();
        let drawn = |in_bar: bool| -> std::collections::BTreeSet<&str> {
            elements(&document, "rect")
                .filter(|node| node.parent().is_some_and(|parent| (parent.attribute("class") == Some("bar")) == in_bar))
                .filter_map(|node| node.attribute("class"))
                .filter(|class| !["page", "band", "range", "missing"].contains(class))
                .collect()
        };
        assert_eq!(drawn(true), drawn(false), "{name}");
    }
}

#[test]
fn it_can_be_read_aloud() {
    let study = fixtures::study(&fixtures::report(&["bert-base", "mixtral-8x7b"]));
    let text = shown(&study);
    let document = Document::parse(&text).unwrap();
    let root = document.root_element();
    for id in root.attribute("aria-labelledby").unwrap().split(' ') {
        assert!(document.descendants().any(|node| node.attribute("id") == Some(id)), "{id}");
    }
    let about = elements(&document, "desc").next().unwrap().text().unwrap();
    assert!(about.contains("bert-base, 128 tokens, batch 8:") && about.contains("batch 8: not measured."), "{about}");
}

#[test]
fn nothing_is_fetched_and_nothing_runs() {
    for (name, study) in studies() {
        let text = shown(&study);
        let document = Document::parse(&text).unwrap();
        for forbidden in ["script", "image", "foreignObject", "a", "use"] {
            assert_eq!(elements(&document, forbidden).count(), 0, "{name}: {forbidden}");
        }
        assert!(!text.contains("@import") && !text.contains("url("), "{name}");
    }
}

#[test]
fn a_chart_of_one_model() {
    insta::assert_snapshot!(shown(&fixtures::study(&fixtures::report(&["mixtral-8x7b"]))));
}
