//! PyTorch checkpoints (`torch.save`: `.pt`, `.bin`), read without Python and without running them.
//!
//! The file is a zip archive of `NAME/data.pkl`, a pickle that describes tensors as views of
//! storages, and `NAME/data/<key>`, the storages' bytes. Only the storages of the weights are read:
//! optimiser states beside them cost nothing.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::Read,
    path::Path,
    sync::Arc,
};

use m2_ir::HostTensor;

use super::{
    FileError,
    archive::{Archive, Entry},
    bytes::{AlignedBytes, SharedRange},
    error::{DAMAGED, clip},
    pickle::{Id, Pickle, Tensor, Value},
    safetensors::TensorMap,
};

/// Longest pickle that is read: weights are not in it.
const MAX_PICKLE: u64 = 64 << 20;
/// Most entries that are visited in search of tensors, the depth to which they are, and the
/// longest dotted name.
const MAX_VISITS: usize = 200_000;
const MAX_DEPTH: usize = 32;
const MAX_NAME: usize = 500;
/// Strided views are unfolded up to this multiple of the file's size.
const MAX_UNFOLDING: u64 = 8;

/// How a checkpoint holds its weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Composer's training checkpoint: `state` → `model`, names prefixed `model.` or `module.`.
    Composer,
    /// A dictionary of weights whose names all begin with `module.` (saved from a wrapper for
    /// several devices) or `model.`; the prefix is removed.
    Module,
    /// A dictionary of weights.
    Flat,
    /// A dictionary of weights under `state_dict`, `model_state_dict` or `model`.
    Nested,
}

/// The weights of a PyTorch checkpoint.
#[derive(Debug)]
pub struct Checkpoint {
    /// The tensors by name, without wrapper prefixes; entries of nested containers are joined with
    /// dots. Strided views are row-major; truth values are u8.
    pub tensors: TensorMap,
    /// Where they were.
    pub layout: Layout,
    /// Names beside the weights that hold no tensor.
    pub ignored: Vec<String>,
}

/// Reads the weights of a checkpoint in PyTorch's zip format (since 1.6).
///
/// # Errors
/// [`FileError::Refused`] names an object that is neither tensor nor plain data;
/// [`FileError::Malformed`] says what contradicts itself, or which other format the file is in and
/// how to re-save it; [`FileError::Io`] when it cannot be read.
pub fn read_checkpoint(path: &Path) -> Result<Checkpoint, FileError> {
    check_format(path)?;
    let mut archive = Archive::open(path)?;
    let entries: HashMap<String, Entry> =
        archive.entries().iter().map(|e| (e.name.clone(), e.clone())).collect();
    let root = find_root(&archive)?;
    let pickle = read_pickle(&mut archive, &entries, &root)?;
    let (layout, weights) = find_weights(&archive.name, &pickle)?;
    let mut names = Names::default();
    collect(&archive.name, &pickle, weights, &mut names)?;
    if names.tensors.is_empty() {
        return Err(FileError::malformed(
            &archive.name,
            "",
            "no tensor",
            "a dictionary of weights",
            "save the weights with torch.save(model.state_dict(), 'weights.pt')",
        ));
    }
    let (layout, renamed) = strip_prefixes(&archive.name, layout, names.tensors)?;
    let len = std::fs::metadata(path).map_err(|e| FileError::io("read", path, e))?.len();
    let mut storages = Storages {
        archive,
        entries,
        root,
        read: HashMap::new(),
        budget: len.saturating_mul(MAX_UNFOLDING).saturating_add(16 << 20),
    };
    let mut tensors = TensorMap::new();
    for (name, tensor) in renamed {
        let built = storages.build(&name, &tensor)?;
        tensors.insert(name, built);
    }
    Ok(Checkpoint { tensors, layout, ignored: names.ignored })
}

