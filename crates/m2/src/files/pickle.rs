//! A pickle machine that builds tensors and plain data, and runs nothing.
//!
//! Python's unpickler imports and calls whatever a file names. This one knows a closed list of
//! names: those that make tensors, those that make containers, and *inert* ones, classes that
//! training checkpoints hold beside their weights (numpy arrays of a random generator, dates,
//! metrics), of which only the name is kept. Every other name is refused at the moment it is read,
//! even if nothing would call it.
//!
//! Values live in an arena and refer to each other by index, so that cycles, deep nesting and
//! shared values of a hostile file cost neither stack nor copies.

mod names;

use std::collections::HashMap;

use m2_ir::DType;

use names::Global;

use super::{
    FileError,
    error::{DAMAGED, clip},
};

/// Most values a pickle may build; a checkpoint of 1,000 tensors needs about 20,000.
const MAX_VALUES: usize = 4_000_000;
/// Most marks that may be open at once: the nesting of tuples, lists and dictionaries in progress.
const MAX_MARKS: usize = 1_000;

/// Longest name of a class or storage: names are copied wherever they are used.
const MAX_NAME: usize = 256;

/// Index of a value.
pub(crate) type Id = u32;

/// What a pickle holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(String),
    /// A list, tuple or set.
    Sequence(Vec<Id>),
    /// Later entries override earlier ones.
    Dict(Vec<(Id, Id)>),
    Storage(Storage),
    Tensor(Tensor),
    Global(Global),
    /// An object that was not built: its class, or `bytes`.
    Opaque(String),
}

/// A flat array in a file of the archive.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Storage {
    pub key: String,
    pub dtype: DType,
    /// Number of elements.
    pub len: u64,
}

/// A view of a storage, in elements.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tensor {
    pub storage: Storage,
    pub offset: u64,
    pub shape: Vec<u64>,
    pub stride: Vec<u64>,
}

/// A pickle that was read.
pub(crate) struct Pickle {
    values: Vec<Value>,
    root: Id,
}

impl Pickle {
    /// Reads a pickle; `file` is what messages call it.
    pub fn read(file: &str, bytes: &[u8]) -> Result<Pickle, FileError> {
        let mut machine = Machine {
            file,
            bytes,
            at: 0,
            values: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
            copied: 0,
        };
        let root = machine.run()?;
        Ok(Pickle { values: machine.values, root })
    }

    /// The value that was pickled.
    pub fn root(&self) -> Id {
        self.root
    }

    /// A value by index.
    pub fn get(&self, id: Id) -> &Value {
        &self.values[id as usize]
    }

    /// An entry of a dictionary by text key; `None` also when `dict` is none.
    pub fn entry(&self, dict: Id, key: &str) -> Option<Id> {
        let Value::Dict(entries) = self.get(dict) else { return None };
        let is_key = |id: Id| matches!(self.get(id), Value::Str(s) if s == key);
        entries.iter().rev().find(|(k, _)| is_key(*k)).map(|&(_, v)| v)
    }
}

struct Machine<'a> {
    file: &'a str,
    bytes: &'a [u8],
    at: usize,
    values: Vec<Value>,
    stack: Vec<Id>,
    /// Heights of the stack at the open marks.
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
    /// References copied from one container to another, which count as values.
    copied: usize,
}

type Step<T> = Result<T, FileError>;

