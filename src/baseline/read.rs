//! Text -> document. Every complaint has a line.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use crate::scenario::{Provider, ScenarioId};
use crate::summary::{OperatorKey, Sample};

use super::BaselineError;
use super::document::{BASELINE_SCHEMA, Document, OperatorBaseline, Recorded};
use super::fingerprint::Fingerprint;
use super::number::rounded;

/// Just the version, so that a file of another schema is told apart from a broken one.
#[derive(Deserialize)]
struct RawSchema {
    schema: Option<Spanned<i64>>,
}

/// The file as typed.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Raw {
    #[serde(rename = "schema")]
    _schema: i64,
    scenario: Spanned<String>,
    machine: Spanned<RawMachine>,
    recorded: RawRecorded,
    latency: RawLatency,
    operators: BTreeMap<Spanned<String>, RawOperator>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RawMachine {
    os: String,
    arch: String,
    instruction_set: String,
    provider: Provider,
    gpu: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RawRecorded {
    tool: String,
    onnxruntime: String,
    model_sha256: String,
    cpu: String,
    date: String,
    launches: Spanned<u32>,
    iterations: u32,
    executions: Spanned<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RawLatency {
    median_us: Spanned<f64>,
    spread: Option<Spanned<f64>>,
    launches_us: Spanned<Vec<Spanned<f64>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RawOperator {
    executions: Spanned<u32>,
    self_us: Spanned<f64>,
    share: Spanned<f64>,
    launches_us: Spanned<Vec<Spanned<f64>>>,
}

/// Reads a baseline's text. `path` is where it stands, for messages; its stem must be the scenario inside.
///
/// # Errors
/// Another schema version, or [`BaselineError::Invalid`] with the line of whatever else is wrong.
pub fn parse(path: &Path, text: &str) -> Result<Document, BaselineError> {
    let reader = Reader { path, text };
    let header: RawSchema = toml::from_str(text).map_err(|error| reader.syntax(&error))?;
    match header.schema {
        None => return Err(reader.at_end("there is no `schema`, so this is not a whole baseline")),
        Some(found) if *found.get_ref() != i64::from(BASELINE_SCHEMA) => {
            return Err(BaselineError::Schema {
                path: path.to_owned(),
                line: reader.line(&found.span()),
                found: *found.get_ref(),
                wanted: BASELINE_SCHEMA,
            });
        }
        Some(_) => {}
    }
    let raw: Raw = toml::from_str(text).map_err(|error| reader.syntax(&error))?;
    reader.document(raw)
}

/// Knows the file that complaints are about.
struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Reader<'_> {
    fn document(&self, raw: Raw) -> Result<Document, BaselineError> {
        let stem = self.path.file_stem().unwrap_or_default().to_string_lossy();
        if *raw.scenario.get_ref() != stem {
            let problem = format!(
                "it says scenario `{}`, but its name is that of `{stem}`: was it copied?",
                raw.scenario.get_ref()
            );
            return Err(self.invalid(&raw.scenario.span(), problem));
        }
        let machine_span = raw.machine.span();
        let fingerprint = self.fingerprint(raw.machine.into_inner(), &machine_span)?;
        let recorded = raw.recorded;
        let launches = *recorded.launches.get_ref();
        let latency_us = self.sample("[latency] launches-us", &raw.latency.launches_us, launches)?;
        self.agrees("[latency] median-us", &raw.latency.median_us, latency_us.median())?;
        if let Some(spread) = &raw.latency.spread {
            self.number("[latency] spread", spread)?;
        }
        let operators = self.operators(raw.operators, fingerprint.provider, launches)?;
        let document = Document {
            id: ScenarioId(raw.scenario.into_inner()),
            fingerprint,
            recorded: Recorded {
                tool: recorded.tool,
                onnxruntime: recorded.onnxruntime,
                model_sha256: recorded.model_sha256,
                cpu: recorded.cpu,
                date: recorded.date,
                launches,
                iterations: recorded.iterations,
            },
            latency_us,
            operators,
        };
        let (says, has) = (*recorded.executions.get_ref(), document.executions());
        if says != has {
            let problem =
                format!("it counts {says} executions, but its operators sum to {has}: a line is missing or was edited");
            return Err(self.invalid(&recorded.executions.span(), problem));
        }
        Ok(document)
    }

    /// The machine class; it must be the one of the folder, where the file stands in one.
    fn fingerprint(&self, raw: RawMachine, span: &Range<usize>) -> Result<Fingerprint, BaselineError> {
        let fingerprint = Fingerprint {
            os: raw.os,
            arch: raw.arch,
            instruction_set: raw.instruction_set,
            provider: raw.provider,
            gpu: raw.gpu,
        };
        let folder = self.path.parent().and_then(Path::file_name).map(|name| name.to_string_lossy());
        match folder {
            Some(folder) if folder != fingerprint.dir_name() => {
                let class = fingerprint.dir_name();
                let problem = format!("its [machine] is `{class}`, but it stands under `{folder}`: was it copied?");
                Err(self.invalid(span, problem))
            }
            _ => Ok(fingerprint),
        }
    }

    fn operators(
        &self,
        raw: BTreeMap<Spanned<String>, RawOperator>,
        own: Provider,
        launches: u32,
    ) -> Result<Vec<OperatorBaseline>, BaselineError> {
        let mut operators = Vec::with_capacity(raw.len());
        let mut seen: HashMap<(OperatorKey, String), usize> = HashMap::new();
        for (label, raw) in raw {
            let (span, label) = (label.span(), label.into_inner());
            let (key, provider) = match label.rsplit_once('@') {
                Some((key, provider)) => (key.to_owned(), provider.to_owned()),
                None => (label.clone(), own.onnxruntime_name().to_owned()),
            };
            let identity = (OperatorKey(key), provider);
            if let Some(first) = seen.insert(identity.clone(), self.line(&span)) {
                return Err(self.invalid(&span, format!("operator `{label}` stands on line {first} already")));
            }
            if *raw.executions.get_ref() == 0 {
                return Err(self.invalid(&raw.executions.span(), format!("`{label}`: executions must be at least 1")));
            }
            let self_us = self.sample(&format!("`{label}`: launches-us"), &raw.launches_us, launches)?;
            self.agrees(&format!("`{label}`: self-us"), &raw.self_us, self_us.median())?;
            let share = self.number(&format!("`{label}`: share"), &raw.share)?;
            if share > 1.0 {
                return Err(self.invalid(&raw.share.span(), format!("`{label}`: share is {share}, above 1")));
            }
            let (key, provider) = identity;
            operators.push(OperatorBaseline {
                key,
                provider,
                executions: raw.executions.into_inner(),
                self_us,
                share: rounded(share),
            });
        }
        operators.sort_by(|a, b| (&a.key, &a.provider).cmp(&(&b.key, &b.provider)));
        Ok(operators)
    }

    /// A value per launch.
    fn sample(&self, what: &str, values: &Spanned<Vec<Spanned<f64>>>, launches: u32) -> Result<Sample, BaselineError> {
        let count = values.get_ref().len();
        if count == 0 || u32::try_from(count) != Ok(launches) {
            let problem = format!("{what} has {count} values, but [recorded] says {launches} launches");
            return Err(self.invalid(&values.span(), problem));
        }
        let numbers = values.get_ref().iter().map(|value| self.number(what, value).map(rounded));
        numbers.collect::<Result<Vec<f64>, _>>().map(Sample)
    }

    /// A finite number that is not negative.
    fn number(&self, what: &str, value: &Spanned<f64>) -> Result<f64, BaselineError> {
        let number = *value.get_ref();
        if number.is_finite() && number >= 0.0 {
            return Ok(number);
        }
        Err(self.invalid(&value.span(), format!("{what} is {number}, which no measurement gives")))
    }

    /// A median beside the values it is the median of: they part when one was edited or two versions were merged.
    fn agrees(&self, what: &str, written: &Spanned<f64>, median: f64) -> Result<(), BaselineError> {
        let number = self.number(what, written)?;
        if (number - median).abs() <= 0.002 * median.abs() {
            return Ok(());
        }
        let problem = format!("{what} is {number}, but the median of its launches is {}", rounded(median));
        Err(self.invalid(&written.span(), problem))
    }

    fn syntax(&self, error: &toml::de::Error) -> BaselineError {
        let message = error.message().trim_end_matches('.').replace('\n', ", ");
        match error.span() {
            Some(span) => self.invalid(&span, message),
            None => self.at_end(&message),
        }
    }

    fn at_end(&self, problem: &str) -> BaselineError {
        self.invalid(&(self.text.trim_end().len()..self.text.len()), problem.to_owned())
    }

    fn invalid(&self, span: &Range<usize>, problem: String) -> BaselineError {
        BaselineError::Invalid { path: PathBuf::from(self.path), line: self.line(span), problem }
    }

    /// The line on which a span begins, from 1.
    fn line(&self, span: &Range<usize>) -> usize {
        let before = self.text.as_bytes().get(..span.start).unwrap_or(self.text.as_bytes());
        before.iter().filter(|byte| **byte == b'\n').count() + 1
    }
}
