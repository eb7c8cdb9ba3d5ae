//! Reads the pickles of PyTorch's `state_dict` files without running anything.
//!
//! A pickle is a program for a stack machine (<https://github.com/python/cpython/blob/main/Lib/pickletools.py>) that may call
//! any function of Python. This reader knows only what builds dictionaries of tensors: plain values, `OrderedDict`, and
//! PyTorch's `_rebuild_tensor_v2` and `_rebuild_parameter`, which become a description of the tensor. Any other name or
//! opcode ends it with an error that says which. Called by `state_dict`, which finds the numbers that the tensors name.

use std::{
    cell::RefCell,
    mem,
    ops::{Deref, DerefMut},
    rc::Rc,
};

/// More values at one time than any network's dictionary has.
const MOST_VALUES: usize = 1 << 20;
/// More values in all, those included that go into others.
const MOST_MADE: usize = 1 << 22;

/// Why a pickle is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PickleError {
    /// The bytes end inside of it.
    #[error("the pickle ends too early")]
    Short,
    /// An instruction that builds no dictionary of tensors.
    #[error("the pickle has the opcode 0x{0:02x}, which no state_dict needs")]
    Opcode(u8),
    /// A class or function that could do anything.
    #[error("the pickle asks for `{0}`, which no state_dict needs; save `model.state_dict()`, not the model")]
    Global(String),
    /// Instructions that do not fit what is on the stack.
    #[error("the pickle is damaged: {0}")]
    Damaged(&'static str),
}

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Value {
    None,
    /// True or false: nothing of a tensor depends on which.
    Bool,
    Int(i64),
    /// A number that nothing of a tensor depends on.
    Float,
    Text(String),
    Tuple(Rc<Items<Value>>),
    List(Rc<RefCell<Items<Value>>>),
    Dict(Rc<RefCell<Items<(Value, Value)>>>),
    Global(Global),
    Storage(Rc<Storage>),
    Tensor(Rc<View>),
}

/// The values in a value. They are let go one by one: a pickle can put a million tuples into one another, and to let go of one
/// inside of the other would take a million frames of the stack.
#[derive(Clone, Debug)]
pub(super) struct Items<T: Parts>(Vec<T>);

/// What [`Items`] hold: a value, or key and value.
pub(super) trait Parts: Sized {
    /// Adds the values to a list.
    fn into_values(self, values: &mut Vec<Value>);
}

impl Parts for Value {
    fn into_values(self, values: &mut Vec<Value>) {
        values.push(self);
    }
}

impl Parts for (Value, Value) {
    fn into_values(self, values: &mut Vec<Value>) {
        values.extend([self.0, self.1]);
    }
}

impl<T: Parts> Default for Items<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Parts> Deref for Items<T> {
    type Target = Vec<T>;

    fn deref(&self) -> &Vec<T> {
        &self.0
    }
}

impl<T: Parts> DerefMut for Items<T> {
    fn deref_mut(&mut self) -> &mut Vec<T> {
        &mut self.0
    }
}

impl<T: Parts> Items<T> {
    /// Moves the values into a list.
    fn empty_into(mut self, values: &mut Vec<Value>) {
        mem::take(&mut self.0).into_iter().for_each(|item| item.into_values(values));
    }
}

impl<T: Parts> Drop for Items<T> {
    fn drop(&mut self) {
        let mut waiting = Vec::new();
        mem::take(&mut self.0).into_iter().for_each(|item| item.into_values(&mut waiting));
        while let Some(value) = waiting.pop() {
            // Whoever holds the last reference takes the values out before the shell goes.
            match value {
                Value::Tuple(items) => {
                    if let Some(items) = Rc::into_inner(items) {
                        items.empty_into(&mut waiting);
                    }
                }
                Value::List(items) => {
                    if let Some(items) = Rc::into_inner(items) {
                        items.into_inner().empty_into(&mut waiting);
                    }
                }
                Value::Dict(items) => {
                    if let Some(items) = Rc::into_inner(items) {
                        items.into_inner().empty_into(&mut waiting);
                    }
                }
                _ => {}
            }
        }
    }
}

/// The names that are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    /// `FloatStorage`: what numbers it holds is in the word before `Storage`.
    StorageType(String),
}

/// Where numbers are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Storage {
    /// `Float`, `Half`, `BFloat16`, `Double`, `Long`, ...
    pub(super) kind: String,
    /// Its name in the file.
    pub(super) key: String,
}

/// A tensor over a storage. Everything is counted in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct View {
    pub(super) storage: Rc<Storage>,
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    pub(super) strides: Vec<usize>,
}

/// Reads one pickle from the front of `bytes`, and moves them behind it.
pub(super) fn read(bytes: &mut &[u8]) -> Result<Value, PickleError> {
    let mut machine =
        Machine { input: bytes, stack: Vec::new(), marks: Vec::new(), memo: Vec::new(), made: 0 };
    while !machine.step()? {}
    let rest = machine.input;
    let value = machine.pop()?;
    *bytes = rest;
    Ok(value)
}

