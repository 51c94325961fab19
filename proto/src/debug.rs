//! How messages are formatted that carry secrets.

use std::fmt;

/// Stands for what nobody shall see.
struct Hidden;

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

include!(concat!(env!("OUT_DIR"), "/debug.rs"));

#[cfg(test)]
mod tests {
    use prost::Message;
    use prost_reflect::{
        DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value,
    };

    use crate::auth::v1::{CreateUserRequest, User, user::Role};

    /// Every message of ours, and what decodes and formats one.
    const MESSAGES: &[(&str, Format)] = include!(concat!(env!("OUT_DIR"), "/debug_table.rs"));
    const CANARY: &str = "canary-3f9a";
    type Format = fn(&[u8]) -> String;
    /// Deeper than our messages nest.
    const DEPTH: usize = 4;

    fn debug<M: Message + Default + std::fmt::Debug>(bytes: &[u8]) -> String {
        format!("{:?}", M::decode(bytes).unwrap())
    }

    fn pool() -> DescriptorPool {
        DescriptorPool::decode(crate::DESCRIPTORS).unwrap()
    }

    fn is_hidden(field: &FieldDescriptor) -> bool {
        field
            .options()
            .get_field_by_name("debug_redact")
            .is_some_and(|redact| *redact == Value::Bool(true))
    }

    /// A message with the canary in every hidden field of it and below it, and how many those are.
    fn filled(message: MessageDescriptor, depth: usize) -> (DynamicMessage, usize) {
        let (mut filled_message, mut hidden) = (DynamicMessage::new(message.clone()), 0);
        for field in message.fields().filter(|field| !field.is_map()) {
            let value = match field.kind() {
                Kind::String if is_hidden(&field) => {
                    hidden += 1;
                    Value::String(CANARY.to_owned())
                }
                Kind::String => Value::String("shown".to_owned()),
                Kind::Message(nested) if 0 < depth => {
                    let (nested, inside) = filled(nested, depth - 1);
                    hidden += inside;
                    Value::Message(nested)
                }
                _ => continue,
            };
            let value = if field.is_list() { Value::List(vec![value]) } else { value };
            filled_message.set_field(&field, value);
        }
        (filled_message, hidden)
    }

    #[test]
    fn no_message_shows_a_secret() {
        let (pool, mut all) = (pool(), 0);
        for (name, debug) in MESSAGES {
            let (message, hidden) = filled(pool.get_message_by_name(name).unwrap(), DEPTH);

            let text = debug(&message.encode_to_vec());

            assert!(!text.contains(CANARY), "{text}");
            assert_eq!(text.matches('…').count(), hidden, "{text}");
            all += hidden;
        }
        assert!(10 < all, "passwords, tokens and keys");
    }

    #[test]
    fn every_secret_has_the_option() {
        let pool = pool();
        let ours = pool.all_messages().filter(|m| m.package_name().starts_with("flightline."));
        let fields = ours.flat_map(|message| message.fields().collect::<Vec<_>>());
        let strings = fields.filter(|field| field.kind() == Kind::String);
        let secrets = strings.filter(|field| {
            let name = field.name();
            ["access", "refresh", "token"].contains(&name)
                || ["password", "secret"].iter().any(|word| name.contains(word))
        });
        let (marked, bare): (Vec<_>, Vec<_>) = secrets.partition(is_hidden);

        let bare: Vec<_> = bare.iter().map(FieldDescriptor::full_name).collect();
        assert_eq!(bare, [""; 0], "need `debug_redact = true`");
        assert!(!marked.is_empty());
    }

    #[test]
    fn what_is_no_secret_is_shown() {
        let user = User {
            username: "ana".into(),
            role: Role::Viewer.into(),
            password: Some(CANARY.into()),
            ..User::default()
        };
        let request = CreateUserRequest { user: Some(user), request_id: "7".into() };

        let text = format!("{request:?}");

        for part in ["username: \"ana\"", "role: Viewer", "password: Some(…)", "request_id: \"7\""]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(format!("{:?}", User::default()).contains("password: None"));
    }
}
