//! DETR (Carion et al., 2020), as transformers writes it: a ResNet, a transformer over its deepest features, and a fixed
//! number of queries that each end as one class and one box. No anchors, no suppression: nothing depends on data.

pub mod transformer;

use crate::onnx::builder::{BuiltGraph, ConvSpec, GraphBuilder, Value};
use crate::onnx::proto::tensor_proto::DataType;

use super::{blocks, resnet};
use transformer::WIDTH;

/// The sizes of one member of the family.
#[derive(Debug)]
pub struct Config {
    /// Classes of objects, "no object" included.
    classes: i64,
}

/// DETR with ResNet-50, trained on COCO.
pub const R50: Config = Config { classes: 92 };

const POINTWISE: ConvSpec = ConvSpec { stride: 1, padding: 0, groups: 1 };
/// Positions are encoded as angles up to a full turn.
const TURN: f32 = 2.0 * std::f32::consts::PI;
/// Keeps a division of positions defined.
const EPSILON: f32 = 1e-6;
/// Slowest wave of the position's encoding over the fastest.
const TEMPERATURE: f32 = 10_000.0;
/// The exporter computes at export time what has up to this many elements.
const FOLDED_ELEMENTS: i64 = 512 * 512;

/// Builds the graph, or says what is wrong with the shape.
pub fn build(config: &Config, name: &str, batch: i64, image: (i64, i64)) -> Result<BuiltGraph, String> {
    resnet::check_image(image)?;
    let mut b = GraphBuilder::new(name);
    let pixels = b.input("pixel_values", DataType::Float, &[batch, 3, image.0, image.1]);
    let everywhere = ones(&mut b, &[batch, image.0, image.1]);
    let [.., features] = b.scope("backbone", |b| resnet::trunk(b, &pixels, resnet::BatchNorm::Frozen));
    let size = [features.dim(2), features.dim(3)];
    let seen = b.scope("mask", |b| shrink_mask(b, &everywhere, size));
    let positions = b.scope("positions", |b| positions(b, &seen));
    let features = blocks::conv(&mut b, "input_projection", &features, WIDTH, 1, POINTWISE);
    let tokens = image_to_tokens(&mut b, &features);
    let positions = image_to_tokens(&mut b, &positions);
    let seen = b.view(&seen, &[batch, size[0] * size[1]]);
    let seen = b.unsqueeze(&seen, &[1, 2]);
    let memory = b.scope("encoder", |b| {
        let mask = added_mask(b, &seen, tokens.dim(1));
        transformer::encoder(b, &tokens, &positions, &mask)
    });
    let queries = transformer::query_positions(&mut b, batch);
    let found = b.scope("decoder", |b| {
        let mask = added_mask(b, &seen, queries.dim(1));
        transformer::decoder(b, &queries, &memory, &positions, Some(&mask))
    });
    let logits = blocks::linear(&mut b, "class_labels_classifier", &found, config.classes);
    b.output("logits", &logits);
    let boxes = b.scope("bbox_predictor", |b| box_of_query(b, &found));
    b.output("pred_boxes", &boxes);
    Ok(b.finish())
}

/// Ones, which the exporter has laid out where there are not too many.
fn ones(b: &mut GraphBuilder, dims: &[i64]) -> Value {
    let elements: i64 = dims.iter().product();
    match usize::try_from(elements) {
        Ok(count) if elements <= FOLDED_ELEMENTS => b.float(dims, &vec![1.0; count]),
        _ => {
            let one = b.scalar(1.0);
            b.expand(&one, dims)
        }
    }
}

/// Which positions of the features are image and not padding, from the same of the pixels: (batch, rows, columns).
fn shrink_mask(b: &mut GraphBuilder, pixels: &Value, [rows, columns]: [i64; 2]) -> Value {
    let image = b.unsqueeze(pixels, &[0]);
    let small = b.resize_nearest(&image, rows, columns);
    let seen = b.cast(&small, DataType::Bool);
    b.pick(&seen, 0, 0)
}

/// The encoding of positions, (batch, width, rows, columns): half of the channels for the row, half for the column.
fn positions(b: &mut GraphBuilder, seen: &Value) -> Value {
    let seen = b.cast(seen, DataType::Float);
    let down = b.cum_sum(&seen, 1);
    let across = b.cum_sum(&seen, 2);
    let down = turn(b, &down, 1);
    let across = turn(b, &across, 2);
    let [down, across] = [down, across].map(|angles| {
        let angles = b.unsqueeze(&angles, &[3]);
        spread(b, &angles)
    });
    join_waves(b, &down, &across)
}

