//! pip, and what its messages mean.

use std::mem;
use std::process::{Command, Stdio};

use super::PythonError;
use crate::errors::ExpectedError;

/// Settings of the user's that would put packages somewhere else, or take other kinds of them.
const UNWANTED: [&str; 9] = [
    "PIP_USER",
    "PIP_TARGET",
    "PIP_PREFIX",
    "PIP_ROOT",
    "PIP_REQUIRE_VIRTUALENV",
    "PIP_NO_BINARY",
    "PIP_ONLY_BINARY",
    "PIP_REQUIREMENT",
    "PIP_CONSTRAINT",
];

/// What only a failed connection says.
const NO_CONNECTION: [&str; 7] = [
    "Failed to establish a new connection",
    "NewConnectionError",
    "NameResolutionError",
    "Temporary failure in name resolution",
    "ConnectTimeoutError",
    "ReadTimeoutError",
    "Max retries exceeded",
];

/// Returns `command`, which runs pip, as pip is always run: it asks no questions, and gives up soon
/// where there is no network. Index, proxy and certificates are the user's.
pub fn command(command: &mut Command) -> Command {
    let mut command = mem::replace(command, Command::new(""));
    for variable in UNWANTED {
        command.env_remove(variable);
    }
    command
        .env("PIP_DISABLE_PIP_VERSION_CHECK", "1")
        .env("PIP_NO_INPUT", "1")
        .env("PIP_RETRIES", "2")
        .env("NO_COLOR", "1");
    command
}

/// Runs pip to install `what`.
///
/// # Errors
/// pip cannot be started, or what it could not do.
pub fn run(pip: &mut Command, what: &str) -> Result<(), ExpectedError> {
    let output = pip.stdin(Stdio::null()).output().map_err(ExpectedError::io_on("start", "pip"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(failed(&String::from_utf8_lossy(&output.stderr), what).into())
}

/// Returns why pip failed, from what it said on standard error.
fn failed(said: &str, what: &str) -> PythonError {
    let errors: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("ERROR: ")).collect();
    if NO_CONNECTION.iter().any(|text| said.contains(text)) {
        let why = said
            .lines()
            .find(|line| NO_CONNECTION.iter().any(|text| line.contains(text)))
            .unwrap_or(said);
        return PythonError::NoNetwork { what: what.to_owned(), said: why.trim().to_owned() };
    }
    if said.contains("conflicting dependencies") || said.contains("The conflict is caused by") {
        return PythonError::Conflict { said: conflict(said) };
    }
    let missing =
        |line: &&str| line.strip_prefix("No matching distribution found for ").map(str::to_owned);
    if let Some(requirement) = errors.iter().find_map(missing) {
        let versions = errors
            .iter()
            .find_map(|line| line.split_once("(from versions: "))
            .map_or("none", |(_, list)| list);
        let versions = versions.trim_end().trim_end_matches(')');
        return PythonError::Package {
            requirement,
            versions: (versions != "none").then(|| versions.to_owned()),
        };
    }
    let said = if errors.is_empty() { said.trim().to_owned() } else { errors.join("\n") };
    PythonError::Install { what: what.to_owned(), said }
}

/// Returns the lines that name what conflicts with what.
fn conflict(said: &str) -> String {
    let lines = said.lines().skip_while(|line| !line.contains("conflict"));
    let lines = lines.take_while(|line| {
        !line.starts_with("To fix this") && !line.contains("ResolutionImpossible")
    });
    let lines = lines
        .map(|line| line.strip_prefix("ERROR: ").unwrap_or(line))
        .filter(|line| !line.trim().is_empty());
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_without_a_wheel_that_fits_is_named() {
        let said = "WARNING: x\nERROR: Could not find a version that satisfies the requirement \
            torch>=2 (from versions: none)\n\
                    ERROR: No matching distribution found for torch>=2\n";
        let PythonError::Package { requirement, versions } = failed(said, "packages") else {
            panic!("{said}")
        };
        assert_eq!((requirement.as_str(), versions), ("torch>=2", None));
        let said = "ERROR: Could not find a version that satisfies the requirement numpy==1.26.4 \
            (from versions: 2.4.6)\n\
                    ERROR: No matching distribution found for numpy==1.26.4\n";
        let PythonError::Package { requirement, versions } = failed(said, "packages") else {
            panic!("{said}")
        };
        assert_eq!((requirement.as_str(), versions.as_deref()), ("numpy==1.26.4", Some("2.4.6")));
    }

    #[test]
    fn no_network_is_not_taken_for_a_missing_package() {
        let said = "WARNING: Retrying (Retry(total=0)) after connection broken by \
            'NewConnectionError(...: Failed to establish a new connection)'\n\
                    ERROR: Could not find a version that satisfies the requirement idna (from \
                    versions: none)\n\
                    ERROR: No matching distribution found for idna\n";
        assert!(matches!(failed(said, "packages"), PythonError::NoNetwork { .. }));
    }

    #[test]
    fn a_conflict_names_both_sides() {
        let said = "ERROR: Cannot install idna==3.4 and requests because these package versions \
            have conflicting dependencies.\n\n\
                    The conflict is caused by:\n    The user requested idna==3.4\n    requests 2.0 \
                    depends on idna<3\n\n\
                    To fix this you could try to:\n1. loosen\nERROR: ResolutionImpossible: for \
                    help visit https://pip.pypa.io\n";
        let PythonError::Conflict { said } = failed(said, "packages") else {
            panic!("no conflict")
        };
        assert!(
            said.starts_with("Cannot install idna==3.4")
                && said.ends_with("requests 2.0 depends on idna<3"),
            "{said}"
        );
    }
}
