//! GitHub's expressions, as far as the action uses them. What it does not use fails the test: no guesses.

use serde_json::Value;

/// What an expression sees.
pub struct Scope<'a> {
    /// `github`, `inputs`, `steps`, by name.
    pub contexts: &'a Value,
    /// A step before this one failed.
    pub failed: bool,
}

/// A text with its `${{ }}` replaced.
pub fn interpolate(text: &str, scope: &Scope<'_>) -> String {
    let mut rest = text;
    let mut out = String::new();
    while let Some((before, after)) = rest.split_once("${{") {
        let (inside, remaining) = after.split_once("}}").unwrap_or_else(|| panic!("`{text}` is not closed"));
        out += before;
        out += &text_of(&evaluate(inside, scope));
        rest = remaining;
    }
    out + rest
}

/// Whether a step with this `if` runs.
pub fn condition(text: Option<&str>, scope: &Scope<'_>) -> bool {
    let Some(text) = text else { return !scope.failed };
    let inside = text.trim().strip_prefix("${{").and_then(|text| text.strip_suffix("}}")).unwrap_or(text);
    let asks = ["always()", "success()", "failure()", "cancelled()"].iter().any(|function| inside.contains(function));
    truthy(&evaluate(inside, scope)) && (asks || !scope.failed)
}

/// The value of an expression without its braces.
pub fn evaluate(text: &str, scope: &Scope<'_>) -> Value {
    let mut parser = Parser { tokens: tokens(text), at: 0, scope };
    let value = parser.either();
    assert_eq!(parser.at, parser.tokens.len(), "`{text}`: what comes after its end?");
    value
}

/// As GitHub writes a value into a text.
pub fn text_of(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(_) | Value::Object(_) => panic!("{value} is no text"),
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Text(String),
    Name(String),
    Sign(&'static str),
}

const SIGNS: [&str; 8] = ["==", "!=", "&&", "||", "!", "(", ")", "."];

fn tokens(text: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            found.push(Token::Sign(sign));
            rest = &rest[sign.len()..];
        } else if let Some(inside) = rest.strip_prefix('\'') {
            let (literal, after) = inside.split_once('\'').unwrap_or_else(|| panic!("`{text}`: a quote is open"));
            assert!(!after.starts_with('\''), "`{text}`: quotes in quotes are not used");
            found.push(Token::Text(literal.to_owned()));
            rest = after;
        } else {
            let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
            assert!(end > 0, "`{text}`: what is `{rest}`?");
            found.push(Token::Name(rest[..end].to_owned()));
            rest = &rest[end..];
        }
        rest = rest.trim_start();
    }
    found
}

struct Parser<'a> {
    tokens: Vec<Token>,
    at: usize,
    scope: &'a Scope<'a>,
}

impl Parser<'_> {
    fn take(&mut self, sign: &'static str) -> bool {
        let there = self.tokens.get(self.at) == Some(&Token::Sign(sign));
        self.at += usize::from(there);
        there
    }

    fn either(&mut self) -> Value {
        let mut value = self.both();
        while self.take("||") {
            let other = self.both();
            value = if truthy(&value) { value } else { other };
        }
        value
    }

    fn both(&mut self) -> Value {
        let mut value = self.comparison();
        while self.take("&&") {
            let other = self.comparison();
            value = if truthy(&value) { other } else { value };
        }
        value
    }

    fn comparison(&mut self) -> Value {
        let value = self.single();
        if self.take("==") {
            return Value::Bool(equal(&value, &self.single()));
        }
        if self.take("!=") {
            return Value::Bool(!equal(&value, &self.single()));
        }
        value
    }

    fn single(&mut self) -> Value {
        if self.take("!") {
            return Value::Bool(!truthy(&self.single()));
        }
        if self.take("(") {
            let value = self.either();
            assert!(self.take(")"), "a parenthesis is open");
            return value;
        }
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        match token {
            Some(Token::Text(text)) => Value::String(text),
            Some(Token::Name(name)) if self.take("(") => {
                assert!(self.take(")"), "`{name}` with arguments is not used");
                self.function(&name)
            }
            Some(Token::Name(name)) => self.property(&name),
            other => panic!("a value is missing before {other:?}"),
        }
    }

    fn function(&self, name: &str) -> Value {
        match name {
            "always" => Value::Bool(true),
            "success" => Value::Bool(!self.scope.failed),
            "failure" => Value::Bool(self.scope.failed),
            // Runs that are cancelled are not played.
            "cancelled" => Value::Bool(false),
            _ => panic!("the function `{name}` is not known here"),
        }
    }

    /// `inputs.mode`, `steps.install.outputs.version`. Inputs and steps must exist; what lies deeper may be absent, as in
    /// an event that has no pull request.
    fn property(&mut self, context: &str) -> Value {
        let mut path = vec![context.to_owned()];
        while self.take(".") {
            let Some(Token::Name(name)) = self.tokens.get(self.at).cloned() else { panic!("{path:?} ends in a dot") };
            self.at += 1;
            path.push(name);
        }
        let named = if matches!(context, "inputs" | "steps" | "github") { 2 } else { 1 };
        let mut value = self.scope.contexts;
        for (depth, name) in path.iter().enumerate() {
            match value.get(name) {
                Some(inside) => value = inside,
                None if depth < named => panic!("there is no `{}`", path[..=depth].join(".")),
                None => return Value::Null,
            }
        }
        value.clone()
    }
}

fn truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::String(text) => !text.is_empty(),
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::Array(_) | Value::Object(_) => true,
    }
}

/// Texts without regard to case; what differs in type as numbers.
fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::String(left), Value::String(right)) => left.to_lowercase() == right.to_lowercase(),
        _ => number(left) == number(right),
    }
}

fn number(value: &Value) -> f64 {
    match value {
        Value::Null => 0.0,
        Value::Bool(value) => f64::from(u8::from(*value)),
        Value::String(text) if text.is_empty() => 0.0,
        Value::String(text) => text.parse().unwrap_or(f64::NAN),
        Value::Number(number) => number.as_f64().unwrap(),
        Value::Array(_) | Value::Object(_) => f64::NAN,
    }
}
