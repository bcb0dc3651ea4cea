//! Reads texts from lines or JSON Lines, one at a time, in bounded memory.

use std::io::{self, BufRead, Read};

use serde_json::Value;

/// How an input holds its texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Every line is a text, an empty one too.
    Lines,
    /// Every line is a JSON object with `text` and optionally `id`, or a JSON string. Empty lines
    /// are skipped.
    JsonLines,
}

impl Format {
    /// Guesses from the first line: JSON Lines where it is an object with a `text`.
    pub fn detect(first_line: &str) -> Format {
        let value: Result<Value, _> = serde_json::from_str(first_line);
        match value.is_ok_and(|v| v.get("text").is_some_and(Value::is_string)) {
            true => Format::JsonLines,
            false => Format::Lines,
        }
    }
}

/// One text of an input.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The line it stands on, from 1.
    pub line: u64,
    /// What the input calls it, string or number.
    pub id: Option<Value>,
    /// The text.
    pub text: String,
}

/// An input that cannot be read on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// Reading failed.
    #[error("line {line}: {source}")]
    Io {
        /// Line, from 1.
        line: u64,
        /// Why.
        source: io::Error,
    },
    /// A line is longer than allowed.
    #[error("line {line} is longer than {limit} bytes; split the text, or raise the limit")]
    TooLong {
        /// Line, from 1.
        line: u64,
        /// The most bytes of a line.
        limit: usize,
    },
    /// A line is not UTF-8.
    #[error(
        "line {line} is not UTF-8: byte {byte} of the line is invalid; convert the file to UTF-8"
    )]
    Utf8 {
        /// Line, from 1.
        line: u64,
        /// Position of the first wrong byte in the line, from 1.
        byte: usize,
    },
    /// A line is not JSON.
    #[error("line {line} is not JSON: {reason}")]
    Json {
        /// Line, from 1.
        line: u64,
        /// What the parser says.
        reason: String,
    },
    /// A line is JSON, but no text.
    #[error(
        "line {line}: {found}; expected a string, or an object with a string `text` and optionally a string or number `id`"
    )]
    Shape {
        /// Line, from 1.
        line: u64,
        /// What is wrong.
        found: String,
    },
}

/// The most bytes of a line unless told otherwise: far more than any model reads.
pub const MAX_LINE: usize = 32 << 20;

/// Iterates over the texts of an input. The first error is the last item.
#[derive(Debug)]
pub struct Records<R> {
    input: R,
    format: Format,
    limit: usize,
    line: u64,
    buffer: Vec<u8>,
    ended: bool,
}

impl<R: BufRead> Records<R> {
    /// Reads `input` with lines of at most [`MAX_LINE`] bytes.
    pub fn new(input: R, format: Format) -> Self {
        Records { input, format, limit: MAX_LINE, line: 0, buffer: Vec::new(), ended: false }
    }

    /// Allows lines of up to `bytes` bytes, the line end not counted.
    pub fn with_max_line(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    /// Reads the next line into the buffer, without its end; `false` at the end of the input.
    fn read_line(&mut self) -> Result<bool, RecordError> {
        self.buffer.clear();
        self.line += 1;
        let line = self.line;
        // Room for the line, "\r\n", and a byte that shows it goes on.
        let most = (self.limit as u64).saturating_add(3);
        let mut input = self.input.by_ref().take(most);
        let read = input.read_until(b'\n', &mut self.buffer);
        if read.map_err(|source| RecordError::Io { line, source })? == 0 {
            return Ok(false);
        }
        if self.buffer.last() == Some(&b'\n') {
            self.buffer.pop();
            if self.buffer.last() == Some(&b'\r') {
                self.buffer.pop();
            }
        }
        if self.buffer.len() > self.limit {
            return Err(RecordError::TooLong { line, limit: self.limit });
        }
        Ok(true)
    }

    fn read(&mut self) -> Result<Option<Record>, RecordError> {
        while self.read_line()? {
            let line = self.line;
            let text = std::str::from_utf8(&self.buffer)
                .map_err(|e| RecordError::Utf8 { line, byte: e.valid_up_to() + 1 })?;
            let text = match line {
                1 => text.strip_prefix('\u{feff}').unwrap_or(text),
                _ => text,
            };
            match self.format {
                Format::Lines => return Ok(Some(Record { line, id: None, text: text.to_owned() })),
                Format::JsonLines if text.trim().is_empty() => {}
                Format::JsonLines => return parse(line, text).map(Some),
            }
        }
        Ok(None)
    }
}

fn parse(line: u64, text: &str) -> Result<Record, RecordError> {
    let value = serde_json::from_str(text)
        .map_err(|e| RecordError::Json { line, reason: e.to_string() })?;
    let shape = |found: &str| Err(RecordError::Shape { line, found: found.to_owned() });
    match value {
        Value::String(text) => Ok(Record { line, id: None, text }),
        Value::Object(mut map) => {
            let id = match map.remove("id") {
                None | Some(Value::Null) => None,
                Some(id @ (Value::String(_) | Value::Number(_))) => Some(id),
                Some(_) => return shape("its `id` is neither a string nor a number"),
            };
            match map.remove("text") {
                Some(Value::String(text)) => Ok(Record { line, id, text }),
                Some(_) => shape("its `text` is not a string"),
                None => shape("the object has no `text`"),
            }
        }
        _ => shape("the value is neither a string nor an object"),
    }
}

impl<R: BufRead> Iterator for Records<R> {
    type Item = Result<Record, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let record = self.read().transpose();
        self.ended = !matches!(record, Some(Ok(_)));
        record
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(input: &str, format: Format) -> Vec<(u64, Option<Value>, String)> {
        let records = Records::new(input.as_bytes(), format);
        records.map(|r| r.unwrap()).map(|r| (r.line, r.id, r.text)).collect()
    }

