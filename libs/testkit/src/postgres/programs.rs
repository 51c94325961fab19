//! The programs that the test server is made of.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::{env, fs};

/// Where `initdb` and `pg_ctl` are, and who runs them: they refuse root, who runs them as
/// `postgres`.
pub struct Programs {
    directory: PathBuf,
    root: bool,
}

impl Programs {
    pub fn find(root: bool) -> Self {
        let installed = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let mut versions: Vec<(u32, PathBuf)> = installed
            .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())))
            .collect();
        versions.sort();
        let path = env::var_os("PATH").unwrap_or_default();

        let directories = versions.into_iter().rev().map(|(_, directory)| directory.join("bin"));
        let directory = directories
            .chain(env::split_paths(&path))
            .find(|directory| directory.join("initdb").exists())
            .expect("no PostgreSQL found: `make tools` or `apt-get install postgresql`");
        Self { directory, root }
    }

    pub fn command(&self, program: &str) -> Command {
        let program = self.directory.join(program);
        let mut command = if self.root {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        // The server's user can't enter every directory that we can.
        command.current_dir("/");
        command
    }

    pub fn make_directory(&self) -> Command {
        let mut command = Command::new("install");
        command.args(["--directory", "--mode=700"]);
        if self.root {
            command.arg("--owner=postgres");
        }
        command
    }
}

pub fn output(command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).output();
    output.unwrap_or_else(|error| panic!("{command:?} can't be run: {error}"))
}

pub fn run(command: &mut Command) {
    let output = output(command);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed: {}\n{error}", output.status);
}

/// The effective user: the one who owns what we make.
pub fn user_id() -> u32 {
    let output = output(Command::new("id").arg("-u"));
    let user = String::from_utf8_lossy(&output.stdout);
    user.trim().parse().expect("`id -u` prints a number")
}
