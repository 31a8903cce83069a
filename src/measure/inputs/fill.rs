//! Values for the inputs that no file gives: seeded, the same on every machine, never denormal.

use super::element::{ElementType, InputData};
use super::rules::{self, Values};
use super::usual::{self, Meaning};
use super::{InputError, InputRequest, Wanted, element_count};
use crate::onnx::embedding;
use crate::onnx::inspect::Dim;
use crate::onnx::proto::ModelProto;

/// Smaller magnitudes are raised to this: half floats below 6.1e-5 are denormal, and denormals are slow.
const SMALLEST: f64 = 1e-4;

/// Ids where no table was found that bounds them: any vocabulary is larger.
const SAFE_IDS: u64 = 64;

/// What the values of one input depend on in the others.
pub(super) struct Facts {
    seed: u64,
    /// Cached tokens.
    past: u64,
    /// Tokens given.
    sequence: u64,
    /// Height and width.
    image: (u64, u64),
    /// Names and shapes of all inputs.
    shapes: Vec<(String, Vec<u64>)>,
}

impl Facts {
    pub(super) fn of(wanted: &[Wanted], shapes: &[Vec<u64>], request: &InputRequest) -> Facts {
        let all = || wanted.iter().zip(shapes);
        let sized = |meaning: Meaning| {
            all().find_map(|(input, shape)| {
                let dims = input.dims.iter().flatten();
                dims.zip(shape).find(|(dim, _)| means(dim, meaning)).map(|(_, &size)| size)
            })
        };
        // Graphs made for one size have no names; a cache is [batch, heads, tokens, head size].
        let cached =
            || all().find(|(input, shape)| input.name.contains("past") && input.element.is_float() && shape.len() == 4);
        let ids = || all().find(|(input, shape)| rules::names_ids(&input.name) && shape.len() == 2);
        let image = all().find(|(_, shape)| shape.len() == 4 && (shape[1] == 3 || shape[3] == 3));
        let image = image.map(|(_, shape)| if shape[1] == 3 { (shape[2], shape[3]) } else { (shape[1], shape[2]) });
        let sequence = sized(Meaning::Sequence).or_else(|| ids().map(|(_, shape)| shape[1]));
        Facts {
            seed: request.seed,
            past: sized(Meaning::Past).or_else(|| cached().map(|(_, shape)| shape[2])).unwrap_or(0),
            sequence: sequence.or(request.sequence.map(u64::from)).unwrap_or(1),
            image: image.or(request.image.map(|it| (it.height.into(), it.width.into()))).unwrap_or((224, 224)),
            shapes: all().map(|(input, shape)| (input.name.clone(), shape.clone())).collect(),
        }
    }
}

fn means(dim: &Dim, meaning: Meaning) -> bool {
    matches!(dim, Dim::Symbol(name) if usual::meaning(name) == Some(meaning))
}

/// The values of one input.
pub(super) fn fill(
    model: &ModelProto,
    label: &str,
    input: &Wanted,
    shape: &[u64],
    facts: &Facts,
) -> Result<InputData, InputError> {
    let too_large =
        || InputError::TooLarge { model: label.to_owned(), input: input.name.clone(), shape: shape.to_vec() };
    let count = element_count(shape, input.element).ok_or_else(too_large)?;
    let element = input.element;
    if element == ElementType::String {
        return Ok(InputData::String(vec!["nongemm".to_owned(); count]));
    }
    if let Some(values) = rules::values_for(&input.name, element) {
        if values == Values::Positions {
            fits_table(model, label, input, shape, facts)?;
        }
        return Ok(ruled(values, input, shape, count, facts));
    }
    let mut random = Random::for_input(facts.seed, &input.name);
    Ok(match element {
        ElementType::Bool => InputData::Bool(vec![true; count]),
        // One number: a factor or a threshold more likely than data.
        _ if element.is_float() && count == 1 && shape.len() < 2 => {
            InputData::from_doubles(element, std::iter::once(0.5))
        }
        _ if element.is_float() => InputData::from_doubles(element, (0..count).map(|_| random.normal())),
        _ => integers(model, input, shape, count, &mut random),
    })
}

fn integers(model: &ModelProto, input: &Wanted, shape: &[u64], count: usize, random: &mut Random) -> InputData {
    let element = input.element;
    let rows = embedding::rows(model, &input.name);
    let below = match element {
        _ if rows.is_some() => rows,
        _ if rules::names_ids(&input.name) => Some(SAFE_IDS),
        // Pixels; as signed bytes, any.
        ElementType::Uint8 | ElementType::Int8 => Some(256),
        _ if shape.len() > 2 => Some(256),
        _ => None,
    };
    match below {
        Some(below) => {
            let offset = if element == ElementType::Int8 && rows.is_none() { -128 } else { 0 };
            InputData::from_integers(element, (0..count).map(|_| random.below(below) + offset))
        }
        // One number counts or sizes something: 0 would empty or divide it. Several index something unknown, where 0
        // is always there.
        None => InputData::from_integers(element, std::iter::repeat_n(i64::from(count == 1), count)),
    }
}

