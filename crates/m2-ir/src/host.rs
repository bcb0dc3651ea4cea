//! Tensors in host memory: what checkpoints hold and backends read back.

use std::{borrow::Cow, fmt, sync::Arc};

use crate::DType;

/// A dense, row-major, little-endian tensor in host memory.
///
/// The bytes are shared, so a clone is cheap. They may come from any owner (a read buffer, a mapped
/// file), hence the trait object.
#[derive(Clone)]
pub struct HostTensor {
    dtype: DType,
    shape: Vec<usize>,
    bytes: Arc<dyn AsRef<[u8]> + Send + Sync>,
}

impl fmt::Debug for HostTensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HostTensor({} {:?})", self.dtype, self.shape)
    }
}

impl HostTensor {
    /// Wraps bytes that hold `shape.product()` elements of `dtype`, row-major, little-endian.
    ///
    /// # Errors
    /// When the number of bytes is not `shape.product() * dtype.size()`, or that product overflows.
    pub fn new(
        dtype: DType,
        shape: Vec<usize>,
        bytes: Arc<dyn AsRef<[u8]> + Send + Sync>,
    ) -> Result<Self, HostTensorError> {
        let found = (*bytes).as_ref().len();
        let expected =
            shape.iter().try_fold(dtype.size(), |n, &d| n.checked_mul(d)).unwrap_or(usize::MAX);
        if found != expected {
            return Err(HostTensorError { dtype, shape, found });
        }
        Ok(HostTensor { dtype, shape, bytes })
    }

    /// A float32 tensor.
    ///
    /// # Panics
    /// When `data.len()` is not `shape.product()`: a mistake of the caller, not of its input.
    pub fn from_f32(shape: &[usize], data: &[f32]) -> Self {
        Self::from_elements(DType::F32, shape, data.iter().flat_map(|v| v.to_le_bytes()).collect())
    }

    /// A float64 tensor. Panics like [`HostTensor::from_f32`].
    pub fn from_f64(shape: &[usize], data: &[f64]) -> Self {
        Self::from_elements(DType::F64, shape, data.iter().flat_map(|v| v.to_le_bytes()).collect())
    }

    /// A tensor of unsigned 32-bit integers. Panics like [`HostTensor::from_f32`].
    pub fn from_u32(shape: &[usize], data: &[u32]) -> Self {
        Self::from_elements(DType::U32, shape, data.iter().flat_map(|v| v.to_le_bytes()).collect())
    }

    fn from_elements(dtype: DType, shape: &[usize], bytes: Vec<u8>) -> Self {
        assert_eq!(bytes.len(), shape.iter().product::<usize>() * dtype.size(), "{shape:?}");
        HostTensor { dtype, shape: shape.to_vec(), bytes: Arc::new(bytes) }
    }

    /// Element type.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Sizes, slowest first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether the tensor has no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The raw little-endian bytes.
    pub fn bytes(&self) -> &[u8] {
        (*self.bytes).as_ref()
    }

    /// The same bytes under another shape with as many elements.
    ///
    /// # Errors
    /// When the number of elements differs.
    pub fn reshaped(&self, shape: &[usize]) -> Result<Self, HostTensorError> {
        HostTensor::new(self.dtype, shape.to_vec(), self.bytes.clone())
    }

    /// All elements as f64 (exact for every type but i64 beyond 2^53).
    pub fn to_f64(&self) -> Vec<f64> {
        fn each<const N: usize>(bytes: &[u8], f: impl Fn([u8; N]) -> f64) -> Vec<f64> {
            bytes.as_chunks::<N>().0.iter().map(|c| f(*c)).collect()
        }
        let b = self.bytes();
        match self.dtype {
            DType::F32 => each(b, |c| f32::from_le_bytes(c).into()),
            DType::F64 => each(b, f64::from_le_bytes),
            DType::F16 => each(b, |c| f16_to_f32(u16::from_le_bytes(c)).into()),
            DType::BF16 => each(b, |c| bf16_to_f32(u16::from_le_bytes(c)).into()),
            DType::I32 => each(b, |c| i32::from_le_bytes(c).into()),
            DType::U32 => each(b, |c| u32::from_le_bytes(c).into()),
            DType::I64 => each(b, |c| i64::from_le_bytes(c) as f64),
            DType::I8 => each(b, |c: [u8; 1]| (c[0] as i8).into()),
            DType::U8 => each(b, |c: [u8; 1]| c[0].into()),
        }
    }

