//! Cuts a long text where BERT's pre-tokenizer cuts it anyway, so that memory stays bounded.
//!
//! The tokenizer keeps some 50 bytes of bookkeeping per byte of text: a line of 100 MB would cost
//! gigabytes. Tokens never cross a space, so pieces between spaces give the same tokens.

use std::ops::Range;

/// Pieces are about this long.
const PIECE: usize = 64 << 10;
/// A space is looked for in this many bytes.
const LIMIT: usize = 1 << 20;

/// Consecutive pieces of `text`, each at a space, else before punctuation or an ideograph.
///
/// Of a run of more than 1 MiB with nothing of the kind, the first 64 KiB stand for the whole: as a
/// word it is `[UNK]` at any length beyond 100 characters.
pub(crate) fn split(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut next = 0;
    let mut first = true;
    std::iter::from_fn(move || {
        let start = next;
        if start >= text.len() && !first {
            return None;
        }
        first = false;
        let (end, after) = piece(&text[start..]);
        next = start + after;
        Some(start..start + end)
    })
}

/// The length of the first piece, and where the next one begins.
fn piece(text: &str) -> (usize, usize) {
    if text.len() <= 2 * PIECE {
        return (text.len(), text.len());
    }
    let from = boundary(text, PIECE);
    let to = boundary(text, LIMIT.min(text.len()));
    let window = &text[from..to];
    let space = window.bytes().position(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r'));
    let end = space.or_else(|| window.find(starts_token)).map(|at| from + at);
    match end {
        Some(end) => (end, end),
        None if to == text.len() => (to, to),
        None => {
            let rest = text[to..].find(|c: char| c.is_ascii_whitespace() || starts_token(c));
            (from, rest.map_or(text.len(), |at| to + at))
        }
    }
}

/// The last character boundary at or before `at`.
fn boundary(text: &str, at: usize) -> usize {
    (0..=at).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0)
}

/// Characters before which a word always ends. `]` is left out: a cut before it would split
/// `[MASK]`.
fn starts_token(c: char) -> bool {
    (c.is_ascii_punctuation() && c != ']')
        || matches!(u32::from(c), 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0x20000..=0x2A6DF)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str) -> Vec<Range<usize>> {
        split(text).collect()
    }

    #[test]
    fn short_texts_stay_whole() {
        for text in ["", "one two", &"x ".repeat(PIECE)] {
            let mut all = split(text);
            assert_eq!((all.next(), all.next()), (Some(0..text.len()), None));
        }
    }

    #[test]
    fn long_texts_are_cut_at_spaces_and_lose_nothing() {
        let text = "wörd [MASK] ".repeat(40_000);
        let all = pieces(&text);
        assert!(all.len() > 5);
        let joined: String = all.iter().map(|r| &text[r.clone()]).collect();
        assert_eq!(joined, text);
        assert!(all[1..].iter().all(|r| text[r.start..].starts_with(' ')));
        assert!(all.iter().all(|r| r.len() <= 2 * PIECE));
    }

    #[test]
    fn without_spaces_ideographs_and_punctuation_end_a_piece() {
        for text in ["漢字".repeat(100_000), "[MASK]".repeat(100_000)] {
            let all = pieces(&text);
            assert!(all.len() > 5 && all.iter().all(|r| r.len() <= 2 * PIECE));
            assert_eq!(all.last().unwrap().end, text.len());
            assert!(all.windows(2).all(|w| w[0].end == w[1].start));
            assert!(all.iter().all(|r| !text[r.clone()].starts_with(['M', 'A', 'S', 'K', ']'])));
        }
    }

    #[test]
    fn an_endless_word_is_shortened() {
        let text = format!("{} end", "é".repeat(3 << 20));
        let all = pieces(&text);
        assert_eq!(all.len(), 2);
        assert!(all[0].len() <= PIECE);
        assert_eq!(&text[all[1].clone()], " end");
    }
}
