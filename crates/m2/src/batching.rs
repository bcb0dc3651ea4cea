//! Which texts run together.

/// Bounds of a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// The most rows.
    pub rows: usize,
    /// The most tokens; a longer text runs alone.
    pub tokens: usize,
    /// Whether a short row pays for the class of the longest one, as long convolutions do.
    pub by_class: bool,
}

/// In classes up to this one a batch of its own costs a short row more than the class does.
const SMALL_CLASS: usize = 64;

/// Groups texts of the given lengths, longest first, so that rows of a batch are alike.
///
/// A new batch begins where a row would be shorter than a quarter of the class of the longest.
pub(crate) fn group(lengths: &[usize], bounds: Bounds) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(lengths[i]));
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let (mut tokens, mut class) = (0, 0);
    for i in order {
        let length = lengths[i].next_multiple_of(m2_ir::ROW_ALIGN);
        let fits = batches.last().is_some_and(|batch| {
            batch.len() < bounds.rows
                && tokens + length <= bounds.tokens
                && !(bounds.by_class && class > SMALL_CLASS && 4 * lengths[i] < class)
        });
        match batches.last_mut() {
            Some(batch) if fits => {
                batch.push(i);
                tokens += length;
            }
            _ => {
                batches.push(vec![i]);
                (tokens, class) = (length, lengths[i].next_power_of_two());
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_batch_are_alike_and_bounded() {
        let lengths: Vec<usize> = (0..500).map(|i| 1 + (i * i * 37) % 600).collect();
        let bounds = Bounds { rows: 32, tokens: 2048, by_class: true };
        let batches = group(&lengths, bounds);
        let mut seen: Vec<usize> = batches.iter().flatten().copied().collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..500).collect::<Vec<_>>());
        for batch in &batches {
            let tokens: usize = batch.iter().map(|&i| lengths[i].next_multiple_of(4)).sum();
            assert!(batch.len() <= 32 && tokens <= 2048);
            let class = lengths[batch[0]].next_power_of_two();
            assert!(class <= SMALL_CLASS || batch.iter().all(|&i| 4 * lengths[i] >= class));
        }
        let mixed = Bounds { by_class: false, ..bounds };
        assert_eq!(group(&[1000, 1, 10], mixed), [[0, 2, 1]]);
        assert_eq!(group(&[1000, 1, 60], bounds), [vec![0], vec![2, 1]]);
        assert_eq!(group(&[1000, 1, 70], bounds), [[0], [2], [1]]);
    }

    #[test]
    fn a_long_text_runs_alone() {
        let bounds = Bounds { rows: 8, tokens: 16, by_class: false };
        assert_eq!(group(&[100, 3], bounds), [[0], [1]]);
        assert!(group(&[], bounds).is_empty());
    }
}
