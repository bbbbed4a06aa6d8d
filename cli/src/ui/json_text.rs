//! Reformatting of JSON text without parsing it into values: numbers keep all their digits, members
//! their order.

/// Formats `json`, which must be valid, on one line without needless spaces.
pub fn compact(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    walk(json, |token| out.push_str(token));
    out
}

/// Formats `json`, which must be valid, with a line for each member and element.
pub fn pretty(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let mut depth = 0_usize;
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth));
    };
    let mut opened = false;
    walk(json, |token| {
        let closes = matches!(token, "}" | "]");
        if closes {
            depth = depth.saturating_sub(1);
        }
        // The first token in a container, or the end of one that is not empty.
        if opened != closes {
            line(&mut out, depth);
        }
        opened = matches!(token, "{" | "[");
        if opened {
            depth += 1;
        }
        out.push_str(token);
        match token {
            ":" => out.push(' '),
            "," => line(&mut out, depth),
            _ => {}
        }
    });
    out
}

/// Calls `each` with every token: a punctuation mark, a string with its quotes, or a number or
/// word.
fn walk(json: &str, mut each: impl FnMut(&str)) {
    let bytes = json.as_bytes();
    let mut at = 0;
    while let Some(first) = bytes.get(at) {
        let rest = bytes.get(at..).unwrap_or_default();
        let length = match first {
            b' ' | b'\n' | b'\r' | b'\t' => {
                at += 1;
                continue;
            }
            b'"' => string_length(rest),
            b'{' | b'}' | b'[' | b']' | b',' | b':' => 1,
            _ => {
                rest.iter().position(|byte| b" \n\r\t{}[],:\"".contains(byte)).unwrap_or(rest.len())
            }
        };
        each(json.get(at..at + length).unwrap_or_default());
        at += length;
    }
}

fn string_length(from_quote: &[u8]) -> usize {
    let mut escaped = false;
    for (at, byte) in from_quote.iter().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    from_quote.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSY: &str = "{ \"z\" : 1.50,\n\t\"a\":[ ] , \"s\": \"a \\\" , b\\\\\" , \
        \"n\":[12345678901234567890123,{}, {\"é\": null}] }";

    #[test]
    fn nothing_but_space_changes() {
        assert_eq!(
            compact(MESSY),
            r#"{"z":1.50,"a":[],"s":"a \" , b\\","n":[12345678901234567890123,{},{"é":null}]}"#
        );
        assert_eq!(compact(&pretty(MESSY)), compact(MESSY));
        assert_eq!(compact("[]"), "[]");
    }

    #[test]
    fn a_line_for_each_thing() {
        assert_eq!(
            pretty(r#"{"a":[],"b":{},"c":[1,{"d":"x"}]}"#),
            "{\n  \"a\": [],\n  \"b\": {},\n  \"c\": [\n    1,\n    {\n      \"d\": \"x\"\n    \
                }\n  ]\n}"
        );
        assert_eq!(pretty("{}"), "{}");
    }
}
