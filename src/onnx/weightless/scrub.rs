//! Removing what no inference needs: texts that people wrote, metadata, training graphs, and forms of constants that
//! cannot stand without values.

use super::DROPPED;
use crate::onnx::proto::attribute_proto::AttributeType;
use crate::onnx::proto::tensor_proto::DataType;
use crate::onnx::proto::{
    AttributeProto, GraphProto, ModelProto, NodeProto, SparseTensorProto, StringStringEntryProto, TensorProto,
    ValueInfoProto,
};
use crate::onnx::{offload, tensor};

/// Lists of floats up to this length are constants of the code, such as scales of a `Resize`.
const SHORT: usize = 16;

/// Clears texts, metadata and training graphs at every level, and makes dense tensors of sparse ones and of the lists
/// in `Constant` nodes. Returns how many texts and entries of metadata were there.
pub(super) fn scrub(model: &mut ModelProto) -> usize {
    let mut scrub = Scrub { texts: 0 };
    scrub.text(&mut model.doc_string);
    scrub.metadata(&mut model.metadata_props);
    model.training_info.clear();
    if let Some(graph) = &mut model.graph {
        scrub.graph(graph);
    }
    for function in &mut model.functions {
        scrub.text(&mut function.doc_string);
        scrub.metadata(&mut function.metadata_props);
        function.value_info.iter_mut().for_each(|value| scrub.value(value));
        function.attribute_proto.iter_mut().for_each(|attribute| scrub.attribute(attribute));
        function.node.iter_mut().for_each(|node| scrub.node(node));
    }
    scrub.texts
}

struct Scrub {
    texts: usize,
}

impl Scrub {
    fn text(&mut self, text: &mut Option<String>) {
        self.texts += usize::from(text.take().is_some_and(|text| !text.is_empty()));
    }

    fn metadata(&mut self, entries: &mut Vec<StringStringEntryProto>) {
        self.texts += entries.len();
        entries.clear();
    }

    fn value(&mut self, value: &mut ValueInfoProto) {
        self.text(&mut value.doc_string);
        self.metadata(&mut value.metadata_props);
    }

    fn graph(&mut self, graph: &mut GraphProto) {
        self.text(&mut graph.doc_string);
        self.metadata(&mut graph.metadata_props);
        for value in graph.input.iter_mut().chain(&mut graph.output).chain(&mut graph.value_info) {
            self.value(value);
        }
        // ONNX Runtime makes them dense as it loads them: no operator is faster for their zeros.
        let (reals, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut graph.sparse_initializer).into_iter().partition(is_real);
        graph.initializer.extend(reals.into_iter().map(dense));
        graph.sparse_initializer = others;
        graph.initializer.iter_mut().for_each(|tensor| self.tensor(tensor));
        graph.node.iter_mut().for_each(|node| self.node(node));
    }

    fn node(&mut self, node: &mut NodeProto) {
        self.text(&mut node.doc_string);
        self.metadata(&mut node.metadata_props);
        if node.op_type() == "Constant" {
            node.attribute.iter_mut().for_each(plain_constant);
        }
        node.attribute.iter_mut().for_each(|attribute| self.attribute(attribute));
    }

    fn attribute(&mut self, attribute: &mut AttributeProto) {
        self.text(&mut attribute.doc_string);
        attribute.t.iter_mut().chain(&mut attribute.tensors).for_each(|tensor| self.tensor(tensor));
        attribute.g.iter_mut().chain(&mut attribute.graphs).for_each(|graph| self.graph(graph));
    }

    fn tensor(&mut self, tensor: &mut TensorProto) {
        self.text(&mut tensor.doc_string);
        self.metadata(&mut tensor.metadata_props);
    }
}

/// The attribute of a `Constant` in the form that can stand without values: one dense tensor.
fn plain_constant(attribute: &mut AttributeProto) {
    let tensor = match attribute.name() {
        "sparse_value" if attribute.sparse_tensor.as_ref().is_some_and(is_real) => {
            attribute.sparse_tensor.take().map(dense)
        }
        "value_floats" if attribute.floats.len() > SHORT => Some(TensorProto {
            dims: vec![i64::try_from(attribute.floats.len()).unwrap_or(i64::MAX)],
            data_type: Some(DataType::Float.into()),
            float_data: std::mem::take(&mut attribute.floats),
            ..Default::default()
        }),
        _ => None,
    };
    if let Some(tensor) = tensor {
        *attribute = AttributeProto {
            name: Some("value".to_owned()),
            r#type: Some(AttributeType::Tensor.into()),
            t: Some(tensor),
            ..Default::default()
        };
    }
}

fn is_real(sparse: &SparseTensorProto) -> bool {
    use DataType::{Bfloat16, Double, Float, Float16};
    let data_type = sparse.values.as_ref().map(tensor::data_type);
    matches!(data_type, Some(Float | Float16 | Bfloat16 | Double))
}

/// A tensor of the sparse one's type and extents, without values.
fn dense(sparse: SparseTensorProto) -> TensorProto {
    let mut tensor = sparse.values.unwrap_or_default();
    tensor.dims = sparse.dims;
    offload::refer(&mut tensor, DROPPED, None);
    tensor
}
