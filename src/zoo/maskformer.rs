//! MaskFormer (Cheng et al., 2021) on Swin, as transformers writes it: per-pixel embeddings from a feature pyramid, and
//! DETR's decoder whose queries each end as one class and one mask.

mod pixel_decoder;
mod swin;

use crate::onnx::builder::{BuiltGraph, ConvSpec, GraphBuilder, Value};
use crate::onnx::proto::tensor_proto::DataType;

use super::detr::transformer::{self, WIDTH};
use super::{blocks, detr};

/// The sizes of one member of the family.
#[derive(Debug)]
pub struct Config {
    backbone: swin::Config,
    /// Classes of segments, "no object" included.
    classes: i64,
}

/// MaskFormer with Swin-B on windows of 12, trained on COCO panoptic.
pub const SWIN_BASE: Config = Config { backbone: swin::BASE, classes: 134 };
/// MaskFormer with Swin-S on windows of 7, trained on COCO panoptic.
pub const SWIN_SMALL: Config = Config { backbone: swin::SMALL, classes: 134 };

const POINTWISE: ConvSpec = ConvSpec { stride: 1, padding: 0, groups: 1 };

/// Builds the graph, or says what is wrong with the shape.
pub fn build(config: &Config, name: &str, batch: i64, image: (i64, i64)) -> Result<BuiltGraph, String> {
    super::check_image(image, swin::PATCH)?;
    let mut b = GraphBuilder::new(name);
    let pixels = b.input("pixel_values", DataType::Float, &[batch, 3, image.0, image.1]);
    let features = b.scope("encoder", |b| swin::backbone(b, &config.backbone, &pixels));
    let embeddings = b.scope("pixel_decoder", |b| pixel_decoder::build(b, &features));
    let found = b.scope("transformer", |b| queries(b, &features[3]));
    let logits = blocks::linear(&mut b, "class_predictor", &found, config.classes);
    b.output("class_queries_logits", &logits);
    let masks = b.scope("mask_embedder", |b| {
        let x = blocks::linear(b, "0", &found, WIDTH);
        let x = b.relu(&x);
        let x = blocks::linear(b, "1", &x, WIDTH);
        let x = b.relu(&x);
        blocks::linear(b, "2", &x, WIDTH)
    });
    let masks = b.einsum("bqc, bchw -> bqhw", &masks, &embeddings);
    b.output("masks_queries_logits", &masks);
    Ok(b.finish())
}

/// What the queries find in the deepest features, (batch, queries, width).
fn queries(b: &mut GraphBuilder, features: &Value) -> Value {
    let (batch, size) = (features.dim(0), [features.dim(2), features.dim(3)]);
    let features = blocks::conv(b, "input_projection", features, WIDTH, 1, POINTWISE);
    let positions = b.scope("positions", |b| detr::positions_of_whole_image(b, batch, size));
    let queries = transformer::query_positions(b, batch);
    let tokens = detr::image_to_tokens(b, &features);
    let positions = detr::image_to_tokens(b, &positions);
    b.scope("decoder", |b| transformer::decoder(b, &queries, &tokens, &positions, None))
}
