//! Parity of the SDKs of all languages: the cases in `parity/`, for each guest
//! `guests/parity-LANGUAGE`, on the command line and in a container. `parity/README.md` describes
//! the format of a case; another language adds a guest.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use keynet_tests::runtime::{Runtime, Window};
use keynet_tests::{Sandbox, compiled_guest, root};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// Name of the case.
    name: String,
    /// Parameters as JSON.
    parameters: String,
    /// Variables of the host.
    #[serde(default)]
    environment: BTreeMap<String, String>,
    /// Variables of the action, as set by `/init`; only a container has them.
    init: Option<BTreeMap<String, String>>,
    /// Expected result as JSON.
    result: Option<String>,
    /// Expected failure.
    error: Option<Failure>,
    /// Words that lines of the logs contain, in this order, on each stream.
    #[serde(default)]
    stdout: Vec<String>,
    #[serde(default)]
    stderr: Vec<String>,
    /// Words that no line of the logs contains.
    #[serde(default)]
    not_logged: Vec<String>,
    /// Comment in the guest's source; the logs and the error contain its file and line.
    names_line_of: Option<String>,
    /// If true, each value of the result's `different` differs in the next activation, and
    /// `seconds` is the current time.
    #[serde(default)]
    fresh: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Failure {
    /// Acceptable names of the kind in `run --json`; several where a language's own exception
    /// replaces the sandbox's.
    kind: Vec<String>,
    /// Texts that the message contains.
    #[serde(default)]
    text: Vec<String>,
}

/// End of an activation.
struct Ended {
    result: Result<Value, String>,
    /// Kind of the error, from the command line.
    kind: Option<String>,
    /// Log lines; the command line has one stream for both.
    stdout: Vec<String>,
    stderr: Vec<String>,
}

fn run(table: &Path) -> datatest_stable::Result<()> {
    let table: Table = toml::from_str(&fs::read_to_string(table)?)?;
    let mut failures = Vec::new();
    for project in projects() {
        let language = Guest::of(&project);
        let shared = language.container(&BTreeMap::new(), &BTreeMap::new());
        for case in &table.case {
            let at = |surface: &str| format!("{}, {surface}: {}", language.name, case.name);
            if case.init.is_none() {
                let found = language
                    .by_command(case)
                    .and_then(|ended| case.check(&ended, &language, || language.by_command(case)));
                failures.extend(found.err().map(|why| format!("{}: {why}", at("run"))));
            }
            let none = BTreeMap::new();
            let of_its_own = (case.init.is_some() || !case.environment.is_empty()).then(|| {
                language.container(&case.environment, case.init.as_ref().unwrap_or(&none))
            });
            let container = of_its_own.as_ref().unwrap_or(&shared);
            let again = || container.run(case);
            let found = again().and_then(|ended| case.check(&ended, &language, again));
            failures.extend(found.err().map(|why| format!("{}: {why}", at("container"))));
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n\n"));
    Ok(())
}

/// Returns the folders `guests/parity-*`.
fn projects() -> Vec<PathBuf> {
    let folders = fs::read_dir(root().join("tests/guests"))
        .expect("guests")
        .map(|entry| entry.expect("a guest").path());
    let mut found: Vec<_> = folders
        .filter(|path| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("parity-"))
        })
        .collect();
    found.sort();
    assert!(found.len() >= 2, "{found:?}");
    found
}

/// Guest of one language.
struct Guest {
    name: String,
    project: PathBuf,
    component: PathBuf,
}

impl Guest {
    fn of(project: &Path) -> Self {
        let name = project.file_name().expect("a name").to_string_lossy().into_owned();
        Self { component: compiled_guest(&name), project: project.to_owned(), name }
    }

    fn by_command(&self, case: &Case) -> Result<Ended, String> {
        let mut sandbox = Sandbox::new();
        case.environment.iter().for_each(|(name, value)| sandbox.set(name, value));
        fs::write(sandbox.path("parameters.json"), &case.parameters).expect("a file");
        let arguments = [
            "run".as_ref(),
            self.component.as_os_str(),
            "--json".as_ref(),
            "--params-file".as_ref(),
            "parameters.json".as_ref(),
        ];
        let ended = sandbox.run(arguments);
        let answer: Value =
            serde_json::from_str(&ended.stdout).map_err(|error| format!("{error}: {ended:?}"))?;
        let lines: Vec<String> = ended.stderr.lines().map(str::to_owned).collect();
        Ok(Ended {
            result: answer
                .get("result")
                .cloned()
                .ok_or_else(|| answer["error"].as_str().unwrap_or_default().to_owned()),
            kind: answer["kind"].as_str().map(str::to_owned),
            stdout: lines.clone(),
            stderr: lines,
        })
    }

    fn container(
        &self,
        environment: &BTreeMap<String, String>,
        init: &BTreeMap<String, String>,
    ) -> Container {
        let mut sandbox = Sandbox::new();
        sandbox.set("KEYNET_STORAGE_PUBLIC_URL", "http://127.0.0.1:1/");
        environment.iter().for_each(|(name, value)| sandbox.set(name, value));
        sandbox.set("KEYNET_ACTION", self.component.display());
        let runtime = Runtime::start(&sandbox);
        let answer = runtime.init_with("", &json!(init));
        assert_eq!((answer.status, answer.text()), (200, "{\"ok\":true}"), "{}", self.name);
        Container { runtime, _sandbox: sandbox }
    }

