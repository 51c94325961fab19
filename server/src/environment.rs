//! The environment, beside the command line: what is read from it, and what is said of it.

use std::{env, ffi::OsStr};

use clap::{
    Arg, Command,
    error::{ContextKind, ContextValue, Error},
};

/// What docker-compose.yml and the tests read; no setting of the binary.
const OF_OTHERS: [&str; 2] = ["FLIGHTLINE_HTTP_PORT", "FLIGHTLINE_TEST_POSTGRES_URL"];
/// What Kubernetes tells every pod of a service that is called `flightline`, too.
const OF_KUBERNETES: [&str; 3] = ["SERVICE_HOST", "SERVICE_PORT", "PORT"];

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

/// The variables that look like settings of ours and are none.
pub fn unknown(command: &Command) -> Vec<String> {
    let variables = env::vars_os().map(|(name, _)| name);
    among(variables.filter_map(|name| name.into_string().ok()), command)
}

fn among(variables: impl Iterator<Item = String>, command: &Command) -> Vec<String> {
    let known: Vec<&OsStr> =
        arguments(command).into_iter().filter_map(|argument| argument.get_env()).collect();
    let is_unknown = |name: &String| {
        name.strip_prefix("FLIGHTLINE_").is_some_and(|rest| {
            let is_of_kubernetes = OF_KUBERNETES.iter().any(|start| rest.starts_with(start));
            !is_of_kubernetes && !OF_OTHERS.contains(&name.as_str())
        }) && !known.contains(&OsStr::new(name))
    };
    let mut unknown: Vec<_> = variables.filter(is_unknown).collect();
    unknown.sort();
    unknown
}

/// Those of `command` and of all below it.
fn arguments(command: &Command) -> Vec<&Arg> {
    let below = command.get_subcommands().flat_map(arguments);
    command.get_arguments().chain(below).collect()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::Cli;

    #[test]
    fn a_setting_that_nobody_reads_is_found() {
        let names = [
            "FLIGHTLINE_PROFIL",
            "FLIGHTLINE_PROFILE",
            "FLIGHTLINE_PASSWORD",
            "FLIGHTLINE_HTTP_PORT",
            "FLIGHTLINE_SERVICE_HOST",
            "FLIGHTLINE_SERVICE_SECRE",
            "FLIGHTLINE_PORT_8000_TCP",
            "PROFILE",
        ];

        let unknown = among(names.map(str::to_owned).into_iter(), &Cli::command());

        assert_eq!(unknown, ["FLIGHTLINE_PROFIL", "FLIGHTLINE_SERVICE_SECRE"]);
    }
}
