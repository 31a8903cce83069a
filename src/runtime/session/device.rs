//! A session on CUDA: the provider's options, and inputs and outputs that stay in the device's memory, so that no copy hides
//! in the first and last operator.

use ort::ep::ExecutionProviderDispatch;
use ort::ep::cuda::ConvAlgorithmSearch;
use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};
use ort::session::{IoBinding, Session};
use ort::value::{DynValue, TensorElementType, ValueType};

use super::{ConvolutionSearch, CudaSettings, SessionError};

/// The provider as it is to be registered. Each option is said, so that no release's default is measured by accident.
pub(super) fn provider(settings: CudaSettings) -> ExecutionProviderDispatch {
    let search = match settings.convolution {
        ConvolutionSearch::Exhaustive => ConvAlgorithmSearch::Exhaustive,
        ConvolutionSearch::Heuristic => ConvAlgorithmSearch::Heuristic,
        ConvolutionSearch::Default => ConvAlgorithmSearch::Default,
    };
    let mut provider = ort::ep::CUDA::default()
        .with_device_id(number(settings.device))
        .with_conv_algorithm_search(search)
        .with_tf32(settings.tf32)
        .with_cuda_graph(false);
    if let Some(bytes) = settings.arena_bytes {
        provider = provider.with_memory_limit(usize::try_from(bytes).unwrap_or(usize::MAX));
    }
    provider.build()
}

/// Copies the inputs to the device, where the model wants them there, and has each output of tensors left there. Waits
/// until the copies are done.
pub(super) fn bind(session: &Session, inputs: Vec<(String, DynValue)>, device: u32) -> Result<IoBinding, SessionError> {
    let refuse = |name: &str, error: ort::Error| SessionError::Input {
        name: name.to_owned(),
        reason: format!("it cannot be put into the device's memory: {error}"),
    };
    let mut binding = session.create_binding().map_err(SessionError::from_ort)?;
    for (name, value) in &inputs {
        binding.bind_input(name.as_str(), value).map_err(|error| refuse(name, error))?;
    }
    let memory = |on_device: bool| {
        let (place, number) =
            if on_device { (AllocationDevice::CUDA, number(device)) } else { (AllocationDevice::CPU, 0) };
        MemoryInfo::new(place, number, AllocatorType::Device, MemoryType::Default).map_err(SessionError::from_ort)
    };
    for output in session.outputs() {
        let place = memory(fits_device(output.dtype()))?;
        binding.bind_output_to_device(output.name(), &place).map_err(|error| refuse(output.name(), error))?;
    }
    binding.synchronize_inputs().map_err(SessionError::from_run)?;
    Ok(binding)
}

/// False for what a GPU cannot hold: strings, sequences, maps.
fn fits_device(dtype: &ValueType) -> bool {
    matches!(dtype, ValueType::Tensor { ty, .. } if *ty != TensorElementType::String)
}

fn number(device: u32) -> i32 {
    i32::try_from(device).unwrap_or(i32::MAX)
}
