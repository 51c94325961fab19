//! What the options on fields and methods say to a reader.

use prost_reflect::{
    DescriptorPool, DynamicMessage, ExtensionDescriptor, FieldDescriptor, Kind, MethodDescriptor,
    ReflectMessage, Value,
};

/// Finds the options in a set of descriptors. Where one is not declared, nobody has used it.
pub struct Options {
    rules: Option<ExtensionDescriptor>,
    behavior: Option<ExtensionDescriptor>,
    example: Option<ExtensionDescriptor>,
    access: Option<ExtensionDescriptor>,
}

/// A `google.api.FieldBehavior` that matters to a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behavior {
    Required = 2,
    OutputOnly = 3,
    InputOnly = 4,
    Immutable = 5,
}

impl Options {
    pub fn of(pool: &DescriptorPool) -> Self {
        Self {
            rules: pool.get_extension_by_name("buf.validate.field"),
            behavior: pool.get_extension_by_name("google.api.field_behavior"),
            example: pool.get_extension_by_name("flightline.options.v1.example"),
            access: pool.get_extension_by_name("flightline.options.v1.access"),
        }
    }

    /// The `buf.validate` rules of `field`.
    pub fn rules(&self, field: &FieldDescriptor) -> Option<DynamicMessage> {
        of_field(field, self.rules.as_ref())?.as_message().cloned()
    }

    pub fn is(&self, field: &FieldDescriptor, behavior: Behavior) -> bool {
        let behaviors = of_field(field, self.behavior.as_ref());
        let behaviors = behaviors.as_ref().and_then(Value::as_list).unwrap_or_default();
        behaviors.contains(&Value::EnumNumber(behavior as i32))
    }

    /// A value to show.
    pub fn example(&self, field: &FieldDescriptor) -> Option<String> {
        of_field(field, self.example.as_ref())?.as_str().map(str::to_owned)
    }

    /// The roles in one of the lists of those that may call `method`.
    pub fn roles(&self, method: &MethodDescriptor, list: &str) -> Vec<String> {
        let roles = || {
            let options = method.options();
            let access = options.get_extension(self.access.as_ref()?);
            let access = access.as_message()?;
            let field = access.descriptor().get_field_by_name(list)?;
            let Kind::Enum(role) = field.kind() else { return None };
            let value = access.get_field(&field);
            let numbers = value.as_list()?.iter().filter_map(Value::as_enum_number);
            let name = |number| role.get_value(number).map(|value| value.name().to_owned());
            Some(numbers.filter_map(name).collect())
        };
        roles().unwrap_or_default()
    }
}

fn of_field(field: &FieldDescriptor, option: Option<&ExtensionDescriptor>) -> Option<Value> {
    let options = field.options();
    let option = option.filter(|option| options.has_extension(option))?;
    Some(options.get_extension(option).into_owned())
}
