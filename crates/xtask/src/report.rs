//! Steps with their times, and the closing line.

use std::{
    fmt,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

/// How many checks a step made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Checks that passed.
    pub passed: usize,
    /// Checks that failed.
    pub failed: usize,
    /// Checks that could not be made here.
    pub skipped: usize,
}

impl Counts {
    /// One check that passed.
    pub const ONE: Counts = Counts { passed: 1, failed: 0, skipped: 0 };

    /// Adds the numbers of a line that closes a Rust test binary; other lines add nothing.
    pub fn add_line(&mut self, line: &str) {
        let Some(rest) = line.trim().strip_prefix("test result: ") else { return };
        for part in rest.split([';', '.']) {
            match part.trim().split_once(' ').map(|(n, what)| (n.parse::<usize>(), what)) {
                Some((Ok(n), "passed")) => self.passed += n,
                Some((Ok(n), "failed")) => self.failed += n,
                Some((Ok(n), "ignored")) => self.skipped += n,
                Some(_) | None => {}
            }
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        match self.skipped {
            0 => Ok(()),
            n => write!(f, ", {n} skipped"),
        }
    }
}

/// What a run of several steps did.
pub struct Report {
    start: Instant,
    steps: Vec<(&'static str, Duration, Counts)>,
}

impl Report {
    /// Begins.
    pub fn new() -> Self {
        Report { start: Instant::now(), steps: Vec::new() }
    }

    /// Runs a step and prints its time.
    ///
    /// # Errors
    /// When the step fails; the closing lines are printed then.
    pub fn step(&mut self, name: &'static str, run: impl FnOnce() -> Result<Counts>) -> Result<()> {
        println!("\n== {name}");
        let start = Instant::now();
        let result = run();
        let took = start.elapsed();
        let counts = match &result {
            Ok(c) => *c,
            Err(_) => Counts { failed: 1, ..Counts::default() },
        };
        self.steps.push((name, took, counts));
        if counts.failed == 0 {
            println!("== {name}: {}", seconds(took));
            return Ok(());
        }
        match result {
            Err(e) => println!("\nFAILED in {name}: {e:#}"),
            Ok(_) => println!("\nFAILED in {name}: see above"),
        }
        self.close();
        bail!("{name} failed")
    }

    /// Prints the time of every step and, last, the sum of all checks.
    pub fn close(&self) {
        println!();
        let mut sum = Counts::default();
        for (name, took, c) in &self.steps {
            println!("{name:<22} {:>9}   {c}", seconds(*took));
            sum.passed += c.passed;
            sum.failed += c.failed;
            sum.skipped += c.skipped;
        }
        println!("{:<22} {:>9}\n\n{sum}", "all", seconds(self.start.elapsed()));
    }
}

fn seconds(d: Duration) -> String {
    match d.as_secs() {
        s if s >= 60 => format!("{} m {:02} s", s / 60, s % 60),
        _ => format!("{:.1} s", d.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_closing_lines() {
        let mut c = Counts::default();
        c.add_line("running 3 tests");
        c.add_line("test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 4 filtered out; finished in 0.02s");
        c.add_line(
            "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out",
        );
        assert_eq!(c, Counts { passed: 15, failed: 2, skipped: 1 });
        assert_eq!(c.to_string(), "15 passed, 2 failed, 1 skipped");
        assert_eq!(Counts::ONE.to_string(), "1 passed, 0 failed");
    }
}
