//! A row as bytes, alike on both engines: as PostgreSQL's `COPY` has it in binary format, with the columns in the order of
//! their names and every integer in eight bytes. A file of them is one that `COPY … FROM … WITH (FORMAT binary)` reads.

use std::fmt::Write;

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// How a file of rows begins: the signature, no flags, nothing else in the head.
pub const BEGIN: [u8; 19] = *b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// How it ends.
pub const END: [u8; 2] = (-1_i16).to_be_bytes();

/// Rows go in batches of about this many bytes.
const BATCH_BYTES: usize = 256 * 1024;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Uuid,
    Text,
    Integer,
    Float,
    Boolean,
    Bytes,
}

/// Some whole rows.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Batch {
    pub bytes: Vec<u8>,
    pub rows: u64,
}

impl Batch {
    /// Begins a row of so many fields.
    pub fn row(&mut self, fields: usize) -> anyhow::Result<()> {
        self.bytes.extend(i16::try_from(fields)?.to_be_bytes());
        self.rows += 1;
        Ok(())
    }

    /// Adds a field to the row that was begun; none is a null.
    pub fn field(&mut self, value: Option<&[u8]>) -> anyhow::Result<()> {
        let length = value.map_or(Ok(-1), |value| i32::try_from(value.len()))?;
        self.bytes.extend(length.to_be_bytes());
        self.bytes.extend(value.unwrap_or_default());
        Ok(())
    }

    /// Gives away the rows, if they are enough for a batch.
    pub fn full(&mut self) -> Option<Self> {
        (BATCH_BYTES <= self.bytes.len()).then(|| std::mem::take(self))
    }

    /// Its rows, one by one.
    pub fn split(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.bytes.as_slice();
        std::iter::from_fn(move || {
            let Ok(Next::Row(length)) = next(rest) else { return None };
            let (row, after) = rest.split_at(length);
            rest = after;
            Some(row)
        })
    }
}

/// The fields of one row.
pub fn fields(row: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
    let mut rest = row.get(2..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (length, after) = rest.split_first_chunk()?;
        let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
            rest = after;
            return Some(None);
        };
        let (field, after) = after.split_at_checked(length)?;
        rest = after;
        Some(Some(field))
    })
}

/// A field of eight bytes as the number that it is.
pub fn integer(field: &[u8]) -> anyhow::Result<i64> {
    Ok(i64::from_be_bytes(field.try_into().context("not an integer in eight bytes")?))
}

/// Cuts a stream of bytes, which come in pieces of any size, into whole rows.
#[derive(Default)]
pub struct Cutter {
    bytes: Vec<u8>,
    /// How many of the bytes are whole rows, and how many rows.
    whole: usize,
    rows: u64,
    began: bool,
    ended: bool,
}

impl Cutter {
    /// Takes in the next piece.
    pub fn push(&mut self, piece: &[u8]) -> anyhow::Result<()> {
        self.bytes.extend_from_slice(piece);
        if !self.began {
            if self.bytes.len() < BEGIN.len() {
                return Ok(());
            }
            ensure!(self.bytes.starts_with(&BEGIN), "these are no rows in binary format");
            self.bytes.drain(..BEGIN.len());
            self.began = true;
        }
        while !self.ended {
            match next(&self.bytes[self.whole..])? {
                Next::Row(length) => {
                    self.whole += length;
                    self.rows += 1;
                }
                Next::End => self.ended = true,
                Next::Part => return Ok(()),
            }
        }
        ensure!(self.bytes.len() == self.whole + END.len(), "there is more after the last row");
        Ok(())
    }

    /// The rows that are whole, if they are enough for a batch.
    pub fn full(&mut self) -> Option<Batch> {
        (BATCH_BYTES <= self.whole).then(|| self.take())
    }

    /// The rows that are left at the end.
    pub fn last(mut self) -> anyhow::Result<Batch> {
        ensure!(self.ended, "the rows break off");
        Ok(self.take())
    }

    fn take(&mut self) -> Batch {
        let rest = self.bytes.split_off(self.whole);
        self.whole = 0;
        Batch {
            bytes: std::mem::replace(&mut self.bytes, rest),
            rows: std::mem::take(&mut self.rows),
        }
    }
}

enum Next {
    /// A row of that length.
    Row(usize),
    End,
    /// A row that breaks off.
    Part,
}

