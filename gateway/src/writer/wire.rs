//! The wire format of protobuf, read without trust.

use super::{Result, Unwritable};

/// What stands behind a field's number.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    pub fn bytes(&self) -> Result<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            _ => Err(MISMATCH),
        }
    }
}

/// A field of another kind than the descriptors say.
pub const MISMATCH: Unwritable = Unwritable("a field is not of the kind that it should be");
const SHORT: Unwritable = Unwritable("a message ends before its time");

/// Goes through the fields of a message.
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The number and value of the next field; none at the end.
    pub fn next(&mut self) -> Result<Option<(u32, Value<'a>)>> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).ok().filter(|number| *number != 0);
        let number = number.ok_or(Unwritable("a field has no number"))?;
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(self.fixed64()?),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| SHORT)?;
                Value::Bytes(self.take(length)?)
            }
            5 => Value::Fixed32(self.fixed32()?),
            _ => return Err(Unwritable("a field is of no kind that there is")),
        };
        Ok(Some((number, value)))
    }

    pub fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    pub fn varint(&mut self) -> Result<u64> {
        let mut value = 0;
        for (index, byte) in self.0.iter().take(10).enumerate() {
            if index == 9 && 1 < *byte {
                break;
            }
            value |= u64::from(byte & 0x7f) << (7 * index);
            if *byte < 0x80 {
                self.0 = &self.0[index + 1..];
                return Ok(value);
            }
        }
        Err(Unwritable("a number does not end"))
    }

    pub fn fixed64(&mut self) -> Result<u64> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(SHORT)?;
        self.0 = rest;
        Ok(u64::from_le_bytes(*bytes))
    }

    pub fn fixed32(&mut self) -> Result<u32> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(SHORT)?;
        self.0 = rest;
        Ok(u32::from_le_bytes(*bytes))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(SHORT)?;
        self.0 = rest;
        Ok(bytes)
    }
}
