//! Expression trees of fused elementwise operations: any chain is one op and one generated kernel.

use std::fmt;

/// A function of one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unary {
    /// −x
    Neg,
    /// Exact GELU, x·Φ(x) = 0.5·x·(1 + erf(x/√2)).
    Gelu,
    /// tanh(x)
    Tanh,
    /// max(x, 0)
    Relu,
    /// 1/(1 + e^−x)
    Sigmoid,
    /// e^x
    Exp,
    /// √x
    Sqrt,
    /// 1/x
    Recip,
}

/// A function of two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Binary {
    /// a + b
    Add,
    /// a − b
    Sub,
    /// a·b
    Mul,
    /// a/b
    Div,
    /// max(a, b)
    Max,
    /// min(a, b)
    Min,
}

/// One instruction; operands name earlier instructions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Inst {
    /// The n-th operand of the op.
    Input(u8),
    /// A constant.
    Const(f64),
    /// A unary function of instruction `.1`.
    Unary(Unary, u8),
    /// A binary function of instructions `.1` and `.2`.
    Binary(Binary, u8, u8),
    /// `.1` where `.0` is not zero, else `.2`.
    Select(u8, u8, u8),
}

/// A straight-line program; the last instruction is the result.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    code: Vec<Inst>,
}

impl Expr {
    /// The n-th operand.
    pub fn input(n: u8) -> Self {
        Expr { code: vec![Inst::Input(n)] }
    }

    /// A constant.
    pub fn constant(v: f64) -> Self {
        Expr { code: vec![Inst::Const(v)] }
    }

    /// `f(self)`
    pub fn unary(mut self, f: Unary) -> Self {
        let a = self.result();
        self.code.push(Inst::Unary(f, a));
        self
    }

    /// `f(self, other)`
    pub fn binary(mut self, f: Binary, other: &Expr) -> Self {
        let a = self.result();
        let b = self.append(other);
        self.code.push(Inst::Binary(f, a, b));
        self
    }

    /// The instructions in order.
    pub fn code(&self) -> &[Inst] {
        &self.code
    }

    /// Number of operands: one more than the highest that is read.
    pub fn arity(&self) -> usize {
        self.code
            .iter()
            .map(|i| match i {
                Inst::Input(n) => usize::from(*n) + 1,
                _ => 0,
            })
            .max()
            .unwrap_or(0)
    }

    /// The expression with operand `n` replaced by `by[n]`, for fusing a chain.
    ///
    /// None when the result would be too long for one kernel.
    pub fn substitute(&self, by: &[Expr]) -> Option<Expr> {
        let mut out = Expr { code: Vec::new() };
        let mut at = Vec::with_capacity(self.code.len());
        let mut placed: Vec<Option<u8>> = vec![None; by.len()];
        for inst in &self.code {
            let id = match *inst {
                Inst::Input(n) => {
                    let n = usize::from(n);
                    match placed[n] {
                        Some(id) => id,
                        None => *placed[n].insert(out.append(&by[n])),
                    }
                }
                Inst::Const(_) => out.push(*inst),
                Inst::Unary(f, a) => out.push(Inst::Unary(f, at[usize::from(a)])),
                Inst::Binary(f, a, b) => {
                    out.push(Inst::Binary(f, at[usize::from(a)], at[usize::from(b)]))
                }
                Inst::Select(c, a, b) => out.push(Inst::Select(
                    at[usize::from(c)],
                    at[usize::from(a)],
                    at[usize::from(b)],
                )),
            };
            at.push(id);
            if out.code.len() > 64 {
                return None;
            }
        }
        Some(out)
    }

    /// Floating-point operations of one evaluation (a transcendental function counts as one).
    pub fn flops(&self) -> u64 {
        self.code
            .iter()
            .filter(|i| matches!(i, Inst::Unary(..) | Inst::Binary(..) | Inst::Select(..)))
            .count() as u64
    }

    fn result(&self) -> u8 {
        (self.code.len() - 1) as u8
    }

    fn push(&mut self, inst: Inst) -> u8 {
        self.code.push(inst);
        self.result()
    }

    fn append(&mut self, other: &Expr) -> u8 {
        let base = self.code.len() as u8;
        for inst in &other.code {
            self.code.push(match *inst {
                Inst::Input(_) | Inst::Const(_) => *inst,
                Inst::Unary(f, a) => Inst::Unary(f, a + base),
                Inst::Binary(f, a, b) => Inst::Binary(f, a + base, b + base),
                Inst::Select(c, a, b) => Inst::Select(c + base, a + base, b + base),
            });
        }
        self.result()
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text: Vec<String> = Vec::with_capacity(self.code.len());
        for inst in &self.code {
            let at = |n: &u8| text[usize::from(*n)].as_str();
            let line = match inst {
                Inst::Input(n) => format!("${n}"),
                Inst::Const(v) => format!("{v:?}"),
                Inst::Unary(g, a) => format!("{g:?}({})", at(a)).to_lowercase(),
                Inst::Binary(g, a, b) => format!("{g:?}({}, {})", at(a), at(b)).to_lowercase(),
                Inst::Select(c, a, b) => format!("select({}, {}, {})", at(c), at(a), at(b)),
            };
            text.push(line);
        }
        f.write_str(text.last().map_or("", |s| s))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn substitution_composes() {
        let gate = Expr::input(0).unary(Unary::Gelu).binary(Binary::Mul, &Expr::input(1));
        assert_eq!(gate.to_string(), "mul(gelu($0), $1)");
        let sum = Expr::input(0).binary(Binary::Add, &Expr::input(1));
        let fused = gate.substitute(&[sum, Expr::input(2)]).unwrap();
        assert_eq!(fused.to_string(), "mul(gelu(add($0, $1)), $2)");
        assert_eq!((fused.arity(), fused.flops()), (3, 3));
    }
}