/// Names the other formats that end up under these file names.
fn check_format(path: &Path) -> Result<(), FileError> {
    let mut head = Vec::new();
    File::open(path)
        .and_then(|f| f.take(32).read_to_end(&mut head))
        .map_err(|e| FileError::io("read", path, e))?;
    let name = path.display().to_string();
    let resave = format!(
        "re-save it with Python: import torch; torch.save(torch.load({name:?}, \
         map_location='cpu', weights_only=True), 'new.pt')"
    );
    // The pickled number with which PyTorch's files began before 1.6.
    const OLD: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
    let (found, help) = if head.starts_with(b"PK\x03\x04") {
        return Ok(());
    } else if head.starts_with(OLD) {
        ("PyTorch's old serialisation (before 1.6, not a zip archive)", resave)
    } else if head.starts_with(b"\x80") {
        ("a bare pickle", resave)
    } else if head.starts_with(b"version https://git-lfs") {
        let help = "run `git lfs pull` in the repository, or download the file itself";
        ("a Git LFS pointer", help.to_owned())
    } else if head.get(8) == Some(&b'{') {
        ("a safetensors file", "use it as it is: name it model.safetensors".to_owned())
    } else {
        ("another format", DAMAGED.to_owned())
    };
    Err(FileError::malformed(&name, "", found, "a PyTorch zip archive", help))
}

/// The folder of the archive that holds `data.pkl`.
fn find_root(archive: &Archive) -> Result<String, FileError> {
    let bad = |found: &str, help: &str| {
        FileError::malformed(&archive.name, "", found, "a PyTorch checkpoint", help)
    };
    let is = |entry: &Entry, name: &str| entry.name.rsplit('/').next() == Some(name);
    if archive.entries().iter().any(|e| is(e, "constants.pkl")) {
        let help = "save the weights with torch.save(torch.jit.load(…).state_dict(), 'weights.pt')";
        return Err(bad("a TorchScript program", help));
    }
    let mut roots = archive.entries().iter().filter(|e| is(e, "data.pkl"));
    match (roots.next(), roots.next()) {
        (Some(entry), None) => Ok(entry.name.trim_end_matches("data.pkl").to_owned()),
        (None, _) => Err(bad("a zip archive without data.pkl", "name a file from torch.save")),
        (Some(_), Some(_)) => Err(bad("several data.pkl", DAMAGED)),
    }
}

fn read_pickle(
    archive: &mut Archive,
    entries: &HashMap<String, Entry>,
    root: &str,
) -> Result<Pickle, FileError> {
    if let Some(entry) = entries.get(&format!("{root}byteorder")).filter(|e| e.size <= 16) {
        let order = archive.read(entry)?;
        if order.as_ref() != b"little" {
            let found = clip(&String::from_utf8_lossy(order.as_ref()));
            let help = "re-save it on a little-endian machine";
            return Err(FileError::malformed(&archive.name, "byteorder", found, "little", help));
        }
    }
    let name = format!("{root}data.pkl");
    let entry = &entries[&name];
    if entry.size > MAX_PICKLE {
        let found = format!("{} bytes", entry.size);
        let expected = format!("at most {MAX_PICKLE}");
        let help = "save only the weights with torch.save(model.state_dict(), 'weights.pt')";
        return Err(FileError::malformed(&archive.name, name, found, expected, help));
    }
    let bytes = archive.read(entry)?;
    Pickle::read(&archive.name, bytes.as_ref())
}

/// The dictionary that holds the weights.
fn find_weights(file: &str, pickle: &Pickle) -> Result<(Layout, Id), FileError> {
    let root = pickle.root();
    let dict = |id: &Id| matches!(pickle.get(*id), Value::Dict(_));
    let Value::Dict(entries) = pickle.get(root) else {
        return Err(FileError::malformed(
            file,
            "",
            format!("{} at the top", kind(pickle.get(root))),
            "a dictionary of weights",
            "save the weights with torch.save(model.state_dict(), 'weights.pt')",
        ));
    };
    let state = pickle.entry(root, "state").and_then(|state| pickle.entry(state, "model"));
    if let Some(model) = state.filter(dict) {
        return Ok((Layout::Composer, model));
    }
    let direct = entries.iter().any(|&(_, v)| matches!(pickle.get(v), Value::Tensor(_)));
    let nested = ["state_dict", "model_state_dict", "model"]
        .iter()
        .find_map(|key| pickle.entry(root, key).filter(dict));
    Ok(match nested {
        Some(inner) if !direct => (Layout::Nested, inner),
        _ => (Layout::Flat, root),
    })
}

