//! One tensor's reference to another file.

use crate::onnx::proto::TensorProto;
use crate::onnx::tensor;

/// A reference as it stands in one tensor.
pub(in crate::onnx) struct Reference {
    pub location: String,
    pub offset: u64,
    pub length: Option<u64>,
}

const EXPORT_AGAIN: &str = "export the model again";

/// Parses the reference of one external tensor; the error is the problem and its remedy.
pub(in crate::onnx) fn reference(tensor: &TensorProto) -> Result<Reference, (String, &'static str)> {
    let entry = |key: &str| tensor.external_data.iter().find(|entry| entry.key() == key).map(|entry| entry.value());
    let number = |key: &str| match entry(key).map(str::parse::<u64>) {
        None => Ok(None),
        Some(Ok(number)) => Ok(Some(number)),
        Some(Err(_)) => {
            Err((format!("its {key} `{}` is not a whole number", entry(key).unwrap_or_default()), EXPORT_AGAIN))
        }
    };
    let location = entry("location").unwrap_or_default();
    if location.is_empty() {
        return Err(("the reference names no file".to_owned(), EXPORT_AGAIN));
    }
    stays_beside(location)?;
    let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?);
    let expected = tensor::byte_len(tensor);
    if let (Some(length), Some(expected)) = (length, expected)
        && length != expected
    {
        let problem = format!("the reference says {length} bytes where its type and dimensions need {expected}");
        return Err((problem, EXPORT_AGAIN));
    }
    let length = length.or(expected);
    if offset.checked_add(length.unwrap_or(0)).is_none() {
        return Err((format!("its offset {offset} is impossible"), EXPORT_AGAIN));
    }
    Ok(Reference { location: location.to_owned(), offset, length })
}

/// Refuses a location that leads out of the model's folder: a downloaded model must not read its user's other files.
/// Symbolic links are followed: whoever put them there meant it (caches of model hubs consist of them).
fn stays_beside(location: &str) -> Result<(), (String, &'static str)> {
    const MOVE: &str = "move the file beside the model and correct the reference, for example with onnx.save";
    let drive = location.as_bytes().get(1) == Some(&b':') && location.as_bytes()[0].is_ascii_alphabetic();
    if location.starts_with(['/', '\\']) || drive {
        return Err((format!("`{location}` is an absolute path, which is refused"), MOVE));
    }
    if location.split(['/', '\\']).any(|part| part == "..") {
        return Err((format!("`{location}` leads out of the model's folder, which is refused"), MOVE));
    }
    Ok(())
}