    fn error(input: &[u8], format: Format, limit: usize) -> String {
        let mut records = Records::new(input, format).with_max_line(limit);
        let error = records.find_map(Result::err).unwrap().to_string();
        assert!(records.next().is_none());
        error
    }

    #[test]
    fn every_line_is_a_text() {
        let found = texts("\u{feff}one\r\n\n two \nlast", Format::Lines);
        let found: Vec<_> = found.iter().map(|r| (r.0, r.2.as_str())).collect();
        assert_eq!(found, [(1, "one"), (2, ""), (3, " two "), (4, "last")]);
        assert!(texts("", Format::Lines).is_empty());
    }

    #[test]
    fn json_lines_have_ids_or_not() {
        let input = "{\"id\": \"a\", \"text\": \"x\\ny\", \"more\": []}\n\n\"plain\"\n\
                     {\"text\": \"\", \"id\": 7}\n{\"id\": null, \"text\": \"z\"}";
        let expected = [
            (1, Some("a".into()), "x\ny".to_owned()),
            (3, None, "plain".to_owned()),
            (4, Some(7.into()), String::new()),
            (5, None, "z".to_owned()),
        ];
        assert_eq!(texts(input, Format::JsonLines), expected);
    }

    #[test]
    fn errors_name_the_line() {
        let json = Format::JsonLines;
        for (input, words) in [
            ("\"a\"\n{\"text\": }", "line 2 is not JSON"),
            ("\"a\"\n\n{\"id\": 1}", "line 3: the object has no `text`"),
            ("{\"text\": 5}", "line 1: its `text`"),
            ("{\"text\": \"\", \"id\": [1]}", "line 1: its `id`"),
            ("\"a\"\n42", "line 2: the value is neither"),
        ] {
            let found = error(input.as_bytes(), json, 1000);
            assert!(found.starts_with(words), "{found}");
        }
        let found = error(b"ok\nab\xffc\n", Format::Lines, 1000);
        assert!(found.starts_with("line 2 is not UTF-8: byte 3"), "{found}");
    }

    #[test]
    fn long_lines_are_refused_without_reading_them() {
        assert_eq!(texts("12345", Format::Lines).len(), 1);
        for end in ["", "\n", "\r\n"] {
            let exact = format!("12345{end}");
            let records = Records::new(exact.as_bytes(), Format::Lines).with_max_line(5);
            assert_eq!(records.map(|r| r.unwrap().text).collect::<Vec<_>>(), ["12345"]);
            let found = error(format!("ok\n123456{end}").as_bytes(), Format::Lines, 5);
            assert!(found.starts_with("line 2 is longer than 5 bytes"), "{found}");
        }
        let endless = io::BufReader::new(io::repeat(b'x'));
        let mut records = Records::new(endless, Format::Lines).with_max_line(1 << 16);
        assert!(matches!(records.next(), Some(Err(RecordError::TooLong { line: 1, .. }))));
    }

    #[test]
    fn the_format_shows_in_the_first_line() {
        assert_eq!(Format::detect("{\"text\": \"x\"}"), Format::JsonLines);
        for line in ["", "\"quoted\"", "{\"id\": 1}", "{not json}", "plain"] {
            assert_eq!(Format::detect(line), Format::Lines);
        }
    }
}
