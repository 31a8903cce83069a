//! What the table and the chart call the same things.

use crate::report::render::number;
use crate::report::study::{Range, Row, Setting, Source, Study};
use crate::report::wording;
use crate::scenario::{Precision, Provider};

/// Dimensions that differ between the rows of a study. What is the same in all of them is said once, above.
#[derive(Debug, Clone, Copy)]
pub(super) struct Varying {
    pub provider: bool,
    pub precision: bool,
    pub optimization: bool,
    pub threads: bool,
    pub source: bool,
}

impl Varying {
    pub fn of(study: &Study) -> Varying {
        let differ = |same: &dyn Fn(&Setting, &Setting) -> bool| {
            study.rows.windows(2).any(|pair| !same(&pair[0].setting, &pair[1].setting))
        };
        Varying {
            provider: differ(&|a, b| a.provider == b.provider),
            precision: differ(&|a, b| a.precision == b.precision),
            optimization: differ(&|a, b| a.optimization == b.optimization),
            threads: differ(&|a, b| a.threads == b.threads),
            source: study.sources.len() > 1,
        }
    }

    /// The dimensions that differ, as this row has them: `CUDA fp16`; empty where none does.
    pub fn of_row(self, row: &Row) -> String {
        let Setting { provider: on, precision, optimization, threads, .. } = &row.setting;
        let parts = [
            (self.provider, provider(*on).to_owned()),
            (self.precision, precision.name().to_owned()),
            (self.optimization, optimization.name().to_owned()),
            (self.threads, format!("{threads}t")),
            (self.source, format!("#{}", row.source + 1)),
        ];
        let parts: Vec<String> = parts.into_iter().filter(|(varies, _)| *varies).map(|(_, text)| text).collect();
        parts.join(" ")
    }

    /// What all rows have in common: `CPU, fp32, optimization level all, 1 thread`.
    pub fn constant(self, study: &Study) -> String {
        let Some(Row { setting, .. }) = study.rows.first() else { return String::new() };
        let parts = [
            (self.provider, provider(setting.provider).to_owned()),
            (self.precision, setting.precision.name().to_owned()),
            (self.optimization, format!("optimization level {}", setting.optimization.name())),
            (self.threads, number::count(u64::from(setting.threads), "thread", "threads")),
        ];
        let parts: Vec<String> = parts.into_iter().filter(|(varies, _)| !varies).map(|(_, text)| text).collect();
        parts.join(", ")
    }
}

/// A provider as it calls itself.
pub(super) fn provider(provider: Provider) -> &'static str {
    match provider {
        Provider::Cpu => "CPU",
        Provider::Cuda => "CUDA",
    }
}

/// What else tells a setting of the totals from the next: `CPU, fp32, batch 8`.
pub(super) fn setting(varying: Varying, on: Provider, precision: Precision, batch: Option<u32>) -> String {
    let parts = [
        (varying.provider, provider(on).to_owned()),
        (varying.precision, precision.name().to_owned()),
        (true, batch.map_or_else(|| "no batch".to_owned(), |batch| format!("batch {batch}"))),
    ];
    let parts: Vec<String> = parts.into_iter().filter(|(said, _)| *said).map(|(_, text)| text).collect();
    parts.join(", ")
}

/// The size of a model's input: `128 tokens`, `800 × 1066`; empty where it has none to choose.
pub(super) fn size(setting: &Setting) -> String {
    let tokens = setting.sequence.map(|tokens| number::count(u64::from(tokens), "token", "tokens"));
    let pixels = setting.image.map(|image| format!("{} × {}", image.height, image.width));
    tokens.into_iter().chain(pixels).collect::<Vec<_>>().join(", ")
}

/// A batch size; a dash where the model has none.
pub(super) fn batch(setting: &Setting) -> String {
    setting.batch.map_or_else(|| "–".to_owned(), |batch| batch.to_string())
}

/// Milliseconds in at least three significant digits, so that a column holds decode steps and prompts alike.
pub(super) fn milliseconds(us: f64) -> String {
    let ms = us / 1e3;
    match ms {
        ms if !ms.is_finite() => "-".to_owned(),
        ms if ms >= 1000.0 => format!("{ms:.0}"),
        ms if ms >= 10.0 => format!("{ms:.1}"),
        ms => format!("{ms:.2}"),
    }
}

/// A share in percent, without the sign.
pub(super) fn points(share: f64) -> String {
    number::percent(share).trim_end_matches(" %").to_owned()
}

/// Both ends in percent, `42.8 to 96.6 %`; one where they read the same.
pub(super) fn range(range: Range) -> String {
    let (min, max) = (points(range.min), number::percent(range.max));
    if max.strip_suffix(" %") == Some(&min) { max } else { format!("{min} to {max}") }
}

/// Both ends of a published range, with no decimals that were not: `15 to 48 %`.
pub(super) fn published(published: Range) -> String {
    range(published).replace(".0", "")
}

/// Where and with what rows were measured.
pub(super) fn source(source: &Source) -> String {
    let machine = &source.machine;
    let cores = number::count(u64::from(machine.cores), "core", "cores");
    let gpus: String = source.gpus.iter().map(|facts| format!(", {}", wording::gpu(facts))).collect();
    format!(
        "{}, {cores} ({}){gpus}, ONNX Runtime {}, cargo-nongemm {}",
        machine.cpu, machine.fingerprint, machine.onnxruntime, source.tool
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::study::fixtures;

    #[test]
    fn what_is_the_same_everywhere_is_said_once() {
        let mut study = fixtures::study(&fixtures::report(&["gpt2", "vit-b-16"]));
        let varying = Varying::of(&study);
        assert_eq!(varying.constant(&study), "CPU, fp32, optimization level all, 1 thread");
        assert_eq!(varying.of_row(&study.rows[0]), "");
        study.rows[1].setting.provider = Provider::Cuda;
        study.rows[1].setting.threads = 2;
        let varying = Varying::of(&study);
        assert_eq!(varying.constant(&study), "fp32, optimization level all");
        assert_eq!(varying.of_row(&study.rows[1]), "CUDA 2t");
        assert_eq!(setting(varying, Provider::Cpu, Precision::Fp32, None), "CPU, no batch");
    }

    #[test]
    fn ranges_say_no_more_than_there_is() {
        let of = |min, max| Range { min, max, mean: None };
        assert_eq!(range(of(0.5, 0.7512)), "50.0 to 75.1 %");
        assert_eq!(range(of(0.5, 0.5)), "50.0 %");
        assert_eq!(published(of(0.15, 0.48)), "15 to 48 %");
        assert_eq!(published(of(0.428, 0.966)), "42.8 to 96.6 %");
    }

    #[test]
    fn milliseconds_have_three_digits() {
        assert_eq!(milliseconds(731.0), "0.73");
        assert_eq!(milliseconds(26_312.0), "26.3");
        assert_eq!(milliseconds(12_345_678.0), "12346");
        assert_eq!(milliseconds(f64::NAN), "-");
    }
}