fn kind(value: &Value) -> String {
    match value {
        Value::None => "nothing",
        Value::Bool(_) | Value::Int(_) | Value::Float(_) => "a number",
        Value::Str(_) => "text",
        Value::Sequence(_) => "a list",
        Value::Dict(_) => "a dictionary",
        Value::Storage(_) | Value::Tensor(_) => "a tensor",
        Value::Global(_) => "a class",
        Value::Opaque(name) => return format!("an object {}", clip(name)),
    }
    .to_owned()
}

#[derive(Default)]
struct Names {
    tensors: BTreeMap<String, Tensor>,
    ignored: Vec<String>,
}

/// Collects the tensors below a container under their dotted names.
fn collect(file: &str, pickle: &Pickle, from: Id, names: &mut Names) -> Result<(), FileError> {
    let mut open = vec![(from, String::new(), 0)];
    let mut visits = 0;
    while let Some((id, name, depth)) = open.pop() {
        visits += 1;
        let inside = match pickle.get(id) {
            Value::Dict(entries) => entries.len(),
            Value::Sequence(items) => items.len(),
            _ => 0,
        };
        let waiting = open.len() + inside;
        if visits + waiting > MAX_VISITS || depth > MAX_DEPTH || name.len() > MAX_NAME {
            let expected = format!(
                "at most {MAX_VISITS} entries, {MAX_DEPTH} deep, with names of {MAX_NAME} bytes"
            );
            let item = format!("entry '{}'", clip(&name));
            return Err(FileError::malformed(file, item, "more", expected, DAMAGED));
        }
        let join =
            |key: &str| if name.is_empty() { key.to_owned() } else { format!("{name}.{key}") };
        match pickle.get(id) {
            Value::Tensor(tensor) => {
                names.tensors.insert(name, tensor.clone());
            }
            Value::Dict(entries) => {
                // Last first, so that the stack yields them in order and later keys win.
                for &(key, value) in entries.iter().rev() {
                    let key = match pickle.get(key) {
                        Value::Str(text) => join(text),
                        Value::Int(number) => join(&number.to_string()),
                        other => join(&kind(other)),
                    };
                    open.push((value, key, depth + 1));
                }
            }
            Value::Sequence(items) => {
                for (i, &item) in items.iter().enumerate().rev() {
                    open.push((item, join(&i.to_string()), depth + 1));
                }
            }
            _ => names.ignored.push(name),
        }
    }
    Ok(())
}

/// Removes the prefixes that wrappers add.
fn strip_prefixes(
    file: &str,
    layout: Layout,
    tensors: BTreeMap<String, Tensor>,
) -> Result<(Layout, BTreeMap<String, Tensor>), FileError> {
    let wrapper = |name: &str| {
        ["module.", "model."].iter().find_map(|p| name.strip_prefix(p).map(str::to_owned))
    };
    let mut tensors = tensors;
    let mut found = layout;
    loop {
        // A wrapper wraps everything; a model that merely has a part called `model` keeps it. In
        // Composer's layout the metrics beside the model may have tensors of their own.
        let all = tensors.keys().all(|name| wrapper(name).is_some());
        let some = tensors.keys().any(|name| wrapper(name).is_some());
        if !(all || some && layout == Layout::Composer) {
            return Ok((found, tensors));
        }
        if layout == Layout::Flat {
            found = Layout::Module;
        }
        let mut renamed = BTreeMap::new();
        for (name, tensor) in tensors {
            let short = wrapper(&name).unwrap_or_else(|| name.clone());
            if renamed.insert(short, tensor).is_some() {
                return Err(FileError::malformed(
                    file,
                    format!("tensor '{}'", clip(&name)),
                    "the same name with and without a 'model.' or 'module.' prefix",
                    "each tensor once",
                    "remove one of them before converting",
                ));
            }
        }
        tensors = renamed;
    }
}

/// The storages of an archive, each read once, when a tensor needs it.
struct Storages {
    archive: Archive,
    entries: HashMap<String, Entry>,
    root: String,
    read: HashMap<String, Arc<AlignedBytes>>,
    /// Bytes that views may still be unfolded to.
    budget: u64,
}