struct Machine<'a> {
    input: &'a [u8],
    stack: Vec<Value>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: Vec<Option<Value>>,
    /// Values that were put on the stack so far.
    made: usize,
}

impl<'a> Machine<'a> {
    /// Executes one instruction; whether it was the last.
    fn step(&mut self) -> Result<bool, PickleError> {
        let opcode = self.byte()?;
        match opcode {
            // PROTO and FRAME announce, and change nothing.
            0x80 => drop(self.take(1)?),
            0x95 => drop(self.take(8)?),
            b'.' => return Ok(true),
            b'(' => self.marks.push(self.stack.len()),
            b'N' => self.push(Value::None)?,
            0x88 | 0x89 => self.push(Value::Bool)?,
            b'K' => {
                let number = self.byte()?;
                self.push(Value::Int(number.into()))?;
            }
            b'M' => {
                let number = u16::from_le_bytes(self.array()?);
                self.push(Value::Int(number.into()))?;
            }
            b'J' => {
                let number = i32::from_le_bytes(self.array()?);
                self.push(Value::Int(number.into()))?;
            }
            0x8a => {
                let length = self.byte()?;
                let number = self.long(length.into())?;
                self.push(Value::Int(number))?;
            }
            b'G' => {
                let _number: [u8; 8] = self.array()?;
                self.push(Value::Float)?;
            }
            b'X' => {
                let length = u32::from_le_bytes(self.array()?);
                self.text(length as usize)?;
            }
            0x8c => {
                let length = self.byte()?;
                self.text(length.into())?;
            }
            b'}' => self.push(Value::Dict(Rc::default()))?,
            b']' => self.push(Value::List(Rc::default()))?,
            b')' => self.push(Value::Tuple(Rc::default()))?,
            b't' => {
                let items = self.pop_mark()?;
                self.push(Value::Tuple(Rc::new(Items(items))))?;
            }
            0x85..=0x87 => {
                let from = self.stack.len().checked_sub(usize::from(opcode - 0x84));
                let items = self.stack.split_off(from.ok_or(PickleError::Damaged("a tuple lacks items"))?);
                self.push(Value::Tuple(Rc::new(Items(items))))?;
            }
            b'a' => {
                let item = self.pop()?;
                self.append(vec![item])?;
            }
            b'e' => {
                let items = self.pop_mark()?;
                self.append(items)?;
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.set_items(vec![key, value])?;
            }
            b'u' => {
                let items = self.pop_mark()?;
                self.set_items(items)?;
            }
            b'q' => {
                let place = self.byte()?;
                self.remember(place.into())?;
            }
            b'r' => {
                let place = u32::from_le_bytes(self.array()?);
                self.remember(place as usize)?;
            }
            0x94 => self.remember(self.memo.len())?,
            b'h' => {
                let place = self.byte()?;
                self.recall(place.into())?;
            }
            b'j' => {
                let place = u32::from_le_bytes(self.array()?);
                self.recall(place as usize)?;
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.global(&module, &name)?;
            }
            0x93 => {
                let (Value::Text(name), Value::Text(module)) = (self.pop()?, self.pop()?) else {
                    return Err(PickleError::Damaged("a name is no text"));
                };
                self.global(&module, &name)?;
            }
            b'Q' => self.storage()?,
            b'R' => self.call()?,
            // The attributes of a dictionary (`_metadata`) are versions of modules, which no tensor depends on.
            b'b' => drop(self.pop()?),
            other => return Err(PickleError::Opcode(other)),
        }
        Ok(false)
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8], PickleError> {
        let (taken, rest) = self.input.split_at_checked(n).ok_or(PickleError::Short)?;
        self.input = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, PickleError> {
        Ok(self.take(1)?[0])
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], PickleError> {
        Ok(self.take(N)?.try_into().expect("as many as were taken"))
    }

    /// A signed little-endian number.
    fn long(&mut self, length: usize) -> Result<i64, PickleError> {
        let bytes = self.take(length)?;
        let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
        let mut number = [if negative { 0xff } else { 0 }; 8];
        number
            .get_mut(..length)
            .ok_or(PickleError::Damaged("a number has over 64 bits"))?
            .copy_from_slice(bytes);
        Ok(i64::from_le_bytes(number))
    }

    fn line(&mut self) -> Result<String, PickleError> {
        let length = self.input.iter().position(|byte| *byte == b'\n').ok_or(PickleError::Short)?;
        let line = self.take(length)?;
        self.take(1)?;
        String::from_utf8(line.to_vec()).map_err(|_| PickleError::Damaged("a name is no UTF-8"))
    }

    fn text(&mut self, length: usize) -> Result<(), PickleError> {
        let text = String::from_utf8(self.take(length)?.to_vec());
        self.push(Value::Text(text.map_err(|_| PickleError::Damaged("a text is no UTF-8"))?))
    }

    fn push(&mut self, value: Value) -> Result<(), PickleError> {
        self.made += 1;
        if self.stack.len() >= MOST_VALUES || self.made > MOST_MADE {
            return Err(PickleError::Damaged("it has too many values"));
        }
        self.stack.push(value);
        Ok(())
    }

    fn pop(&mut self) -> Result<Value, PickleError> {
        self.stack.pop().ok_or(PickleError::Damaged("a value is missing"))
    }

    fn pop_mark(&mut self) -> Result<Vec<Value>, PickleError> {
        let mark = self.marks.pop().filter(|mark| *mark <= self.stack.len());
        Ok(self.stack.split_off(mark.ok_or(PickleError::Damaged("a mark is missing"))?))
    }

    fn append(&mut self, items: Vec<Value>) -> Result<(), PickleError> {
        let Some(Value::List(list)) = self.stack.last() else {
            return Err(PickleError::Damaged("items have no list"));
        };
        list.borrow_mut().extend(items);
        Ok(())
    }

    fn set_items(&mut self, items: Vec<Value>) -> Result<(), PickleError> {
        let Some(Value::Dict(dict)) = self.stack.last() else {
            return Err(PickleError::Damaged("items have no dictionary"));
        };
        let mut dict = dict.borrow_mut();
        let mut items = items.into_iter();
        while let Some(key) = items.next() {
            dict.push((key, items.next().ok_or(PickleError::Damaged("a key has no value"))?));
        }
        Ok(())
    }

    fn remember(&mut self, place: usize) -> Result<(), PickleError> {
        let value = self.stack.last().ok_or(PickleError::Damaged("a value is missing"))?.clone();
        if place >= MOST_VALUES {
            return Err(PickleError::Damaged("it has too many values"));
        }
        if self.memo.len() <= place {
            self.memo.resize(place + 1, None);
        }
        self.memo[place] = Some(value);
        Ok(())
    }

    fn recall(&mut self, place: usize) -> Result<(), PickleError> {
        let value = self.memo.get(place).cloned().flatten();
        self.push(value.ok_or(PickleError::Damaged("a value was never stored"))?)
    }

    fn global(&mut self, module: &str, name: &str) -> Result<(), PickleError> {
        let global = match (module, name) {
            ("collections", "OrderedDict") => Global::OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2") => Global::RebuildTensor,
            ("torch._utils", "_rebuild_parameter") => Global::RebuildParameter,
            ("torch", name) if name.ends_with("Storage") => {
                Global::StorageType(name.trim_end_matches("Storage").to_owned())
            }
            _ => return Err(PickleError::Global(format!("{module}.{name}"))),
        };
        self.push(Value::Global(global))
    }

    /// A storage is named by `("storage", type, key, device, length)`; files of old have a view behind it, which is none.
    fn storage(&mut self) -> Result<(), PickleError> {
        let damaged = PickleError::Damaged("a storage is not described as one");
        let Value::Tuple(id) = self.pop()? else { return Err(damaged) };
        match id.as_slice() {
            [Value::Text(word), Value::Global(Global::StorageType(kind)), Value::Text(key), _, _]
            | [
                Value::Text(word),
                Value::Global(Global::StorageType(kind)),
                Value::Text(key),
                _,
                _,
                Value::None,
            ] if word == "storage" => {
                self.push(Value::Storage(Rc::new(Storage { kind: kind.clone(), key: key.clone() })))
            }
            _ => Err(damaged),
        }
    }

    fn call(&mut self) -> Result<(), PickleError> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let (Value::Tuple(arguments), Value::Global(function)) = (arguments, function) else {
            return Err(PickleError::Damaged("a call has no function or no arguments"));
        };
        let result = match (function, arguments.as_slice()) {
            (Global::OrderedDict, []) => Value::Dict(Rc::default()),
            (
                Global::RebuildTensor,
                [Value::Storage(storage), Value::Int(offset), Value::Tuple(shape), Value::Tuple(strides), ..],
            ) if shape.len() == strides.len() => Value::Tensor(Rc::new(View {
                storage: storage.clone(),
                offset: size(&Value::Int(*offset))?,
                shape: shape.iter().map(size).collect::<Result<_, _>>()?,
                strides: strides.iter().map(size).collect::<Result<_, _>>()?,
            })),
            (Global::RebuildParameter, [tensor @ Value::Tensor(_), ..]) => tensor.clone(),
            _ => return Err(PickleError::Damaged("a call has other arguments than PyTorch gives")),
        };
        self.push(result)
    }
}

fn size(value: &Value) -> Result<usize, PickleError> {
    match value {
        Value::Int(number) => usize::try_from(*number).ok(),
        _ => None,
    }
    .ok_or(PickleError::Damaged("a size is no whole number"))
}

#[cfg(test)]
mod tests;