    /// Returns the name of the source file that contains `comment`, and the line.
    fn line_of(&self, comment: &str) -> (String, usize) {
        let folders = [self.project.clone(), self.project.join("src")];
        let files = folders
            .iter()
            .filter_map(|folder| fs::read_dir(folder).ok())
            .flatten()
            .map(|entry| entry.expect("a file").path());
        let mut found = files.filter_map(|file| {
            let text = fs::read_to_string(&file).ok()?;
            let line = text.lines().position(|line| line.contains(comment))?;
            Some((file.file_name()?.to_string_lossy().into_owned(), line + 1))
        });
        found.next().unwrap_or_else(|| panic!("{} has no `{comment}`", self.name))
    }
}

struct Container {
    runtime: Runtime,
    /// Sandbox that holds the objects.
    _sandbox: Sandbox,
}

impl Container {
    fn run(&self, case: &Case) -> Result<Ended, String> {
        let parameters: Value =
            serde_json::from_str(&case.parameters).map_err(|error| error.to_string())?;
        let time = case
            .environment
            .get("KEYNET_TIME")
            .map_or(Duration::from_secs(60), |_| Duration::from_secs(20));
        let answer = self.runtime.run_within(&parameters, time);
        let Window { stdout, stderr, .. } = self.runtime.window();
        let value = answer.json();
        let result = match (answer.status, value.get("error").and_then(Value::as_str)) {
            (200, None) => Ok(value),
            (200, Some(error)) => Err(error.to_owned()),
            (status, _) => return Err(format!("HTTP {status}: {}", answer.text())),
        };
        Ok(Ended { result, kind: None, stdout, stderr })
    }
}

impl Case {
    fn check(
        &self,
        ended: &Ended,
        language: &Guest,
        again: impl Fn() -> Result<Ended, String>,
    ) -> Result<(), String> {
        let told = || {
            format!("{:?}\nstdout: {:#?}\nstderr: {:#?}", ended.result, ended.stdout, ended.stderr)
        };
        match (&self.error, &ended.result) {
            (Some(failure), Err(message)) => failure.check(message, ended.kind.as_deref())?,
            (None, Ok(result)) if self.fresh => check_fresh(result, &again()?.result?)?,
            (None, Ok(result)) => {
                let expected: Value = serde_json::from_str(
                    self.result.as_deref().ok_or("the case has neither result nor error")?,
                )
                .map_err(|error| format!("the case's result: {error}"))?;
                if !is_same(result, &expected) {
                    return Err(format!("expected {expected}\ncame {}", told()));
                }
            }
            _ => return Err(told()),
        }
        for (wanted, lines) in [(&self.stdout, &ended.stdout), (&self.stderr, &ended.stderr)] {
            let mut lines = lines.iter();
            if let Some(missing) =
                wanted.iter().find(|text| !lines.any(|line| line.contains(*text)))
            {
                return Err(format!("no line has {missing:?} (in this order): {}", told()));
            }
        }
        let mut logged = ended.stdout.iter().chain(&ended.stderr);
        if let Some(unwanted) =
            self.not_logged.iter().find(|text| logged.any(|line| line.contains(*text)))
        {
            return Err(format!("{unwanted:?} is in the logs: {}", told()));
        }
        if let Some(comment) = &self.names_line_of {
            let (file, line) = language.line_of(comment);
            let names = |text: &str| {
                text.split_once(&file).is_some_and(|(_, rest)| numbers(rest).next() == Some(line))
            };
            if !ended.stderr.iter().any(|line| names(line))
                || !ended.result.as_ref().err().is_some_and(|error| names(error))
            {
                return Err(format!(
                    "the logs and the error must name line {line} of {file}: {}",
                    told()
                ));
            }
        }
        Ok(())
    }
}

impl Failure {
    fn check(&self, message: &str, kind: Option<&str>) -> Result<(), String> {
        if kind.is_some_and(|kind| !self.kind.iter().any(|wanted| wanted == kind)) {
            return Err(format!("expected the kind {:?}, came {kind:?}: {message}", self.kind));
        }
        match self.text.iter().find(|text| !message.contains(*text)) {
            Some(text) => Err(format!("the error lacks {text:?}: {message}")),
            None => Ok(()),
        }
    }
}

fn check_fresh(one: &Value, other: &Value) -> Result<(), String> {
    let different = one["different"]
        .as_object()
        .filter(|values| !values.is_empty())
        .ok_or("the result has no `different`")?;
    if let Some((name, value)) =
        different.iter().find(|(name, value)| **value == other["different"][name.as_str()])
    {
        return Err(format!("{name} is {value} in two activations"));
    }
    let now =
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock").as_secs_f64();
    let seconds = other["seconds"].as_f64().ok_or("the result has no `seconds`")?;
    if (now - seconds).abs() > 60.0 {
        return Err(format!("the action's clock says {seconds}, ours {now}"));
    }
    Ok(())
}

/// Whether two values are the same JSON: `1` and `1.0` are the same number.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(a), Value::Number(b)) => {
            a == b || (a.is_f64() || b.is_f64()) && a.as_f64() == b.as_f64()
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| is_same(a, b)))
        }
        _ => one == other,
    }
}

/// The numbers in a text.
fn numbers(text: &str) -> impl Iterator<Item = usize> {
    text.split(|letter: char| !letter.is_ascii_digit()).filter_map(|digits| digits.parse().ok())
}

datatest_stable::harness! {
    { test = run, root = "parity", pattern = r"\.toml$" },
}
