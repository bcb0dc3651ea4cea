//! Searching an index.

use std::collections::HashMap;

use super::{
    Index, error,
    score::{dot, unit, z_scores},
};
use crate::{Encoder, Error};

/// About how long a snippet is, in characters.
const SNIPPET: usize = 240;

/// What decides a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Vectors and words: the sum of both z-scores over all chunks.
    Hybrid,
    /// Vectors: cosine similarity.
    Vector,
    /// Words: BM25.
    Keyword,
}

/// A document that was found, by its best chunk.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// Its path below the documents' folder.
    pub path: String,
    /// The score that decides; how it is to be read depends on the [`Mode`].
    pub score: f64,
    /// Cosine similarity of question and chunk; none in [`Mode::Keyword`].
    pub similarity: Option<f64>,
    /// BM25 of the chunk, larger is better; none in [`Mode::Vector`].
    pub bm25: Option<f64>,
    /// The chunk's characters in the document's text.
    pub start: usize,
    /// One past its last.
    pub end: usize,
    /// A piece of the chunk, around the question's words.
    pub snippet: String,
}

/// One chunk and its scores.
struct Scored {
    id: i64,
    file: i64,
    similarity: f64,
    bm25: f64,
}

impl Index {
    /// The documents that answer a question best, the best first.
    ///
    /// In [`Mode::Keyword`] documents without any of the words are left out.
    ///
    /// # Errors
    /// When the question cannot be embedded or the index cannot be read.
    pub fn search(
        &self,
        encoder: &mut Encoder,
        query: &str,
        mode: Mode,
        top: usize,
    ) -> Result<Vec<Hit>, Error> {
        let question = match mode {
            Mode::Keyword => None,
            Mode::Hybrid | Mode::Vector => Some(unit(encoder.embed(&[query])?.row(0))),
        };
        let words = match mode {
            Mode::Vector => HashMap::new(),
            Mode::Hybrid | Mode::Keyword => self.bm25(query)?,
        };
        let chunks = self.scored(question.as_deref(), &words)?;
        let scores = combined(&chunks, mode);
        let mut best: HashMap<i64, usize> = HashMap::new();
        for (i, chunk) in chunks.iter().enumerate() {
            if mode == Mode::Keyword && chunk.bm25 <= 0.0 {
                continue;
            }
            let at = best.entry(chunk.file).or_insert(i);
            if scores[i] > scores[*at] {
                *at = i;
            }
        }
        let mut order: Vec<usize> = best.into_values().collect();
        order.sort_by(|&a, &b| {
            scores[b].total_cmp(&scores[a]).then(chunks[a].id.cmp(&chunks[b].id))
        });
        order.truncate(top);
        order.into_iter().map(|i| self.hit(&chunks[i], scores[i], mode, query)).collect()
    }

