//! The colours, for light and dark pages.
//!
//! GEMM is quiet; each other group keeps its colour in every chart. The ten groups that models run most were chosen for
//! the largest distance in CIELAB that any two of them keep for normal sight, protanopia and deuteranopia (simulated as
//! in Machado, Oliveira and Fernandes 2009): 22 at the least, more between neighbours of a bar.

use std::fmt::Write as _;

use crate::report::{Group, wording};

/// The fill of a group and whether light text is the one to read on it.
fn paint(group: Group) -> (&'static str, bool) {
    match group {
        Group::Gemm => ("#d1d9e0", false),
        Group::Normalization => ("#b28600", false),
        Group::Activation => ("#648fff", false),
        Group::LogitComputation => ("#ee6677", false),
        Group::ElementWise => ("#ffb000", false),
        Group::Reduction => ("#7a5195", true),
        Group::Memory => ("#117733", true),
        Group::Embedding => ("#88ccee", false),
        Group::Interpolation => ("#6633cc", true),
        Group::Pooling => ("#dccd7d", false),
        Group::RoiSelection => ("#cc79a7", false),
        Group::Quantization => ("#56b4e9", false),
        Group::DataTransfer => ("#785ef0", true),
        Group::ControlFlow => ("#fa4d56", false),
        Group::Recurrent => ("#ccbb44", false),
        Group::Other => ("#dc267f", true),
    }
}

/// What an operator that the taxonomy does not know is drawn with: not to be overlooked.
const UNKNOWN: (&str, bool) = ("#8c2d04", true);

fn paint_of(group: Option<Group>) -> (&'static str, bool) {
    group.map_or(UNKNOWN, paint)
}

/// The class of a group's segments.
pub(in crate::report::render) fn class(group: Option<Group>) -> &'static str {
    group.map_or("unknown", Group::name)
}

/// The class of text on a group's segment.
pub(in crate::report::render) fn ink(group: Option<Group>) -> &'static str {
    match (wording::is_gemm(group), paint_of(group).1) {
        (true, _) => "text",
        (false, true) => "on-dark",
        (false, false) => "on-light",
    }
}

const LIGHT: &str = ".page{fill:#ffffff;stroke:#d1d9e0}.text{fill:#1f2328}.muted{fill:#59636e}\
    .grid{stroke:#d8dee4}.cut{stroke:#ffffff}.band{fill:#0969da;fill-opacity:.07}.range{fill:#0969da;fill-opacity:.16}\
    .edge{stroke:#0969da;stroke-opacity:.55}.missing{fill:none;stroke:#818b98;stroke-dasharray:3 3}\
    .on-light{fill:#1f2328}.on-dark{fill:#ffffff}";

const DARK: &str = ".page{fill:#0d1117;stroke:#3d444d}.text{fill:#f0f6fc}.muted{fill:#9198a1}\
    .grid{stroke:#2a313c}.cut{stroke:#0d1117}.band{fill:#4493f8;fill-opacity:.1}.range{fill:#4493f8;fill-opacity:.25}\
    .edge{stroke:#4493f8;stroke-opacity:.6}";

/// What differs of the groups' fills on a dark page.
pub(in crate::report::render) const DARK_FILLS: &str = ".gemm{fill:#3d444d}";

/// The style sheet for segments of these groups.
pub(in crate::report::render) fn style(groups: impl Iterator<Item = Option<Group>>) -> String {
    let mut style = String::from(
        "text{font-family:-apple-system,BlinkMacSystemFont,\"Segoe UI\",\"Noto Sans\",Helvetica,Arial,sans-serif;\
         font-variant-numeric:tabular-nums}",
    );
    style += LIGHT;
    style += &fills(groups);
    style + "@media (prefers-color-scheme:dark){" + DARK + DARK_FILLS + "}"
}

/// The fills of these groups' segments on a light page.
pub(in crate::report::render) fn fills(groups: impl Iterator<Item = Option<Group>>) -> String {
    let mut style = String::new();
    for group in groups {
        // Writing to a String cannot fail.
        let _ = write!(style, ".{}{{fill:{}}}", class(group), paint_of(group).0);
    }
    style
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_group_has_a_colour_of_its_own() {
        let mut seen = std::collections::BTreeSet::from([UNKNOWN.0]);
        for group in Group::all() {
            assert!(seen.insert(paint(group).0), "{group}");
        }
    }

    /// Relative luminance as WCAG 2 has it.
    fn luminance(hex: &str) -> f64 {
        let channel = |at: usize| {
            let value = f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    }

    #[test]
    fn text_on_a_segment_can_be_read() {
        for group in Group::all().into_iter().map(Some).chain([None]).filter(|&group| !wording::is_gemm(group)) {
            let (fill, light_text) = paint_of(group);
            let text = luminance(if light_text { "#ffffff" } else { "#1f2328" });
            let (low, high) = (luminance(fill).min(text), luminance(fill).max(text));
            let contrast = (high + 0.05) / (low + 0.05);
            assert!(contrast >= 4.4, "{}: {contrast:.2}", class(group));
        }
    }
}
