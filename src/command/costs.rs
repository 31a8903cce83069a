//! What scenarios will cost: the graph of each, built or read, handed to [`crate::estimate`].

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::config::Measure;
use crate::estimate::{Effort, Estimate, Rates, Storage, Subject};
use crate::machine;
use crate::measure;
use crate::measure::inputs::{self, InputRequest};
use crate::onnx::file;
use crate::onnx::fp16::{Io, to_fp16};
use crate::scenario::{ModelRef, Planned, Precision};
use crate::zoo::weights;

use super::suite;

/// The rates of this machine.
pub(super) fn rates_here(planned: &Planned) -> Rates {
    Rates::of(machine::instruction_set(), planned.scenario.threads)
}

/// The effort that a configuration asks for.
pub(super) fn effort(measure: &Measure) -> Effort {
    Effort {
        launches: measure.launches,
        warmup: measure.warmup,
        min_iterations: measure.min_iterations,
        max_iterations: measure.max_iterations,
        time_budget_s: measure.time_budget_s,
    }
}

/// Estimates one scenario; `None` where its model cannot be built or read, which is for the launch to say.
pub(super) fn estimate(planned: &Planned, rates: &Rates) -> Option<Estimate> {
    let provider = planned.scenario.provider;
    match &planned.scenario.model {
        ModelRef::Zoo { name } => {
            let (built, _) = measure::build_model(name, &planned.scenario, weights::CAPACITY).ok()?;
            let storage = Storage::Arena { bytes: built.weights.arena_bytes };
            let (inputs, macs) = (BTreeMap::new(), Some(built.macs));
            Some(Estimate::of(&Subject { model: &built.model, storage, inputs: &inputs, macs, provider }, rates))
        }
        ModelRef::File { path, .. } => {
            let mut model = file::read(path).ok()?;
            let mut storage = Storage::File;
            if let Some(made_up) = measure::plan_weights(&model, path, planned.weights).ok()? {
                storage = Storage::Arena { bytes: made_up.synthetic.arena_bytes() };
                model = made_up.model;
            }
            if planned.scenario.precision == Precision::Fp16 {
                // What cannot be converted is for the launch to say.
                to_fp16(&mut model, Io::Keep).ok()?;
            }
            let request = InputRequest {
                dimensions: planned.dimensions.clone(),
                batch: planned.scenario.batch,
                sequence: planned.scenario.sequence,
                image: planned.scenario.image,
                files: suite::input_files(planned.inputs.as_ref()),
                seed: 0,
            };
            let inputs = inputs::shapes(&model, &path.display().to_string(), &request).unwrap_or_default();
            Some(Estimate::of(&Subject { model: &model, storage, inputs: &inputs, macs: None, provider }, rates))
        }
    }
}

/// Estimates of all, in their order; graphs are built on all cores, since nothing is measured yet.
pub(super) fn estimates(planned: &[Planned], rates: impl Fn(&Planned) -> Rates + Sync) -> Vec<Option<Estimate>> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(vec![None; planned.len()]);
    let work = || {
        while let Some((index, one)) =
            Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|i| Some((i, planned.get(i)?)))
        {
            let estimate = estimate(one, &rates(one));
            done.lock().unwrap_or_else(PoisonError::into_inner)[index] = estimate;
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..machine::usable_cores() {
            scope.spawn(work);
        }
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner)
}
