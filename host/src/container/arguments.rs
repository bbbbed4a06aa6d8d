//! The command line of `keynet-runtime`.

use std::ffi::OsString;

/// Text of `--help`.
pub(super) const USAGE: &str = "\
keynet-runtime: runs one inference action in an OpenWhisk action container

usage: keynet-runtime [--port PORT]         answer POST /init and POST /run
       keynet-runtime health [--port PORT]  whether it answers: exit code 0 or 1
       keynet-runtime --version

The port is 8080, or what the variable PORT says.";

const DEFAULT_PORT: u16 = 8080;

/// Command of the process.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    Serve { port: u16 },
    Health { port: u16 },
    Version,
    Help,
}

impl Command {
    /// Parses the arguments; `default` is the variable `PORT`.
    ///
    /// # Errors
    /// The arguments are wrong; the error is a message for a person.
    pub(super) fn read(
        arguments: impl Iterator<Item = OsString>,
        default: Option<&str>,
    ) -> Result<Self, String> {
        let mut arguments = arguments.map(|argument| argument.to_string_lossy().into_owned());
        let (mut health, mut port) = (false, None);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "health" if !health => health = true,
                "--version" | "-V" => return Ok(Self::Version),
                "--help" | "-h" => return Ok(Self::Help),
                "--port" => port = Some(arguments.next().ok_or("--port needs a number")?),
                other => match other.strip_prefix("--port=") {
                    Some(number) => port = Some(number.to_owned()),
                    None => return Err(format!("there is no argument {other:?}")),
                },
            }
        }
        let port = match port.as_deref().or(default.filter(|text| !text.is_empty())) {
            None => DEFAULT_PORT,
            Some(text) => text.parse().map_err(|_| format!("{text:?} is not a port"))?,
        };
        Ok(if health { Self::Health { port } } else { Self::Serve { port } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str], variable: Option<&str>) -> Result<Command, String> {
        Command::read(arguments.iter().map(OsString::from), variable)
    }

    #[test]
    fn an_argument_stands_above_the_variable() {
        assert_eq!(read(&[], None), Ok(Command::Serve { port: 8080 }));
        assert_eq!(read(&[], Some("")), Ok(Command::Serve { port: 8080 }));
        assert_eq!(read(&[], Some("9000")), Ok(Command::Serve { port: 9000 }));
        assert_eq!(read(&["--port", "9001"], Some("9000")), Ok(Command::Serve { port: 9001 }));
        assert_eq!(read(&["health", "--port=9001"], None), Ok(Command::Health { port: 9001 }));
    }

    #[test]
    fn what_cannot_be_meant_is_named() {
        assert!(read(&["--port", "many"], None).unwrap_err().contains("many"));
        assert!(read(&["--port"], None).unwrap_err().contains("--port"));
        assert!(read(&["serve"], None).unwrap_err().contains("serve"));
        assert!(read(&[], Some("99999")).unwrap_err().contains("99999"));
    }
}
