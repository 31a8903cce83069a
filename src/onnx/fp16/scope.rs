//! The values of one graph while it is converted: in which precision each is there, and under which name.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};

use super::kinds::Kind;

/// One of the two precisions of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Precision {
    /// 16 bits.
    Half,
    /// 32 bits.
    Full,
}

impl Precision {
    /// What is added to the name of a value that is there in this precision too.
    pub fn suffix(self) -> &'static str {
        match self {
            Precision::Half => "_fp16",
            Precision::Full => "_fp32",
        }
    }
}

/// A value of 32-bit floating point in the original model.
#[derive(Debug)]
pub enum Value {
    /// Made by a node or given from outside: in one precision at first, in the other where a Cast makes it.
    Made {
        /// The precision in which nodes that take both are given it.
        home: Precision,
        /// Its name in fp16, where it is there.
        half: Option<String>,
        /// Its name in fp32, where it is there.
        full: Option<String>,
    },
    /// Stored in the model: the first use decides on its precision, a second one in the other has a copy.
    Stored {
        /// Precision under the original name.
        first: Cell<Option<Precision>>,
        /// Name of the copy in the other precision.
        copy: RefCell<Option<String>>,
    },
}

impl Value {
    /// A value that is there in one precision, under this name.
    pub fn made(home: Precision, name: &str) -> Value {
        let mut value = Value::Made { home, half: None, full: None };
        value.set(home, name);
        value
    }

    /// An initializer.
    pub fn stored() -> Value {
        Value::Stored { first: Cell::new(None), copy: RefCell::new(None) }
    }

    /// Notes the name in a precision.
    pub fn set(&mut self, precision: Precision, name: &str) {
        if let Value::Made { half, full, .. } = self {
            match precision {
                Precision::Half => *half = Some(name.to_owned()),
                Precision::Full => *full = Some(name.to_owned()),
            }
        }
    }

    /// The precision that it has without a Cast; `None` for what is stored, which has any.
    pub fn home(&self) -> Option<Precision> {
        match self {
            Value::Made { home, .. } => Some(*home),
            Value::Stored { .. } => None,
        }
    }
}

/// The values of a graph, and the way to those around it.
pub struct Scope<'a> {
    /// Values of fp32 by original name.
    pub values: HashMap<String, Value>,
    /// Types of all values, as they were.
    pub kinds: super::kinds::Kinds,
    /// Values of graphs around, cast in this one.
    pub borrowed: HashMap<(String, Precision), String>,
    /// Scalars among the initializers.
    pub scalars: HashMap<String, f32>,
    /// The graph around.
    pub outer: Option<&'a Scope<'a>>,
}

impl Scope<'_> {
    /// The original type of a value here or around.
    pub fn kind(&self, name: &str) -> Kind {
        match self.kinds.get(name) {
            Some(kind) => kind,
            None => self.outer.map_or(Kind::Unknown, |outer| outer.kind(name)),
        }
    }

    /// The value of a constant of one element here or around.
    pub fn scalar(&self, name: &str) -> Option<f32> {
        match self.scalars.get(name) {
            Some(value) => Some(*value),
            None if self.kinds.get(name).is_some() => None,
            None => self.outer.and_then(|outer| outer.scalar(name)),
        }
    }

    /// A value of fp32 here or around.
    pub fn find(&self, name: &str) -> Option<&Value> {
        self.values.get(name).or_else(|| self.outer.and_then(|outer| outer.find(name)))
    }
}

/// Names that are taken anywhere in the model.
#[derive(Debug, Default)]
pub struct Names(HashSet<String>);

impl Names {
    /// Takes a name that the model has.
    pub fn take(&mut self, name: &str) {
        self.0.insert(name.to_owned());
    }

    /// The name with the suffix, numbered where that is taken.
    pub fn fresh(&mut self, name: &str, suffix: &str) -> String {
        let mut fresh = format!("{name}{suffix}");
        let mut number = 1;
        while !self.0.insert(fresh.clone()) {
            number += 1;
            fresh = format!("{name}{suffix}_{number}");
        }
        fresh
    }
}
