//! The configuration as typed: every key optional, nothing checked but names and types.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;

use serde::de::{self, Deserialize, Deserializer, IntoDeserializer, SeqAccess, Visitor};

use crate::zoo::Tier;

use super::cuda::{ConvolutionSearch, GpuClock};
use super::dimension::{Optimization, Precision, Provider, Weights};
use super::resolved::Level;

/// One document: a `nongemm.toml`, or a `metadata.nongemm` table of a manifest.
#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct Raw {
    pub baselines: Option<PathBuf>,
    pub suite: RawSuite,
    pub model: Option<Vec<RawModel>>,
    pub measure: RawMeasure,
    pub gate: RawGate,
    pub rule: Option<Vec<RawRule>>,
    pub compare: RawCompare,
    pub signoff: RawSignOff,
    pub cuda: RawCuda,
    pub budget: Option<Vec<RawBudget>>,
}

/// `[suite]`.
#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct RawSuite {
    pub tier: Option<Tier>,
    pub models: Option<Many<String>>,
    pub provider: Option<Many<Provider>>,
    pub precision: Option<Many<Precision>>,
    pub optimization: Option<Many<Optimization>>,
    pub batch: Option<Many<i64>>,
    pub sequence: Option<Many<i64>>,
    pub image: Option<Many<RawImage>>,
    pub threads: Option<Many<i64>>,
}

/// One `[[model]]`. The dimensions stand here again because serde refuses unknown keys only in structs without
/// `flatten`.
#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct RawModel {
    pub path: Option<String>,
    pub name: Option<String>,
    pub dimensions: Option<BTreeMap<String, i64>>,
    pub inputs: Option<RawInputs>,
    pub weights: Option<Weights>,
    pub provider: Option<Many<Provider>>,
    pub precision: Option<Many<Precision>>,
    pub optimization: Option<Many<Optimization>>,
    pub batch: Option<Many<i64>>,
    pub sequence: Option<Many<i64>>,
    pub image: Option<Many<RawImage>>,
    pub threads: Option<Many<i64>>,
}

/// `[measure]`.
#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct RawMeasure {
    pub launches: Option<i64>,
    pub iterations: Option<RawIterations>,
    pub warmup: Option<i64>,
    pub time_budget_s: Option<f64>,
    pub timeout_s: Option<f64>,
}

/// `iterations = { min, max }`.
#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct RawIterations {
    pub min: Option<i64>,
    pub max: Option<i64>,
}

/// `[gate]`.
#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct RawGate {
    pub min_effect: Option<f64>,
    pub floor_us: Option<f64>,
    pub floor_share: Option<f64>,
    pub gpu: RawGpuGate,
    pub spread_factor: Option<f64>,
    pub max_latency_growth: Option<f64>,
    pub min_drift: Option<f64>,
    pub structure: Option<Level>,
    pub missing_baseline: Option<Level>,
    pub other_cpu: Option<Level>,
    pub latency: Option<Level>,
    pub ambiguous_factor: Option<Level>,
    pub drift: Option<Level>,
    pub trailers: Option<bool>,
    pub group: BTreeMap<String, RawGroupGate>,
}

/// `[gate.gpu]`.
#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct RawGpuGate {
    pub min_effect: Option<f64>,
    pub floor_us: Option<f64>,
    pub floor_share: Option<f64>,
}

/// `[gate.group.NAME]`.
#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct RawGroupGate {
    pub min_effect: Option<f64>,
    pub floor_us: Option<f64>,
}

/// One `[[rule]]`.
#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct RawRule {
    pub level: Option<Level>,
    pub scenario: Option<String>,
    pub operator: Option<String>,
    pub finding: Option<Many<String>>,
    pub reason: Option<String>,
    pub expires: Option<RawDay>,
}

/// A day as typed, with or without quotes.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
#[serde(untagged, expecting = "expected a day: YYYY-MM-DD")]
pub(super) enum RawDay {
    Text(String),
    Date(toml::value::Datetime),
}

/// `[compare]`.
#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct RawCompare {
    pub pairs: Option<Many<i64>>,
    pub min_effect: Option<f64>,
    pub prepare: Option<RawPrepare>,
    pub prepare_timeout_s: Option<f64>,
}

/// `[signoff]`.
#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct RawSignOff {
    pub tier: Option<Tier>,
    pub launches: Option<i64>,
}

/// `[cuda]`.
#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct RawCuda {
    pub device: Option<i64>,
    pub clock: Option<GpuClock>,
    pub cudnn_search: Option<ConvolutionSearch>,
    pub tf32: Option<bool>,
    pub arena_limit_mib: Option<i64>,
}

/// A command: a line for the shell, or a program and its arguments.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
#[serde(
    untagged,
    expecting = "expected a command line such as \"make models\", or a list of a program and its arguments"
)]
pub(super) enum RawPrepare {
    Line(String),
    Words(Vec<String>),
}

/// One `[[budget]]`.
#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct RawBudget {
    pub scenario: Option<String>,
    pub machine: Option<String>,
    pub max_non_gemm_share: Option<f64>,
    pub max_group_share: BTreeMap<String, f64>,
    pub max_latency_ms: Option<f64>,
}

/// Where a model's inputs come from: one `.npz` file, or a `.npy` file an input.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
#[serde(untagged, expecting = "expected the path of an .npz file, or a table of input names and .npy files")]
pub(super) enum RawInputs {
    Npz(String),
    Npy(BTreeMap<String, String>),
}

/// An image size as typed: `224` or `"800x1066"`.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
#[serde(untagged, expecting = "expected an image size: 224, or \"800x1066\" (height x width)")]
pub(super) enum RawImage {
    Square(i64),
    Text(String),
}

/// A list, or one value in its stead.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Many<T>(pub Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Many<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ManyVisitor(PhantomData))
    }
}

struct ManyVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ManyVisitor<T> {
    type Value = Many<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value or a list of values")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element()? {
            values.push(value);
        }
        Ok(Many(values))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Many(vec![T::deserialize(value.into_deserializer())?]))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Many(vec![T::deserialize(value.into_deserializer())?]))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Many(vec![T::deserialize(value.into_deserializer())?]))
    }
}
