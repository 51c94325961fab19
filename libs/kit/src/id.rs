//! Ids that can't be mixed up.

/// Defines an id type: a `UUIDv7`, which sorts by age, that names one kind of thing.
#[macro_export]
macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord,
            $crate::sqlx::Type, $crate::serde::Serialize, $crate::serde::Deserialize,
        )]
        #[sqlx(transparent)]
        #[serde(transparent, crate = "kit::serde")]
        pub struct $name($crate::uuid::Uuid);

        impl $name {
            /// A new id, later than all that this process made before it.
            #[expect(clippy::new_without_default, reason = "no two ids are the same")]
            pub fn new() -> Self {
                Self($crate::uuid::Uuid::now_v7())
            }

            /// Checks `text`, which came in as `field`.
            pub fn parse(field: &str, text: &str) -> $crate::Result<Self> {
                text.parse()
                    .map(Self)
                    .map_err(|_| $crate::Error::invalid(field, "must be an id (a UUID)"))
            }

            /// Checks `text`, if there is any, which came in as `field`.
            pub fn parse_optional(field: &str, text: Option<&str>) -> $crate::Result<Option<Self>> {
                text.map(|text| Self::parse(field, text)).transpose()
            }

            /// As the change log has it.
            pub fn uuid(self) -> $crate::uuid::Uuid {
                self.0
            }
        }

        impl From<$crate::uuid::Uuid> for $name {
            fn from(uuid: $crate::uuid::Uuid) -> Self {
                Self(uuid)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}
