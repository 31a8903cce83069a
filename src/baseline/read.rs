//! Text -> document. Every complaint has a line.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use crate::scenario::{Provider, ScenarioId};
use crate::summary::{Clock, GpuFacts, PROTOCOL, Sample, SideShape};

use super::BaselineError;
use super::document::{BASELINE_SCHEMA, Document, OperatorBaseline, Recorded, identity};
use super::fingerprint::Fingerprint;
use super::history::{Accepted, Identity};
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
    protocol: Spanned<u32>,
    scenario: Spanned<String>,
    machine: Spanned<RawMachine>,
    recorded: RawRecorded,
    latency: RawLatency,
    operators: BTreeMap<Spanned<String>, RawOperator>,
    #[serde(default)]
    shapes: BTreeMap<Spanned<String>, Vec<Spanned<String>>>,
    history: Spanned<BTreeMap<Spanned<String>, RawAccepted>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RawMachine {
    os: String,
    arch: String,
    instruction_set: String,
    provider: Provider,
    gpu: Option<String>,
    #[serde(default)]
    clock: Clock,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RawRecorded {
    tool: String,
    onnxruntime: String,
    model_sha256: String,
    cpu: String,
    driver: Option<String>,
    cuda: Option<String>,
    cudnn: Option<String>,
    date: String,
    launches: u32,
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
    inserted: Option<Spanned<u32>>,
    #[serde(default)]
    varies: bool,
    self_us: Spanned<f64>,
    drift: Option<Spanned<f64>>,
    launches_us: Spanned<Vec<Spanned<f64>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RawAccepted {
    date: String,
    tool: String,
    onnxruntime: String,
    latency_us: Spanned<f64>,
    #[serde(default)]
    ratios: BTreeMap<Spanned<String>, Spanned<f64>>,
}

/// Reads a baseline's text. `path` is where it stands, for messages; its stem must be the scenario inside.
///
/// # Errors
/// [`BaselineError::Outdated`] for a file of an older layout, [`BaselineError::Newer`] for one of a later layout or
/// protocol, or [`BaselineError::Invalid`] with the line of whatever else is wrong.
pub fn parse(path: &Path, text: &str) -> Result<Document, BaselineError> {
    let reader = Reader { path, text };
    let header: RawSchema = toml::from_str(text).map_err(|error| reader.syntax(&error))?;
    let Some(schema) = header.schema else {
        return Err(reader.at_end("there is no `schema`, so this is not a whole baseline"));
    };
    let (found, known) = (*schema.get_ref(), i64::from(BASELINE_SCHEMA));
    if found < known {
        let (path, line) = (path.to_owned(), reader.line(&schema.span()));
        return Err(BaselineError::Outdated { path, line, found, known: BASELINE_SCHEMA });
    }
    if found > known {
        return Err(reader.newer(&schema.span(), "schema", found, BASELINE_SCHEMA));
    }
    let raw: Raw = toml::from_str(text).map_err(|error| reader.syntax(&error))?;
    let protocol = *raw.protocol.get_ref();
    if protocol > PROTOCOL {
        return Err(reader.newer(&raw.protocol.span(), "protocol", protocol.into(), PROTOCOL));
    }
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
        let machine = raw.machine.into_inner();
        let clock = machine.clock;
        let fingerprint = self.fingerprint(machine, &machine_span)?;
        let own = fingerprint.provider;
        let latency_us = self.sample("[latency] launches-us", &raw.latency.launches_us)?;
        self.agrees("[latency] median-us", &raw.latency.median_us, latency_us.median())?;
        if let Some(spread) = &raw.latency.spread {
            self.number("[latency] spread", spread)?;
        }
        let mut operators = self.operators(raw.operators, own)?;
        self.shapes(raw.shapes, own, &mut operators)?;
        operators.sort_by(|a, b| (&a.key, &a.provider).cmp(&(&b.key, &b.provider)));
        let recorded = raw.recorded;
        let document = Document {
            id: ScenarioId(raw.scenario.into_inner()),
            protocol: raw.protocol.into_inner(),
            fingerprint,
            clock,
            recorded: Recorded {
                tool: recorded.tool,
                onnxruntime: recorded.onnxruntime,
                model_sha256: recorded.model_sha256,
                cpu: recorded.cpu,
                gpu: GpuFacts {
                    driver: recorded.driver,
                    cuda: recorded.cuda,
                    cudnn: recorded.cudnn,
                    ..GpuFacts::default()
                },
                date: recorded.date,
                launches: recorded.launches,
                iterations: recorded.iterations,
            },
            latency_us,
            operators,
            history: self.history(raw.history, own)?,
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
    ) -> Result<Vec<OperatorBaseline>, BaselineError> {
        let mut operators = Vec::with_capacity(raw.len());
        let mut seen: HashMap<Identity, usize> = HashMap::new();
        for (label, raw) in raw {
            let (span, label) = (label.span(), label.into_inner());
            let identity = identity(&label, own);
            if let Some(first) = seen.insert(identity.clone(), self.line(&span)) {
                return Err(self.invalid(&span, format!("operator `{label}` stands on line {first} already")));
            }
            operators.push(self.operator(&label, identity, raw)?);
        }
        Ok(operators)
    }

    fn operator(
        &self,
        label: &str,
        (key, provider): Identity,
        raw: RawOperator,
    ) -> Result<OperatorBaseline, BaselineError> {
        let executions = *raw.executions.get_ref();
        if executions == 0 {
            return Err(self.invalid(&raw.executions.span(), format!("`{label}`: executions must be at least 1")));
        }
        let self_us = self.sample(&format!("`{label}`: launches-us"), &raw.launches_us)?;
        self.agrees(&format!("`{label}`: self-us"), &raw.self_us, self_us.median())?;
        let inserted = match raw.inserted {
            Some(inserted) if *inserted.get_ref() > executions => {
                let problem = format!("`{label}`: inserted is {}, of {executions} executions", inserted.get_ref());
                return Err(self.invalid(&inserted.span(), problem));
            }
            inserted => inserted.map_or(0, Spanned::into_inner),
        };
        let held = match raw.drift {
            Some(drift) => rounded(self.ratio(&format!("`{label}`: drift"), &drift)?),
            None => 1.0,
        };
        let varies = raw.varies;
        Ok(OperatorBaseline { key, provider, executions, inserted, varies, self_us, held, shapes: Vec::new() })
    }

    /// Gives the operators their shapes.
    fn shapes(
        &self,
        raw: BTreeMap<Spanned<String>, Vec<Spanned<String>>>,
        own: Provider,
        operators: &mut [OperatorBaseline],
    ) -> Result<(), BaselineError> {
        for (label, entries) in raw {
            let identity = identity(label.get_ref(), own);
            let label_span = label.span();
            let Some(operator) = operators.iter_mut().find(|operator| operator.identity() == identity) else {
                let problem = format!("[shapes] of `{}`, which is no operator above", label.get_ref());
                return Err(self.invalid(&label_span, problem));
            };
            let mut shapes = entries.into_iter().map(|entry| self.shape(&entry)).collect::<Result<Vec<_>, _>>()?;
            shapes.sort_unstable();
            let (sum, executions) =
                (shapes.iter().map(|shape| u64::from(shape.executions)).sum::<u64>(), operator.executions);
            if sum != u64::from(executions) {
                let problem =
                    format!("the [shapes] of `{}` sum to {sum} executions, not to its {executions}", label.get_ref());
                return Err(self.invalid(&label_span, problem));
            }
            operator.shapes = shapes;
        }
        Ok(())
    }

    /// `12x float[1,128,768] float[768]`.
    fn shape(&self, entry: &Spanned<String>) -> Result<SideShape, BaselineError> {
        let read = entry.get_ref().split_once("x ").and_then(|(count, inputs)| Some((count.parse().ok()?, inputs)));
        match read {
            Some((executions, inputs)) => Ok(SideShape { inputs: inputs.to_owned(), executions }),
            None => {
                let problem = format!("`{}` is no shape, such as `12x float[1,128]`", entry.get_ref());
                Err(self.invalid(&entry.span(), problem))
            }
        }
    }

    /// The accepts, oldest first.
    fn history(
        &self,
        raw: Spanned<BTreeMap<Spanned<String>, RawAccepted>>,
        own: Provider,
    ) -> Result<Vec<Accepted>, BaselineError> {
        let span = raw.span();
        let mut history = Vec::new();
        for (number, raw) in raw.into_inner() {
            let Some(parsed) = number.get_ref().parse().ok().filter(|number| *number > 0) else {
                let problem = format!("[history] `{}` is not the number of an accept, from 1", number.get_ref());
                return Err(self.invalid(&number.span(), problem));
            };
            let what = format!("[history] {parsed}");
            let mut ratios = BTreeMap::new();
            for (label, ratio) in raw.ratios {
                let ratio = self.ratio(&format!("{what}: `{}`", label.get_ref()), &ratio)?;
                ratios.insert(identity(label.get_ref(), own), rounded(ratio));
            }
            history.push(Accepted {
                number: parsed,
                date: raw.date,
                tool: raw.tool,
                onnxruntime: raw.onnxruntime,
                latency_us: rounded(self.number(&format!("{what}: latency-us"), &raw.latency_us)?),
                ratios,
            });
        }
        if history.is_empty() {
            return Err(self.invalid(&span, "[history] has no accept, not even the first".to_owned()));
        }
        history.sort_by_key(|accepted| accepted.number);
        Ok(history)
    }

    /// A value per launch.
    fn sample(&self, what: &str, values: &Spanned<Vec<Spanned<f64>>>) -> Result<Sample, BaselineError> {
        if values.get_ref().is_empty() {
            return Err(self.invalid(&values.span(), format!("{what} is empty: at least one launch was measured")));
        }
        let numbers = values.get_ref().iter().map(|value| self.number(what, value).map(rounded));
        numbers.collect::<Result<Vec<f64>, _>>().map(Sample)
    }

    /// A finite number above zero.
    fn ratio(&self, what: &str, value: &Spanned<f64>) -> Result<f64, BaselineError> {
        let number = self.number(what, value)?;
        if number > 0.0 {
            Ok(number)
        } else {
            Err(self.invalid(&value.span(), format!("{what} is 0, which is no ratio")))
        }
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

    fn newer(&self, span: &Range<usize>, what: &'static str, found: i64, known: u32) -> BaselineError {
        BaselineError::Newer { path: PathBuf::from(self.path), line: self.line(span), what, found, known }
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
