//! ResNet (He et al., 2015) with 50 layers, as torchvision and transformers write it: the stride of a stage is in its
//! first 3 x 3 convolution. The trunk of the detectors, and a classifier.
//!
//! Exporters fold batch normalization into the convolution before it, which leaves a bias: the graph holds one number
//! for each channel where training had two, the gain (now in the convolution's weight) and the bias. What detectors
//! freeze is no batch normalization to an exporter but a product and a sum, which ONNX Runtime folds in the same way.

use crate::onnx::builder::{BuiltGraph, ConvSpec, GemmSpec, GraphBuilder, Value};
use crate::onnx::proto::tensor_proto::DataType;

use super::blocks::{self, BIAS, GAIN};

/// The sizes of one member of the family.
#[derive(Debug)]
pub struct Config {
    classes: i64,
}

/// ResNet-50.
pub const R50: Config = Config { classes: 1000 };

/// Bottleneck blocks in each stage, and the width inside them.
const STAGES: [(i64, i64); 4] = [(3, 64), (4, 128), (6, 256), (3, 512)];
/// Channels of a stage's output over the width inside its blocks.
const EXPANSION: i64 = 4;
/// The smallest side whose deepest features are more than padding.
const SMALLEST_IMAGE: i64 = 32;

/// How the batch normalization behind each convolution was trained, and so how it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchNorm {
    /// Trained: gain and bias count as parameters, and are folded into the convolution.
    Trained,
    /// Kept as it was ("frozen"), as the detectors do: a product and a sum by channel, no parameters.
    Frozen,
}

/// Builds the classifier, or says what is wrong with the shape.
pub fn build(config: &Config, name: &str, batch: i64, image: (i64, i64)) -> Result<BuiltGraph, String> {
    check_image(image)?;
    let mut b = GraphBuilder::new(name);
    let image = b.input("input", DataType::Float, &[batch, 3, image.0, image.1]);
    let [.., deepest] = trunk(&mut b, &image, BatchNorm::Trained);
    let mean = b.reduce_mean(&deepest, &[-1, -2]);
    let pooled = b.view(&mean, &[batch, deepest.dim(1)]);
    let logits = blocks::gemm(&mut b, "fc", &pooled, config.classes, GemmSpec::TransposedWeight);
    b.output("logits", &logits);
    Ok(b.finish())
}

/// Refuses an image that is smaller than one position of the deepest features.
pub fn check_image((height, width): (i64, i64)) -> Result<(), String> {
    if height.min(width) >= SMALLEST_IMAGE {
        return Ok(());
    }
    Err(format!("an image of {height}x{width} pixels: both sides must be {SMALLEST_IMAGE} or more"))
}

/// The feature maps C2 to C5 of (batch, 3, height, width): 256, 512, 1024 and 2048 channels at a 4th, 8th, 16th and 32nd
/// of the image's height and width, rounded up. Names are in the builder's present scope.
pub fn trunk(b: &mut GraphBuilder, image: &Value, norm: BatchNorm) -> [Value; 4] {
    let x = b.scope("stem", |b| {
        let x = conv(b, "conv", image, 64, 7, 2, norm);
        let x = b.relu(&x);
        b.max_pool(&x, 3, 2, 1)
    });
    let mut x = x;
    [0, 1, 2, 3].map(|stage| {
        let (blocks, width) = STAGES[stage];
        for block in 0..blocks {
            let stride = if stage > 0 && block == 0 { 2 } else { 1 };
            x = b.scope(&format!("layer{}.{block}", stage + 1), |b| bottleneck(b, &x, width, stride, norm));
        }
        x.clone()
    })
}

/// Three convolutions around which the input is added.
fn bottleneck(b: &mut GraphBuilder, x: &Value, width: i64, stride: i64, norm: BatchNorm) -> Value {
    let narrow = conv(b, "conv1", x, width, 1, 1, norm);
    let narrow = b.relu(&narrow);
    let seen = conv(b, "conv2", &narrow, width, 3, stride, norm);
    let seen = b.relu(&seen);
    let wide = conv(b, "conv3", &seen, EXPANSION * width, 1, 1, norm);
    let shortcut = match x.dim(1) == wide.dim(1) {
        true => x.clone(),
        false => conv(b, "downsample", x, EXPANSION * width, 1, stride, norm),
    };
    let sum = b.add(&wide, &shortcut);
    b.relu(&sum)
}

/// A convolution that keeps the size but for the stride, with batch normalization.
fn conv(b: &mut GraphBuilder, name: &str, x: &Value, outputs: i64, kernel: i64, stride: i64, norm: BatchNorm) -> Value {
    let spec = ConvSpec { stride, padding: kernel / 2, groups: 1 };
    b.scope(name, |b| match norm {
        BatchNorm::Trained => {
            b.count_parameters(2 * outputs);
            let bias = b.derived_parameter("bias", &[outputs], BIAS);
            blocks::conv_weight(b, x, outputs, kernel, spec, Some(&bias))
        }
        BatchNorm::Frozen => {
            let x = blocks::conv_weight(b, x, outputs, kernel, spec, None);
            let by_channel = [1, outputs, 1, 1];
            let scale = b.derived_parameter("scale", &by_channel, GAIN);
            let x = b.mul(&x, &scale);
            let shift = b.derived_parameter("shift", &by_channel, BIAS);
            b.add(&x, &shift)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(image: [i64; 2], norm: BatchNorm) -> (Vec<Vec<i64>>, u64) {
        let mut b = GraphBuilder::new("test");
        let image = b.input("x", DataType::Float, &[2, 3, image[0], image[1]]);
        let maps = b.scope("backbone", |b| trunk(b, &image, norm));
        (maps.iter().map(|map| map.dims().to_vec()).collect(), b.finish().parameters)
    }

    #[test]
    fn feature_maps_round_up() {
        let (maps, _) = features([800, 1066], BatchNorm::Frozen);
        let expected: [[i64; 4]; 4] = [[2, 256, 200, 267], [2, 512, 100, 134], [2, 1024, 50, 67], [2, 2048, 25, 34]];
        assert_eq!(maps, expected);
    }

    /// torchvision's resnet50 has 25,557,032 parameters: 2,049,000 in the classifier, 53,120 gains and biases.
    #[test]
    fn only_trained_normalizations_are_parameters() {
        assert_eq!(features([64, 64], BatchNorm::Trained).1, 25_557_032 - 2_049_000);
        assert_eq!(features([64, 64], BatchNorm::Frozen).1, 25_557_032 - 2_049_000 - 53_120);
    }
}
