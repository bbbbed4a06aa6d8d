//! Attacks by the guest's output: its result, its error, its logs.

use std::io::Write as _;

use keynet_inference_sdk::__private::HostError;
use keynet_inference_sdk::prelude::*;

use crate::{Attack, Kind, report};

/// Bytes of a line of adversarial logs: a little less than the 64 KiB at which the host breaks
/// lines.
const LINE: usize = 65_000;

/// Bytes of a line of plain logs.
const SHORT_LINE: usize = 1000;

/// Returns the end of the activation, for attacks that consist of it.
pub fn ends(attack: &Attack) -> Option<Result<String, HostError>> {
    Some(match attack.r#do.as_str() {
        "result" => Ok(format!("{{\"r\":\"{}\"}}", attack.long())),
        // Nested arrays, `count` deep.
        "deep-result" => {
            Ok(format!("{{\"r\":{}{}}}", "[".repeat(attack.count), "]".repeat(attack.count)))
        }
        // As many values as fit: parsed into a tree, they take many times the size of their text.
        "wide-result" => Ok(format!("{{\"r\":[{}1]}}", "1,".repeat(attack.bytes() / 2))),
        "error" => Err(HostError { kind: Kind::Invalid, message: text(attack) }),
        // `count` lines of `text`, repeated: text that looks like a secret, or like its beginning.
        "secret-logs" => {
            let line = attack.text.repeat(LINE / attack.text.len().max(1));
            Ok(write_lines(attack, std::io::stderr(), &line))
        }
        "logs" => Ok(write_lines(attack, std::io::stdout(), &"x".repeat(SHORT_LINE))),
        "say" => {
            println!("{}", attack.text);
            Ok(report(Ok(json!("said"))).to_string())
        }
        "panic" => panic!("{}", text(attack)),
        _ => return None,
    })
}

/// Returns the text, or a repetition of it in the size of the attack.
fn text(attack: &Attack) -> String {
    if attack.mib > 0 { attack.long() } else { attack.text.clone() }
}

fn write_lines(attack: &Attack, mut stream: impl std::io::Write, line: &str) -> String {
    let line = format!("{line}\n");
    for _ in 0..attack.count {
        let _ = stream.write_all(line.as_bytes());
    }
    let _ = std::io::stdout().flush();
    report(Ok(json!({ "lines": attack.count }))).to_string()
}
