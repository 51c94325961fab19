//! The rows of a CSV file: one reading each, or what is wrong with it.

use std::io::{self, BufRead, BufReader, Read};

use anyhow::{Context, bail};
use csv::{ByteRecord, ReaderBuilder};
use kit::Timestamp;

use super::{problem::Problem, time};

/// What some programs begin a file in UTF-8 with.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// One value of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub line: u64,
    pub at: Timestamp,
    pub value: f64,
}

/// The names of the two columns that are read.
#[derive(Clone, Debug)]
pub struct Columns {
    pub time: String,
    pub value: String,
}

/// Reads a CSV file with a header, in the order of its lines. Blank lines, quotes, `\r\n` and a byte order mark are
/// taken as people mean them; other columns are not looked at. Each line stands for itself: a quote that is not closed
/// spoils its own line and none after it.
pub struct Rows<R> {
    input: BufReader<R>,
    columns: Columns,
    time: usize,
    value: usize,
    /// How many fields the header has.
    width: usize,
    record: ByteRecord,
    text: Vec<u8>,
    line: u64,
    byte: u64,
}

impl<R: Read> Rows<R> {
    /// Reads the header.
    ///
    /// # Errors
    ///
    /// The file can't be read, has no header, or has not both columns.
    pub fn new(input: R, columns: Columns) -> anyhow::Result<Self> {
        let mut rows = Self {
            input: BufReader::new(input),
            columns,
            time: 0,
            value: 0,
            width: 0,
            record: ByteRecord::new(),
            text: Vec::new(),
            line: 0,
            byte: 0,
        };
        if !rows.read_line().context("can't read the header")? {
            let Columns { time, value } = &rows.columns;
            bail!(
                "the file is empty: its header is missing, which names the columns {time} and {value}"
            );
        }
        rows.split()?;
        rows.width = rows.record.len();
        rows.time = find(&rows.record, &rows.columns.time)?;
        rows.value = find(&rows.record, &rows.columns.value)?;
        Ok(rows)
    }

    /// The next line; none at the end of the file.
    ///
    /// # Errors
    ///
    /// The file can't be read further.
    pub fn next(&mut self) -> csv::Result<Option<Result<Row, Problem>>> {
        if !self.read_line()? {
            return Ok(None);
        }
        let line = self.line;
        let problem = |column: &str, reason| Problem { line, column: column.into(), reason };
        // Split at quotes, a line whose quotes are closed has an odd number of parts.
        if self.text.split(|byte| *byte == b'"').count() % 2 == 0 {
            let reason = "a quote is not closed; a field must end in its line".to_owned();
            return Ok(Some(Err(problem("the line", reason))));
        }
        self.split()?;
        if self.width < self.record.len() {
            let (fields, width) = (self.record.len(), self.width);
            let reason = format!("has {fields} fields, and the header {width}");
            return Ok(Some(Err(problem("the line", reason))));
        }
        Ok(Some(self.row(line).map_err(|(column, reason)| problem(column, reason))))
    }

    /// How far the file has been read.
    pub fn byte(&self) -> u64 {
        self.byte
    }

    /// Takes the next line that is not blank; false at the end of the file.
    fn read_line(&mut self) -> io::Result<bool> {
        loop {
            self.text.clear();
            let length = self.input.read_until(b'\n', &mut self.text)?;
            if length == 0 {
                return Ok(false);
            }
            self.line += 1;
            self.byte += u64::try_from(length).unwrap_or_default();
            if self.text.starts_with(BYTE_ORDER_MARK) {
                self.text.drain(..BYTE_ORDER_MARK.len());
            }
            if !self.text.trim_ascii().is_empty() {
                return Ok(true);
            }
        }
    }

    /// Splits the line into its fields.
    fn split(&mut self) -> csv::Result<()> {
        let mut reader = ReaderBuilder::new();
        let reader = reader.has_headers(false).flexible(true).buffer_capacity(self.text.len() + 1);
        reader.from_reader(self.text.as_slice()).read_byte_record(&mut self.record).map(drop)
    }

    fn row(&self, line: u64) -> Result<Row, (&str, String)> {
        let Columns { time, value } = &self.columns;
        let at = self.field(self.time).and_then(time::parse).map_err(|reason| (&**time, reason))?;
        let value = self.field(self.value).and_then(number).map_err(|reason| (&**value, reason))?;
        Ok(Row { line, at, value })
    }

    fn field(&self, index: usize) -> Result<&str, String> {
        let field = self.record.get(index).ok_or("is missing: the line is too short")?;
        match std::str::from_utf8(field).map(str::trim) {
            Ok("") => Err("is empty".to_owned()),
            Ok(text) => Ok(text),
            Err(_) => Err("is not text in UTF-8".to_owned()),
        }
    }
}

