//! The walk over a model: each node is given its inputs in the precision that it takes, with Casts where needed.

use std::collections::HashMap;

use crate::onnx::inspect::canonical_domain;
use crate::onnx::proto::tensor_proto::DataType;
use crate::onnx::proto::{FunctionProto, GraphProto, ModelProto, NodeProto, ValueInfoProto};
use crate::onnx::visit::{self, Scope as Place, TensorRole, Visitor};

use super::kinds::{self, Kind, Kinds};
use super::plan::Plan;
use super::regions;
use super::rules::Stays;
use super::scope::{Names, Precision, Scope, Value};
use super::weights::Gather;
use super::{HalfError, HalfReport, Io, tensors};

/// Converts the main graph and all in it; `gather` notes the external tensors.
pub fn convert(model: &mut ModelProto, io: Io, gather: Option<&mut Gather>) -> Result<HalfReport, HalfError> {
    refuse_half(model)?;
    let mut names = Names::default();
    visit::model(model, &mut Taken(&mut names));
    let Some(mut graph) = model.graph.take() else { return Err(HalfError::NothingToConvert) };
    let border = match io {
        Io::Keep => Border::Kept,
        Io::Convert => Border::Half,
    };
    let mut walk = Walk { functions: &model.functions, names, report: HalfReport::default(), gather, whole: None };
    let values = walk.graph(&mut graph, None, &[], border, true)?;
    let Walk { report, .. } = walk;
    model.graph = Some(graph);
    if values == 0 {
        return Err(HalfError::NothingToConvert);
    }
    Ok(report)
}

/// A model whose weights are mostly in 16 bits already is not converted once more.
fn refuse_half(model: &ModelProto) -> Result<(), HalfError> {
    struct Count([u64; 2]);
    impl<'m> Visitor<'m> for Count {
        fn tensor(&mut self, scope: &Place<'_>, _: TensorRole, tensor: &'m crate::onnx::proto::TensorProto) {
            let elements = crate::onnx::tensor::elements(tensor).unwrap_or(0);
            match DataType::try_from(tensor.data_type()) {
                _ if !scope.runs() => {}
                Ok(DataType::Float) => self.0[0] += elements,
                Ok(DataType::Float16 | DataType::Bfloat16) => self.0[1] += elements,
                _ => {}
            }
        }
    }
    let mut count = Count([0, 0]);
    visit::model(model, &mut count);
    let [full, half] = count.0;
    if half > full {
        return Err(HalfError::AlreadyHalf { half, all: half + full });
    }
    Ok(())
}

struct Taken<'n>(&'n mut Names);

impl<'m> Visitor<'m> for Taken<'_> {
    fn graph(&mut self, _: &Place<'_>, graph: &'m GraphProto) {
        graph.input.iter().for_each(|input| self.0.take(input.name()));
        graph.initializer.iter().for_each(|tensor| self.0.take(tensor.name()));
    }

    fn node(&mut self, _: &Place<'_>, node: &'m NodeProto) {
        self.0.take(node.name());
        node.output.iter().for_each(|name| self.0.take(name));
    }
}

/// What a graph's inputs and outputs are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Border {
    /// As declared; what is inside may be fp16.
    Kept,
    /// fp16.
    Half,
    /// fp32, like all that is inside.
    Full,
}

impl Border {
    fn precision(self) -> Precision {
        match self {
            Border::Half => Precision::Half,
            Border::Kept | Border::Full => Precision::Full,
        }
    }
}

struct Walk<'m, 'g> {
    functions: &'m [FunctionProto],
    names: Names,
    report: HalfReport,
    gather: Option<&'g mut Gather>,
    /// Why all nodes of this graph stay in fp32, where they do.
    whole: Option<&'static str>,
}

impl Walk<'_, '_> {
    /// Converts a graph; returns how many of its values were fp32.
    fn graph(
        &mut self,
        graph: &mut GraphProto,
        outer: Option<&Scope<'_>>,
        formals: &[Kind],
        border: Border,
        main: bool,
    ) -> Result<usize, HalfError> {
        tensors::hoist_constants(graph);
        let mut scope = self.scope(graph, outer, formals, border);
        let regions = regions::find(graph, &|name| scope.kind(name), &|name| scope.scalar(name));
        // What is stored and goes out keeps its name for that.
        for output in &graph.output {
            if let Some(Value::Stored { first, .. }) = scope.values.get(output.name()) {
                first.set(Some(border.precision()));
            }
        }
        let goes_out: Vec<String> = graph.output.iter().map(|output| output.name().to_owned()).collect();
        let mut nodes = Vec::with_capacity(graph.node.len());
        for (index, mut node) in std::mem::take(&mut graph.node).into_iter().enumerate() {
            let imposed = self.whole.or(regions.get(&index).copied());
            let plan = Plan::of(&node, &scope, self.functions, imposed);
            self.note(&node, &plan, &scope);
            self.bodies(&mut node, &plan, &scope)?;
            self.inputs(&mut node, &plan, &mut scope, &mut nodes)?;
            self.attributes(&mut node, &plan, &scope);
            self.outputs(&mut node, &plan, &mut scope, &goes_out, border);
            nodes.push(node);
        }
        for output in &mut graph.output {
            self.leave(output, &mut scope, &mut nodes, border, main);
        }
        graph.node = nodes;
        for info in &mut graph.value_info {
            let half = matches!(scope.values.get(info.name()), Some(Value::Made { half: Some(name), .. }) if *name == info.name());
            if half {
                tensors::retype(info);
            }
        }
        let values = scope.values.len();
        tensors::finish(graph, &scope.values, &mut self.report, self.gather.as_deref_mut(), main)?;
        Ok(values)
    }

