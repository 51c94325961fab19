//! Where the lines of a file begin.

use std::{
    collections::VecDeque,
    io::{self, Read},
};

/// Passes a file on and notes where each of its lines begins that is not blank. The `csv` crate's own line numbers are
/// those of the blank lines before a record, and one too low after `\r\n`.
pub struct Lines<R> {
    input: R,
    /// Byte offset and number of lines whose records have not been asked for yet.
    beginnings: VecDeque<(u64, u64)>,
    byte: u64,
    line: u64,
    is_blank: bool,
}

impl<R> Lines<R> {
    /// The lines of `input`, numbered from 1.
    pub fn new(input: R) -> Self {
        Self { input, beginnings: VecDeque::new(), byte: 0, line: 1, is_blank: true }
    }

    /// The number of the first line at or after the offset `byte` that is not blank. Offsets must not go back.
    pub fn number(&mut self, byte: u64) -> u64 {
        while self.beginnings.front().is_some_and(|(beginning, _)| *beginning < byte) {
            self.beginnings.pop_front();
        }
        self.beginnings.front().map_or(self.line, |(_, line)| *line)
    }

    fn note(&mut self, byte: u8) {
        match byte {
            b'\n' => {
                self.line += 1;
                self.is_blank = true;
            }
            b'\r' => {}
            _ if self.is_blank => {
                self.beginnings.push_back((self.byte, self.line));
                self.is_blank = false;
            }
            _ => {}
        }
        self.byte += 1;
    }
}

impl<R: Read> Read for Lines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.input.read(buffer)?;
        for byte in buffer.iter().take(length) {
            self.note(*byte);
        }
        Ok(length)
    }
}
