//! From documents as typed to the configuration as used: precedence, ranges, defaults.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::verdict::{ALPHA, Looks};

use super::cuda::{Cuda, CudaOptions};
use super::dimension::{ImageSize, Optimization, Provider};
use super::error::ConfigError;
use super::models;
use super::raw::{Many, Raw, RawGate, RawGpuGate, RawImage, RawPrepare};
use super::resolved::{
    Budget, Compare, Config, Dimensions, GatePolicy, GpuGate, Level, Measure, Prepare, PrepareCommand, SignOff,
    ZooEntry,
};
use super::rules;
use super::source::{Found, Layer, Step};

/// What a configuration is resolved against.
pub(super) struct Surroundings<'a> {
    /// The built-in models.
    pub zoo: &'a [ZooEntry],
    /// Paths below it are shown without it.
    pub cwd: &'a Path,
}

impl Surroundings<'_> {
    /// A path as it stands in a document of `base`.
    pub fn place(&self, base: &Path, text: impl AsRef<Path>) -> PathBuf {
        let path = base.join(text);
        path.strip_prefix(self.cwd).map(Path::to_owned).unwrap_or(path)
    }
}

/// A value with the document it stands in.
pub(super) type Located<'a, T> = (&'a Layer, &'a T);

/// The first document's value that has one.
pub(super) fn pick<'a, T>(layers: &'a [Layer], key: impl Fn(&'a Raw) -> Option<&'a T>) -> Option<Located<'a, T>> {
    layers.iter().find_map(|layer| key(&layer.raw).map(|value| (layer, value)))
}

/// Applies precedence and defaults, and checks every value.
pub(super) fn resolve(found: &Found, around: &Surroundings<'_>) -> Result<Config, ConfigError> {
    let layers = found.layers.as_slice();
    let baselines = match pick(layers, |raw| raw.baselines.as_ref()) {
        Some((layer, path)) => around.place(&layer.base, path),
        None => around.place(&found.root, "baselines"),
    };
    Ok(Config {
        origin: found.origin.clone(),
        baselines,
        suite: suite(layers)?,
        models: models::resolve(layers, around)?,
        measure: measure(layers)?,
        gate: gate(layers)?,
        rules: rules::resolve(layers)?,
        compare: compare(layers, around)?,
        signoff: sign_off(layers)?,
        cuda: cuda(layers)?,
        budgets: budgets(layers)?,
    })
}

fn suite(layers: &[Layer]) -> Result<Dimensions, ConfigError> {
    let at = |key: &'static str| [Step::Key("suite"), Step::Key(key)];
    let or = |list: Vec<u32>, default: u32| if list.is_empty() { vec![default] } else { list };
    let provider = choices(pick(layers, |raw| raw.suite.provider.as_ref()), &at("provider"))?;
    let precision = choices(pick(layers, |raw| raw.suite.precision.as_ref()), &at("precision"))?;
    let optimization = choices(pick(layers, |raw| raw.suite.optimization.as_ref()), &at("optimization"))?;
    Ok(Dimensions {
        provider: if provider.is_empty() { vec![Provider::Cpu] } else { provider },
        precision,
        optimization: if optimization.is_empty() { vec![Optimization::All] } else { optimization },
        batch: counts(pick(layers, |raw| raw.suite.batch.as_ref()), &at("batch"))?,
        sequence: counts(pick(layers, |raw| raw.suite.sequence.as_ref()), &at("sequence"))?,
        image: images(pick(layers, |raw| raw.suite.image.as_ref()), &at("image"))?,
        threads: or(counts(pick(layers, |raw| raw.suite.threads.as_ref()), &at("threads"))?, 1),
    })
}

/// A list of named choices, each once.
pub(super) fn choices<T: Copy + PartialEq>(
    list: Option<Located<'_, Many<T>>>,
    path: &[Step<'_>],
) -> Result<Vec<T>, ConfigError> {
    distinct(list.map(|(layer, list)| (layer, list.0.clone())), path)
}

/// A list of whole numbers from 1, each once.
pub(super) fn counts(list: Option<Located<'_, Many<i64>>>, path: &[Step<'_>]) -> Result<Vec<u32>, ConfigError> {
    let Some((layer, Many(values))) = list else { return Ok(Vec::new()) };
    let mut counts = Vec::new();
    for (index, &value) in values.iter().enumerate() {
        counts.push(whole(layer, value, 1, &[path, &[Step::At(index)]].concat())?);
    }
    distinct(Some((layer, counts)), path)
}

