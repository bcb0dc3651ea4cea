//! `m2 embed`

mod input;

use std::io::{self, Write};

use m2::{
    Embeddings, Encoder, TextInfo,
    vectors::{VectorFile, VectorFormat, VectorRow, VectorWriter, json_line},
};
use m2_data::Record;
use m2_ir::DType;
use serde_json::Value;

use crate::{
    args::{Args, Embed, StorageDType},
    exit::Outcome,
    interrupt, progress,
};
use input::Input;
pub use input::texts;

pub fn run(args: &Args, a: &Embed) -> anyhow::Result<Outcome> {
    if !input::is_stdin(&a.output) {
        // Before minutes of work, not after.
        VectorFormat::of(&a.output)?;
    }
    let mut encoder = super::model::encoder(args, &a.model, &a.vectors, a.strict)?;
    let mut output = Output::open(&encoder, a)?;
    let mut input = Input::open(&a.input)?;
    interrupt::catch();
    let bar = progress::bar(output.about.rows, "texts");
    let mut skip = output.rows();
    bar.inc(skip);
    let mut row = 0;
    let mut cut = Cut::default();
    loop {
        let mut window = input.window();
        if window.is_empty() {
            break;
        }
        let known = skip.min(window.len() as u64);
        window.drain(..known as usize);
        (skip, row) = (skip - known, row + known);
        let (vectors, failure) = embed(&mut encoder, &window, &bar);
        for (i, info) in vectors.texts().iter().enumerate() {
            cut.note(&window[i], *info);
            output.write(&window[i], row, vectors.row(i), *info)?;
            row += 1;
        }
        output.flush()?;
        if let Some(e) = failure {
            output.keep()?;
            return Err(e);
        }
        if interrupt::asked() {
            break;
        }
    }
    bar.finish_and_clear();
    cut.report(encoder.max_length());
    if interrupt::asked() {
        output.keep()?;
        return Ok(Outcome::Interrupted);
    }
    if let Err(e) = input.finish() {
        output.keep()?;
        return Err(e);
    }
    output.finish()?;
    Ok(Outcome::Done)
}

/// Vectors of a window's texts, up to the first that fails or has not run when Ctrl-C came.
fn embed(
    encoder: &mut Encoder,
    window: &[Record],
    bar: &indicatif::ProgressBar,
) -> (Embeddings, Option<anyhow::Error>) {
    let texts: Vec<&str> = window.iter().map(|r| r.text.as_str()).collect();
    let (prepared, mut failure) = match encoder.prepare(&texts) {
        Ok(prepared) => (prepared, None),
        Err(_) => {
            // One text is refused: those before it count.
            let one = |(i, text): (usize, &&str)| {
                let named = |e: m2::Error| match e {
                    m2::Error::Text { what, .. } => {
                        anyhow::anyhow!("line {}: {what}", window[i].line)
                    }
                    other => other.into(),
                };
                encoder.prepare(&[*text]).map_err(named).map(|mut v| v.remove(0))
            };
            let mut failure = None;
            let each = texts.iter().enumerate().map(one);
            let whole = each.map_while(|r| r.map_err(|e| failure = Some(e)).ok()).collect();
            (whole, failure)
        }
    };
    let mut go_on = |n: usize| {
        bar.inc(n as u64);
        !interrupt::asked()
    };
    match pollster::block_on(encoder.embed_prepared(&prepared, &mut go_on)) {
        Ok(vectors) => (vectors, failure),
        Err(e) => {
            failure.get_or_insert(e.into());
            (Embeddings::default(), failure)
        }
    }
}

/// Where rows go.
struct Output {
    about: VectorFile,
    to: To,
}

enum To {
    Stdout(Vec<u8>),
    File(Box<VectorWriter>),
}

impl Output {
    fn open(encoder: &Encoder, a: &Embed) -> anyhow::Result<Self> {
        let to_file = !input::is_stdin(&a.output);
        let counted = to_file && VectorFormat::of(&a.output)? == VectorFormat::Safetensors;
        if counted && input::is_stdin(&a.input) {
            anyhow::bail!(
                "a .safetensors file begins with the number of its rows, which standard input does \
                 not show: give --input FILE, or write .jsonl or .npy"
            );
        }
        let about = VectorFile {
            key: match to_file {
                true => format!("{} {}", encoder.identity()?, input::identity(&a.input)?),
                false => String::new(),
            },
            dtype: match a.dtype {
                StorageDType::F32 => DType::F32,
                StorageDType::F16 => DType::F16,
            },
            width: encoder.width(),
            rows: if counted { Some(input::count(&a.input)?) } else { None },
            padding: encoder.padding(),
            say_padding: a.vectors.pad.is_some(),
        };
        let to = match to_file {
            true => To::File(Box::new(VectorWriter::open(&a.output, about.clone(), a.resume)?)),
            false => To::Stdout(Vec::new()),
        };
        Ok(Output { about, to })
    }

    fn rows(&self) -> u64 {
        match &self.to {
            To::Stdout(_) => 0,
            To::File(writer) => writer.rows(),
        }
    }

    fn write(
        &mut self,
        record: &Record,
        number: u64,
        vector: &[f32],
        info: TextInfo,
    ) -> anyhow::Result<()> {
        let number = Value::from(number);
        let row = VectorRow { id: record.id.as_ref().unwrap_or(&number), vector, info };
        match &mut self.to {
            To::Stdout(buffer) => json_line(buffer, row, &self.about),
            To::File(writer) => writer.append(row)?,
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if let To::Stdout(buffer) = &mut self.to {
            let mut out = io::stdout().lock();
            out.write_all(buffer)?;
            out.flush()?;
            buffer.clear();
        }
        Ok(())
    }

    /// Makes the rows so far safe, for `--resume`.
    fn keep(&mut self) -> anyhow::Result<()> {
        if let To::File(writer) = &mut self.to {
            writer.checkpoint()?;
            eprintln!("m2: {} rows are kept; go on with --resume", writer.rows());
        }
        Ok(())
    }

    fn finish(self) -> anyhow::Result<()> {
        if let To::File(writer) = self.to {
            writer.finish()?;
        }
        Ok(())
    }
}

/// Texts that were too long.
#[derive(Default)]
struct Cut {
    texts: u64,
    tokens: u64,
    first_line: u64,
}

impl Cut {
    fn note(&mut self, record: &Record, info: TextInfo) {
        if info.cut > 0 {
            if self.texts == 0 {
                self.first_line = record.line;
            }
            self.texts += 1;
            self.tokens += info.cut as u64;
        }
    }

    fn report(&self, limit: usize) {
        if self.texts > 0 {
            eprintln!(
                "m2: {} text(s) are longer than {limit} tokens and were cut: {} tokens are lost, \
                 first at line {}; --strict refuses them",
                self.texts, self.tokens, self.first_line
            );
        }
    }
}
