//! Everything that a command shows and asks: the two streams, progress, errors, answers.

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
pub mod units;
