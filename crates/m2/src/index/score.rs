//! Arithmetic of scores: vectors of length 1, their products, z-scores.

/// Independent sums, so that the loop vectorises.
const LANES: usize = 16;

/// The vector divided by its length; a zero vector stays as it is.
pub(super) fn unit(vector: &[f32]) -> Vec<f32> {
    let squares: f64 = vector.iter().map(|&v| f64::from(v) * f64::from(v)).sum();
    let norm = squares.sqrt().max(1e-12);
    vector.iter().map(|&v| (f64::from(v) / norm) as f32).collect()
}

/// The inner product of two vectors of one length.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [0.0f32; LANES];
    for (a, b) in a.iter().zip(b) {
        for i in 0..LANES {
            sums[i] += a[i] * b[i];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

/// How many standard deviations each value lies above the mean; zeros where all are equal.
pub(super) fn z_scores(values: &[f64]) -> Vec<f64> {
    let n = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n;
    let deviation = variance.sqrt();
    let z = |v: &f64| if deviation > 1e-12 { (v - mean) / deviation } else { 0.0 };
    values.iter().map(z).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_equal_the_plain_sum() {
        for n in [0, 1, 15, 16, 17, 384, 770] {
            let a: Vec<f32> = (0..n).map(|i| ((i * 37 % 101) as f32 - 50.0) / 50.0).collect();
            let b: Vec<f32> = (0..n).map(|i| ((i * 53 % 97) as f32 - 48.0) / 48.0).collect();
            let exact: f64 = a.iter().zip(&b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            assert!((f64::from(dot(&a, &b)) - exact).abs() < 1e-4, "{n}");
        }
        let u = unit(&[3.0, 4.0]);
        assert!((u[0] - 0.6).abs() < 1e-7 && (u[1] - 0.8).abs() < 1e-7);
        assert_eq!(unit(&[0.0, 0.0]), [0.0, 0.0]);
    }

    #[test]
    fn z_scores_have_mean_0_and_variance_1() {
        let z = z_scores(&[1.0, 2.0, 3.0, 10.0]);
        assert!(z.iter().sum::<f64>().abs() < 1e-12);
        assert!((z.iter().map(|v| v * v).sum::<f64>() / 4.0 - 1.0).abs() < 1e-12);
        assert_eq!(z_scores(&[5.0, 5.0]), [0.0, 0.0]);
        assert!(z_scores(&[]).is_empty());
    }
}
