//! What scenarios on CUDA need before the first of them is launched: the driver, an ONNX Runtime with CUDA, its libraries,
//! and how the GPU's time is taken. Found once a session, and only where a scenario asks for it.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::config::{Cuda, GpuClock};
use crate::measure::job::{DeviceClock, GpuJob};
use crate::measure::launch::BLOCKING;
use crate::report::render::number;
use crate::runtime::cuda::{self, Gpu, Surroundings, Toolkit};
use crate::runtime::cupti::CuptiError;
use crate::runtime::{self, Library};

use super::Terminal;

/// A GPU that scenarios can run on.
#[derive(Debug, Clone)]
pub(super) struct GpuSetup {
    /// ONNX Runtime with CUDA.
    pub library: Library,
    /// The GPU.
    pub gpu: Gpu,
    /// What a launch is told of it.
    pub job: GpuJob,
    /// Variables that the child process needs.
    pub environment: Vec<(OsString, OsString)>,
}

/// Looks at what there is, the cheapest first: nothing is downloaded for a machine without a GPU.
///
/// # Errors
/// What is missing, with the remedy. Nothing is done on the CPU in its stead.
pub(super) fn set_up(terminal: &mut Terminal, config: &Cuda) -> anyhow::Result<GpuSetup> {
    let gpu = cuda::gpu(config.device)?;
    let options = terminal.locate_options();
    let status = &mut terminal.status;
    let library = runtime::locate_gpu(&options, &mut |event| status.say("Runtime", &event.to_string()))?;
    let toolkit = Toolkit::from_environment();
    let surroundings = cuda::surroundings(&library, &toolkit)?;
    gpu.runs(surroundings.cuda_major)?;
    let clock = clock(config.clock, || cuda::cupti_for(&surroundings, &toolkit))?;
    let environment = environment(&surroundings, &clock, std::env::var_os(LOADER_PATH).as_deref());
    let job = GpuJob { device: config.device, cuda_major: surroundings.cuda_major, clock };
    Ok(GpuSetup { library, gpu, job, environment })
}

/// How the GPU's time is taken, by what was asked for and what there is.
fn clock(asked: GpuClock, cupti: impl FnOnce() -> Result<PathBuf, CuptiError>) -> Result<DeviceClock, CuptiError> {
    let synchronous = |reason: String| Ok(DeviceClock::Synchronous { reason });
    match asked {
        GpuClock::Synchronous => synchronous("`clock = \"synchronous\"` under [cuda] asks for it".to_owned()),
        GpuClock::Cupti => cupti().map(|library| DeviceClock::Cupti { library }),
        GpuClock::Auto => match cupti() {
            Ok(library) => Ok(DeviceClock::Cupti { library }),
            Err(error) => synchronous(error.to_string()),
        },
    }
}

/// Where the loader looks first.
const LOADER_PATH: &str = if cfg!(windows) { "PATH" } else { "LD_LIBRARY_PATH" };

/// The variables of a launch. Whether launches wait is said either way: the user's own setting must not decide what a
/// clock means.
fn environment(
    surroundings: &Surroundings,
    clock: &DeviceClock,
    loader_path: Option<&OsStr>,
) -> Vec<(OsString, OsString)> {
    let (name, blocking) = BLOCKING;
    let value = if matches!(clock, DeviceClock::Synchronous { .. }) { blocking } else { "0" };
    let mut variables = vec![(name.into(), value.into())];
    if !surroundings.folders.is_empty() {
        let own: Vec<PathBuf> = loader_path.map(|path| std::env::split_paths(path).collect()).unwrap_or_default();
        let folders =
            surroundings.folders.iter().chain(&own).map(PathBuf::as_path).filter(|path| *path != Path::new(""));
        // A folder whose name holds the separator cannot be said to the loader at all.
        if let Ok(path) = std::env::join_paths(folders) {
            variables.push((LOADER_PATH.into(), path));
        }
    }
    variables
}

/// Why a model does not fit onto a GPU: ONNX Runtime copies every initializer there, those that share memory on the host
/// included, so that the weights take their full size.
pub(super) fn refusal(weights_bytes: u64, gpu: &Gpu) -> Option<String> {
    (weights_bytes > gpu.memory_bytes).then(|| {
        format!(
            "its weights take {} on the device, and {} has {}: each has a copy of its own there. Take a smaller model or \
             fp16, or try it all the same with `--ignore-memory`",
            number::bytes(weights_bytes),
            gpu.name,
            number::bytes(gpu.memory_bytes)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing() -> Result<PathBuf, CuptiError> {
        Err(CuptiError::NotFound { names: "libcupti.so.13".into(), places: Vec::new(), package: "nvidia-cuda-cupti" })
    }

    #[test]
    fn cupti_is_taken_where_it_is_and_its_absence_is_said() {
        let found = || Ok(PathBuf::from("/cuda/libcupti.so.13"));
        let cupti = DeviceClock::Cupti { library: "/cuda/libcupti.so.13".into() };
        assert_eq!(clock(GpuClock::Auto, found), Ok(cupti.clone()));
        assert_eq!(clock(GpuClock::Cupti, found), Ok(cupti));
        assert!(
            matches!(clock(GpuClock::Auto, missing), Ok(DeviceClock::Synchronous { reason }) if reason.contains("libcupti.so.13"))
        );
        assert_eq!(clock(GpuClock::Cupti, missing), missing().map(|library| DeviceClock::Cupti { library }));
        assert!(matches!(clock(GpuClock::Synchronous, found), Ok(DeviceClock::Synchronous { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn launches_wait_in_one_mode_and_not_in_the_other_whatever_the_user_has_set() {
        let nothing = Surroundings { folders: Vec::new(), cuda_major: 13 };
        let synchronous = DeviceClock::Synchronous { reason: String::new() };
        let cupti = DeviceClock::Cupti { library: PathBuf::new() };
        let pair = |name: &str, value: &str| (OsString::from(name), OsString::from(value));
        assert_eq!(environment(&nothing, &synchronous, None), [pair("CUDA_LAUNCH_BLOCKING", "1")]);
        assert_eq!(environment(&nothing, &cupti, Some(OsStr::new("/own"))), [pair("CUDA_LAUNCH_BLOCKING", "0")]);
        let wheels =
            Surroundings { folders: vec!["/wheels/cu13/lib".into(), "/wheels/cudnn/lib".into()], cuda_major: 13 };
        let path = pair("LD_LIBRARY_PATH", "/wheels/cu13/lib:/wheels/cudnn/lib:/own");
        assert_eq!(environment(&wheels, &cupti, Some(OsStr::new("/own"))), [pair("CUDA_LAUNCH_BLOCKING", "0"), path]);
    }

    #[test]
    fn weights_that_do_not_fit_are_refused_with_both_numbers() {
        let gpu = Gpu { name: "NVIDIA T4".into(), memory_bytes: 16 << 30, cuda: (13, 0) };
        assert_eq!(refusal(13 << 30, &gpu), None);
        let refusal = refusal(87 << 30, &gpu).unwrap();
        assert!(refusal.contains("87") && refusal.contains("NVIDIA T4") && refusal.contains("16"), "{refusal}");
    }
}
