//! What strangers' files meet first, as one call that panics where a promise is broken: for the targets in `fuzz/`, and in short
//! for the tests below.

use crate::import::rows::{Columns, Rows};

/// A file of readings is read to its end: every line that is not blank is a row or a problem, in the order of the lines.
pub fn rows(file: &[u8]) {
    let columns = Columns { time: "time".to_owned(), value: "value".to_owned() };
    let Ok(mut rows) = Rows::new(file, columns) else { return };
    let (mut last, mut count) = (0, 0);
    while let Some(next) = rows.next().expect("memory can be read") {
        let line = next.map_or_else(|problem| problem.line, |row| row.line);
        assert!(last < line, "line {line} after {last}");
        (last, count) = (line, count + 1);
    }
    assert_eq!(rows.byte(), file.len() as u64);
    assert!(count <= file.split(|byte| *byte == b'\n').count());
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_file_is_read_to_its_end(lines in vec("[0-9T:Z.,\"\\- \r\n\u{feff}é]{0,30}", 0..20)) {
            rows(["time,value".to_owned(), lines.join("\n")].join("\n").as_bytes());
        }

        #[test]
        fn any_bytes_are_read_to_their_end(bytes in vec(any::<u8>(), 0..400)) {
            rows(&[b"value;x,time,value\n", bytes.as_slice()].concat());
            rows(&bytes);
        }
    }
}
