//! What a comparison needs of one of its two sides, whichever document the side comes from.

use serde::{Deserialize, Serialize};

use super::{Clock, GpuFacts, Group, OperatorKey, OperatorSummary, Past, Sample, Summary};

/// Types of operators whose results have shapes that hang on values, or that run what the values say.
const DATA_DEPENDENT: [&str; 10] = [
    "NonZero",
    "NonMaxSuppression",
    "Unique",
    "Compress",
    "If",
    "Loop",
    "BeamSearch",
    "GreedySearch",
    "Sampling",
    "WhisperBeamSearch",
];

/// One side of a comparison: a summary measured now, or a baseline read from a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Side {
    /// The machine class, field by field, and the clock where it is not the host's. Times of two sides are comparable where all fields agree.
    pub machine: Vec<Field>,
    /// What else may explain a difference: `model`, `onnxruntime`, `tool`, `cpu`, and of a GPU `driver`, `cuda`, `cudnn`.
    pub facts: Vec<Field>,
    /// Where the operators' times come from.
    pub clock: Clock,
    /// [`super::PROTOCOL`] that it was measured by. Times of two protocols are not comparable.
    pub protocol: u32,
    /// True where launch i of one operator need not be launch i of another, so that a launch has nothing in common: a
    /// baseline, whose lines are of different days and have what their launches had in common divided out already.
    pub centred: bool,
    /// What earlier baselines were; `None` for a summary, which has no past.
    pub past: Option<Past>,
    /// Unprofiled latency in microseconds, a value per launch.
    pub latency_us: Sample,
    /// The operators, one entry per key and provider.
    pub operators: Vec<SideOperator>,
}

impl Side {
    /// True where the model runs operators that make shapes, or the course of the run, depend on the data.
    pub fn depends_on_data(&self) -> bool {
        self.operators.iter().any(|operator| is_data_dependent(&operator.key))
    }
}

/// A named value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Name, such as `instruction-set`.
    pub name: String,
    /// Value, as shown.
    pub value: String,
}

impl Field {
    /// A field of this name and value.
    pub fn new(name: &str, value: impl Into<String>) -> Self {
        Field { name: name.to_owned(), value: value.into() }
    }
}

/// One operator on one provider, as far as two sides have it in common.
#[derive(Debug, Clone, PartialEq)]
pub struct SideOperator {
    /// Canonical key.
    pub key: OperatorKey,
    /// Its group; `None` for an operator that the taxonomy does not know.
    pub group: Option<Group>,
    /// Execution provider, as ONNX Runtime spells it.
    pub provider: String,
    /// Executions in one run.
    pub executions: u32,
    /// How many of them ONNX Runtime put in; `None` where that is not known.
    pub inserted: Option<u32>,
    /// The input types and shapes it ran at, by text. Empty where they are not known, or not the same in each launch.
    pub shapes: Vec<SideShape>,
    /// True where launches did not run it equally often.
    pub unsteady: bool,
    /// Self time per run in microseconds, a value per launch.
    pub self_us: Sample,
    /// Median share, 0 to 1.
    pub share: f64,
}

/// Executions of an operator at the same input types and shapes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SideShape {
    /// Input types and shapes, such as `float[1,128,768] float[768]`.
    pub inputs: String,
    /// Executions in one run.
    pub executions: u32,
}

impl Summary {
    /// The summary as a side of a comparison. `machine` is the fingerprint's fields; `tool` and `cpu` join the facts
    /// that the summary itself knows.
    pub fn side(&self, mut machine: Vec<Field>, tool: &str, cpu: &str) -> Side {
        machine.extend(clock_field(self.clock));
        let operator = |operator: &OperatorSummary| SideOperator {
            key: operator.key.clone(),
            group: operator.group,
            provider: operator.provider.clone(),
            executions: operator.executions,
            inserted: Some(operator.inserted.as_ref().map_or(0, |inserted| inserted.executions)),
            shapes: self.steady_shapes(operator),
            unsteady: self.unsteady.iter().any(|unsteady| unsteady.key == operator.key),
            self_us: operator.self_us.clone(),
            share: operator.share.median(),
        };
        Side {
            machine,
            facts: [
                Field::new("model", &self.model_sha256),
                Field::new("onnxruntime", &self.onnxruntime),
                Field::new("tool", tool),
                Field::new("cpu", cpu),
            ]
            .into_iter()
            .chain(self.gpu.iter().flat_map(gpu_facts))
            .collect(),
            clock: self.clock,
            protocol: self.protocol,
            centred: false,
            past: None,
            latency_us: self.latency_us.clone(),
            // An operator that most launches did not run is no part of the structure; `unsteady` names it.
            operators: self.operators.iter().filter(|o| o.executions > 0).map(operator).collect(),
        }
    }

