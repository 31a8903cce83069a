//! Making up the values of weights that are absent.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::recipe;
use super::uses::Uses;
use super::{DROPPED, WeightlessError, describe, is_at, strip};
use crate::onnx::arena::{self, Arena, Values, Weight};
use crate::onnx::proto::{GraphProto, ModelProto, TensorProto};
use crate::onnx::visit::{self, Scope, TensorRole, Visitor};
use crate::onnx::{offload, tensor};

/// The file name that tensors in the arena have as their location; no such file exists, the runtime is handed the arena
/// under it.
pub const FILE_NAME: &str = "made-up-weights.arena";

/// Values up to this size are put into the model itself, in bytes: shape inference and fusions look at small ones.
const INLINE_BYTES: u64 = 16 << 10;

/// The first container format in which a constant need not also be an input of the graph.
const FREE_INITIALIZERS: i64 = 4;

/// What [`synthesize()`] has made up.
#[derive(Debug, Clone, PartialEq)]
pub struct Synthetic {
    /// Size of all made-up weights as deployed, without sharing, in bytes.
    pub nominal_bytes: u64,
    arena: Arena,
}

impl Synthetic {
    /// Size of the arena in bytes.
    pub fn arena_bytes(&self) -> u64 {
        self.arena.bytes()
    }

    /// True where weights share bytes of the arena, because they do not fit it one beside the other.
    pub fn repeats(&self) -> bool {
        self.arena.repeats()
    }

    /// The bytes that stand for the file [`FILE_NAME`], equal on every machine.
    pub fn arena(&self) -> Arc<[u8]> {
        self.arena.fill()
    }
}

/// Makes up the values of a model that [`super::strip()`] left without: small ones in the model, those of large
/// initializers as references into an arena.
///
/// # Errors
/// [`WeightlessError::Impossible`] names a tensor for which there are no legal values.
pub fn synthesize(model: &mut ModelProto, path: &Path) -> Result<Synthetic, WeightlessError> {
    strip::inflate(model, path)?;
    if model.ir_version() >= FREE_INITIALIZERS
        && let Some(graph) = &mut model.graph
    {
        lift_constants(graph);
    }
    let recipes = recipes(model, path)?;
    let weights: Vec<Weight> = recipes.iter().flatten().filter(|it| it.in_arena).map(|it| it.weight.clone()).collect();
    let (offsets, arena) = Arena::plan(&weights, arena::CAPACITY, Values::rounded);
    let nominal_bytes = recipes.iter().flatten().map(|it| it.weight.bytes).sum();
    let (mut offsets, mut recipes, mut seed) = (offsets.into_iter(), recipes.into_iter(), 0);
    visit::tensors_mut(model, &mut |_, tensor| {
        let Some(recipe) = recipes.next().flatten() else { return Ok(()) };
        if recipe.in_arena {
            let offset = offsets.next().unwrap_or_default();
            offload::refer(tensor, FILE_NAME, Some((offset, recipe.weight.bytes)));
            return Ok(());
        }
        seed += 1;
        let Weight { bytes, values, .. } = recipe.weight;
        let mut filled = vec![0; usize::try_from(bytes).unwrap_or(0)];
        arena::draw(&mut filled, values, seed);
        tensor::set_raw(tensor, Bytes::from(filled));
        Ok::<_, WeightlessError>(())
    })?;
    Ok(Synthetic { nominal_bytes, arena })
}

/// How one absent tensor is filled.
#[derive(Debug, Clone)]
pub(super) struct Recipe {
    weight: Weight,
    in_arena: bool,
}

/// The recipe of each absent tensor of the model, in the order of the walk; `None` for tensors with values.
pub(super) fn recipes(model: &ModelProto, path: &Path) -> Result<Vec<Option<Recipe>>, WeightlessError> {
    struct Recipes<'a, 'm> {
        uses: Uses<'m>,
        path: &'a Path,
        recipes: Vec<Option<Recipe>>,
        error: Option<WeightlessError>,
    }
    impl<'m> Visitor<'m> for Recipes<'_, 'm> {
        fn tensor(&mut self, scope: &Scope<'_>, role: TensorRole, tensor: &'m TensorProto) {
            if !is_at(tensor, DROPPED) {
                self.recipes.push(None);
                return;
            }
            match recipe::recipe(tensor, &self.uses).and_then(|values| sized(tensor, values)) {
                Ok(weight) => {
                    // ONNX Runtime takes memory for external data of the main graph's initializers alone.
                    let reachable = role == TensorRole::Initializer && scope.depth() == 0 && scope.runs();
                    let in_arena = reachable && weight.bytes > INLINE_BYTES;
                    self.recipes.push(Some(Recipe { weight, in_arena }));
                }
                Err(why) => {
                    let impossible = WeightlessError::Impossible {
                        path: self.path.to_owned(),
                        tensor: tensor.name().to_owned(),
                        what: describe(tensor),
                        place: scope.to_string(),
                        why,
                    };
                    self.error.get_or_insert(impossible);
                }
            }
        }
    }
    let mut recipes = Recipes { uses: Uses::of(model), path, recipes: Vec::new(), error: None };
    visit::model(model, &mut recipes);
    recipes.error.map_or(Ok(recipes.recipes), Err)
}

fn sized(tensor: &TensorProto, values: Values) -> Result<Weight, String> {
    match tensor::byte_len(tensor) {
        Some(bytes) => Ok(Weight { dims: tensor.dims.clone(), bytes, values }),
        None => Err("its extents are impossible".to_owned()),
    }
}

/// Makes initializers of the main graph's absent large constants, as ONNX Runtime does when it loads them.
fn lift_constants(graph: &mut GraphProto) {
    let mut lifted = Vec::new();
    graph.node.retain_mut(|node| {
        if node.op_type() != "Constant" {
            return true;
        }
        let absent = |tensor: &TensorProto| is_at(tensor, DROPPED) && tensor::byte_len(tensor) > Some(INLINE_BYTES);
        let value = node.attribute.iter_mut().find(|attribute| attribute.t.as_ref().is_some_and(absent));
        let Some(mut tensor) = value.and_then(|attribute| attribute.t.take()) else { return true };
        tensor.name = node.output.first().cloned();
        lifted.push(tensor);
        false
    });
    graph.initializer.append(&mut lifted);
}
