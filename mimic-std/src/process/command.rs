//! The target of `Process`: a command, as a value.

use std::ffi::{OsStr, OsString};
use std::fmt::{self, Write as _};
use std::path::PathBuf;
use std::process::{self, ExitStatus, Stdio};

/// A program with its arguments, its changes to the environment, and its directory.
///
/// The methods are those of [`std::process::Command`]. No shell is involved: an argument reaches
/// the program as it is. The program may still take one that begins with `-` for an option, so put
/// `--` before a host or a path that comes from elsewhere:
///
/// ```
/// use mimic_std::process::Command;
///
/// let host = "-oProxyCommand=sh";
/// let ssh = Command::new("ssh").env("GIT_PROTOCOL", "version=2");
/// let ssh = ssh.args(["-o", "SendEnv=GIT_PROTOCOL", "--", host, "git-upload-pack 'x.git'"]);
/// # let text = ssh.to_string();
/// # assert!(text.ends_with(r" -- -oProxyCommand=sh 'git-upload-pack '\''x.git'\'''"), "{text}");
/// ```
///
/// Prints program and arguments as a shell would take them, and never the environment.
#[derive(Clone, PartialEq, Eq, Hash)]
#[must_use]
pub struct Command {
    program: OsString,
    args: Vec<OsString>,
    /// None removes a variable.
    env: Vec<(OsString, Option<OsString>)>,
    is_env_clear: bool,
    pub(super) dir: Option<PathBuf>,
    accepted: Vec<i32>,
}

impl Command {
    /// Makes a command without arguments. A name without a slash is searched for in `PATH`.
    pub fn new(program: impl Into<OsString>) -> Self {
        let (args, env, is_env_clear, dir, accepted) = Default::default();
        Self { program: program.into(), args, env, is_env_clear, dir, accepted }
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    pub fn args<T: Into<OsString>>(mut self, args: impl IntoIterator<Item = T>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets a variable. The others are those of this process.
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), Some(value.into())));
        self
    }

    /// Removes a variable.
    pub fn env_remove(mut self, name: impl Into<OsString>) -> Self {
        self.env.push((name.into(), None));
        self
    }

    /// Removes all variables, and those that were set.
    pub fn env_clear(mut self) -> Self {
        self.env.clear();
        self.is_env_clear = true;
        self
    }

    /// Runs the program in this directory. The default is that of this process.
    pub fn current_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.dir = Some(dir.into());
        self
    }

    /// Takes an exit with `code` for a success, as one with 0 always is. `grep` ends with 1 if no
    /// line matches.
    pub fn accept_exit(mut self, code: i32) -> Self {
        self.accepted.push(code);
        self
    }

    /// Returns the program.
    #[must_use]
    pub fn program(&self) -> &OsStr {
        &self.program
    }

    pub(super) fn is_success(&self, status: ExitStatus) -> bool {
        status.success() || status.code().is_some_and(|code| self.accepted.contains(&code))
    }

    /// Returns the command of `std`, with a pipe for each of the three streams.
    pub(super) fn to_std(&self) -> process::Command {
        let mut command = process::Command::new(&self.program);
        command.args(&self.args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if self.is_env_clear {
            command.env_clear();
        }
        for (name, value) in &self.env {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        command
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_word(f, &self.program)?;
        self.args.iter().try_for_each(|arg| {
            f.write_char(' ')?;
            write_word(f, arg)
        })
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Writes a word in single quotes if a shell would read it otherwise. Escapes control characters.
fn write_word(f: &mut fmt::Formatter<'_>, word: &OsStr) -> fmt::Result {
    let word = word.to_string_lossy();
    let is_plain = |letter: char| letter.is_alphanumeric() || "_-@%+=:,./".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) {
        return f.write_str(&word);
    }
    f.write_char('\'')?;
    word.chars().try_for_each(|letter| match letter {
        '\'' => f.write_str("'\\''"),
        _ => write_letter(f, letter),
    })?;
    f.write_char('\'')
}

/// Writes a letter. Escapes control characters: no text of others gives orders to a terminal.
pub(super) fn write_letter(f: &mut fmt::Formatter<'_>, letter: char) -> fmt::Result {
    match letter.is_control() {
        true => write!(f, "{}", letter.escape_default()),
        false => f.write_char(letter),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_as_a_shell_takes_it() {
        let command =
            Command::new("ssh").args(["--", "git@example.org", "git-upload-pack '/x y.git'", "", "\u{1b}[31m"]);
        let command = command.env("TOKEN", "hunter2");
        let expected = r"ssh -- git@example.org 'git-upload-pack '\''/x y.git'\''' '' '\u{1b}[31m'";
        assert_eq!(command.to_string(), expected);
        assert_eq!(format!("{command:?}"), expected);
    }
}
