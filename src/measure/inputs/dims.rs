//! Giving every dimension of every input a size.
//!
//! In order: the request by `input[axis]`, the request or a given array by name, the meaning of a usual name, the value
//! of an expression over such names, the place in what is evidently an image, a row of tokens or a cache. What is left is an error: a guess would
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
    let inferred = inferred(wanted);
    let cached = takes_cache(wanted);
    let mut meanings = Vec::new();
    for (input, axis, dim) in all_dims(wanted) {
        if let Dim::Symbol(name) = dim {
            let meant = |name: &String| usual::meaning(name).or_else(|| inferred.get(name).copied());
            meanings.extend(names_in(name).iter().filter_map(meant));
        }
        meanings.extend(by_position(input, axis, dim, cached));
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

/// What generated names stand for, where one of the places that they stand in tells.
fn inferred(wanted: &[Wanted]) -> BTreeMap<String, Meaning> {
    let cached = takes_cache(wanted);
    let mut meanings = BTreeMap::new();
    for (input, axis, dim) in all_dims(wanted) {
        if let (Dim::Symbol(name), Some(meaning)) = (dim, by_position(input, axis, dim, cached)) {
            meanings.entry(name.clone()).or_insert(meaning);
        }
    }
    meanings
}

/// Whether some input is a cache of keys or values, as exporters of decoders name it.
fn takes_cache(wanted: &[Wanted]) -> bool {
    wanted.iter().any(is_cache)
}

fn is_cache(input: &Wanted) -> bool {
    input.name.contains("past") && input.element.is_float() && input.dims.as_ref().is_some_and(|dims| dims.len() == 4)
}

/// What a dimension without a telling name is, by its place in an input that is evidently an image (four dimensions,
/// one of which is 3 channels), a row of tokens or a cache. `cached`: the model takes a cache.
fn by_position(input: &Wanted, axis: usize, dim: &Dim, cached: bool) -> Option<Meaning> {
    let nameless = match dim {
        Dim::Fixed(_) => false,
        Dim::Symbol(name) => usual::is_generated(name),
        Dim::Unknown => true,
    };
    let dims = input.dims.as_deref().filter(|_| nameless)?;
    match dims {
        [_, Dim::Fixed(_), _, Dim::Fixed(_)] if is_cache(input) => {
            [Some(Meaning::Batch), None, Some(Meaning::Past), None][axis]
        }
        [_, Dim::Fixed(3), _, _] => [Some(Meaning::Batch), None, Some(Meaning::Height), Some(Meaning::Width)][axis],
        [_, _, _, Dim::Fixed(3)] => [Some(Meaning::Batch), Some(Meaning::Height), Some(Meaning::Width), None][axis],
        [_, _] if input.element.is_integer() => {
            let tokens = match input.name.as_str() {
                "input_ids" | "token_type_ids" | "position_ids" => Meaning::Sequence,
                "attention_mask" if cached => Meaning::Total,
                "attention_mask" => Meaning::Sequence,
                _ => return None,
            };
            [Some(Meaning::Batch), Some(tokens)][axis]
        }
        _ => None,
    }
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
    /// By generated name: what it stands for.
    inferred: BTreeMap<String, Meaning>,
    /// Some input is a cache of keys or values.
    cached: bool,
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
        let mut sizes =
            Sizes { request, bound, inferred: inferred(wanted), cached: takes_cache(wanted), decodes: false };
        sizes.decodes = all_dims(wanted).any(|(input, axis, dim)| match dim {
            Dim::Symbol(name) => names_in(name).iter().any(|name| sizes.is_past(name)),
            Dim::Unknown => {
                let given = request.dimensions.get(&format!("{}[{axis}]", input.name));
                by_position(input, axis, dim, sizes.cached) == Some(Meaning::Past) && given != Some(&0)
            }
            Dim::Fixed(_) => false,
        });
        sizes
    }

    fn meaning(&self, name: &str) -> Option<Meaning> {
        usual::meaning(name).or_else(|| self.inferred.get(name).copied())
    }

    /// Whether the name is a number of cached tokens, other than none.
    fn is_past(&self, name: &str) -> bool {
        self.meaning(name) == Some(Meaning::Past) && self.bound.get(name) != Some(&0)
    }

    fn of(&self, input: &Wanted, axis: usize, dim: &Dim) -> Result<u64, Unsized> {
        let place = format!("{}[{axis}]", input.name);
        let given = self.request.dimensions.get(&place).copied();
        match dim {
            Dim::Fixed(size) => Ok(*size),
            Dim::Unknown => {
                let meant = || by_position(input, axis, dim, self.cached).map(|meaning| self.meant(meaning));
                given.or_else(meant).ok_or_else(|| Unsized::Missing(vec![place]))
            }
            Dim::Symbol(name) => given.or_else(|| self.named(name)).map_or_else(|| self.expression(name), Ok),
        }
    }

    fn named(&self, name: &str) -> Option<u64> {
        self.bound.get(name).copied().or_else(|| self.meaning(name).map(|meaning| self.meant(meaning)))
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
        let given = self.bound.iter().find(|(name, _)| self.meaning(name) == Some(meaning));
        given.map_or_else(|| self.meant(meaning), |(_, &size)| size)
    }
}
