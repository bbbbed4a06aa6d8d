//! `inspect`: shows what a component is and which permissions it has here. Runs no code of the
//! component except its self-description, within a small budget.

use std::fmt::Write as _;

use clap::Args;
use keynet_artifact::{ArtifactError, Look, Store, Target};
use keynet_host::Action;
use keynet_host::Host;
use serde_json::{Value, json};

use crate::component::{self, Component, PublishedComponent};
use crate::errors::ExpectedError;
use crate::flags::{HostArgs, RegistryArgs};
use crate::input::schema;
use crate::reference::ComponentSource;
use crate::runtime::{self, Work};
use crate::settings;
use crate::ui::console::{Console, printable};
use crate::ui::progress::Steps;
use crate::ui::{json_text, permissions, units};

#[derive(Debug, Args)]
pub struct InspectArgs {
    /// The component: a file, the file of a function or the folder of its project, which is built,
    /// or the reference of a published one [default: the project in the current folder]
    #[arg(value_name = "ACTION.wasm|FUNCTION|REF", default_value = ".", hide_default_value = true)]
    action: String,
    #[command(flatten)]
    registry: RegistryArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Prints the description of a component.
///
/// # Errors
/// The component is not an action, or cannot be read.
pub fn run(args: &InspectArgs, console: Console) -> Result<(), ExpectedError> {
    let config = settings::read(&HostArgs::default())?;
    let source =
        ComponentSource::parse(&args.action)?.built(&config, Steps::new(false, console))?;
    runtime::start(Work::One)?.block_on(async {
        let (component, published) = match &source {
            ComponentSource::File(path) => (Component::read(path)?, None),
            ComponentSource::Published(reference) => {
                let found = component::find(reference, &args.registry, &config, console).await?;
                (found.fetch(&config).await?, Some(Published::of(found).await?))
            }
        };
        let host =
            Host::builder(&config).default_policy(component.policy(false)).describing().build()?;
        let action = component.load(&host).await?;
        let shown =
            Shown { action: &action, size: component.bytes.len(), published: published.as_ref() };
        if args.json {
            console.print_json(&shown.as_json())
        } else {
            console.print(&shown.as_text(console))
        }
    })
}

/// Facts that are known only of a published component.
struct Published {
    look: Look,
    signed: bool,
}

impl Published {
    async fn of(found: PublishedComponent) -> Result<Self, ExpectedError> {
        let PublishedComponent { look, options } = found;
        // cosign's tag for the signatures of this digest.
        let tag = Target::Tag(format!("sha256-{}.sig", look.digest.hex()));
        let signed = match Store::open(&look.reference, &options)?.manifest(&tag).await {
            Ok(_) => true,
            Err(ArtifactError::NotFound { .. }) => false,
            Err(error) => return Err(error.into()),
        };
        Ok(Self { look, signed })
    }
}

/// Output of the command.
struct Shown<'a> {
    action: &'a Action,
    size: usize,
    published: Option<&'a Published>,
}

impl Shown<'_> {
    fn as_text(&self, console: Console) -> String {
        let Self { action, size, published } = *self;
        let description = action.description();
        let mut text = format!("{}\n", console.heading(&description.name));
        if !description.description.is_empty() {
            let _ = writeln!(text, "{}", printable(description.description.trim_end()));
        }
        let _ = writeln!(text, "\n  size       {}", units::bytes(size as u64));
        let _ = writeln!(text, "  digest     {}", action.digest());
        if let Some(Published { look, signed }) = published {
            let _ = writeln!(text, "  artifact   {}", look.reference);
            let _ = writeln!(
                text,
                "  signature  {}",
                if *signed { "there is one; `verify` checks it" } else { "none" }
            );
            for (at, (name, value)) in look.annotations.iter().enumerate() {
                let _ = writeln!(
                    text,
                    "  {:<10} {}",
                    if at == 0 { "says" } else { "" },
                    printable(&format!("{name}: {value}"))
                );
            }
        }
        for (at, import) in action.imports().names().iter().enumerate() {
            let _ = writeln!(
                text,
                "  {:<10} {}",
                if at == 0 { "imports" } else { "" },
                printable(import)
            );
        }
        let lines = permissions::lines(action);
        if lines.is_empty() {
            text.push_str("  may use    no models, objects or URLs\n");
        }
        for (at, line) in lines.iter().enumerate() {
            let _ = writeln!(
                text,
                "  {:<10} {}",
                if at == 0 { "may use" } else { "" },
                printable(line)
            );
        }
        if action.grants().api_key {
            text.push_str("             the caller's OpenWhisk key\n");
        }
        for (at, line) in permissions::denied(action).iter().enumerate() {
            let _ =
                writeln!(text, "  {:<10} {}", if at == 0 { "denied" } else { "" }, printable(line));
        }
        let _ = writeln!(text, "  limits     {}", permissions::limits(action.limits()));
        match &description.input_schema {
            None => text.push_str("  parameters not described\n"),
            Some(schema) => text.push_str(&parameters(schema)),
        }
        text
    }

    fn as_json(&self) -> String {
        let Self { action, size, published } = *self;
        let description = action.description();
        let limits = action.limits();
        let granted: serde_json::Map<_, _> = permissions::grants(action)
            .into_iter()
            .map(|(name, what)| (name.to_owned(), json!(what)))
            .collect();
        let mut all = json!({
            "name": description.name,
            "description": description.description,
            "input_schema": description.input_schema,
            "digest": action.digest().to_string(),
            "size": size,
            "imports": action.imports().names(),
            "may_use": granted,
            "private_addresses": action.grants().private_addresses,
            "api_key": action.grants().api_key,
            "denied": permissions::denied_by_name(action),
            "limits": { "memory": limits.memory, "time_ms": limits.time.as_secs_f64() * 1e3, "logs": limits.logs },
        });
        if let (Some(Published { look, signed }), Some(all)) = (published, all.as_object_mut()) {
            let artifact = json!({
                "reference": look.reference.to_string(),
                "digest": look.digest.to_string(),
                "signed": signed,
                "annotations": look.annotations,
            });
            all.insert("artifact".to_owned(), artifact);
        }
        format!("{all}\n")
    }
}

fn parameters(schema: &Value) -> String {
    let Some(lines) = schema::lines(schema) else {
        return format!("  parameters\n{}\n", printable(&json_text::pretty(&schema.to_string())));
    };
    let mut text = String::new();
    for (at, line) in lines.iter().enumerate() {
        let _ =
            writeln!(text, "  {:<10} {}", if at == 0 { "parameters" } else { "" }, printable(line));
    }
    text
}
