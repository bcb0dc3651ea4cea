//! The length a text's ids are given: padding and cutting.
//!
//! M2-BERT's convolutions read padding, so its length is part of what a model computes.

/// How long a row of ids becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Policy {
    /// Every text is padded to N and its ids are cut at N as they lie, so that a long text loses its
    /// `[SEP]`: the rule of the published M2-BERT models.
    Max,
    /// No padding; a long text keeps its special tokens and is cut before the last.
    None,
    /// Every text is padded to this many tokens and cut like [`Policy::Max`]; at most N.
    Fixed(usize),
}

/// Ids as a model takes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fitted {
    /// The ids, padding included.
    pub ids: Vec<u32>,
    /// How many of them are not padding.
    pub valid: usize,
    /// Tokens lost.
    pub cut: usize,
}

/// Cuts and pads the ids of one text.
///
/// `n_max` is the most tokens the model takes; `keep_end` the number of special tokens at the end
/// ([`crate::Tokenizer::tail`]) that a cut spares, for [`Policy::None`] always and for the padding
/// policies where `spare_end`, as attention models want it.
pub fn fit(
    ids: &[u32],
    policy: Policy,
    n_max: usize,
    pad_id: u32,
    keep_end: usize,
    spare_end: bool,
) -> Fitted {
    let limit = match policy {
        Policy::Max | Policy::None => n_max,
        Policy::Fixed(n) => n.min(n_max),
    };
    let spared = if policy == Policy::None || spare_end { keep_end.min(ids.len()) } else { 0 };
    let cut = ids.len().saturating_sub(limit);
    let mut fitted = if cut == 0 {
        ids.to_vec()
    } else {
        let end = &ids[ids.len() - spared.min(limit)..];
        [&ids[..limit - end.len()], end].concat()
    };
    let valid = fitted.len();
    if policy != Policy::None {
        fitted.resize(limit, pad_id);
    }
    Fitted { ids: fitted, valid, cut }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDS: [u32; 6] = [101, 5, 6, 7, 8, 102];

    fn run(policy: Policy, n_max: usize, spare_end: bool) -> (Vec<u32>, usize, usize) {
        let f = fit(&IDS, policy, n_max, 0, 1, spare_end);
        (f.ids, f.valid, f.cut)
    }

    #[test]
    fn short_texts_are_padded_or_left() {
        assert_eq!(run(Policy::Max, 8, false), (vec![101, 5, 6, 7, 8, 102, 0, 0], 6, 0));
        assert_eq!(run(Policy::Max, 6, false), (IDS.to_vec(), 6, 0));
        assert_eq!(run(Policy::None, 8, false), (IDS.to_vec(), 6, 0));
        assert_eq!(run(Policy::Fixed(7), 9, true), (vec![101, 5, 6, 7, 8, 102, 0], 6, 0));
    }

    #[test]
    fn long_texts_are_cut() {
        assert_eq!(run(Policy::Max, 4, false), (vec![101, 5, 6, 7], 4, 2));
        assert_eq!(run(Policy::Max, 4, true), (vec![101, 5, 6, 102], 4, 2));
        assert_eq!(run(Policy::None, 4, false), (vec![101, 5, 6, 102], 4, 2));
        assert_eq!(run(Policy::Fixed(3), 4, false), (vec![101, 5, 6], 3, 3));
        assert_eq!(run(Policy::Fixed(9), 4, false), (vec![101, 5, 6, 7], 4, 2));
        assert_eq!(run(Policy::None, 1, false), (vec![102], 1, 5));
        assert_eq!(run(Policy::None, 0, false), (vec![], 0, 6));
    }

    #[test]
    fn nothing_stays_nothing_or_padding() {
        assert_eq!(fit(&[], Policy::Max, 2, 9, 1, false).ids, [9, 9]);
        assert_eq!(fit(&[], Policy::None, 2, 9, 1, false).valid, 0);
    }
}
