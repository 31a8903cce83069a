//! The tensors that an event's `input_type_shape` and `output_type_shape` describe.

use super::scan::Scan;

/// A list of tensors such as `float[1,128,768] float[768]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TensorList {
    /// Each tensor's element type and extents, separated by blanks; a scalar has `[]`.
    pub text: String,
    /// How many tensors.
    pub tensors: u32,
    /// Extents of all tensors together.
    pub extents: u32,
}

/// Reads `[{"float":[1,128,768]},{"float":[768]}]`. What cannot be read ends the list.
pub fn tensor_list(json: &[u8]) -> TensorList {
    let mut list = TensorList::default();
    let mut scan = Scan::new(json);
    let _ = read(&mut scan, &mut list);
    list
}

fn read(scan: &mut Scan<'_>, list: &mut TensorList) -> Option<()> {
    scan.expect(b'[')?;
    loop {
        scan.space();
        if scan.peek()? != b'{' {
            return None;
        }
        scan.skip(1);
        let element = scan.key()?;
        let extents = scan.value()?;
        scan.expect(b'}')?;
        if list.tensors > 0 {
            list.text.push(' ');
        }
        list.text.push_str(&String::from_utf8_lossy(element));
        let before = list.text.len();
        list.text.extend(extents.iter().filter(|byte| !byte.is_ascii_whitespace()).map(|byte| char::from(*byte)));
        let written = list.text.get(before..).unwrap_or_default();
        let commas = written.bytes().filter(|byte| *byte == b',').count();
        list.extents += u32::from(written.len() > 2) * u32::try_from(commas + 1).unwrap_or(u32::MAX);
        list.tensors += 1;
        scan.space();
        match scan.peek()? {
            b',' => scan.skip(1),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        let cases = [
            (r#"[{"float":[1,128,768]},{"float":[768]}]"#, "float[1,128,768] float[768]", 2, 4),
            (r#"[{"int64":[]}]"#, "int64[]", 1, 0),
            (r#"[]"#, "", 0, 0),
            (r#"[ { "float" : [ 2, 3 ] } , {"bool":[7]}]"#, "float[2,3] bool[7]", 2, 3),
            (r#""#, "", 0, 0),
        ];
        for (json, text, tensors, extents) in cases {
            let expected = TensorList { text: text.into(), tensors, extents };
            assert_eq!(tensor_list(json.as_bytes()), expected, "{json}");
        }
    }
}
