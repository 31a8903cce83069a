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

#[cfg(test)]
mod tests {
    use super::*;

    /// Multiply-accumulates from the architecture alone, for one image: no reference has them.
    fn expected_macs(config: &Config, (height, width): (i64, i64)) -> i64 {
        let swin = &config.backbone;
        let (width_of_tokens, queries, feed_forward) = (WIDTH, transformer::QUERIES, 2048);
        let mut total = 0;
        let (mut rows, mut columns, mut channels) = (height / 4, width / 4, swin.embedding);
        let mut stages = Vec::new();
        total += rows * columns * channels * 3 * 4 * 4;
        for (stage, depth) in swin.depths.into_iter().enumerate() {
            if stage > 0 {
                (rows, columns) = (rows.div_euclid(2) + rows % 2, columns.div_euclid(2) + columns % 2);
                total += rows * columns * 4 * channels * 2 * channels;
                channels *= 2;
            }
            let tokens = rows * columns;
            // Attention sees whole windows, what fills them up included: four projections, scores and their use.
            let in_window = swin.window * swin.window;
            let windows = (rows + swin.window - 1) / swin.window * ((columns + swin.window - 1) / swin.window);
            let attention = windows * in_window * channels * (4 * channels + 2 * in_window);
            let feed_forward = 2 * tokens * channels * 4 * channels;
            total += depth * (attention + feed_forward);
            stages.push((tokens, channels));
        }
        // The pyramid: 3 x 3 on the deepest, then 1 x 1 and 3 x 3 on each finer one, 3 x 3 for the embeddings.
        let (finest, (deepest, deepest_channels)) = (stages[0].0, stages[3]);
        total += deepest * deepest_channels * width_of_tokens * 9;
        for (tokens, channels) in &stages[..3] {
            total += tokens * width_of_tokens * (channels + 9 * width_of_tokens);
        }
        total += finest * width_of_tokens * 9 * width_of_tokens;
        // The decoder: six layers of attention among queries, attention to the deepest features, feed-forward.
        total += deepest * deepest_channels * width_of_tokens;
        let among = queries * width_of_tokens * (4 * width_of_tokens + 2 * queries);
        let to_image = 2 * (queries + deepest) * width_of_tokens * width_of_tokens;
        let to_image = to_image + 2 * queries * deepest * width_of_tokens;
        total += 6 * (among + to_image + 2 * queries * width_of_tokens * feed_forward);
        // The heads: classes, three layers for the masks' embeddings, and their products with every pixel's.
        let heads = config.classes + 3 * width_of_tokens + finest;
        total + queries * width_of_tokens * heads
    }

    #[test]
    fn multiply_accumulates_follow_from_the_architecture() {
        for (config, image, stated) in [
            (SWIN_BASE, (800, 1088), 386_215_802_880),
            (SWIN_SMALL, (800, 1088), 240_031_956_096),
            (SWIN_SMALL, (100, 36), 0),
        ] {
            let macs = build(&config, "test", 1, image).unwrap().macs;
            assert_eq!(i64::try_from(macs).unwrap(), expected_macs(&config, image), "{image:?}");
            assert!(stated == 0 || macs == stated, "{macs}");
            assert_eq!(build(&config, "test", 2, image).unwrap().macs, 2 * macs, "{image:?}");
        }
    }
}
