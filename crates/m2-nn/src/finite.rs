//! The search for NaN and infinity in weights.

use m2_ir::DType;

/// Elements looked at before the loop may stop: long enough to vectorise, short enough to stop soon.
const BLOCK: usize = 1024;

/// Index of the first element that is NaN or infinite among little-endian bytes that hold elements of
/// `dtype`; `None` for integers.
pub fn first_non_finite(dtype: DType, bytes: &[u8]) -> Option<usize> {
    // An exponent of all ones means NaN or infinity in every IEEE format.
    match dtype {
        DType::F32 => find(bytes, |w| u32::from_le_bytes(w) & 0x7f80_0000 == 0x7f80_0000),
        DType::F64 => find(bytes, |w| u64::from_le_bytes(w) << 1 >= 0xffe0_0000_0000_0000),
        DType::F16 => find(bytes, |w| u16::from_le_bytes(w) & 0x7c00 == 0x7c00),
        DType::BF16 => find(bytes, |w| u16::from_le_bytes(w) & 0x7f80 == 0x7f80),
        _ => None,
    }
}

fn find<const N: usize>(bytes: &[u8], bad: impl Fn([u8; N]) -> bool) -> Option<usize> {
    let elements = bytes.as_chunks::<N>().0;
    let block = elements
        .chunks(BLOCK)
        .position(|block| block.iter().fold(false, |any, &element| any | bad(element)))?;
    let start = block * BLOCK;
    elements[start..].iter().position(|&element| bad(element)).map(|i| start + i)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use m2_ir::HostTensor;

    use super::*;

    fn first(tensor: &HostTensor) -> Option<usize> {
        first_non_finite(tensor.dtype(), tensor.bytes())
    }

    #[test]
    fn finds_the_first_and_only_the_bad() {
        for (i, bad) in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY].iter().enumerate() {
            let at = 1500 * i + 3;
            let mut v = vec![f32::MAX; 7001];
            v[at] = *bad;
            v[at + 7] = f32::NAN;
            assert_eq!(first(&HostTensor::from_f32(&[7001], &v)), Some(at));
            let w: Vec<f64> = v.iter().map(|&x| x.into()).collect();
            assert_eq!(first(&HostTensor::from_f64(&[7001], &w)), Some(at));
        }
        let good = [f32::MAX, f32::MIN, f32::MIN_POSITIVE, 0.0, -0.0, 1e-45];
        assert_eq!(first(&HostTensor::from_f32(&[6], &good)), None);
        assert_eq!(first(&HostTensor::from_f64(&[2], &[f64::MAX, f64::MIN])), None);
        assert_eq!(first(&HostTensor::from_u32(&[1], &[u32::MAX])), None);
    }

    #[test]
    fn agrees_with_the_definition_on_every_half() {
        for bits in 0..=u16::MAX {
            for dtype in [DType::F16, DType::BF16] {
                let bytes = Arc::new(bits.to_le_bytes().to_vec());
                let t = HostTensor::new(dtype, vec![1], bytes).unwrap();
                assert_eq!(first(&t).is_none(), t.to_f64()[0].is_finite(), "{bits:#x}");
            }
        }
    }
}