impl Machine<'_> {
    fn run(&mut self) -> Step<Id> {
        loop {
            let op = self.take(1)?[0];
            if op == b'.' {
                return self.pop();
            }
            self.step(op)?;
        }
    }

    fn step(&mut self, op: u8) -> Step<()> {
        match op {
            // Protocol and frame markers.
            0x80 => self.take(1).map(drop),
            0x95 => self.take(8).map(drop),
            // Stack.
            b'(' => {
                if self.marks.len() == MAX_MARKS {
                    return Err(self.bad("deeper nesting", "at most 1,000 open containers"));
                }
                self.marks.push(self.stack.len());
                Ok(())
            }
            b'0' => self.pop().map(drop),
            b'1' => self.pop_mark().map(drop),
            b'2' => {
                let top = self.pop()?;
                self.stack.extend([top, top]);
                Ok(())
            }
            // Memo.
            b'q' => self.unsigned(1).and_then(|i| self.store(i)),
            b'r' => self.unsigned(4).and_then(|i| self.store(i)),
            b'p' => self.line_number().and_then(|i| self.store(i as u64)),
            0x94 => self.store(self.memo.len() as u64),
            b'h' => self.unsigned(1).and_then(|i| self.recall(i)),
            b'j' => self.unsigned(4).and_then(|i| self.recall(i)),
            b'g' => self.line_number().and_then(|i| self.recall(i as u64)),
            // Objects.
            b'c' => {
                let dotted = format!("{}.{}", self.line()?, self.line()?);
                self.global(&dotted)
            }
            0x93 => self.stack_global(),
            b'R' | 0x81 => self.call(0),
            0x92 => self.call(1),
            b'b' => self.build(),
            b'Q' => self.persistent(),
            b'i' => {
                let dotted = format!("{}.{}", self.line()?, self.line()?);
                Err(self.refused(dotted))
            }
            b'o' | b'P' | 0x82..=0x84 | 0x97 | 0x98 => {
                Err(self.refused(format!("pickle opcode 0x{op:02x}")))
            }
            _ => self.literal_or_container(op),
        }
    }

    fn literal_or_container(&mut self, op: u8) -> Step<()> {
        let value = match op {
            b'N' => Value::None,
            0x88 => Value::Bool(true),
            0x89 => Value::Bool(false),
            b'J' => Value::Int(i64::from(self.unsigned(4)? as u32 as i32)),
            b'K' => Value::Int(self.unsigned(1)? as i64),
            b'M' => Value::Int(self.unsigned(2)? as i64),
            b'I' | b'L' => Value::Int(self.line_number()?),
            0x8a => self.unsigned(1).and_then(|n| self.long(n))?,
            0x8b => self.unsigned(4).and_then(|n| self.long(n))?,
            b'G' => {
                let bits = self.unsigned(8)?.swap_bytes();
                Value::Float(f64::from_bits(bits))
            }
            b'F' => {
                let line = self.line()?;
                let number = line.parse().map_err(|_| self.bad(&line, "a number"))?;
                Value::Float(number)
            }
            b'X' => self.unsigned(4).and_then(|n| self.text(n))?,
            0x8c => self.unsigned(1).and_then(|n| self.text(n))?,
            0x8d => self.unsigned(8).and_then(|n| self.text(n))?,
            b'U' => self.unsigned(1).and_then(|n| self.old_text(n))?,
            b'T' => self.unsigned(4).and_then(|n| self.old_text(n))?,
            b'S' => Value::Str(self.line()?.trim_matches(['\'', '"']).to_owned()),
            b'V' => Value::Str(self.line()?),
            b'C' => self.unsigned(1).and_then(|n| self.raw(n))?,
            b'B' => self.unsigned(4).and_then(|n| self.raw(n))?,
            0x8e | 0x96 => self.unsigned(8).and_then(|n| self.raw(n))?,
            b']' | b')' | 0x8f => Value::Sequence(Vec::new()),
            b'l' | b't' | 0x91 => Value::Sequence(self.pop_mark()?),
            0x85 => Value::Sequence(self.pop_n(1)?),
            0x86 => Value::Sequence(self.pop_n(2)?),
            0x87 => Value::Sequence(self.pop_n(3)?),
            b'}' => Value::Dict(Vec::new()),
            b'd' => {
                let items = self.pop_mark()?;
                Value::Dict(self.pairs(&items)?)
            }
            b'a' => return self.pop_n(1).and_then(|items| self.append(&items)),
            b'e' | 0x90 => return self.pop_mark().and_then(|items| self.append(&items)),
            b's' => return self.pop_n(2).and_then(|items| self.set_items(&items)),
            b'u' => return self.pop_mark().and_then(|items| self.set_items(&items)),
            _ => return Err(self.bad(&format!("byte 0x{op:02x}"), "a pickle opcode")),
        };
        self.push(value)
    }

    // Objects.

    fn global(&mut self, dotted: &str) -> Step<()> {
        match Global::find(dotted) {
            Some(global) => self.push(Value::Global(global)),
            None => Err(self.refused(dotted.to_owned())),
        }
    }

    fn stack_global(&mut self) -> Step<()> {
        let parts = self.pop_n(2)?;
        match (self.value(parts[0]), self.value(parts[1])) {
            (Value::Str(module), Value::Str(name)) => {
                let dotted = format!("{module}.{name}");
                self.global(&dotted)
            }
            _ => Err(self.bad("a name that is no text", "a module and a name")),
        }
    }

    /// `callee(*args)`, or a class and the arguments of its constructor; `extra` operands (keyword
    /// arguments) are dropped.
    fn call(&mut self, extra: usize) -> Step<()> {
        let operands = self.pop_n(2 + extra)?;
        let Value::Sequence(args) = self.value(operands[1]) else {
            return Err(self.bad("arguments that are no tuple", "a tuple"));
        };
        let first = args.first().copied();
        match self.value(operands[0]) {
            Value::Global(Global::Tensor) => {
                let args = args.get(..4).map(<[Id]>::to_vec);
                let tensor = self.tensor(args)?;
                self.push(Value::Tensor(tensor))
            }
            Value::Global(Global::Parameter) => match first {
                Some(id) if matches!(self.value(id), Value::Tensor(_)) => {
                    self.stack.push(id);
                    Ok(())
                }
                _ => Err(self.bad("a parameter without tensor", "a tensor")),
            },
            Value::Global(Global::Dict) => {
                let mut entries = Vec::new();
                if let Some(Value::Sequence(pairs)) = first.map(|id| self.value(id)) {
                    for &pair in pairs {
                        let Value::Sequence(kv) = self.value(pair) else { continue };
                        entries.extend(kv.first().copied().zip(kv.get(1).copied()));
                    }
                }
                self.copied += entries.len();
                self.push(Value::Dict(entries))
            }
            Value::Global(Global::Sequence) => match first {
                // The copy is as good as the original: nothing here changes afterwards.
                Some(id) if matches!(self.value(id), Value::Sequence(_)) => {
                    self.stack.push(id);
                    Ok(())
                }
                _ => self.push(Value::Sequence(Vec::new())),
            },
            Value::Global(Global::Inert(name)) => {
                let name = name.clone();
                self.push(Value::Opaque(name))
            }
            Value::Opaque(name) => Err(self.refused(format!("a call of {name}"))),
            Value::Global(Global::Storage(dtype)) => {
                Err(self.refused(format!("a storage of {dtype} that is not in the archive")))
            }
            _ => Err(self.bad("a call of a plain value", "a call of a known function")),
        }
    }

    /// `storage, offset, size, stride` of a tensor.
    fn tensor(&self, args: Option<Vec<Id>>) -> Step<Tensor> {
        let bad = |what: &str| self.bad(what, "a tensor's storage, offset, size and stride");
        let args = args.ok_or_else(|| bad("too few arguments of a tensor"))?;
        let Value::Storage(storage) = self.value(args[0]) else {
            return Err(bad("a tensor without storage"));
        };
        let number = |id: Id| match self.value(id) {
            Value::Int(v) => u64::try_from(*v).map_err(|_| bad(&format!("{v} in a tensor"))),
            _ => Err(bad("no number in a tensor")),
        };
        let numbers = |id: Id| match self.value(id) {
            Value::Sequence(ids) if ids.len() <= 64 => {
                ids.iter().map(|&id| number(id)).collect::<Step<Vec<u64>>>()
            }
            _ => Err(bad("no tuple of at most 64 numbers in a tensor")),
        };
        let (offset, shape, stride) = (number(args[1])?, numbers(args[2])?, numbers(args[3])?);
        if shape.len() != stride.len() {
            return Err(bad(&format!("size {shape:?} and stride {stride:?}")));
        }
        Ok(Tensor { storage: storage.clone(), offset, shape, stride })
    }

    /// `("storage", type, key, device, length)` stands for an array in the archive.
    fn persistent(&mut self) -> Step<()> {
        let id = self.pop()?;
        let parts = match self.value(id) {
            Value::Sequence(parts) => parts.as_slice(),
            _ => &[],
        };
        let storage = match parts.iter().map(|&p| self.value(p)).collect::<Vec<_>>()[..] {
            [
                Value::Str(kind),
                Value::Global(Global::Storage(dtype)),
                Value::Str(key),
                _,
                Value::Int(len),
                ..,
            ] if kind == "storage" && *len >= 0 && key.len() <= MAX_NAME => {
                Storage { key: key.clone(), dtype: *dtype, len: *len as u64 }
            }
            _ => return Err(self.bad("another persistent object", "a storage of numbers")),
        };
        self.push(Value::Storage(storage))
    }

    /// Attributes of an object: nothing here has any that matter.
    fn build(&mut self) -> Step<()> {
        self.pop()?;
        match self.stack.last().map(|&id| self.value(id)) {
            Some(Value::Dict(_) | Value::Sequence(_) | Value::Opaque(_) | Value::Tensor(_)) => {
                Ok(())
            }
            _ => Err(self.bad("attributes of a plain value", "attributes of an object")),
        }
    }

    // Containers.

    fn append(&mut self, items: &[Id]) -> Step<()> {
        match self.top()? {
            Value::Sequence(list) => list.extend(items),
            Value::Opaque(_) => {}
            _ => return Err(self.bad("items for a plain value", "items for a list")),
        }
        Ok(())
    }

    fn set_items(&mut self, items: &[Id]) -> Step<()> {
        let pairs = self.pairs(items)?;
        match self.top()? {
            Value::Dict(dict) => dict.extend(pairs),
            Value::Opaque(_) => {}
            _ => return Err(self.bad("entries for a plain value", "entries for a dictionary")),
        }
        Ok(())
    }

    fn pairs(&self, items: &[Id]) -> Step<Vec<(Id, Id)>> {
        match items.as_chunks::<2>() {
            (pairs, []) => Ok(pairs.iter().map(|&[k, v]| (k, v)).collect()),
            _ => Err(self.bad("a key without value", "pairs")),
        }
    }

    // Stack and memo.

    fn value(&self, id: Id) -> &Value {
        &self.values[id as usize]
    }

    fn top(&mut self) -> Step<&mut Value> {
        match self.stack.last() {
            Some(&id) => Ok(&mut self.values[id as usize]),
            None => Err(self.bad("an empty stack", "a value")),
        }
    }

    fn push(&mut self, value: Value) -> Step<()> {
        if self.values.len() + self.copied >= MAX_VALUES {
            return Err(self.bad("more values", "at most 4,000,000"));
        }
        self.stack.push(self.values.len() as Id);
        self.values.push(value);
        Ok(())
    }

    fn pop(&mut self) -> Step<Id> {
        Ok(self.pop_n(1)?[0])
    }

    /// The top `n` values, deepest first; never past a mark.
    fn pop_n(&mut self, n: usize) -> Step<Vec<Id>> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.len().checked_sub(n) {
            Some(from) if from >= floor => Ok(self.stack.split_off(from)),
            _ => Err(self.bad("too few values", "an operand")),
        }
    }

    fn pop_mark(&mut self) -> Step<Vec<Id>> {
        match self.marks.pop() {
            Some(from) => Ok(self.stack.split_off(from)),
            None => Err(self.bad("no mark", "a mark")),
        }
    }

    fn store(&mut self, index: u64) -> Step<()> {
        let Some(&id) = self.stack.last() else {
            return Err(self.bad("an empty stack", "a value to remember"));
        };
        self.memo.insert(index, id);
        Ok(())
    }

    fn recall(&mut self, index: u64) -> Step<()> {
        let Some(&id) = self.memo.get(&index) else {
            return Err(self.bad(&format!("memo entry {index}"), "an entry stored before"));
        };
        self.stack.push(id);
        Ok(())
    }

    // Bytes.

    fn take(&mut self, n: usize) -> Step<&[u8]> {
        match self.at.checked_add(n).and_then(|end| self.bytes.get(self.at..end)) {
            Some(bytes) => {
                self.at += n;
                Ok(bytes)
            }
            None => Err(self.bad("its end", "more bytes")),
        }
    }

    fn unsigned(&mut self, n: usize) -> Step<u64> {
        let mut word = [0; 8];
        word[..n].copy_from_slice(self.take(n)?);
        Ok(u64::from_le_bytes(word))
    }

    fn sized(&mut self, n: u64) -> Step<&[u8]> {
        self.take(usize::try_from(n).unwrap_or(usize::MAX))
    }

    fn text(&mut self, n: u64) -> Step<Value> {
        match String::from_utf8(self.sized(n)?.to_vec()) {
            Ok(text) => Ok(Value::Str(text)),
            Err(_) => Err(self.bad("invalid UTF-8", "text")),
        }
    }

    /// Python 2's strings, which may be text or bytes.
    fn old_text(&mut self, n: u64) -> Step<Value> {
        Ok(match String::from_utf8(self.sized(n)?.to_vec()) {
            Ok(text) => Value::Str(text),
            Err(_) => Value::Opaque("bytes".to_owned()),
        })
    }

    fn raw(&mut self, n: u64) -> Step<Value> {
        self.sized(n)?;
        Ok(Value::Opaque("bytes".to_owned()))
    }

    /// A two's complement number; one that does not fit is kept as its type only.
    fn long(&mut self, n: u64) -> Step<Value> {
        let bytes = self.sized(n)?;
        if bytes.len() > 8 {
            return Ok(Value::Opaque("int".to_owned()));
        }
        let negative = bytes.last().is_some_and(|b| b & 0x80 != 0);
        let mut word = [if negative { 0xff } else { 0 }; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        Ok(Value::Int(i64::from_le_bytes(word)))
    }

    fn line(&mut self) -> Step<String> {
        let rest = &self.bytes[self.at..];
        let Some(end) = rest.iter().position(|&b| b == b'\n') else {
            return Err(self.bad("its end", "a line"));
        };
        self.at += end + 1;
        Ok(String::from_utf8_lossy(&rest[..end]).trim_end_matches('\r').to_owned())
    }

    fn line_number(&mut self) -> Step<i64> {
        let line = self.line()?;
        line.trim_end_matches('L').parse().map_err(|_| self.bad(&line, "a number"))
    }

    // Errors.

    fn refused(&self, name: String) -> FileError {
        FileError::Refused { file: self.file.to_owned(), name: clip(&name) }
    }

    fn bad(&self, found: &str, expected: &str) -> FileError {
        let item = format!("pickle, byte {}", self.at);
        FileError::malformed(self.file, item, clip(found), expected, DAMAGED)
    }
}

#[cfg(test)]
mod tests;