/// The same encoding where all of the image is seen, (batch, width, rows, columns): the exporter has computed the angles
/// already, and slowed them too where that was small enough. (Of fewer than 65 positions it would compute the waves too.)
pub fn positions_of_whole_image(b: &mut GraphBuilder, batch: i64, [rows, columns]: [i64; 2]) -> Value {
    let channels = WIDTH / 2;
    let slowed = batch * rows * columns * channels <= FOLDED_ELEMENTS;
    let [down, across] = [rows, columns].map(angles);
    let every = |of: &dyn Fn(usize, usize) -> f32| -> Vec<f32> {
        let image = (0..down.len()).flat_map(|row| (0..across.len()).map(move |column| (row, column)));
        let image: Vec<f32> = image.map(|(row, column)| of(row, column)).collect();
        (0..batch).flat_map(|_| image.iter().copied()).collect()
    };
    let periods = periods();
    let [down, across] = [every(&|row, _| down[row]), every(&|_, column| across[column])].map(|angles| {
        if slowed {
            let slowed: Vec<f32> = angles.iter().flat_map(|angle| periods.iter().map(move |by| angle / by)).collect();
            return b.float(&[batch, rows, columns, channels], &slowed);
        }
        let angles = b.float(&[batch, rows, columns, 1], &angles);
        spread(b, &angles)
    });
    join_waves(b, &down, &across)
}

/// Positions along an axis of that length as parts of a full turn.
#[allow(clippy::cast_precision_loss, reason = "a side of the features is small")]
fn angles(length: i64) -> Vec<f32> {
    (1..=length).map(|position| position as f32 / (length as f32 + EPSILON) * TURN).collect()
}

/// The waves of rows and of columns as channels of one image.
fn join_waves(b: &mut GraphBuilder, down: &Value, across: &Value) -> Value {
    let across = waves(b, across);
    let down = waves(b, down);
    let both = b.concat(&[&down, &across], 3);
    b.transpose(&both, &[0, 3, 1, 2])
}

/// Counts of positions along `axis` as parts of a full turn.
fn turn(b: &mut GraphBuilder, counts: &Value, axis: i64) -> Value {
    let last = b.slice_by(counts, axis, -1, i64::MAX, 1);
    let (epsilon, turn) = (b.scalar(EPSILON), b.scalar(TURN));
    let most = b.add(&last, &epsilon);
    let part = b.div(counts, &most);
    b.mul(&part, &turn)
}

/// Angles of size 1 in the last axis slowed to the frequency of each channel.
fn spread(b: &mut GraphBuilder, angles: &Value) -> Value {
    let periods = b.float(&[WIDTH / 2], &periods());
    b.div(angles, &periods)
}

/// Sine of the even channels and cosine of the odd ones, in turn.
fn waves(b: &mut GraphBuilder, angles: &Value) -> Value {
    let even = b.slice_by(angles, 3, 0, i64::MAX, 2);
    let sine = b.sin(&even);
    let odd = b.slice_by(angles, 3, 1, i64::MAX, 2);
    let cosine = b.cos(&odd);
    let sine = b.unsqueeze(&sine, &[4]);
    let cosine = b.unsqueeze(&cosine, &[4]);
    let both = b.concat(&[&sine, &cosine], 4);
    b.view(&both, angles.dims())
}

/// How much slower each channel's wave is than the first's; a sine and a cosine share one.
#[allow(clippy::cast_precision_loss, reason = "there are 128 channels")]
fn periods() -> Vec<f32> {
    (0..WIDTH / 2).map(|channel| TEMPERATURE.powf((channel / 2 * 2) as f32 / (WIDTH / 2) as f32)).collect()
}

/// What is added to the scores of `targets` tokens: zero where there is image, else the least number.
fn added_mask(b: &mut GraphBuilder, seen: &Value, targets: i64) -> Value {
    let seen = b.expand(seen, &[seen.dim(0), 1, targets, seen.dim(3)]);
    let seen = b.cast(&seen, DataType::Float);
    let (one, least) = (b.scalar(1.0), b.scalar(f32::MIN));
    let hidden = b.sub(&one, &seen);
    let is_hidden = b.cast(&hidden, DataType::Bool);
    b.select(&is_hidden, &least, &hidden)
}

/// Centre, width and height in parts of the image.
fn box_of_query(b: &mut GraphBuilder, found: &Value) -> Value {
    let x = blocks::linear(b, "0", found, WIDTH);
    let x = b.relu(&x);
    let x = blocks::linear(b, "1", &x, WIDTH);
    let x = b.relu(&x);
    let x = blocks::linear(b, "2", &x, 4);
    b.sigmoid(&x)
}

/// (batch, channels, rows, columns) to (batch, tokens, channels).
pub fn image_to_tokens(b: &mut GraphBuilder, image: &Value) -> Value {
    let flat = b.view(image, &[image.dim(0), image.dim(1), image.dim(2) * image.dim(3)]);
    b.transpose(&flat, &[0, 2, 1])
}