    /// BM25 of the chunks that hold any of the words, larger is better.
    fn bm25(&self, query: &str) -> Result<HashMap<i64, f64>, Error> {
        let any = any_word(query);
        if any.is_empty() {
            return Ok(HashMap::new());
        }
        let read: rusqlite::Result<_> = (|| {
            let sql = "SELECT rowid, -bm25(words) FROM words WHERE words MATCH ?1";
            let mut matching = self.db.prepare(sql)?;
            let rows = matching.query_map([any], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        })();
        read.map_err(|e| error(&self.path, e))
    }

    fn scored(
        &self,
        question: Option<&[f32]>,
        words: &HashMap<i64, f64>,
    ) -> Result<Vec<Scored>, Error> {
        let read: rusqlite::Result<Vec<Scored>> = (|| {
            let vector = if question.is_some() { "vector" } else { "NULL" };
            let sql = format!("SELECT id, file, {vector} FROM chunks ORDER BY id");
            let mut all = self.db.prepare(&sql)?;
            let mut values: Vec<f32> = Vec::new();
            let rows = all.query_map([], |row| {
                let id = row.get(0)?;
                let similarity = match (question, row.get_ref(2)?.as_blob()) {
                    (Some(question), Ok(bytes)) => {
                        values.clear();
                        let words = bytes.as_chunks::<4>().0;
                        values.extend(words.iter().map(|b| f32::from_le_bytes(*b)));
                        f64::from(dot(question, &values))
                    }
                    _ => 0.0,
                };
                let bm25 = words.get(&id).copied().unwrap_or(0.0);
                Ok(Scored { id, file: row.get(1)?, similarity, bm25 })
            })?;
            rows.collect()
        })();
        read.map_err(|e| error(&self.path, e))
    }

    fn hit(&self, chunk: &Scored, score: f64, mode: Mode, query: &str) -> Result<Hit, Error> {
        let sql = "SELECT path, start, end, text FROM chunks JOIN files ON files.id = chunks.file
                   WHERE chunks.id = ?1";
        let read = self.db.query_row(sql, [chunk.id], |row| {
            let (start, end): (i64, i64) = (row.get(1)?, row.get(2)?);
            let text: String = row.get(3)?;
            Ok(Hit {
                path: row.get(0)?,
                score,
                similarity: (mode != Mode::Keyword).then_some(chunk.similarity),
                bm25: (mode != Mode::Vector).then_some(chunk.bm25),
                start: start as usize,
                end: end as usize,
                snippet: snippet(&text, query),
            })
        });
        read.map_err(|e| error(&self.path, e))
    }
}

fn combined(chunks: &[Scored], mode: Mode) -> Vec<f64> {
    let similarity: Vec<f64> = chunks.iter().map(|c| c.similarity).collect();
    let bm25: Vec<f64> = chunks.iter().map(|c| c.bm25).collect();
    match mode {
        Mode::Vector => similarity,
        Mode::Keyword => bm25,
        Mode::Hybrid => {
            z_scores(&similarity).iter().zip(z_scores(&bm25)).map(|(a, b)| a + b).collect()
        }
    }
}

/// The words of a question, as they are looked up.
fn words(query: &str) -> impl Iterator<Item = &str> {
    query.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty())
}

/// An FTS5 expression for any of the question's words; each is quoted, so none is an operator.
fn any_word(query: &str) -> String {
    let quoted: Vec<String> = words(query).map(|w| format!("\"{w}\"")).collect();
    quoted.join(" OR ")
}

/// A piece of a chunk where the most of the question's words stand, on one line.
fn snippet(text: &str, query: &str) -> String {
    let line: Vec<&str> = text.split_whitespace().collect();
    let wanted: Vec<String> = words(query).map(str::to_lowercase).collect();
    let wanted = |w: &str| {
        let plain = w.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
        // Short words are mostly articles and the like.
        plain.chars().count() > 3 && wanted.contains(&plain)
    };
    let marks: Vec<bool> = line.iter().map(|w| wanted(w)).collect();
    let span = 40.min(line.len());
    let count = |from: usize| marks[from..from + span].iter().filter(|m| **m).count();
    let from = (0..=line.len() - span).rev().max_by_key(|&i| count(i)).unwrap_or(0);
    let mut out = String::from(if from > 0 { "… " } else { "" });
    for word in &line[from..] {
        if out.chars().count() + word.chars().count() > SNIPPET {
            out.push('…');
            return out;
        }
        out.push_str(word);
        out.push(' ');
    }
    out.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_become_quoted_words() {
        assert_eq!(any_word("What's NEAR-by? a*"), r#""What" OR "s" OR "NEAR" OR "by" OR "a""#);
        assert_eq!(any_word("?!"), "");
    }

    #[test]
    fn snippets_show_the_words() {
        let text =
            format!("{} the passport office\nopens early {}", "x ".repeat(200), "y ".repeat(90));
        let s = snippet(&text, "Where is the Passport office?");
        assert!(s.contains("passport office opens") && s.starts_with('…'), "{s}");
        assert!(s.chars().count() <= SNIPPET + 2);
        assert_eq!(snippet("short text", "nothing"), "short text");
        assert_eq!(snippet("", "x"), "");
    }
}
