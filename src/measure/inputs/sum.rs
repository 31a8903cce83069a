//! Dimensions that exporters write as expressions: `past_sequence_length + 1`, `2*s0`, `(s1 - 1)//2`.

/// An expression over named dimensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expression {
    Number(i64),
    Name(String),
    Apply(Box<Expression>, Operator, Box<Expression>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    /// Rounds down, whether written `/` or `//`.
    Divide,
}

/// Why an expression has no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoValue {
    /// A name without a size.
    Unknown(String),
    /// Division by zero or a number beyond 64 bits.
    Impossible(&'static str),
}

/// Parentheses deeper than this are no dimension.
const MAX_DEPTH: usize = 32;

/// Parses an expression; `None` when the text is none (then it is just a name).
pub(super) fn parse(text: &str) -> Option<Expression> {
    let mut parser = Parser { rest: text.trim(), depth: 0 };
    let expression = parser.sum()?;
    parser.rest.is_empty().then_some(expression)
}

impl Expression {
    /// The value with the sizes that `of` knows.
    pub(super) fn value(&self, of: &mut impl FnMut(&str) -> Option<u64>) -> Result<i64, NoValue> {
        const TOO_LARGE: NoValue = NoValue::Impossible("too large");
        match self {
            Expression::Number(number) => Ok(*number),
            Expression::Name(name) => {
                let size = of(name).ok_or_else(|| NoValue::Unknown(name.clone()))?;
                i64::try_from(size).map_err(|_| TOO_LARGE)
            }
            Expression::Apply(left, operator, right) => {
                let (left, right) = (left.value(of)?, right.value(of)?);
                match operator {
                    Operator::Add => left.checked_add(right),
                    Operator::Subtract => left.checked_sub(right),
                    Operator::Multiply => left.checked_mul(right),
                    Operator::Divide if right == 0 => return Err(NoValue::Impossible("a division by zero")),
                    Operator::Divide => {
                        left.checked_div_euclid(right).map(|floor| {
                            // Euclidean division rounds up for a negative divisor.
                            if right < 0 && left.rem_euclid(right) != 0 { floor - 1 } else { floor }
                        })
                    }
                }
                .ok_or(TOO_LARGE)
            }
        }
    }

    /// Every name in it, in order.
    pub(super) fn names(&self) -> Vec<&str> {
        match self {
            Expression::Number(_) => Vec::new(),
            Expression::Name(name) => vec![name],
            Expression::Apply(left, _, right) => [left.names(), right.names()].concat(),
        }
    }
}

struct Parser<'t> {
    rest: &'t str,
    depth: usize,
}

impl Parser<'_> {
    fn sum(&mut self) -> Option<Expression> {
        let mut left = self.product()?;
        loop {
            let operator = if self.take("+") {
                Operator::Add
            } else if self.take("-") {
                Operator::Subtract
            } else {
                return Some(left);
            };
            left = Expression::Apply(Box::new(left), operator, Box::new(self.product()?));
        }
    }

    fn product(&mut self) -> Option<Expression> {
        let mut left = self.operand()?;
        loop {
            let operator = if self.take("*") {
                Operator::Multiply
            } else if self.take("//") || self.take("/") {
                Operator::Divide
            } else {
                return Some(left);
            };
            left = Expression::Apply(Box::new(left), operator, Box::new(self.operand()?));
        }
    }

    fn operand(&mut self) -> Option<Expression> {
        if self.take("(") {
            self.depth += 1;
            if self.depth > MAX_DEPTH {
                return None;
            }
            let inner = self.sum()?;
            self.depth -= 1;
            return self.take(")").then_some(inner);
        }
        let end = self.rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.')).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        match word.chars().next()? {
            digit if digit.is_ascii_digit() => word.parse().ok().map(Expression::Number),
            _ => Some(Expression::Name(word.to_owned())),
        }
    }

    fn take(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest.trim_start();
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value(text: &str) -> Result<i64, NoValue> {
        parse(text).unwrap().value(&mut |name| match name {
            "past" => Some(100),
            "s0" => Some(7),
            "a.b_c" => Some(3),
            _ => None,
        })
    }

    #[test]
    fn what_exporters_write_is_computed() {
        assert_eq!(value("past + 1"), Ok(101));
        assert_eq!(value("past + s0"), Ok(107));
        assert_eq!(value("2*s0"), Ok(14));
        assert_eq!(value("(s0 - 2)//2 + 1"), Ok(3));
        assert_eq!(value("past / 8"), Ok(12));
        assert_eq!(value(" a.b_c "), Ok(3));
        assert_eq!(value("s0 - 2 - 3"), Ok(2));
        assert_eq!(value("past + 2 * s0"), Ok(114));
        assert_eq!(value("1 - past"), Ok(-99));
        assert_eq!(value("(1 - past) // 10"), Ok(-10));
    }

    #[test]
    fn what_has_no_value_says_why() {
        assert_eq!(value("past + heads"), Err(NoValue::Unknown("heads".into())));
        assert_eq!(value("s0 / (past - 100)"), Err(NoValue::Impossible("a division by zero")));
        assert_eq!(value("9223372036854775807 * 2"), Err(NoValue::Impossible("too large")));
        assert_eq!(parse("past * heads").unwrap().names(), ["past", "heads"]);
    }

    #[test]
    fn other_text_is_a_name_and_no_expression() {
        for text in ["", "a b", "floor(x)", "x +", "+ x", "2x", "(x", "x)", "x[0]", "x = 2"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse(&"(".repeat(100_000)), None);
    }

    proptest! {
        #[test]
        fn sums_and_products_agree_with_arithmetic(a in 0i64..1000, b in 0i64..1000, c in 1i64..1000) {
            let text = format!("({a} + {b}) * {c} - {a} // {c}");
            prop_assert_eq!(parse(&text).unwrap().value(&mut |_| None), Ok((a + b) * c - a / c));
        }

        #[test]
        fn no_text_makes_the_parser_fail_otherwise_than_by_saying_no(text in ".{0,60}") {
            let _ = parse(&text);
        }
    }
}