    /// The values that a graph begins with.
    fn scope<'o>(
        &self,
        graph: &mut GraphProto,
        outer: Option<&'o Scope<'o>>,
        formals: &[Kind],
        border: Border,
    ) -> Scope<'o> {
        let around = |name: &str| outer.map_or(Kind::Unknown, |outer| outer.kind(name));
        let kinds = Kinds::of_graph(graph, formals, self.functions, &around);
        let mut values = HashMap::new();
        for input in graph.input.iter_mut().filter(|input| kinds.get(input.name()) == Some(Kind::FLOAT)) {
            let mut value = Value::made(border.precision(), input.name());
            if let (Value::Made { home, .. }, Border::Kept) = (&mut value, border) {
                // It is converted at the border: nodes that take both are given fp16.
                *home = Precision::Half;
            }
            values.insert(input.name().to_owned(), value);
        }
        let stored = graph.initializer.iter().filter(|tensor| tensor.data_type() == DataType::Float as i32);
        values.extend(stored.map(|tensor| (tensor.name().to_owned(), Value::stored())));
        let sparse = graph.sparse_initializer.iter().filter_map(|sparse| sparse.values.as_ref());
        for tensor in sparse.filter(|tensor| tensor.data_type() == DataType::Float as i32) {
            values.insert(tensor.name().to_owned(), Value::made(Precision::Full, tensor.name()));
        }
        if border == Border::Half {
            let float = |input: &&mut ValueInfoProto| matches!(values.get(input.name()), Some(Value::Made { .. }));
            graph.input.iter_mut().filter(float).for_each(tensors::retype);
        }
        Scope { values, kinds, borrowed: HashMap::new(), scalars: tensors::scalars(graph), outer }
    }

    /// Counts a node that stays, where it has fp32 to keep.
    fn note(&mut self, node: &NodeProto, plan: &Plan, scope: &Scope<'_>) {
        let Some((stays, reason)) = plan.stays.filter(|(_, reason)| !reason.is_empty()) else { return };
        let float = |name: &String| scope.kind(name) == Kind::FLOAT;
        let affected = match stays {
            Stays::Whole => node.input.iter().chain(&node.output).any(float),
            Stays::Inputs(inputs) => inputs.iter().filter_map(|&index| node.input.get(index)).any(float),
            Stays::Outputs(outputs) => outputs.iter().filter_map(|&index| node.output.get(index)).any(float),
        };
        if affected {
            *self.report.kept.entry((node.op_type().to_owned(), reason)).or_default() += 1;
        }
    }

    /// Converts the graphs in a node's attributes.
    fn bodies(&mut self, node: &mut NodeProto, plan: &Plan, scope: &Scope<'_>) -> Result<(), HalfError> {
        let inputs: Vec<Kind> = node.input.iter().map(|name| scope.kind(name)).collect();
        let formals = kinds::formals(node, &inputs);
        let whole = match plan.stays {
            Some((Stays::Whole, reason)) => Some(reason),
            _ => None,
        };
        let border = if whole.is_some() { Border::Full } else { Border::Half };
        let before = std::mem::replace(&mut self.whole, whole);
        for body in node.attribute.iter_mut().flat_map(|attribute| attribute.g.iter_mut().chain(&mut attribute.graphs))
        {
            self.graph(body, Some(scope), &formals, border, false)?;
        }
        self.whole = before;
        Ok(())
    }

    fn inputs(
        &mut self,
        node: &mut NodeProto,
        plan: &Plan,
        scope: &mut Scope<'_>,
        nodes: &mut Vec<NodeProto>,
    ) -> Result<(), HalfError> {
        for index in 0..node.input.len() {
            let name = node.input[index].clone();
            if name.is_empty() {
                continue;
            }
            let keeps = matches!(plan.stays, Some((Stays::Whole, _)));
            if scope.kind(&name) == Kind::Unknown && !plan.typeless && !keeps {
                let operator = node.op_type().to_owned();
                return Err(HalfError::UnknownType { value: name, node: node.name().to_owned(), operator });
            }
            let Some(value) = scope.find(&name) else { continue };
            let precision = if plan.typeless { value.home() } else { Some(plan.input(index)) };
            let precision = precision.unwrap_or(plan.input(index));
            node.input[index] = self.version(&name, precision, scope, nodes);
        }
        Ok(())
    }

    /// The name of a value in a precision; a Cast makes it where it is not there yet.
    fn version(
        &mut self,
        name: &str,
        precision: Precision,
        scope: &mut Scope<'_>,
        nodes: &mut Vec<NodeProto>,
    ) -> String {
        if let Some(borrowed) = scope.borrowed.get(&(name.to_owned(), precision)) {
            return borrowed.clone();
        }
        let known = match scope.find(name) {
            None => Some(name.to_owned()),
            Some(Value::Stored { first, copy }) => Some(match first.get() {
                None => {
                    first.set(Some(precision));
                    name.to_owned()
                }
                Some(first) if first == precision => name.to_owned(),
                Some(_) => copy.borrow_mut().get_or_insert_with(|| self.names.fresh(name, precision.suffix())).clone(),
            }),
            Some(Value::Made { half, full, .. }) => match precision {
                Precision::Half => half.clone(),
                Precision::Full => full.clone(),
            },
        };
        if let Some(known) = known {
            return known;
        }
        let Some(Value::Made { half, full, .. }) = scope.find(name) else { return name.to_owned() };
        let from = half.clone().or(full.clone()).unwrap_or_else(|| name.to_owned());
        let to = self.names.fresh(name, precision.suffix());
        nodes.push(self.cast(&from, &to, precision));
        match scope.values.get_mut(name) {
            Some(value) => value.set(precision, &to),
            None => {
                scope.borrowed.insert((name.to_owned(), precision), to.clone());
            }
        }
        to
    }

    fn cast(&mut self, from: &str, to: &str, precision: Precision) -> NodeProto {
        self.report.casts += 1;
        let element = match precision {
            Precision::Half => DataType::Float16,
            Precision::Full => DataType::Float,
        };
        NodeProto {
            name: Some(self.names.fresh(to, "_Cast")),
            op_type: Some("Cast".to_owned()),
            input: vec![from.to_owned()],
            output: vec![to.to_owned()],
            attribute: vec![tensors::int_attribute("to", i64::from(element as i32))],
            ..Default::default()
        }
    }

    /// Attributes that say what type comes out.
    fn attributes(&mut self, node: &mut NodeProto, plan: &Plan, scope: &Scope<'_>) {
        let makes_float = node.output.first().is_some_and(|name| scope.kind(name) == Kind::FLOAT);
        if !makes_float || plan.output(0) == Precision::Full || !canonical_domain(node.domain()).is_empty() {
            return;
        }
        match node.op_type() {
            "Cast" => {
                for attribute in node.attribute.iter_mut().filter(|attribute| attribute.name() == "to") {
                    attribute.i = Some(i64::from(DataType::Float16 as i32));
                }
            }
            "ConstantOfShape" => tensors::fill_half(node, &mut self.report),
            _ => {}
        }
    }

    fn outputs(
        &mut self,
        node: &mut NodeProto,
        plan: &Plan,
        scope: &mut Scope<'_>,
        goes_out: &[String],
        border: Border,
    ) {
        let like = canonical_domain(node.domain()).is_empty() && node.op_type() == "CastLike";
        for (index, output) in node.output.iter_mut().enumerate() {
            if scope.kind(output) != Kind::FLOAT || output.is_empty() {
                continue;
            }
            let home = match node.input.get(1).filter(|_| like) {
                Some(target) if self.is_full(target, scope) => Precision::Full,
                _ => plan.output(index),
            };
            let original = output.clone();
            if goes_out.contains(output) && home != border.precision() {
                // The name belongs to what leaves the graph.
                *output = self.names.fresh(&original, home.suffix());
            }
            scope.values.insert(original, Value::made(home, output));
        }
    }

    /// Whether a name is that of a value in fp32.
    fn is_full(&self, name: &str, scope: &Scope<'_>) -> bool {
        let made = scope.find(name).is_some_and(|value| match value {
            Value::Made { full, .. } => full.as_deref() == Some(name),
            Value::Stored { first, .. } => first.get() == Some(Precision::Full),
        });
        made || scope.borrowed.iter().any(|((_, precision), to)| *precision == Precision::Full && to == name)
    }

    /// Makes an output leave the graph in the precision of its border.
    fn leave(
        &mut self,
        output: &mut ValueInfoProto,
        scope: &mut Scope<'_>,
        nodes: &mut Vec<NodeProto>,
        border: Border,
        main: bool,
    ) {
        if scope.kind(output.name()) != Kind::FLOAT {
            return;
        }
        let (name, precision) = (output.name().to_owned(), border.precision());
        match scope.values.get_mut(&name) {
            Some(value @ Value::Made { .. }) => {
                let Value::Made { half, full, .. } = &*value else { return };
                let (wanted, there) = match precision {
                    Precision::Half => (half.clone(), full.clone()),
                    Precision::Full => (full.clone(), half.clone()),
                };
                if wanted.as_deref() != Some(name.as_str())
                    && let Some(from) = there.or(wanted)
                {
                    value.set(precision, &name);
                    let cast = self.cast(&from, &name, precision);
                    nodes.push(cast);
                }
            }
            Some(Value::Stored { .. }) => {}
            // What a body hands on from around it goes by position: it may have another name.
            None if !main => output.name = Some(self.version(&name, precision, scope, nodes)),
            None => {}
        }
        if precision == Precision::Half {
            tensors::retype(output);
        }
    }
}
