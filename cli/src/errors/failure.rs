//! Names of a failed activation: in `--json`, over HTTP and on the terminal.

use keynet_base::ErrorKind;
use keynet_host::Failure;

/// Returns the name for programs: the contract's name for an error of the action, a name of this
/// program for everything else.
pub fn kind(failure: &Failure) -> &'static str {
    match failure {
        Failure::Action(error) => error.kind.as_str(),
        Failure::Panic { .. } => "panic",
        Failure::Trap { .. } => "trap",
        Failure::Exit(_) => "exit",
        Failure::Time { .. } => "out-of-time",
        Failure::Limit { .. } => "limit",
        Failure::Result(_) => "result",
        Failure::Start(_) => "start",
        _ => "failed",
    }
}

/// Returns a fragment for a person, which follows `error: `.
pub fn sentence(failure: &Failure) -> String {
    match failure {
        Failure::Action(error) => {
            format!("the action answered with an error ({}): {}", error.kind, error.message)
        }
        other => other.to_string(),
    }
}

/// Returns the matching HTTP status.
pub fn status(failure: &Failure) -> u16 {
    match failure {
        Failure::Action(error) => match error.kind {
            ErrorKind::Invalid => 400,
            ErrorKind::Denied => 403,
            ErrorKind::NotFound => 404,
            ErrorKind::PreconditionFailed => 412,
            ErrorKind::TooLarge => 413,
            ErrorKind::Unavailable => 503,
            ErrorKind::Timeout => 504,
            ErrorKind::Internal => 500,
        },
        Failure::Time { .. } => 504,
        _ => 500,
    }
}

#[cfg(test)]
mod tests {
    use keynet_host::TimeLimit;

    use super::*;

    #[test]
    fn the_callers_mistakes_are_4xx() {
        let invalid = Failure::Action(keynet_base::Error::invalid("no name"));
        assert_eq!((status(&invalid), kind(&invalid)), (400, "invalid"));
        assert_eq!(sentence(&invalid), "the action answered with an error (invalid): no name");
        let late = Failure::Time {
            limit: std::time::Duration::from_secs(1),
            origin: TimeLimit::Host,
            waiting: None,
        };
        assert_eq!((status(&late), kind(&late)), (504, "out-of-time"));
        assert_eq!(status(&Failure::Exit(0)), 500);
    }
}