fn next(bytes: &[u8]) -> anyhow::Result<Next> {
    let Some((count, mut rest)) = bytes.split_first_chunk() else { return Ok(Next::Part) };
    if *count == END {
        return Ok(Next::End);
    }
    for _ in 0..i16::from_be_bytes(*count) {
        let Some((length, after)) = rest.split_first_chunk() else { return Ok(Next::Part) };
        let length = match i32::from_be_bytes(*length) {
            -1 => 0,
            length => usize::try_from(length).context("a field of a negative length")?,
        };
        let Some(after) = after.get(length..) else { return Ok(Next::Part) };
        rest = after;
    }
    ensure!(0 <= i16::from_be_bytes(*count), "a row of a negative number of fields");
    Ok(Next::Row(bytes.len() - rest.len()))
}

/// What many rows come to, in whatever order: their number, and the sum of their checksums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub rows: u64,
    sum: [u64; 4],
}

impl Tally {
    /// Adds the rows of a batch.
    pub fn add(&mut self, batch: &Batch) {
        for row in batch.split() {
            self.rows += 1;
            let hash = Sha256::digest(row);
            for (sum, part) in self.sum.iter_mut().zip(hash.chunks_exact(8)) {
                let part = part.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
                *sum = sum.wrapping_add(part);
            }
        }
    }

    /// The sum as text.
    pub fn content(&self) -> String {
        self.sum.iter().map(|part| hex(&part.to_be_bytes())).collect()
    }

    /// Reads what [`content`](Self::content) wrote.
    pub fn parse(rows: u64, content: &str) -> anyhow::Result<Self> {
        let mut sum = [0; 4];
        if content.len() != 64 || !content.is_ascii() {
            bail!("not a checksum of rows: {content}");
        }
        for (index, part) in sum.iter_mut().enumerate() {
            *part = u64::from_str_radix(&content[index * 16..][..16], 16)?;
        }
        Ok(Self { rows, sum })
    }
}

/// Bytes as text.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // A string takes whatever is written to it.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three rows; the second has a null and an empty field.
    fn batch() -> Batch {
        let mut batch = Batch::default();
        for row in [[Some(&b"one"[..]), Some(b"1")], [None, Some(b"")], [Some(b"three"), None]] {
            batch.row(row.len()).unwrap();
            for field in row {
                batch.field(field).unwrap();
            }
        }
        batch
    }

    fn file() -> Vec<u8> {
        [&BEGIN[..], &batch().bytes, &END].concat()
    }

    #[test]
    fn rows_come_out_whole_whatever_the_pieces() {
        for size in 1..=file().len() {
            let mut cutter = Cutter::default();
            for piece in file().chunks(size) {
                cutter.push(piece).unwrap();
            }
            assert_eq!(cutter.last().unwrap(), batch(), "in pieces of {size}");
        }
    }

    #[test]
    fn a_row_is_its_fields() {
        let batch = batch();
        let rows: Vec<Vec<_>> = batch.split().map(|row| fields(row).collect()).collect();
        assert_eq!(
            rows,
            [[Some(&b"one"[..]), Some(b"1")], [None, Some(b"")], [Some(b"three"), None]]
        );
    }

    #[test]
    fn what_breaks_off_or_goes_on_is_refused() {
        let file = file();
        for length in 0..file.len() {
            let mut cutter = Cutter::default();
            assert!(cutter.push(&file[..length]).and_then(|()| cutter.last()).is_err(), "{length}");
        }
        assert!(Cutter::default().push(&[&file[..], b"x"].concat()).is_err());
        assert!(Cutter::default().push(&[b"x", &file[..]].concat()).is_err());
    }

    #[test]
    fn a_tally_knows_every_row_but_not_their_order() {
        let tally = |order: [usize; 3]| {
            let batch = batch();
            let rows: Vec<_> = batch.split().collect();
            let mut tally = Tally::default();
            for index in order {
                tally.add(&Batch { bytes: rows[index].to_vec(), rows: 1 });
            }
            tally
        };

        assert_eq!(tally([0, 1, 2]), tally([2, 0, 1]));
        assert_ne!(tally([0, 1, 2]), tally([0, 1, 1]));
        let all = tally([0, 1, 2]);
        assert_eq!(Tally::parse(3, &all.content()).unwrap(), all);
        assert!(Tally::parse(3, "beef").is_err());
    }
}