    /// All elements as f32, borrowed where the tensor already is float32 and its bytes are aligned.
    pub fn to_f32(&self) -> Cow<'_, [f32]> {
        let b = self.bytes();
        match self.dtype {
            DType::F32 => match bytemuck::try_cast_slice(b) {
                Ok(s) if cfg!(target_endian = "little") => Cow::Borrowed(s),
                _ => b.as_chunks::<4>().0.iter().map(|c| f32::from_le_bytes(*c)).collect(),
            },
            DType::F16 => {
                b.as_chunks().0.iter().map(|c| f16_to_f32(u16::from_le_bytes(*c))).collect()
            }
            DType::BF16 => {
                b.as_chunks().0.iter().map(|c| bf16_to_f32(u16::from_le_bytes(*c))).collect()
            }
            _ => self.to_f64().into_iter().map(|v| v as f32).collect(),
        }
    }
}

/// The number of bytes does not fit the shape.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{found} bytes do not hold a {dtype} tensor of shape {shape:?}")]
pub struct HostTensorError {
    /// Element type that was asked for.
    pub dtype: DType,
    /// Shape that was asked for.
    pub shape: Vec<usize>,
    /// Number of bytes that were given.
    pub found: usize,
}

/// bfloat16 bits to f32, exact.
pub fn bf16_to_f32(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// f32 to bfloat16 bits, to nearest even; NaN stays NaN.
pub fn f32_to_bf16(v: f32) -> u16 {
    let b = v.to_bits();
    if v.is_nan() {
        return (b >> 16) as u16 | 0x40;
    }
    ((b + 0x7fff + ((b >> 16) & 1)) >> 16) as u16
}

/// IEEE binary16 bits to f32, exact.
pub fn f16_to_f32(bits: u16) -> f32 {
    let sign = u32::from(bits & 0x8000) << 16;
    let exp = u32::from(bits >> 10) & 0x1f;
    let man = u32::from(bits & 0x3ff);
    let magnitude = match (exp, man) {
        (0, _) => {
            return f32::from_bits(sign)
                + (man as f32 / 16_777_216.0).copysign(f32::from_bits(sign | 0x3f80_0000));
        }
        (31, _) => 0x7f80_0000 | (man << 13),
        _ => ((exp + 112) << 23) | (man << 13),
    };
    f32::from_bits(sign | magnitude)
}

/// f32 to IEEE binary16 bits, to nearest even; overflow gives infinity, NaN stays NaN.
pub fn f32_to_f16(v: f32) -> u16 {
    let b = v.to_bits();
    let sign = ((b >> 16) & 0x8000) as u16;
    let a = b & 0x7fff_ffff;
    if a > 0x7f80_0000 {
        return sign | 0x7e00;
    }
    if a >= 0x477f_f000 {
        return sign | 0x7c00;
    }
    if a < 0x3880_0000 {
        // Subnormal: adding 0.5 makes the FPU round the mantissa at the right bit.
        let shifted = f32::from_bits(a) + 0.5;
        return sign | (shifted.to_bits() - 0x3f00_0000) as u16;
    }
    sign | ((a - 0x3800_0000 + 0x0fff + ((a >> 13) & 1)) >> 13) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_round_trips() {
        for bits in 0..=u16::MAX {
            let v = f16_to_f32(bits);
            if v.is_nan() {
                assert!(f16_to_f32(f32_to_f16(v)).is_nan());
            } else {
                assert_eq!(f32_to_f16(v), bits, "{bits:#x} {v}");
            }
            let w = bf16_to_f32(bits);
            if w.is_nan() {
                assert!(bf16_to_f32(f32_to_bf16(w)).is_nan());
            } else {
                assert_eq!(f32_to_bf16(w), bits);
            }
        }
    }

    #[test]
    fn wrong_sizes_are_refused() {
        assert!(HostTensor::new(DType::F32, vec![2, 2], Arc::new(vec![0u8; 15])).is_err());
        assert!(HostTensor::new(DType::F32, vec![usize::MAX, 2], Arc::new(vec![0u8; 8])).is_err());
    }
}