    /// The shapes of an operator, by text, where they are a fact about the model and not about the data: nothing where a
    /// launch ran it at other shapes, and nothing where a single launch cannot tell.
    pub fn steady_shapes(&self, operator: &OperatorSummary) -> Vec<SideShape> {
        let may_vary = self.operators.iter().any(|other| is_data_dependent(&other.key));
        let untold = may_vary && self.latency_us.len() < 2;
        if untold || operator.shapes.iter().any(|class| class.varies) {
            return Vec::new();
        }
        let shape =
            |class: &super::ShapeClass| SideShape { inputs: class.inputs.clone(), executions: class.executions };
        let mut shapes: Vec<SideShape> = operator.shapes.iter().map(shape).collect();
        shapes.sort_unstable();
        shapes
    }
}

/// The clock as a field of the machine class, where it is not the host's: times of two clocks are not comparable.
pub fn clock_field(clock: Clock) -> Option<Field> {
    (!clock.is_host()).then(|| Field::new("clock", clock.name()))
}

/// What drove a GPU, as facts that may explain a difference.
pub fn gpu_facts(gpu: &GpuFacts) -> Vec<Field> {
    let facts = [("driver", &gpu.driver), ("cuda", &gpu.cuda), ("cudnn", &gpu.cudnn)];
    facts.into_iter().filter_map(|(name, value)| Some(Field::new(name, value.as_deref()?))).collect()
}

fn is_data_dependent(key: &OperatorKey) -> bool {
    key.0.rsplit_once(':').is_some_and(|(_, op_type)| DATA_DEPENDENT.contains(&op_type))
}

#[cfg(test)]
mod tests {
    use crate::summary::testing::{LaunchResult, launch, op, summary_of};

    /// A detector's head: a suppression keeps `kept` boxes, which are gathered, while the backbone sees the image alone.
    fn detector(kept: u32) -> LaunchResult {
        let ops = [op("Conv", 3, 900.0), op("NonMaxSuppression", 1, 80.0), op("Gather", 2, 4.0), op("Gather", 1, 2.0)];
        let mut launch = launch(&ops);
        launch.nodes[3].inputs = format!("float[1000,4] int64[{kept}]");
        launch
    }

    fn shapes(launches: &[LaunchResult], key: &str) -> Vec<(String, u32)> {
        let side = summary_of(launches).side(Vec::new(), "", "");
        let operator = side.operators.iter().find(|operator| operator.key.0 == key).unwrap();
        operator.shapes.iter().map(|shape| (shape.inputs.clone(), shape.executions)).collect()
    }

    #[test]
    fn shapes_that_differ_between_launches_are_not_a_fact_of_the_model() {
        let seeds = [detector(31), detector(17), detector(24)];
        assert_eq!(shapes(&seeds, "ai.onnx:Gather"), []);
        assert_eq!(shapes(&seeds, "ai.onnx:Conv"), [("float[1,128,768]".to_owned(), 3)]);
    }

    #[test]
    fn one_launch_of_a_model_that_depends_on_data_tells_no_shape() {
        assert_eq!(shapes(&[detector(31)], "ai.onnx:Conv"), []);
        let plain = launch(&[op("Conv", 3, 900.0)]);
        assert_eq!(shapes(&[plain], "ai.onnx:Conv"), [("float[1,128,768]".to_owned(), 3)]);
    }

    #[test]
    fn a_side_knows_what_makes_it_depend_on_data() {
        let side = |launches: &[LaunchResult]| summary_of(launches).side(Vec::new(), "", "");
        assert!(side(&[detector(31)]).depends_on_data());
        assert!(!side(&[launch(&[op("Conv", 3, 900.0)])]).depends_on_data());
    }
}
