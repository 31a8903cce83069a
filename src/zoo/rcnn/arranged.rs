//! Values that make a detector with random weights find about as much as a trained one.
//!
//! Drawn weights alone give scores that are the same nearly everywhere: no detection, or as many as are allowed. A few
//! units of the network are therefore given weights that measure local contrast, which averages to zero over any image.
//! Thresholds cut off all but the tail of it, so they hold for the very weights that are drawn behind it, in whatever
//! precision:
//!
//! * one unit of the proposal head measures how far a column of one feature stands out from its neighbours, and is what
//!   the scores of anchors are made of;
//! * one unit of the box head for each class compares cells of the sampled grid by a pattern of its own, and is what the
//!   class's score is made of.
//!
//! Everything else is drawn as in any model. `docs/data-dependent.md` has the numbers that come of it.

use crate::onnx::builder::{Init, Run};

use super::{CHANNELS, CLASSES};

/// The feature whose contrast scores anchors.
const CONTRAST_FEATURE: i64 = 0;
/// The unit of the proposal head that measures it.
const CONTRAST_UNIT: i64 = 0;
/// Width of the layers of the box head, and cells of the grid that they see.
const WIDTH: i64 = 1024;
const CELLS: i64 = SIDE * SIDE;
const SIDE: i64 = 7;

/// How much larger than usual the last weights of each level are. What boxes see varies less from level to level, as
/// features see more of the image and cells hold more positions; gains restore it.
const LEVEL_GAINS: [f32; 4] = [1.0, 1.6, 4.4, 14.0];
/// The same for the feature whose contrast is measured: coarse levels, of few positions, are lifted so far that some of
/// their anchors score as high as the best of the many fine ones.
const CONTRAST_GAINS: [f32; 4] = [0.95, 1.45, 2.3, 5.5];
/// Added to the feature of each level whose contrast is measured. Well below the feature's mean, so that at the image's
/// edge, where positions outside count as zero, contrast is low instead of high.
const LEVEL_OFFSETS: [f32; 4] = [-6.0, -10.0, -15.0, -30.0];

/// A column's weight in the contrast, for each of its three rows; its two neighbours have half of it each.
const CONTRAST_WEIGHT: f32 = 0.5;
/// Added to the contrast, so that what is below the mean is not lost.
const CONTRAST_OFFSET: f32 = 3.0;
/// Logit of an anchor's score over contrast.
const OBJECTNESS_GAIN: f32 = 3.0;
/// Bias of the scores of the wide, the square and the high anchor. Far enough apart that the three of one position are
/// never equal.
pub const OBJECTNESS_BIAS: [f32; 3] = [-13.1, -13.0, -13.2];
/// Drawn part of the anchors' moves.
pub const ANCHOR_MOVES: Init = Init::Around { centre: 0.0, half_width: 0.0015 };
/// Share of the way to a square that the wide and the high anchor are moved, as anchors around one object all are moved
/// towards it: the wide one comes to overlap the square one and is suppressed, the high one stays apart.
const SQUARED: [f32; 3] = [0.3, 0.0, 0.3];
/// Logarithm of the sides' ratio between anchors next to each other in shape.
const HALF_OCTAVE: f32 = 0.37;

/// Features that the pattern of a class compares.
const PATTERN_FEATURES: usize = 8;
/// Where the half of the grid lies, across and down, that counts for the pattern of a feature; the other half counts
/// against it. Halves look alike in boxes that overlap, so that a class is seen in several boxes at once.
const DIRECTIONS: [[i64; 2]; 8] = [[1, 0], [-1, 0], [0, 1], [0, -1], [1, 1], [-1, -1], [1, -1], [-1, 1]];
/// Cells on each side of the middle one that patterns compare; the outermost cells, which lie at the image's edge where a
/// box does, are left out.
const REACH: i64 = 2;
/// Weight of a cell in a pattern, either sign.
const PATTERN_WEIGHT: f32 = 0.07;
/// What a pattern must exceed to count at all.
const PATTERN_THRESHOLD: f32 = 2.45;
/// Logit of a class over what its pattern has in excess.
const CLASS_GAIN: f32 = 5.0;
/// Logit of the background.
const BACKGROUND: f32 = 5.0;
/// Drawn weights of the moves for each class.
pub const CLASS_MOVES: Init = Init::Around { centre: 0.0, half_width: 0.012 };

/// Weights of the last convolution of a level of the pyramid.
pub fn level_weight(level: usize) -> Init {
    #[allow(clippy::cast_precision_loss, reason = "the number of inputs is small")]
    let usual = (3.0 / (9 * CHANNELS) as f32).sqrt();
    Init::Around { centre: 0.0, half_width: usual * LEVEL_GAINS[level] }
}

/// The weights of the last convolution of a level that make the feature whose contrast is measured: it is handed on.
pub fn contrast_feature(level: usize) -> Vec<Run> {
    let start = CONTRAST_FEATURE * CHANNELS * 9;
    let centre = start + CONTRAST_FEATURE * 9 + 4;
    vec![Run { start, count: CHANNELS * 9, value: 0.0 }, Run { start: centre, count: 1, value: CONTRAST_GAINS[level] }]
}

