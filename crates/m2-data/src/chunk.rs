//! Cuts a document into overlapping chunks of tokens, at paragraphs where it can.

use std::ops::Range;

use crate::tokenizer::{Tokenizer, TokenizerError};

/// How long chunks are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkSize {
    /// The most tokens of a chunk, special tokens not counted.
    pub tokens: usize,
    /// About how many tokens two neighbours share; at most half a chunk.
    pub overlap: usize,
}

impl Default for ChunkSize {
    fn default() -> Self {
        ChunkSize { tokens: 200, overlap: 40 }
    }
}

/// A piece of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Its bytes in the document, from its first token to its last.
    pub bytes: Range<usize>,
    /// The same in characters.
    pub chars: Range<usize>,
    /// Number of its tokens, special tokens not counted.
    pub tokens: usize,
}

/// What lies before a token, from nothing to the end of a paragraph.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Border {
    Inside,
    Word,
    Line,
    Paragraph,
}

/// The chunks of a document, in order; none where it holds no token.
///
/// A chunk ends at the last paragraph border of its second half, else at the last line, else between
/// words. The next one begins within the overlap, by the same preference.
///
/// # Errors
/// When the tokenizer fails on the text.
pub fn chunks(
    text: &str,
    tokenizer: &Tokenizer,
    size: ChunkSize,
) -> Result<Vec<Chunk>, TokenizerError> {
    let offsets = tokenizer.encode(text, false)?.offsets;
    let borders = borders(text, &offsets);
    let most = size.tokens.max(1);
    let overlap = size.overlap.min(most / 2);
    let mut list = Vec::new();
    let mut chars = CharCounter { text, byte: 0, chars: 0 };
    let mut start = 0;
    while start < offsets.len() {
        let limit = start + most;
        let end = match limit < offsets.len() {
            true => last_best(&borders, start + most / 2 + 1..limit + 1),
            false => offsets.len(),
        };
        let bytes = offsets[start].start..offsets[end - 1].end.max(offsets[start].start);
        list.push(Chunk { chars: chars.range(&bytes), bytes, tokens: end - start });
        if end == offsets.len() {
            break;
        }
        start = first_best(&borders, end - overlap.min(end - start - 1)..end);
    }
    Ok(list)
}

fn borders(text: &str, offsets: &[Range<usize>]) -> Vec<Border> {
    let mut previous = 0;
    let border = |range: &Range<usize>| {
        let gap = text.get(previous..range.start).unwrap_or_default();
        previous = range.end;
        match gap.bytes().filter(|b| *b == b'\n').count() {
            0 if gap.is_empty() => Border::Inside,
            0 => Border::Word,
            1 => Border::Line,
            _ => Border::Paragraph,
        }
    };
    offsets.iter().map(border).collect()
}

/// The last position of the highest border; the end of the range where it is empty.
fn last_best(borders: &[Border], range: Range<usize>) -> usize {
    let end = range.end - 1;
    range.max_by_key(|&i| borders[i]).unwrap_or(end)
}

/// The first position of the highest border; the end of the range where it is empty.
fn first_best(borders: &[Border], range: Range<usize>) -> usize {
    let end = range.end;
    range.rev().max_by_key(|&i| borders[i]).unwrap_or(end)
}

/// Turns byte positions into character positions, walking mostly forward.
struct CharCounter<'a> {
    text: &'a str,
    byte: usize,
    chars: usize,
}

impl CharCounter<'_> {
    fn at(&mut self, byte: usize) -> usize {
        if byte >= self.byte {
            self.chars += self.text[self.byte..byte].chars().count();
        } else {
            self.chars -= self.text[byte..self.byte].chars().count();
        }
        self.byte = byte;
        self.chars
    }

    fn range(&mut self, bytes: &Range<usize>) -> Range<usize> {
        self.at(bytes.start)..self.at(bytes.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str, tokens: usize, overlap: usize) -> Vec<Chunk> {
        let tokenizer = Tokenizer::bert_base_uncased();
        chunks(text, &tokenizer, ChunkSize { tokens, overlap }).unwrap()
    }

    #[test]
    fn short_and_empty_documents() {
        assert!(run("", 10, 2).is_empty());
        assert!(run(" \n\n\t", 10, 2).is_empty());
        let one = run("  ein Wört ", 10, 2);
        assert_eq!((one[0].bytes.clone(), one[0].chars.clone()), (2..11, 2..10));
        assert_eq!(one.len(), 1);
    }

    #[test]
    fn paragraphs_are_kept_together() {
        let paragraph = "one two three four five six seven.";
        let text = [paragraph; 5].join("\n\n");
        // Eight tokens a paragraph: a chunk of ten ends with the first.
        let all = run(&text, 10, 0);
        assert_eq!(all.len(), 5);
        assert!(all.iter().all(|c| &text[c.bytes.clone()] == paragraph));
    }

    #[test]
    fn chunks_cover_every_token_and_overlap() {
        let words = ["alpha", "embeddings", "漢字", "né", "[MASK]", "x.y", "unbelievability"];
        let mut text = String::new();
        for i in 0..2_000usize {
            text.push_str(words[i * i % words.len()]);
            text.push_str(if i % 97 == 0 { "\n\n" } else { [" ", "\n", " "][i % 3] });
        }
        let tokenizer = Tokenizer::bert_base_uncased();
        let offsets = tokenizer.encode(&text, false).unwrap().offsets;
        for (tokens, overlap) in [(200, 40), (50, 25), (7, 3), (2, 1), (1, 0), (1, 9), (3, 9)] {
            let all = run(&text, tokens, overlap);
            assert_eq!(all[0].bytes.start, offsets[0].start);
            assert_eq!(all.last().unwrap().bytes.end, offsets.last().unwrap().end);
            for pair in all.windows(2) {
                assert!(pair[0].bytes.start < pair[1].bytes.start);
                assert!(pair[0].bytes.end < pair[1].bytes.end);
                let next = offsets.iter().find(|o| o.start >= pair[0].bytes.end);
                assert!(pair[1].bytes.start <= next.unwrap().start);
            }
            for c in &all {
                assert!(c.tokens <= tokens.max(1) && c.tokens > 0);
                let chars = text[..c.bytes.start].chars().count();
                assert_eq!(c.chars.start, chars);
                assert_eq!(c.chars.len(), text[c.bytes.clone()].chars().count());
            }
        }
        let long = run(&"word ".repeat(1_000), 200, 40);
        assert!(long.windows(2).all(|p| p[0].bytes.end - p[1].bytes.start == 40 * 5 - 1));
    }
}
