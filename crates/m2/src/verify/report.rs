//! What a verification found.

use std::fmt;

use m2_ir::plan::Fusion;

/// One tensor in one plan.
#[derive(Clone, Debug)]
pub struct Line {
    /// Name in the golden file.
    pub name: String,
    /// Which plan made it.
    pub fusion: Fusion,
    /// Largest absolute difference.
    pub error: f64,
    /// What it may be.
    pub limit: f64,
    /// Elements compared.
    pub compared: usize,
    /// Elements of the golden tensor.
    pub of: usize,
}

impl Line {
    /// Whether the tensor is within its limit, and any of it was compared.
    pub fn passed(&self) -> bool {
        self.error <= self.limit && self.compared > 0
    }

    /// The plan's name.
    pub fn plan(&self) -> &'static str {
        match self.fusion {
            Fusion::Full => "fused",
            Fusion::None => "decomposed",
        }
    }
}

/// All tensors of a golden folder.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Compared tensors, those of the fused plan first.
    pub lines: Vec<Line>,
    /// Tensors that are left out by rule (losses) or by the caller.
    pub excepted: Vec<String>,
    /// Float tensors that no value of the model corresponds to.
    pub unknown: Vec<String>,
}

impl Report {
    /// Whether every float output was compared and is within its limit.
    pub fn passed(&self) -> bool {
        self.unknown.is_empty() && !self.lines.is_empty() && self.lines.iter().all(Line::passed)
    }

    /// Number of tensors compared, each counted once.
    pub fn compared(&self) -> usize {
        self.lines.iter().filter(|l| l.fusion == Fusion::None && l.compared > 0).count()
    }

    /// Number of float outputs in the file, those left out by rule not counted.
    pub fn outputs(&self) -> usize {
        self.lines.iter().filter(|l| l.fusion == Fusion::None).count() + self.unknown.len()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for l in &self.lines {
            let verdict = if l.passed() { "ok" } else { "FAILED" };
            writeln!(
                f,
                "{:<34} {:<10} error {:.2e}  limit {:.2e}  {verdict}",
                l.name,
                l.plan(),
                l.error,
                l.limit
            )?;
        }
        for name in &self.unknown {
            writeln!(f, "{name:<34} not a value of this model, --skip it  FAILED")?;
        }
        for name in &self.excepted {
            writeln!(f, "{name:<34} not compared")?;
        }
        writeln!(f, "{} of {} tensors compared", self.compared(), self.outputs())
    }
}