fn find(header: &ByteRecord, name: &str) -> anyhow::Result<usize> {
    let names: Vec<_> = header.iter().map(|name| String::from_utf8_lossy(name)).collect();
    names.iter().position(|column| column.trim() == name).with_context(|| {
        format!("there is no column {name:?}; the header names {}", names.join(", "))
    })
}

fn number(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        Ok(_) => Err(format!("not a finite number: {text}")),
        Err(_) => Err(format!("not a number: {text:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Columns {
        Columns { time: "timestamp".into(), value: "value".into() }
    }

    /// Each line as `number value` or as its problem.
    fn read(text: impl AsRef<[u8]>) -> Vec<String> {
        let mut rows = Rows::new(text.as_ref(), columns()).unwrap();
        let mut all = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            all.push(match row {
                Ok(row) => format!("{} {}", row.line, row.value),
                Err(problem) => problem.to_string(),
            });
        }
        all
    }

    #[test]
    fn rows_come_in_the_order_of_the_file() {
        let text = "timestamp,value\n2026-01-02 00:00:00,2\n2026-01-01 00:00:00,-1.5e3\n";
        assert_eq!(read(text), ["2 2", "3 -1500"]);
    }

    #[test]
    fn other_columns_and_their_order_do_not_matter() {
        let text = "note,value,timestamp\n\"a, b\",1,0\nc,2,60\n";
        assert_eq!(read(text), ["2 1", "3 2"]);
        let latin_1 = b"value,timestamp,note\n1,0,caf\xe9\n";
        assert_eq!(read(latin_1), ["2 1"]);
    }

    #[test]
    fn a_time_that_comes_twice_stays_twice_in_order() {
        assert_eq!(read("timestamp,value\n60,1\n60,2\n"), ["2 1", "3 2"]);
    }

    #[test]
    fn a_bad_line_is_named_and_the_others_are_read() {
        let text = "timestamp,value\n0,1\nsoon,2\n120,three\n180,NaN\n240\n300,\n360,7\n";
        let all = read(text);

        assert_eq!((all[0].as_str(), all[6].as_str()), ("2 1", "8 7"));
        assert!(all[1].starts_with("line 3, timestamp: not a time: \"soon\""), "{}", all[1]);
        assert_eq!(all[2], "line 4, value: not a number: \"three\"");
        assert_eq!(all[3], "line 5, value: not a finite number: NaN");
        assert_eq!(all[4], "line 6, value: is missing: the line is too short");
        assert_eq!(all[5], "line 7, value: is empty");
    }

    #[test]
    fn lines_are_counted_as_an_editor_counts_them() {
        let unix = "\u{feff}\ntimestamp,value,note\n\n0,1\n\n\n60,2,\"one, line\"\n120,3\n180,4";
        let windows = unix.replace('\n', "\r\n");

        let expected = ["4 1", "7 2", "8 3", "9 4"];
        assert_eq!(read(unix), expected);
        assert_eq!(read(windows), expected);
    }

    #[test]
    fn a_quote_that_is_not_closed_spoils_its_own_line_alone() {
        let all = read("timestamp,value\n0,1\n60,\"2\n120,3\n180,4\"\n240,5\n");
        assert_eq!(all.len(), 5);
        assert_eq!([&all[0], &all[2], &all[4]], ["2 1", "4 3", "6 5"]);
        for (problem, line) in [(&all[1], 3), (&all[3], 5)] {
            assert!(problem.starts_with(&format!("line {line}, the line: a quote")), "{problem}");
        }
    }

    #[test]
    fn a_decimal_comma_is_no_value() {
        assert_eq!(
            read("timestamp,value\n0,21,5\n"),
            ["line 2, the line: has 3 fields, and the header 2"]
        );
    }

    #[test]
    fn lines_are_counted_beyond_what_is_buffered() {
        let lines: Vec<_> = (3..20_000).map(|line| format!("{line},{line}")).collect();
        let text = format!("timestamp,value\r\n\r\n{}", lines.join("\r\n"));
        for (row, line) in read(&text).iter().zip(3..) {
            assert_eq!(*row, format!("{line} {line}"));
        }
    }

    #[test]
    fn a_file_without_a_header_is_told_of_the_columns() {
        for file in ["", "\n\n", "\u{feff}"] {
            let error = Rows::new(file.as_bytes(), columns()).err().unwrap().to_string();
            assert!(error.ends_with("which names the columns timestamp and value"), "{error}");
        }
    }

    #[test]
    fn a_column_that_is_not_there_is_named_with_those_that_are() {
        let error = Rows::new("time,value\n".as_bytes(), columns()).err().unwrap();
        assert_eq!(
            error.to_string(),
            "there is no column \"timestamp\"; the header names time, value"
        );
    }
}
