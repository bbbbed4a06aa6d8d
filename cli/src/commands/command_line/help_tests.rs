//! The help of every command that clap lists, and the errors of a wrong use of it, as they are in
//! `cli/tests/help`. `KEYNET_UPDATE_HELP=1 cargo test -p keynet-inference help` writes these files.

use std::collections::BTreeMap;
use std::path::Path;

use clap::{Command, CommandFactory as _};

use super::Cli;

/// The commands without commands of their own, by their words.
fn leaves(command: &Command, words: &[String], found: &mut Vec<Vec<String>>) {
    let mut commands = command.get_subcommands().filter(|c| c.get_name() != "help").peekable();
    if commands.peek().is_none() {
        found.push(words.to_vec());
    }
    for command in commands {
        let words = [words, &[command.get_name().to_owned()]].concat();
        leaves(command, &words, found);
    }
}

/// The text that clap answers `arguments` with, without colours.
fn answer(arguments: &[&str]) -> String {
    let all = ["keynet-inference"].iter().chain(arguments);
    match Cli::command().term_width(100).try_get_matches_from(all) {
        Ok(_) => "(accepted)\n".to_owned(),
        Err(error) => error.render().to_string(),
    }
}

fn pages() -> BTreeMap<String, String> {
    let mut commands = Vec::new();
    leaves(&Cli::command(), &[], &mut commands);
    let mut pages = BTreeMap::from([("keynet-inference".to_owned(), answer(&["--help"]))]);
    for words in commands {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let page = [&["--help"] as &[&str], &[], &["--nonsense"]].map(|more| {
            let arguments = [words.as_slice(), more].concat();
            format!("$ keynet-inference {}\n{}", arguments.join(" "), answer(&arguments))
        });
        pages.insert(words.join("-"), page.join("\n"));
    }
    pages
}

#[test]
fn the_help_and_the_usage_errors_of_every_command_are_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/help");
    let pages = pages();
    assert!(pages.len() > 20, "{:?}", pages.keys());
    if std::env::var_os("KEYNET_UPDATE_HELP").is_some() {
        if folder.exists() {
            std::fs::remove_dir_all(&folder).unwrap();
        }
        std::fs::create_dir_all(&folder).unwrap();
        for (name, page) in &pages {
            std::fs::write(folder.join(name).with_extension("txt"), page).unwrap();
        }
    }
    let written: BTreeMap<String, String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect();
    for (name, page) in &pages {
        let expected = written.get(name).map_or("", String::as_str);
        assert_eq!(page, expected, "{name}: KEYNET_UPDATE_HELP=1 writes the pages anew");
    }
    assert_eq!(written.len(), pages.len(), "pages of commands that are gone");
}

#[test]
fn every_command_is_documented() {
    let documented = include_str!("../../../../docs/cli.md");
    for command in Cli::command().get_subcommands().filter(|c| c.get_name() != "help") {
        let name = command.get_name();
        assert!(documented.contains(&format!("`{name}")), "docs/cli.md lacks {name}");
    }
}