/// Bias of the last convolution of a level of the pyramid.
pub fn level_bias(level: usize) -> Vec<f32> {
    with(drawn_bias(CHANNELS, 0x70 + level as u64), &[(CONTRAST_FEATURE, LEVEL_OFFSETS[level])])
}

/// The weights of the unit of the proposal head that measures contrast.
pub fn proposal_unit() -> Vec<Run> {
    let row = CONTRAST_UNIT * CHANNELS * 9;
    let kernel = row + CONTRAST_FEATURE * 9;
    let mut runs = vec![Run { start: row, count: CHANNELS * 9, value: 0.0 }];
    for cell in 0..9 {
        let value = if cell % 3 == 1 { CONTRAST_WEIGHT } else { -CONTRAST_WEIGHT / 2.0 };
        runs.push(Run { start: kernel + cell, count: 1, value });
    }
    runs
}

/// Bias of the convolution of the proposal head.
pub fn proposal_bias() -> Vec<f32> {
    with(drawn_bias(CHANNELS, 0x80), &[(CONTRAST_UNIT, CONTRAST_OFFSET)])
}

/// Weights of the scores of the three anchors at a position: contrast alone.
pub fn objectness_weight() -> Vec<f32> {
    let gains = [0, 1, 2].map(|anchor| (anchor * CHANNELS + CONTRAST_UNIT, OBJECTNESS_GAIN));
    with(vec![0.0; size(3 * CHANNELS)], &gains)
}

/// Bias of the moves of the three anchors at a position: left, top, and the logarithms of the growth of both sides.
pub fn anchor_bias() -> Vec<f32> {
    let growth = [-HALF_OCTAVE, 0.0, HALF_OCTAVE];
    growth.iter().zip(SQUARED).flat_map(|(growth, share)| [0.0, 0.0, growth * share, -growth * share]).collect()
}

/// The weights of the units of the first layer of the box head that compare cells: for each class and each of a few
/// features half of the cells against the other half.
pub fn class_patterns(inputs: i64) -> Vec<Run> {
    let mut random = fastrand::Rng::with_seed(0x7061_7474_6572_6e73);
    let mut runs = Vec::new();
    for unit in 0..CLASSES - 1 {
        let start = unit * inputs;
        runs.push(Run { start, count: inputs, value: 0.0 });
        for feature in features(&mut random) {
            let [across, down] = DIRECTIONS[random.usize(0..DIRECTIONS.len())];
            for cell in 0..CELLS {
                let (row, column) = (cell / SIDE - SIDE / 2, cell % SIDE - SIDE / 2);
                let value = match (across * column + down * row).signum() {
                    _ if row.abs().max(column.abs()) > REACH => continue,
                    0 => continue,
                    1 => PATTERN_WEIGHT,
                    _ => -PATTERN_WEIGHT,
                };
                runs.push(Run { start: start + feature * CELLS + cell, count: 1, value });
            }
        }
    }
    runs
}

/// Features of a pattern; the one that scores anchors is none of them, or classes would follow from scores.
fn features(random: &mut fastrand::Rng) -> Vec<i64> {
    let mut features: Vec<i64> = (0..CHANNELS).filter(|feature| *feature != CONTRAST_FEATURE).collect();
    random.shuffle(&mut features);
    features.truncate(PATTERN_FEATURES);
    features
}

/// Bias of the first layer of the box head.
pub fn class_thresholds() -> Vec<f32> {
    let thresholds: Vec<(i64, f32)> = (0..CLASSES - 1).map(|unit| (unit, -PATTERN_THRESHOLD)).collect();
    with(drawn_bias(WIDTH, 0x90), &thresholds)
}

/// The weights of the units of the second layer that hand patterns on.
pub fn class_passage() -> Vec<Run> {
    (0..CLASSES - 1).flat_map(|unit| only(unit, unit, 1.0)).collect()
}

/// Bias of the second layer of the box head.
pub fn passage_bias() -> Vec<f32> {
    let passed: Vec<(i64, f32)> = (0..CLASSES - 1).map(|unit| (unit, 0.0)).collect();
    with(drawn_bias(WIDTH, 0x91), &passed)
}

/// The weights of the classes: each hangs on its pattern alone; the background on none.
pub fn class_weights() -> Vec<Run> {
    let background = Run { start: 0, count: WIDTH, value: 0.0 };
    let classes = (1..CLASSES).flat_map(|class| only(class, class - 1, CLASS_GAIN));
    std::iter::once(background).chain(classes).collect()
}

/// Bias of the classes.
pub fn class_bias() -> Vec<f32> {
    with(vec![0.0; size(CLASSES)], &[(0, BACKGROUND)])
}

/// A row of a layer of [`WIDTH`] inputs that has one weight.
fn only(row: i64, column: i64, value: f32) -> [Run; 2] {
    let start = row * WIDTH;
    [Run { start, count: WIDTH, value: 0.0 }, Run { start: start + column, count: 1, value }]
}

/// Small values around zero, the same on every machine.
fn drawn_bias(count: i64, seed: u64) -> Vec<f32> {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..count).map(|_| (random.f32() - 0.5) * 0.04).collect()
}

fn with(mut values: Vec<f32>, arranged: &[(i64, f32)]) -> Vec<f32> {
    arranged.iter().for_each(|&(index, value)| values[size(index)] = value);
    values
}

fn size(count: i64) -> usize {
    usize::try_from(count).expect("a number of weights is not negative")
}