fn ruled(values: Values, input: &Wanted, shape: &[u64], count: usize, facts: &Facts) -> InputData {
    let element = input.element;
    let signed = |size: u64| i64::try_from(size).unwrap_or(i64::MAX);
    let constant = |value: i64| InputData::from_integers(element, std::iter::repeat_n(value, count));
    match values {
        Values::All(value) => InputData::from_doubles(element, std::iter::repeat_n(value, count)),
        Values::Positions => {
            let along = shape.last().copied().unwrap_or(1).max(1);
            let position = |index: usize| signed(facts.past + u64::try_from(index).unwrap_or(0) % along);
            InputData::from_integers(element, (0..count).map(position))
        }
        Values::HasPast => constant(i64::from(facts.past > 0)),
        Values::Past => constant(signed(facts.past)),
        Values::Total(more) => constant(signed(facts.past + facts.sequence).saturating_add(more).max(0)),
        Values::Length => constant(signed(measured_length(&input.name, facts))),
        Values::ImageSize => {
            let parts = [signed(facts.image.0), signed(facts.image.1), 1];
            let cycle = usize::try_from(shape.last().copied().unwrap_or(2)).unwrap_or(2).clamp(1, 3);
            InputData::from_integers(element, (0..count).map(|index| parts[index % cycle]))
        }
    }
}

/// The length that `x_lengths` measures: the second dimension of `x`, else of the first input that has two.
fn measured_length(name: &str, facts: &Facts) -> u64 {
    let others = || facts.shapes.iter().filter(|(other, shape)| other != name && shape.len() >= 2);
    let own = others().find(|(other, _)| name.starts_with(other.as_str()));
    own.or_else(|| others().next()).map_or(facts.sequence, |(_, shape)| shape[1])
}

fn fits_table(model: &ModelProto, label: &str, input: &Wanted, shape: &[u64], facts: &Facts) -> Result<(), InputError> {
    let last = facts.past + shape.last().copied().unwrap_or(1).saturating_sub(1);
    match embedding::rows(model, &input.name) {
        Some(rows) if last >= rows => {
            Err(InputError::PositionsExceedTable { model: label.to_owned(), input: input.name.clone(), last, rows })
        }
        _ => Ok(()),
    }
}

/// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): small, fixed for ever, the same everywhere.
struct Random(u64);

impl Random {
    /// Every input has a stream of its own: adding one input to a model leaves the others' values as they are.
    fn for_input(seed: u64, name: &str) -> Random {
        // FNV-1a.
        let hash = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        Random(name.as_bytes().iter().fold(seed ^ 0xcbf2_9ce4_8422_2325, hash))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Uniform in `0..bound`; 0 for a bound of 0.
    fn below(&mut self, bound: u64) -> i64 {
        let scaled = (u128::from(self.next()) * u128::from(bound)) >> 64;
        i64::try_from(scaled).unwrap_or(i64::MAX)
    }

    /// Mean 0, variance 1, within 3.5: the sum of four uniforms, scaled. Needs no logarithm, whose last bit differs
    /// between machines.
    fn normal(&mut self) -> f64 {
        let sum: f64 =
            self.next().to_le_bytes().as_chunks::<2>().0.iter().map(|&it| f64::from(u16::from_le_bytes(it))).sum();
        let value = (sum / 65_535.0 - 2.0) * 1.732_050_807_568_877_2;
        if value.abs() < SMALLEST { SMALLEST } else { value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_floats_are_about_normal_and_never_denormal() {
        let mut random = Random::for_input(1, "x");
        let values: Vec<f64> = (0..100_000).map(|_| random.normal()).collect();
        let mean = values.iter().sum::<f64>() / 1e5;
        let variance = values.iter().map(|value| value * value).sum::<f64>() / 1e5;
        assert!(mean.abs() < 0.02, "{mean}");
        assert!((variance - 1.0).abs() < 0.02, "{variance}");
        let InputData::Float16(halves) = InputData::from_doubles(ElementType::Float16, values.into_iter()) else {
            panic!("not halves");
        };
        assert!(halves.iter().all(|half| half.is_normal()));
    }

    #[test]
    fn integers_are_uniform_below_their_bound() {
        let mut random = Random::for_input(1, "x");
        let mut seen = [0u32; 7];
        for _ in 0..7000 {
            seen[usize::try_from(random.below(7)).unwrap()] += 1;
        }
        assert!(seen.iter().all(|&count| (850..1150).contains(&count)), "{seen:?}");
        assert_eq!(random.below(0), 0);
    }

    #[test]
    fn streams_differ_by_name_and_seed() {
        let first = |seed, name| Random::for_input(seed, name).next();
        assert_ne!(first(1, "a"), first(1, "b"));
        assert_ne!(first(1, "a"), first(2, "a"));
        assert_eq!(first(1, "a"), first(1, "a"));
    }
}
