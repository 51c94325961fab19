//! One field of a message as the text of a cell. What is absent is an empty cell.

use chrono::{DateTime, SecondsFormat};
use prost_reflect::{
    DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MapKey, ReflectMessage, Value,
};

use crate::import::time;

/// The name of the message that is a time.
const TIMESTAMP: &str = "google.protobuf.Timestamp";

/// The text of a field; of a map, that of its `key`.
pub fn write(message: &DynamicMessage, field: &FieldDescriptor, key: Option<&str>) -> String {
    if field.supports_presence() && !message.has_field(field) {
        return String::new();
    }
    match &*message.get_field(field) {
        Value::Map(map) => {
            let value = key.and_then(|key| map.get(&MapKey::String(key.to_owned())));
            value.and_then(Value::as_str).unwrap_or_default().to_owned()
        }
        Value::EnumNumber(number) => name(field, *number),
        Value::Message(message) if message.descriptor().full_name() == TIMESTAMP => {
            message.transcode_to().map(instant).unwrap_or_default()
        }
        Value::Message(message) => {
            let lasted = message.transcode_to::<prost_types::Duration>();
            lasted.map(|lasted| lasted.to_string()).unwrap_or_default()
        }
        Value::String(text) => text.clone(),
        Value::Bool(is) => is.to_string(),
        Value::F64(number) => number.to_string(),
        _ => String::new(),
    }
}

/// Puts the value that `text` says into a field; of a map, to its `key`.
///
/// # Errors
///
/// What is wrong with the text.
pub fn read(
    message: &mut DynamicMessage,
    field: &FieldDescriptor,
    key: Option<&str>,
    text: &str,
) -> Result<(), String> {
    let value = match (field.kind(), key) {
        (_, Some(key)) => {
            let map = message.get_field_mut(field).as_map_mut();
            let map = map.ok_or_else(|| "is no map".to_owned())?;
            map.insert(MapKey::String(key.to_owned()), Value::String(text.to_owned()));
            return Ok(());
        }
        (Kind::String, None) => Value::String(text.to_owned()),
        (Kind::Enum(names), None) => Value::EnumNumber(number(&names, text.trim())?),
        (Kind::Message(kind), None) if kind.full_name() == TIMESTAMP => {
            let at = prost_types::Timestamp::from(time::parse(text.trim())?);
            let mut value = DynamicMessage::new(kind);
            value.transcode_from(&at).map_err(|error| error.to_string())?;
            Value::Message(value)
        }
        (Kind::Bool, None) => match text.trim() {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ => return Err("must be true or false".to_owned()),
        },
        _ => return Err("can't be read from a file".to_owned()),
    };
    message.set_field(field, value);
    Ok(())
}

/// The time as RFC 3339.
pub fn instant(at: prost_types::Timestamp) -> String {
    let at = DateTime::from_timestamp(at.seconds, u32::try_from(at.nanos).unwrap_or_default());
    at.map(|at| at.to_rfc3339_opts(SecondsFormat::AutoSi, true)).unwrap_or_default()
}

/// Empty for what was not said.
fn name(field: &FieldDescriptor, number: i32) -> String {
    let Kind::Enum(names) = field.kind() else { return String::new() };
    let value = names.get_value(number).filter(|_| number != 0);
    value.map(|value| value.name().to_owned()).unwrap_or_default()
}

fn number(names: &EnumDescriptor, text: &str) -> Result<i32, String> {
    let said = names.get_value_by_name(text).filter(|value| value.number() != 0);
    said.map(|value| value.number()).ok_or_else(|| {
        let names = names.values().filter(|value| value.number() != 0);
        let names: Vec<_> = names.map(|value| value.name().to_owned()).collect();
        format!("must be one of {}", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sheet::Noun;

    fn written_again(noun: Noun, column: &str, text: &str) -> Result<String, String> {
        let (mut message, field) =
            (noun.message(), noun.message().descriptor().get_field_by_name(column).unwrap());
        read(&mut message, &field, None, text)?;
        Ok(write(&message, &field, None))
    }

    #[test]
    fn what_is_read_is_written_alike() {
        for (noun, column, text) in [
            (Noun::Equipment, "name", " Pump, \"7\"\n"),
            (Noun::Equipment, "criticality", "HIGH"),
            (Noun::Maintenance, "started_at", "2026-01-02T10:00:00.250Z"),
        ] {
            assert_eq!(written_again(noun, column, text).as_deref(), Ok(text));
        }
        assert_eq!(
            written_again(Noun::Maintenance, "started_at", "2026-01-02 10:00:00").unwrap(),
            "2026-01-02T10:00:00Z"
        );
    }

    #[test]
    fn how_long_it_took_is_written_as_the_api_does() {
        let mut record = Noun::Maintenance.message();
        let field = record.descriptor().get_field_by_name("downtime").unwrap();
        let Kind::Message(kind) = field.kind() else { panic!("{field:?}") };
        let mut lasted = DynamicMessage::new(kind);
        lasted.transcode_from(&prost_types::Duration { seconds: 3600, nanos: 0 }).unwrap();
        record.set_field(&field, Value::Message(lasted));

        assert_eq!(write(&record, &field, None), "3600s");
    }

    #[test]
    fn what_is_no_value_is_refused() {
        let refused = |noun, column, text| written_again(noun, column, text).unwrap_err();
        assert_eq!(
            refused(Noun::Equipment, "criticality", "high"),
            "must be one of LOW, MEDIUM, HIGH"
        );
        assert!(
            refused(Noun::Equipment, "criticality", "CRITICALITY_UNSPECIFIED")
                .starts_with("must be")
        );
        assert!(refused(Noun::Maintenance, "started_at", "soon").starts_with("not a time"));
    }

    #[test]
    fn what_is_absent_is_an_empty_cell() {
        for noun in [Noun::Equipment, Noun::Tasks, Noun::Maintenance] {
            let message = noun.message();
            for field in noun.fields() {
                assert_eq!(write(&message, &field, None), "", "{}", field.full_name());
            }
        }
    }
}
