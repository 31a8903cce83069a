//! Recognising files that are not ONNX models by their first bytes, to say what to do about them.

/// A kind of file that is commonly found where an ONNX model was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// The text that Git keeps in place of a file stored by Git LFS.
    GitLfsPointer,
    /// A web page, usually a login or error page saved under the model's name.
    Html,
    /// XML, such as an OpenVINO network.
    Xml,
    /// JSON text.
    Json,
    /// gzip.
    Gzip,
    /// A zip archive.
    Zip,
    /// What `torch.save` writes: a zip archive with a pickle, or a bare pickle.
    PyTorch,
    /// Weights in the safetensors format.
    Safetensors,
    /// Weights in the GGUF format.
    Gguf,
    /// ONNX Runtime's own flatbuffer format.
    OrtFormat,
    /// A TensorFlow Lite flatbuffer.
    TfLite,
    /// HDF5, such as a Keras model.
    Hdf5,
    /// A NumPy array.
    Numpy,
    /// An ONNX model in protobuf's text form.
    TextProto,
    /// Nothing but zero bytes at its start, as an interrupted download leaves.
    Zeros,
}

impl FileKind {
    /// Recognises the kind from the beginning of a file (256 bytes are enough); `None` for an ONNX model or the unknown.
    pub fn of(bytes: &[u8]) -> Option<FileKind> {
        let head = &bytes[..bytes.len().min(256)];
        if head.starts_with(b"version https://git-lfs") {
            return Some(FileKind::GitLfsPointer);
        }
        let signatures: [(&[u8], FileKind); 6] = [
            (b"\x1f\x8b", FileKind::Gzip),
            (b"GGUF", FileKind::Gguf),
            (b"\x89HDF", FileKind::Hdf5),
            (b"\x93NUMPY", FileKind::Numpy),
            (b"\x80\x02", FileKind::PyTorch),
            (b"\x80\x04", FileKind::PyTorch),
        ];
        if let Some((_, kind)) = signatures.iter().find(|(signature, _)| head.starts_with(signature)) {
            return Some(*kind);
        }
        if head.starts_with(b"PK\x03\x04") {
            let pickle = head.windows(8).any(|name| name == b"data.pkl" || name == b"/version");
            return Some(if pickle { FileKind::PyTorch } else { FileKind::Zip });
        }
        match head.get(4..8) {
            Some(b"ORTM") => return Some(FileKind::OrtFormat),
            Some(b"TFL3") => return Some(FileKind::TfLite),
            _ => {}
        }
        // safetensors: the header's length in 8 bytes, then a JSON object.
        if head.get(8..10) == Some(b"{\"") && head.get(5..8) == Some(&[0, 0, 0]) {
            return Some(FileKind::Safetensors);
        }
        if head.len() >= 16 && head.iter().all(|&byte| byte == 0) {
            return Some(FileKind::Zeros);
        }
        FileKind::of_text(head)
    }

    fn of_text(head: &[u8]) -> Option<FileKind> {
        let text = String::from_utf8_lossy(head);
        let text = text.trim_start_matches('\u{feff}').trim_start().to_ascii_lowercase();
        if text.starts_with("<!doctype html") || text.starts_with("<html") {
            Some(FileKind::Html)
        } else if text.starts_with("<?xml") || text.starts_with("<net") {
            Some(FileKind::Xml)
        } else if text.starts_with('{') || text.starts_with("[{") {
            Some(FileKind::Json)
        } else if text.starts_with("ir_version:") || text.starts_with("producer_name:") || text.starts_with("graph {") {
            Some(FileKind::TextProto)
        } else {
            None
        }
    }

    /// What the file is, to follow "it is".
    pub fn what(self) -> &'static str {
        match self {
            FileKind::GitLfsPointer => "a Git LFS pointer, the model itself was not fetched",
            FileKind::Html => "a web page",
            FileKind::Xml => "XML",
            FileKind::Json => "JSON text",
            FileKind::Gzip => "compressed with gzip",
            FileKind::Zip => "a zip archive",
            FileKind::PyTorch => "a PyTorch checkpoint",
            FileKind::Safetensors => "a safetensors file: weights without a graph",
            FileKind::Gguf => "a GGUF file",
            FileKind::OrtFormat => "in ONNX Runtime's own .ort format",
            FileKind::TfLite => "a TensorFlow Lite model",
            FileKind::Hdf5 => "HDF5, such as a Keras model",
            FileKind::Numpy => "a NumPy array",
            FileKind::TextProto => "ONNX in protobuf's text form",
            FileKind::Zeros => "all zero bytes at its start",
        }
    }

    /// What to do about it.
    pub fn remedy(self) -> &'static str {
        match self {
            FileKind::GitLfsPointer => "run `git lfs pull` in its repository",
            FileKind::Html => "download the file itself (for a hosted repository, its raw or resolve link)",
            FileKind::Gzip | FileKind::Zip => "unpack it and name the .onnx file",
            FileKind::PyTorch | FileKind::Safetensors => "export the model with torch.onnx.export or Optimum",
            FileKind::TfLite | FileKind::Hdf5 => "convert it with tf2onnx",
            FileKind::OrtFormat => "name the .onnx file that it was made from",
            FileKind::TextProto => {
                "convert it to the binary form with `onnx.load(..., format=\"textproto\")` and `onnx.save`"
            }
            FileKind::Zeros => "the copy or download did not finish: repeat it",
            FileKind::Xml | FileKind::Json | FileKind::Gguf | FileKind::Numpy => "name a model exported to ONNX",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_recognised_by_its_first_bytes() {
        let cases: [(&[u8], FileKind); 17] = [
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 4\n", FileKind::GitLfsPointer),
            (b"\n<!DOCTYPE html><html>", FileKind::Html),
            (b"<html><body>404", FileKind::Html),
            (b"<?xml version=\"1.0\"?><net>", FileKind::Xml),
            (b"{\"error\": \"gone\"}", FileKind::Json),
            (b"\x1f\x8b\x08\x00", FileKind::Gzip),
            (b"PK\x03\x04\x14\x00\x00\x00model.onnx", FileKind::Zip),
            (b"PK\x03\x04\x00\x00\x08\x08archive/data.pkl", FileKind::PyTorch),
            (b"\x80\x02}q\x00", FileKind::PyTorch),
            (b"\x40\x00\x00\x00\x00\x00\x00\x00{\"__metadata__\":{}}", FileKind::Safetensors),
            (b"GGUF\x03\x00", FileKind::Gguf),
            (b"\x20\x00\x00\x00ORTM", FileKind::OrtFormat),
            (b"\x1c\x00\x00\x00TFL3", FileKind::TfLite),
            (b"\x89HDF\r\n\x1a\n", FileKind::Hdf5),
            (b"\x93NUMPY\x01\x00", FileKind::Numpy),
            (b"ir_version: 8\nproducer_name: \"x\"", FileKind::TextProto),
            (&[0; 64], FileKind::Zeros),
        ];
        for (bytes, kind) in cases {
            assert_eq!(FileKind::of(bytes), Some(kind), "{:?}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn an_onnx_model_is_none_of_them() {
        assert_eq!(FileKind::of(b"\x08\x08\x12\x07pytorch\x1a\x052.1.0"), None);
        assert_eq!(FileKind::of(b""), None);
    }
}
