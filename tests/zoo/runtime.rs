//! ONNX Runtime as the program itself uses it, and inputs for the built-in models.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use half::f16;
use nongemm::onnx::proto::ModelProto;
use nongemm::runtime::session::KeptHeap;
use nongemm::runtime::{self, LocateOptions};
use nongemm::zoo::BuiltModel;
use ort::environment::Environment;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::session::{Session, SessionInputValue};
use ort::value::Tensor;
use prost::Message;

use super::reference::{Tensors, tensors};

/// One test at a time holds a session: the largest take a gigabyte.
pub fn only_session() -> MutexGuard<'static, ()> {
    static SESSION: Mutex<()> = Mutex::new(());
    SESSION.lock().unwrap_or_else(PoisonError::into_inner)
}

/// ONNX Runtime as the program itself finds it.
pub fn environment() -> &'static Environment {
    let library = runtime::locate(&LocateOptions::from_environment(None, false), &mut |_| {}).unwrap();
    runtime::load(&library).unwrap();
    runtime::environment().unwrap()
}

/// A session on the model, with the weights used in place.
pub fn session(
    model: &BuiltModel,
    arena: &Arc<[u8]>,
    level: GraphOptimizationLevel,
    prepack: bool,
    threads: usize,
) -> Session {
    let mut builder = builder(model, arena, level, prepack).with_intra_threads(threads).unwrap();
    builder.commit_from_memory(&model.model.encode_to_vec()).unwrap()
}

fn builder(model: &BuiltModel, arena: &Arc<[u8]>, level: GraphOptimizationLevel, prepack: bool) -> SessionBuilder {
    Session::builder(environment())
        .unwrap()
        .with_intra_threads(1)
        .unwrap()
        .with_optimization_level(level)
        .unwrap()
        .with_config_entry("session.use_external_initializer_file_buffers_directly", "1")
        .unwrap()
        .with_prepacking(prepack)
        .unwrap()
        // Without prepacking, memory patterns reserve one block of the size of all weights, and do not use it.
        .with_memory_pattern(prepack)
        .unwrap()
        .with_external_initializer_file_in_memory(model.weights.file_name, Arc::clone(arena))
        .unwrap()
}

/// The graph after ONNX Runtime's optimizer at level all.
pub fn optimized(model: &BuiltModel) -> ModelProto {
    let _only = only_session();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("optimized.onnx");
    // ONNX Runtime copies and writes all weights with the optimized graph, 27 GB of them for the largest. Nobody reads
    // them.
    #[cfg(unix)]
    std::os::unix::fs::symlink("/dev/null", folder.path().join("weights")).unwrap();
    let arena = any_weights(model.weights.arena_bytes);
    let mut builder = builder(model, &arena, GraphOptimizationLevel::All, false)
        .with_optimized_model_path(&path)
        .unwrap()
        .with_config_entry("session.optimized_model_external_initializers_file_name", "weights")
        .unwrap();
    // Each copy is freed again: half of the time would go into page faults.
    let kept = KeptHeap::hold();
    drop(builder.commit_from_memory(&model.model.encode_to_vec()).unwrap());
    drop(kept);
    ModelProto::decode(std::fs::read(&path).unwrap().as_slice()).unwrap()
}

/// At least so many bytes of weights, no matter whose: for sessions that run nothing.
fn any_weights(bytes: u64) -> Arc<[u8]> {
    static LARGEST: Mutex<Option<Arc<[u8]>>> = Mutex::new(None);
    let bytes = usize::try_from(bytes).unwrap();
    let mut largest = LARGEST.lock().unwrap();
    match &*largest {
        Some(arena) if arena.len() >= bytes => Arc::clone(arena),
        // Ones: tiny as integers, harmless as numbers.
        _ => Arc::clone(largest.insert(std::iter::repeat_n(1, bytes).collect())),
    }
}

/// Shapes and values of all outputs for inputs that suit the model.
pub fn run(
    model: &BuiltModel,
    arena: &Arc<[u8]>,
    level: GraphOptimizationLevel,
    prepack: bool,
) -> Vec<(Vec<i64>, Vec<f32>)> {
    let mut session = session(model, arena, level, prepack, 1);
    let inputs = inputs(model);
    let outputs = session.run(inputs).unwrap();
    let values = outputs.iter().map(|(_, value)| {
        // Labels are whole numbers.
        if let Ok((shape, values)) = value.try_extract_tensor::<i64>() {
            #[allow(clippy::cast_precision_loss)]
            return (shape.to_vec(), values.iter().map(|&value| value as f32).collect());
        }
        if let Ok((shape, values)) = value.try_extract_tensor::<f16>() {
            return (shape.to_vec(), values.iter().map(|value| value.to_f32()).collect());
        }
        let (shape, values) = value.try_extract_tensor::<f32>().unwrap();
        (shape.to_vec(), values.to_vec())
    });
    values.collect()
}

/// Inputs that suit the model.
pub fn inputs(model: &BuiltModel) -> Vec<(String, SessionInputValue<'static>)> {
    let mut random = fastrand::Rng::with_seed(1);
    let declared = tensors(&model.model.graph.as_ref().unwrap().input);
    let attended = declared.iter().find(|input| input.name == "attention_mask").map_or(0, |input| input.shape[1]);
    declared
        .into_iter()
        .map(|Tensors { name, dtype, shape }| {
            let elements: i64 = shape.iter().product();
            let value: SessionInputValue = if dtype == "FLOAT" {
                let values: Vec<f32> = (0..elements).map(|_| random.f32() - 0.5).collect();
                Tensor::from_array((shape, values)).unwrap().into()
            } else if dtype == "FLOAT16" {
                let values: Vec<f16> = (0..elements).map(|_| f16::from_f32(random.f32() - 0.5)).collect();
                Tensor::from_array((shape, values)).unwrap().into()
            } else {
                let values: Vec<i64> = (0..elements)
                    .map(|index| match name.as_str() {
                        "input_ids" => random.i64(0..30_000),
                        "attention_mask" => 1,
                        "token_type_ids" => index % 2,
                        "position_ids" => attended - shape[1] + index % shape[1],
                        other => panic!("no values for `{other}`"),
                    })
                    .collect();
                Tensor::from_array((shape, values)).unwrap().into()
            };
            (name, value)
        })
        .collect()
}
