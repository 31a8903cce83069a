//! What charts are drawn with: elements as text, and the colours of the groups. Written by hand: no scripts, no foreign
//! fonts, colours that follow the page's theme.

pub(in crate::report::render) mod canvas;
pub(in crate::report::render) mod palette;
