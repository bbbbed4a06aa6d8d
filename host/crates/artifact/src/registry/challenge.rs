//! Challenges in `WWW-Authenticate` (RFC 9110, 11.6.1).

use std::collections::BTreeMap;

/// Authentication challenge of a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Challenge {
    /// Scheme in lower case: `basic`, `bearer`.
    pub(super) scheme: String,
    pub(super) parameters: BTreeMap<String, String>,
}

impl Challenge {
    /// Returns a parameter, such as `realm`.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    /// Parses all challenges of a header's value; the list ends at the first part that cannot be
    /// parsed.
    pub(super) fn parse(header: &str) -> Vec<Self> {
        let mut challenges: Vec<Self> = Vec::new();
        let mut rest = header;
        loop {
            rest = rest.trim_start_matches([' ', '\t', ',']);
            let Some((word, after)) = token(rest) else { return challenges };
            match (after.trim_start().strip_prefix('='), challenges.last_mut()) {
                (Some(value), Some(challenge)) => {
                    let Some((value, after)) = parameter(value.trim_start()) else {
                        return challenges;
                    };
                    challenge.parameters.insert(word.to_ascii_lowercase(), value);
                    rest = after;
                }
                (Some(_), None) => return challenges,
                (None, _) => {
                    challenges.push(Self {
                        scheme: word.to_ascii_lowercase(),
                        parameters: BTreeMap::new(),
                    });
                    rest = after;
                }
            }
        }
    }
}

fn token(text: &str) -> Option<(&str, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_alphanumeric() && !"!#$%&'*+-.^_`|~".contains(c))
        .unwrap_or(text.len());
    text.split_at_checked(end).filter(|(word, _)| !word.is_empty())
}

/// Parses a token or a quoted string, and returns it with the rest of the text.
fn parameter(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        return text.split_at_checked(end).map(|(value, after)| (value.to_owned(), after));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Some((value, quoted.get(at + 1..)?)),
            '\\' => value.push(characters.next()?.1),
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read_with_their_parameters() {
        let [bearer, basic] = &Challenge::parse(
            r#"Bearer realm="https://auth.example.com/token?a=b,c",service="reg \"one\"", scope="repository:a/b:pull,push" , error=insufficient_scope, BASIC realm=x"#,
        )[..] else {
            panic!()
        };
        assert_eq!(
            (bearer.scheme.as_str(), bearer.get("realm")),
            ("bearer", Some("https://auth.example.com/token?a=b,c"))
        );
        assert_eq!(
            (bearer.get("service"), bearer.get("scope")),
            (Some("reg \"one\""), Some("repository:a/b:pull,push"))
        );
        assert_eq!(
            (bearer.get("error"), bearer.get("nothing")),
            (Some("insufficient_scope"), None)
        );
        assert_eq!((basic.scheme.as_str(), basic.get("realm")), ("basic", Some("x")));
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        for (header, schemes) in [
            ("", 0),
            ("Basic", 1),
            ("=x", 0),
            ("Negotiate, Basic realm=\"x\"", 2),
            ("Bearer realm=\"open", 1),
            ("\u{e9}", 0),
        ] {
            assert_eq!(Challenge::parse(header).len(), schemes, "{header}");
        }
        assert_eq!(Challenge::parse("Bearer realm=\"open").first().unwrap().get("realm"), None);
    }
}