/// A list of image sizes, each once.
pub(super) fn images(
    list: Option<Located<'_, Many<RawImage>>>,
    path: &[Step<'_>],
) -> Result<Vec<ImageSize>, ConfigError> {
    let Some((layer, Many(values))) = list else { return Ok(Vec::new()) };
    let mut sizes = Vec::new();
    for (index, value) in values.iter().enumerate() {
        let text = match value {
            RawImage::Square(side) => side.to_string(),
            RawImage::Text(text) => text.clone(),
        };
        let path = [path, &[Step::At(index)]].concat();
        sizes.push(text.parse().map_err(|reason| layer.error(&path, reason, "not an image size", None))?);
    }
    distinct(Some((layer, sizes)), path)
}

fn distinct<T: PartialEq>(list: Option<(&Layer, Vec<T>)>, path: &[Step<'_>]) -> Result<Vec<T>, ConfigError> {
    let Some((layer, values)) = list else { return Ok(Vec::new()) };
    for (index, value) in values.iter().enumerate() {
        if values[..index].contains(value) {
            let path = [path, &[Step::At(index)]].concat();
            let title = format!("`{}` has a value twice", dotted(&path[..path.len() - 1]));
            return Err(layer.error(&path, title, "stands in the list already", None));
        }
    }
    Ok(values)
}

/// A whole number from `least`.
fn whole(layer: &Layer, value: i64, least: u32, path: &[Step<'_>]) -> Result<u32, ConfigError> {
    match u32::try_from(value) {
        Ok(number) if number >= least => Ok(number),
        _ => {
            let range =
                if value < i64::from(least) { format!("at least {least}") } else { format!("at most {}", u32::MAX) };
            Err(layer.error(path, format!("`{}` must be {range}", dotted(path)), "out of range", None))
        }
    }
}

/// A finite number for which `holds`; `range` says which in words.
pub(super) fn number(
    (layer, &value): Located<'_, f64>,
    path: &[Step<'_>],
    range: &str,
    holds: impl Fn(f64) -> bool,
) -> Result<f64, ConfigError> {
    if value.is_finite() && holds(value) {
        return Ok(value);
    }
    Err(layer.error(path, format!("`{}` must be {range}", dotted(path)), "out of range", None))
}

/// A length of time that something is waited for.
fn seconds(found: Located<'_, f64>, path: &[Step<'_>]) -> Result<f64, ConfigError> {
    // A day: more is a typing error, and far more would overflow a duration.
    number(found, path, "a number of seconds above 0, at most 86400", |s| s > 0.0 && s <= 86_400.0)
}

fn measure(layers: &[Layer]) -> Result<Measure, ConfigError> {
    let default = Measure::default();
    let count = |found: Option<Located<'_, i64>>, keys: &[&'static str], least: u32, default: u32| {
        let path: Vec<Step<'_>> = ["measure"].iter().chain(keys).map(|key| Step::Key(key)).collect();
        found.map_or(Ok(default), |(layer, &value)| whole(layer, value, least, &path))
    };
    let seconds = |found: Option<Located<'_, f64>>, key: &'static str, default: f64| {
        found.map_or(Ok(default), |found| seconds(found, &[Step::Key("measure"), Step::Key(key)]))
    };
    let iterations = |key: fn(&super::raw::RawIterations) -> Option<&i64>| {
        pick(layers, move |raw| raw.measure.iterations.as_ref().and_then(key))
    };
    let found_max = iterations(|it| it.max.as_ref());
    let min = count(iterations(|it| it.min.as_ref()), &["iterations", "min"], 1, default.min_iterations)?;
    let max = count(found_max, &["iterations", "max"], 1, default.max_iterations.max(min))?;
    if let (Some((layer, _)), true) = (found_max, max < min) {
        let path = [Step::Key("measure"), Step::Key("iterations")];
        return Err(layer.error(&path, format!("`max` ({max}) is below `min` ({min})"), "raise `max`", None));
    }
    Ok(Measure {
        launches: count(pick(layers, |raw| raw.measure.launches.as_ref()), &["launches"], 1, default.launches)?,
        min_iterations: min,
        max_iterations: max,
        warmup: count(pick(layers, |raw| raw.measure.warmup.as_ref()), &["warmup"], 0, default.warmup)?,
        time_budget_s: seconds(
            pick(layers, |raw| raw.measure.time_budget_s.as_ref()),
            "time-budget-s",
            default.time_budget_s,
        )?,
        timeout_s: seconds(pick(layers, |raw| raw.measure.timeout_s.as_ref()), "timeout-s", default.timeout_s)?,
    })
}

/// `[compare]`, which can be resolved before the models are there: `prepare` may be what makes them.
pub(super) fn compare(layers: &[Layer], around: &Surroundings<'_>) -> Result<Compare, ConfigError> {
    let at = |key: &'static str| [Step::Key("compare"), Step::Key(key)];
    let mut compare = Compare::default();
    if let Some((layer, list)) = pick(layers, |raw| raw.compare.pairs.as_ref()) {
        let path = at("pairs");
        compare.pairs = counts(Some((layer, list)), &path)?;
        if let Err(error) = Looks::new(&compare.pairs, ALPHA) {
            let help = "one number, or rising ones such as [8, 12, 20]".to_owned();
            return Err(layer.error(&path, error.to_string(), "", Some(help)));
        }
    }
    if let Some(found) = pick(layers, |raw| raw.compare.min_effect.as_ref()) {
        compare.min_effect = number(found, &at("min-effect"), "a number, 0 or more", |value| value >= 0.0)?;
    }
    let timeout = pick(layers, |raw| raw.compare.prepare_timeout_s.as_ref())
        .map_or(Ok(PREPARE_TIMEOUT_S), |found| seconds(found, &at("prepare-timeout-s")))?;
    if let Some((layer, raw)) = pick(layers, |raw| raw.compare.prepare.as_ref()) {
        let command = match raw {
            RawPrepare::Line(line) => PrepareCommand::Line(line.clone()),
            RawPrepare::Words(words) => PrepareCommand::Words(words.clone()),
        };
        if command.to_string().trim().is_empty() {
            return Err(layer.error(&at("prepare"), "`compare.prepare` is empty".to_owned(), "no command", None));
        }
        let directory = around.place(&layer.base, "");
        compare.prepare = Some(Prepare { command, directory, timeout: Duration::from_secs_f64(timeout) });
    }
    Ok(compare)
}

fn sign_off(layers: &[Layer]) -> Result<SignOff, ConfigError> {
    let path = [Step::Key("signoff"), Step::Key("launches")];
    let launches = pick(layers, |raw| raw.signoff.launches.as_ref());
    Ok(SignOff {
        tier: pick(layers, |raw| raw.signoff.tier.as_ref()).map(|(_, &tier)| tier),
        launches: launches.map(|(layer, &value)| whole(layer, value, 1, &path)).transpose()?,
    })
}

fn cuda(layers: &[Layer]) -> Result<Cuda, ConfigError> {
    let at = |key: &'static str| [Step::Key("cuda"), Step::Key(key)];
    let default = Cuda::default();
    let count = |found: Option<Located<'_, i64>>, key: &'static str, least: u32| {
        found.map(|(layer, &value)| whole(layer, value, least, &at(key))).transpose()
    };
    let options = CudaOptions {
        cudnn_search: pick(layers, |raw| raw.cuda.cudnn_search.as_ref())
            .map_or(default.options.cudnn_search, |(_, &search)| search),
        tf32: pick(layers, |raw| raw.cuda.tf32.as_ref()).map_or(default.options.tf32, |(_, &tf32)| tf32),
        arena_limit_mib: count(pick(layers, |raw| raw.cuda.arena_limit_mib.as_ref()), "arena-limit-mib", 1)?,
    };
    Ok(Cuda {
        device: count(pick(layers, |raw| raw.cuda.device.as_ref()), "device", 0)?.unwrap_or(default.device),
        clock: pick(layers, |raw| raw.cuda.clock.as_ref()).map_or(default.clock, |(_, &clock)| clock),
        options,
    })
}

/// Exporting models of some hundred megabytes from a framework takes minutes.
const PREPARE_TIMEOUT_S: f64 = 1800.0;

fn gate(layers: &[Layer]) -> Result<GatePolicy, ConfigError> {
    let default = GatePolicy::default();
    let at_least_zero = |found: Option<Located<'_, f64>>, key: &'static str, default: f64| {
        let path = [Step::Key("gate"), Step::Key(key)];
        found.map_or(Ok(default), |found| number(found, &path, "a number, 0 or more", |value| value >= 0.0))
    };
    Ok(GatePolicy {
        min_effect: at_least_zero(pick(layers, |raw| raw.gate.min_effect.as_ref()), "min-effect", default.min_effect)?,
        floor_us: at_least_zero(pick(layers, |raw| raw.gate.floor_us.as_ref()), "floor-us", default.floor_us)?,
        floor_share: at_least_zero(
            pick(layers, |raw| raw.gate.floor_share.as_ref()),
            "floor-share",
            default.floor_share,
        )?,
        gpu: gpu_gate(layers, default.gpu)?,
        spread_factor: at_least_zero(
            pick(layers, |raw| raw.gate.spread_factor.as_ref()),
            "spread-factor",
            default.spread_factor,
        )?,
        max_latency_growth: at_least_zero(
            pick(layers, |raw| raw.gate.max_latency_growth.as_ref()),
            "max-latency-growth",
            default.max_latency_growth,
        )?,
        min_drift: at_least_zero(pick(layers, |raw| raw.gate.min_drift.as_ref()), "min-drift", default.min_drift)?,
        structure: level(layers, |gate| gate.structure.as_ref()).unwrap_or(default.structure),
        missing_baseline: level(layers, |gate| gate.missing_baseline.as_ref()).unwrap_or(default.missing_baseline),
        other_cpu: level(layers, |gate| gate.other_cpu.as_ref()).unwrap_or(default.other_cpu),
        latency: level(layers, |gate| gate.latency.as_ref()).unwrap_or(default.latency),
        ambiguous_factor: level(layers, |gate| gate.ambiguous_factor.as_ref()).unwrap_or(default.ambiguous_factor),
        drift: level(layers, |gate| gate.drift.as_ref()).unwrap_or(default.drift),
        trailers: pick(layers, |raw| raw.gate.trailers.as_ref()).map_or(default.trailers, |(_, &trailers)| trailers),
        group: rules::group_gates(layers)?,
    })
}

fn gpu_gate(layers: &[Layer], default: GpuGate) -> Result<GpuGate, ConfigError> {
    let value = |key: &'static str, of: fn(&RawGpuGate) -> Option<&f64>, default: f64| {
        let path = [Step::Key("gate"), Step::Key("gpu"), Step::Key(key)];
        let found = pick(layers, |raw| of(&raw.gate.gpu));
        found.map_or(Ok(default), |found| number(found, &path, "a number, 0 or more", |value| value >= 0.0))
    };
    Ok(GpuGate {
        min_effect: value("min-effect", |raw| raw.min_effect.as_ref(), default.min_effect)?,
        floor_us: value("floor-us", |raw| raw.floor_us.as_ref(), default.floor_us)?,
        floor_share: value("floor-share", |raw| raw.floor_share.as_ref(), default.floor_share)?,
    })
}

/// What the first layer that speaks of it says.
fn level<'a>(layers: &'a [Layer], key: impl Fn(&'a RawGate) -> Option<&'a Level>) -> Option<Level> {
    pick(layers, |raw| key(&raw.gate)).map(|(_, &level)| level)
}

fn budgets(layers: &[Layer]) -> Result<Vec<Budget>, ConfigError> {
    let Some((layer, list)) = pick(layers, |raw| raw.budget.as_ref()) else { return Ok(Vec::new()) };
    let mut budgets = Vec::new();
    for (index, raw) in list.iter().enumerate() {
        let whole = [Step::Key("budget"), Step::At(index)];
        let at = |key: &'static str| [whole[0], whole[1], Step::Key(key)];
        let Some(scenario) = raw.scenario.clone() else {
            let help = "add `scenario = \"*\"`, or a glob over scenario ids and model names".to_owned();
            return Err(layer.error(&whole, "a budget needs `scenario`".to_owned(), "", Some(help)));
        };
        rules::check_glob(layer, &at("scenario"), &scenario)?;
        if let Some(machine) = &raw.machine {
            rules::check_glob(layer, &at("machine"), machine)?;
        }
        let share = raw.max_non_gemm_share.as_ref().map(|share| {
            number((layer, share), &at("max-non-gemm-share"), "a fraction from 0 to 1", |s| (0.0..=1.0).contains(&s))
        });
        let latency = raw.max_latency_ms.as_ref().map(|limit| {
            number((layer, limit), &at("max-latency-ms"), "a number of milliseconds above 0", |ms| ms > 0.0)
        });
        let groups = rules::group_shares(layer, raw, &at("max-group-share"))?;
        if share.is_none() && latency.is_none() && groups.is_empty() {
            let help = "add `max-non-gemm-share`, `max-group-share` or `max-latency-ms`".to_owned();
            return Err(layer.error(&whole, "a budget without a limit never fails".to_owned(), "", Some(help)));
        }
        budgets.push(Budget {
            scenario,
            machine: raw.machine.clone(),
            max_non_gemm_share: share.transpose()?,
            max_group_share: groups,
            max_latency_ms: latency.transpose()?,
        });
    }
    Ok(budgets)
}

/// A path of keys as people write it: `model[1].batch`.
pub(super) fn dotted(path: &[Step<'_>]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Key(key) if text.is_empty() => text.push_str(key),
            Step::Key(key) => {
                text.push('.');
                text.push_str(key);
            }
            Step::At(index) => text.push_str(&format!("[{index}]")),
        }
    }
    text
}