impl Storages {
    fn build(&mut self, name: &str, tensor: &Tensor) -> Result<HostTensor, FileError> {
        let bytes = self.bytes(name, tensor)?;
        let file = self.archive.name.clone();
        let Tensor { storage, offset, shape, stride } = tensor;
        let bad = |expected: &str| {
            FileError::malformed(
                &file,
                format!("tensor '{}'", clip(name)),
                format!(
                    "size {shape:?}, stride {stride:?}, offset {offset} in a storage of {}",
                    storage.len
                ),
                expected,
                DAMAGED,
            )
        };
        let size = storage.dtype.size();
        let dims: Option<Vec<usize>> = shape.iter().map(|&d| usize::try_from(d).ok()).collect();
        let dims = dims.ok_or_else(|| bad("a shape that fits this machine"))?;
        let count = dims.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        let total = count
            .and_then(|n| n.checked_mul(size))
            .ok_or_else(|| bad("a shape that fits this machine"))?;
        // Index of the last element that the view touches.
        let last = shape.iter().zip(stride).try_fold(*offset, |at, (&d, &s)| {
            d.saturating_sub(1).checked_mul(s).and_then(|step| at.checked_add(step))
        });
        if total > 0 && last.is_none_or(|last| last >= storage.len) {
            return Err(bad("a view inside its storage"));
        }
        let out: Arc<dyn AsRef<[u8]> + Send + Sync> = if total == 0 {
            Arc::new(Vec::new())
        } else if is_contiguous(shape, stride) {
            // In bounds: `last` is, and the storage's bytes are `len * size`.
            let start = *offset as usize * size;
            Arc::new(SharedRange { owner: bytes, range: start..start + total })
        } else {
            self.budget = self
                .budget
                .checked_sub(total as u64)
                .ok_or_else(|| bad("views that are not many times larger than the file"))?;
            Arc::new(unfold((*bytes).as_ref(), size, tensor, total))
        };
        HostTensor::new(storage.dtype, dims, out).map_err(|e| bad(&e.to_string()))
    }

    /// The bytes of a tensor's storage: at least `len` elements.
    fn bytes(&mut self, name: &str, tensor: &Tensor) -> Result<Arc<AlignedBytes>, FileError> {
        let storage = &tensor.storage;
        let path = format!("{}data/{}", self.root, storage.key);
        let bad = |archive: &Archive, found: String, expected: String| {
            let item = format!("tensor '{}', storage '{}'", clip(name), clip(&path));
            FileError::malformed(&archive.name, item, found, expected, DAMAGED)
        };
        let Some(entry) = self.entries.get(&path) else {
            return Err(bad(&self.archive, "no such entry".into(), "an entry of the zip".into()));
        };
        let size = storage.len.checked_mul(storage.dtype.size() as u64);
        if size != Some(entry.size) {
            return Err(bad(
                &self.archive,
                format!("{} bytes", entry.size),
                format!("{} elements of {}", storage.len, storage.dtype),
            ));
        }
        if let Some(bytes) = self.read.get(&storage.key) {
            return Ok(bytes.clone());
        }
        let bytes = Arc::new(self.archive.read(entry)?);
        self.read.insert(storage.key.clone(), bytes.clone());
        Ok(bytes)
    }
}

fn is_contiguous(shape: &[u64], stride: &[u64]) -> bool {
    let mut expected = 1;
    shape.iter().zip(stride).rev().all(|(&d, &s)| {
        let fits = d == 1 || s == expected;
        expected *= d;
        fits
    })
}

/// Copies a view, whose last element has been checked to be in bounds, into row-major order.
fn unfold(bytes: &[u8], size: usize, tensor: &Tensor, total: usize) -> AlignedBytes {
    let mut out = AlignedBytes::zeroed(total);
    let mut index = vec![0u64; tensor.shape.len()];
    let mut at = tensor.offset;
    for element in out.as_mut().chunks_exact_mut(size) {
        let start = at as usize * size;
        element.copy_from_slice(&bytes[start..start + size]);
        for (axis, i) in index.iter_mut().enumerate().rev() {
            *i += 1;
            // Wraps only beside a side of length 1, whose stride may be anything.
            at = at.wrapping_add(tensor.stride[axis]);
            if *i < tensor.shape[axis] {
                break;
            }
            at = at.wrapping_sub(tensor.stride[axis].wrapping_mul(tensor.shape[axis]));
            *i = 0;
        }
    }
    out
}

#[cfg(test)]
mod tests;
