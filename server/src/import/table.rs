//! A file of equipment, tasks or records, read as a whole.

use std::{collections::HashSet, io::Read};

use anyhow::{Context, bail};
use csv::{ByteRecord, ReaderBuilder};
use prost_reflect::FieldDescriptor;

use super::{
    draft::{Draft, fill},
    problem::Problem,
};
use crate::sheet::{Noun, names::Names};

/// A column of the file.
#[derive(Clone, Debug)]
pub enum Column {
    Field {
        field: FieldDescriptor,
        key: Option<String>,
        name: String,
    },
    /// What the file calls the row.
    Id,
    /// The service's to give, or left out.
    Given,
}

/// A file that was read.
pub struct Table {
    pub columns: Vec<Column>,
    /// Also those with problems in some of their columns: the others may have some, too.
    pub drafts: Vec<Draft>,
    pub problems: Vec<Problem>,
}

/// Stands alone after the last line of a file whose quotes are all closed; a quote that isn't takes it in. A line like it that
/// stands elsewhere is a line.
const END: &[u8] = b"\n\0\n";

/// Reads a whole file without the columns that are `left_out`.
///
/// # Errors
///
/// It can't be read, has no header, has a column that there isn't, or a quote that is not closed.
pub fn read(
    noun: Noun,
    mut input: impl Read,
    names: &Names,
    left_out: &[&str],
) -> anyhow::Result<Table> {
    let mut bytes = Vec::new();
    input.read_to_end(&mut bytes).context("can't read the file")?;
    bytes.extend_from_slice(END);
    let mut lines = LineCounter { bytes: &bytes, at: 0, line: 1 };
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(&*bytes);
    let mut record = ByteRecord::new();
    reader.read_byte_record(&mut record).context("can't read the header")?;
    lines.of(&record);
    if lines.is_end(&record, reader.position())? {
        bail!("the file is empty: its header is missing, which names columns of {}", known(noun));
    }
    let columns = columns(noun, &record, left_out)?;
    let mut table = Table { columns, drafts: Vec::new(), problems: Vec::new() };
    while reader.read_byte_record(&mut record).context("can't read on")? {
        let line = lines.of(&record);
        if lines.is_end(&record, reader.position())? {
            break;
        }
        let mut draft = Draft::new(noun, line);
        if record.len() == table.columns.len() {
            table.problems.extend(fill(noun, &mut draft, &table.columns, &record, names));
            table.drafts.push(draft);
        } else {
            let (fields, width) = (record.len(), table.columns.len());
            let reason = format!("has {fields} fields, and the header {width}");
            table.problems.push(draft.problem("the line", reason));
        }
    }
    Ok(table)
}

/// On which line a record begins. The reader's own number is one less after a line that ends in CR LF.
struct LineCounter<'f> {
    bytes: &'f [u8],
    /// Where the last record began, and on which line.
    at: usize,
    line: u64,
}

impl LineCounter<'_> {
    fn of(&mut self, record: &ByteRecord) -> u64 {
        let offset = record.position().map_or(0, csv::Position::byte);
        let offset = usize::try_from(offset).unwrap_or_default().max(self.at);
        let ends = self.bytes[offset..].iter().take_while(|byte| b"\r\n".contains(byte)).count();
        let passed = &self.bytes[self.at..offset + ends];
        self.line += passed.iter().map(|byte| u64::from(*byte == b'\n')).sum::<u64>();
        self.at = offset + ends;
        self.line
    }

    /// Whether the file ends before the `record`, which was the last to be counted, and read up to `position`.
    fn is_end(&self, record: &ByteRecord, position: &csv::Position) -> anyhow::Result<bool> {
        let is_read = u64::try_from(self.bytes.len()).is_ok_and(|all| all == position.byte());
        if is_read && record.iter().next_back().is_some_and(|last| last.ends_with(END)) {
            bail!("line {}: a quote is not closed, and takes in all that follows", self.line);
        }
        Ok(self.at == self.bytes.len() - END.len() + 1)
    }
}

fn columns(noun: Noun, header: &ByteRecord, left_out: &[&str]) -> anyhow::Result<Vec<Column>> {
    let fields = noun.fields();
    let mut seen = HashSet::new();
    let mut columns = Vec::new();
    for name in header {
        let name = String::from_utf8_lossy(name);
        let name = name.trim_start_matches('\u{feff}').trim();
        if !seen.insert(name.to_owned()) {
            bail!("the column \"{name}\" is there twice");
        }
        let (of, key) = match name.split_once('.') {
            Some((of, key)) => (of, Some(key.to_owned())),
            None => (name, None),
        };
        let field =
            fields.iter().find(|field| field.name() == of && field.is_map() == key.is_some());
        columns.push(match field {
            Some(_) if name == "id" => Column::Id,
            Some(_) if noun.is_given(name) || left_out.contains(&name) => Column::Given,
            Some(field) => Column::Field { field: field.clone(), key, name: name.to_owned() },
            None => bail!("there is no column \"{name}\" of {}", known(noun)),
        });
    }
    Ok(columns)
}

/// The noun, and the columns that there are of it.
fn known(noun: Noun) -> String {
    let fields = noun.fields();
    let columns = fields.iter().map(|field| {
        let key = if field.is_map() { ".KEY" } else { "" };
        format!("{}{key}", field.name())
    });
    format!("{}; there are {}", noun.name(), columns.collect::<Vec<_>>().join(", "))
}
