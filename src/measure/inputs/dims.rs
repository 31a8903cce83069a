//! Giving every dimension of every input a size.
//!
//! In order: the request by `input[axis]`, the request or a given array by name, the meaning of a usual name, the value
//! of an expression over such names, the position in what is evidently an image. What is left is an error: a guess would
//! be measured and believed.

use std::collections::BTreeMap;

use super::npy::Array;
use super::sum::{self, NoValue};
use super::usual::{self, Meaning};
use super::{Choices, InputError, InputRequest, MissingDimension, Wanted, element_count};
use crate::onnx::inspect::Dim;

/// Tokens where the request says nothing.
const DEFAULT_SEQUENCE: u64 = 128;
/// Height and width where the request says nothing.
const DEFAULT_IMAGE: u64 = 224;

/// Which sizes the inputs leave open.
pub(super) fn choices(wanted: &[Wanted]) -> Choices {
    let mut choices = Choices::default();
    for meaning in open_meanings(wanted) {
        match meaning {
            Meaning::Batch => choices.batch = true,
            Meaning::Sequence | Meaning::EncoderSequence | Meaning::Past | Meaning::Total => choices.sequence = true,
            Meaning::Height | Meaning::Width | Meaning::LatentHeight | Meaning::LatentWidth => choices.image = true,
            Meaning::Usual(_) => {}
        }
    }
    choices
}

fn open_meanings(wanted: &[Wanted]) -> Vec<Meaning> {
    let mut meanings = Vec::new();
    for (input, axis, dim) in all_dims(wanted) {
        if let Dim::Symbol(name) = dim {
            meanings.extend(names_in(name).into_iter().filter_map(|name| usual::meaning(&name)));
        }
        meanings.extend(by_position(input, axis, dim));
    }
    meanings
}

fn all_dims(wanted: &[Wanted]) -> impl Iterator<Item = (&Wanted, usize, &Dim)> {
    wanted.iter().flat_map(|input| input.dims.iter().flatten().enumerate().map(move |(axis, dim)| (input, axis, dim)))
}

/// The names that a declared dimension consists of: itself, unless it is an expression over others.
fn names_in(declared: &str) -> Vec<String> {
    match sum::parse(declared) {
        Some(expression) if usual::meaning(declared).is_none() => {
            expression.names().into_iter().map(str::to_owned).collect()
        }
        _ => vec![declared.to_owned()],
    }
}

/// What a dimension without a telling name is, by its place in an image: four dimensions, one of which is 3 channels.
fn by_position(input: &Wanted, axis: usize, dim: &Dim) -> Option<Meaning> {
    let nameless = match dim {
        Dim::Fixed(_) => false,
        Dim::Symbol(name) => usual::is_generated(name),
        Dim::Unknown => true,
    };
    let dims = input.dims.as_deref().filter(|dims| nameless && dims.len() == 4)?;
    let order = match (&dims[1], &dims[3]) {
        (Dim::Fixed(3), _) => [Some(Meaning::Batch), None, Some(Meaning::Height), Some(Meaning::Width)],
        (_, Dim::Fixed(3)) => [Some(Meaning::Batch), Some(Meaning::Height), Some(Meaning::Width), None],
        _ => return None,
    };
    order[axis]
}

/// The shape of every input, in the order of `wanted`.
pub(super) fn resolve(
    wanted: &[Wanted],
    model: &str,
    request: &InputRequest,
    arrays: &BTreeMap<String, Array>,
) -> Result<Vec<Vec<u64>>, InputError> {
    refuse_unknown(wanted, model, request)?;
    let sizes = Sizes::new(wanted, request, arrays);
    let mut missing = Vec::new();
    let mut shapes = Vec::new();
    for input in wanted {
        if let Some(array) = arrays.get(&input.name) {
            shapes.push(array.shape.clone());
            continue;
        }
        let Some(dims) = &input.dims else {
            return Err(InputError::NoShape { model: model.to_owned(), input: input.name.clone() });
        };
        let mut shape = Vec::new();
        for (axis, dim) in dims.iter().enumerate() {
            match sizes.of(input, axis, dim) {
                Ok(size) => shape.push(size),
                Err(Unsized::Missing(keys)) => missing.extend(keys.into_iter().map(|key| MissingDimension {
                    key,
                    input: input.name.clone(),
                    axis,
                    declared: dim.to_string(),
                })),
                Err(Unsized::Impossible(problem)) => {
                    return Err(InputError::ImpossibleSize {
                        model: model.to_owned(),
                        input: input.name.clone(),
                        axis,
                        expression: dim.to_string(),
                        problem,
                    });
                }
            }
        }
        shapes.push(shape);
    }
    if !missing.is_empty() {
        return Err(InputError::Missing { model: model.to_owned(), dimensions: missing });
    }
    for (input, shape) in wanted.iter().zip(&shapes) {
        if element_count(shape, input.element).is_none() {
            let (model, input, shape) = (model.to_owned(), input.name.clone(), shape.clone());
            return Err(InputError::TooLarge { model, input, shape });
        }
    }
    Ok(shapes)
}

