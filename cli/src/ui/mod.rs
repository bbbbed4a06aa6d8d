//! User interface of the commands: the two streams, progress, prompts, errors, output.

pub mod columns;
pub mod console;
pub mod json_text;
pub mod output;
pub mod permissions;
pub mod progress;
pub mod prompt;
pub mod receipt;
pub mod report;
pub mod secrecy;
pub mod trace;
pub mod units;
