//! The closed list of names that a pickle may mention.

use m2_ir::DType;

use super::MAX_NAME;

/// A name from the closed list.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Global {
    Tensor,
    Parameter,
    Dict,
    Sequence,
    Storage(DType),
    Inert(String),
}

impl Global {
    pub fn find(dotted: &str) -> Option<Global> {
        Some(match dotted {
            "torch._utils._rebuild_tensor" | "torch._utils._rebuild_tensor_v2" => Global::Tensor,
            "torch._utils._rebuild_parameter" => Global::Parameter,
            "collections.OrderedDict"
            | "collections.defaultdict"
            | "builtins.dict"
            | "__builtin__.dict" => Global::Dict,
            "builtins.set"
            | "builtins.frozenset"
            | "builtins.list"
            | "builtins.tuple"
            | "__builtin__.set"
            | "__builtin__.frozenset"
            | "__builtin__.list"
            | "__builtin__.tuple"
            | "torch.Size" => Global::Sequence,
            "torch.FloatStorage" => Global::Storage(DType::F32),
            "torch.HalfStorage" => Global::Storage(DType::F16),
            "torch.BFloat16Storage" => Global::Storage(DType::BF16),
            "torch.DoubleStorage" => Global::Storage(DType::F64),
            "torch.LongStorage" => Global::Storage(DType::I64),
            "torch.IntStorage" => Global::Storage(DType::I32),
            "torch.CharStorage" => Global::Storage(DType::I8),
            // Truth values are bytes of 0 and 1.
            "torch.ByteStorage" | "torch.BoolStorage" => Global::Storage(DType::U8),
            _ if is_inert(dotted) => Global::Inert(dotted.to_owned()),
            _ => return None,
        })
    }
}

/// Classes and constructors of plain values that checkpoints hold beside their weights.
fn is_inert(dotted: &str) -> bool {
    const NAMES: &[&str] = &[
        "_codecs.encode",
        "argparse.Namespace",
        "builtins.bytearray",
        "builtins.bytes",
        "builtins.complex",
        "builtins.float",
        "builtins.int",
        "builtins.range",
        "builtins.slice",
        "builtins.str",
        "collections.Counter",
        "collections.deque",
        "datetime.date",
        "datetime.datetime",
        "datetime.timedelta",
        "datetime.timezone",
        "decimal.Decimal",
        "numpy._core.multiarray._reconstruct",
        "numpy._core.multiarray.scalar",
        "numpy._core.numeric._frombuffer",
        "numpy.core.multiarray._reconstruct",
        "numpy.core.multiarray.scalar",
        "numpy.core.numeric._frombuffer",
        "numpy.dtype",
        "numpy.ndarray",
        "pathlib.Path",
        "pathlib.PosixPath",
        "pathlib.WindowsPath",
        "torch.device",
        "uuid.UUID",
    ];
    const DTYPES: &[&str] = &[
        "bfloat16", "bool", "float16", "float32", "float64", "int16", "int32", "int64", "int8",
        "uint8",
    ];
    // What Composer keeps of the run: metrics, time and precision objects.
    const MODULES: &[&str] = &["composer.", "torchmetrics."];
    NAMES.contains(&dotted)
        || dotted.strip_prefix("torch.").is_some_and(|name| DTYPES.contains(&name))
        || (dotted.len() <= MAX_NAME && MODULES.iter().any(|module| dotted.starts_with(module)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_values_are_inert_and_nothing_else_is() {
        for name in ["_codecs.encode", "datetime.timedelta", "numpy.ndarray", "uuid.UUID"] {
            assert!(is_inert(name), "{name}");
        }
        assert!(is_inert("torch.float32") && is_inert("composer.core.time.Time"));
        for name in ["os.system", "torch.load", "builtins.eval", "numpyx", "composerx.a"] {
            assert!(!is_inert(name), "{name}");
        }
    }
}