/// A size for a dimension that does not exist is a typing error, or meant for another model.
fn refuse_unknown(wanted: &[Wanted], model: &str, request: &InputRequest) -> Result<(), InputError> {
    let mut known: Vec<String> = Vec::new();
    let mut accepted: Vec<String> = Vec::new();
    for (input, axis, dim) in all_dims(wanted) {
        let place = format!("{}[{axis}]", input.name);
        match dim {
            Dim::Fixed(_) => continue,
            Dim::Unknown => known.push(place.clone()),
            Dim::Symbol(name) => {
                known.extend(names_in(name));
                accepted.push(name.clone());
            }
        }
        accepted.push(place);
    }
    known.sort();
    known.dedup();
    accepted.extend(known.iter().cloned());
    let Some(key) = request.dimensions.keys().find(|key| !accepted.contains(key)) else { return Ok(()) };
    let nearest = accepted.iter().map(|name| (strsim::jaro_winkler(key, name), name));
    let nearest = nearest.filter(|(likeness, _)| *likeness > 0.8).max_by(|a, b| a.0.total_cmp(&b.0));
    Err(InputError::UnknownDimension {
        model: model.to_owned(),
        key: key.clone(),
        suggestion: nearest.map(|(_, name)| name.clone()),
        known: if known.is_empty() { "none that is open".to_owned() } else { known.join(", ") },
    })
}

enum Unsized {
    /// Keys under which sizes would help.
    Missing(Vec<String>),
    Impossible(&'static str),
}

/// What is known of sizes before any dimension is looked at.
struct Sizes<'a> {
    request: &'a InputRequest,
    /// By name: given in the request, else the size that a given array has there.
    bound: BTreeMap<String, u64>,
    /// The model takes a cached past, so a run is one step of decoding.
    decodes: bool,
}

impl<'a> Sizes<'a> {
    fn new(wanted: &[Wanted], request: &'a InputRequest, arrays: &BTreeMap<String, Array>) -> Self {
        let mut bound = BTreeMap::new();
        for (input, axis, dim) in all_dims(wanted) {
            let Dim::Symbol(name) = dim else { continue };
            let given = request.dimensions.get(&format!("{}[{axis}]", input.name)).copied();
            let array = arrays.get(&input.name).and_then(|array| array.shape.get(axis)).copied();
            if let Some(size) = given.or(array) {
                bound.entry(name.clone()).or_insert(size);
            }
        }
        bound.extend(request.dimensions.iter().map(|(name, &size)| (name.clone(), size)));
        let past = |name: &str| usual::meaning(name) == Some(Meaning::Past) && bound.get(name) != Some(&0);
        let decodes = all_dims(wanted).any(|(_, _, dim)| match dim {
            Dim::Symbol(name) => names_in(name).iter().any(|name| past(name)),
            _ => false,
        });
        Sizes { request, bound, decodes }
    }

    fn of(&self, input: &Wanted, axis: usize, dim: &Dim) -> Result<u64, Unsized> {
        let place = format!("{}[{axis}]", input.name);
        let given = self.request.dimensions.get(&place).copied();
        let by_position = || by_position(input, axis, dim).map(|meaning| self.meant(meaning));
        match dim {
            Dim::Fixed(size) => Ok(*size),
            Dim::Unknown => given.or_else(by_position).ok_or_else(|| Unsized::Missing(vec![place])),
            Dim::Symbol(name) => match given.or_else(|| self.named(name)) {
                Some(size) => Ok(size),
                None => self.expression(name).or_else(|missing| by_position().ok_or(missing)),
            },
        }
    }

    fn named(&self, name: &str) -> Option<u64> {
        self.bound.get(name).copied().or_else(|| usual::meaning(name).map(|meaning| self.meant(meaning)))
    }

    fn expression(&self, text: &str) -> Result<u64, Unsized> {
        let missing = |name: &str| Unsized::Missing(vec![name.to_owned()]);
        let Some(expression) = sum::parse(text) else { return Err(missing(text)) };
        let unknown: Vec<String> =
            expression.names().into_iter().filter(|name| self.named(name).is_none()).map(str::to_owned).collect();
        if !unknown.is_empty() {
            return Err(Unsized::Missing(unknown));
        }
        match expression.value(&mut |name| self.named(name)) {
            Ok(value) => u64::try_from(value).map_err(|_| Unsized::Impossible("negative")),
            Err(NoValue::Unknown(name)) => Err(missing(&name)),
            Err(NoValue::Impossible(problem)) => Err(Unsized::Impossible(problem)),
        }
    }

    fn meant(&self, meaning: Meaning) -> u64 {
        let tokens = self.request.sequence.map_or(DEFAULT_SEQUENCE, u64::from);
        let (height, width) =
            self.request.image.map_or((DEFAULT_IMAGE, DEFAULT_IMAGE), |it| (it.height.into(), it.width.into()));
        match meaning {
            Meaning::Batch => self.request.batch.map_or(1, u64::from),
            // A step of decoding adds one token to the cached ones: that is what runs thousands of times a reply.
            Meaning::Sequence if self.decodes => 1,
            Meaning::Sequence | Meaning::EncoderSequence | Meaning::Past => tokens,
            // Must agree with its parts, also where those were given.
            Meaning::Total => {
                let past = if self.decodes { self.part(Meaning::Past) } else { 0 };
                past.saturating_add(self.part(Meaning::Sequence))
            }
            Meaning::Height => height,
            Meaning::Width => width,
            Meaning::LatentHeight => height / 8,
            Meaning::LatentWidth => width / 8,
            Meaning::Usual(size) => size,
        }
    }

    fn part(&self, meaning: Meaning) -> u64 {
        let given = self.bound.iter().find(|(name, _)| usual::meaning(name) == Some(meaning));
        given.map_or_else(|| self.meant(meaning), |(_, &size)| size)
    }
}
