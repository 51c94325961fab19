//! The environment, beside the command line: what is read from it, and what is said of it.

use std::env;

use clap::{
    Arg, Command,
    error::{ContextKind, ContextValue, Error},
};

/// `command` without the variables that are set to nothing: such a one is not set.
pub fn without_empty(command: Command) -> Command {
    let read = |argument: Arg| match argument.get_env().map(env::var_os) {
        Some(Some(value)) if value.is_empty() => argument.env(None::<&str>),
        _ => argument,
    };
    command.mut_args(read).mut_subcommands(without_empty)
}

/// The same refusal, which also names the variable, and shows no secret.
pub fn told(mut error: Error, command: &Command) -> Error {
    let Some(ContextValue::String(shown)) = error.get(ContextKind::InvalidArg) else {
        return error;
    };
    let shown = shown.clone();
    let flag = shown.split(' ').next().and_then(|flag| flag.strip_prefix("--"));
    let arguments = arguments(command);
    let meant =
        || arguments.iter().filter(|argument| flag.is_some() && argument.get_long() == flag);
    if meant().any(|argument| argument.is_hide_env_values_set())
        && error.get(ContextKind::InvalidValue).is_some()
    {
        error.insert(ContextKind::InvalidValue, ContextValue::String("(secret)".to_owned()));
    }
    if let Some(variable) = meant().find_map(|argument| argument.get_env()?.to_str()) {
        let both = format!("{shown} or {variable}");
        error.insert(ContextKind::InvalidArg, ContextValue::String(both));
    }
    error
}

/// Those of `command` and of all below it.
fn arguments(command: &Command) -> Vec<&Arg> {
    let below = command.get_subcommands().flat_map(arguments);
    command.get_arguments().chain(below).collect()
}
