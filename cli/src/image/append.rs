//! Adding an action to a base: one layer with its component and, if it fits the base, its compiled
//! code.

use std::fmt;

use keynet_base::cpu::Cpu;
use keynet_base::{Config as HostConfig, Digest};
use keynet_host::Host;
use keynet_host::engine::{BakedCode, Precompiler};

use super::config::ACTION;
use super::layer::Layer;
use super::time::Time;
use super::tree::{Entry, Tree};
use super::{Image, ImageError, label};

/// An action to add to an image.
#[derive(Debug, Clone, Copy)]
pub struct Action<'action> {
    pub component: &'action [u8],
    /// Name from its description.
    pub name: &'action str,
    /// Description text from its description.
    pub description: &'action str,
}

/// Outcome for the compiled code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Appended {
    /// The layer holds code compiled for these processors.
    Compiled(Cpu),
    /// The layer holds no compiled code, for this reason.
    ComponentOnly(Mismatch),
}

/// Reason why the runtime in an image would not use the compiled code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mismatch {
    /// The base has no label that names its engine.
    Unlabelled,
    /// The base names processors that are not known here.
    UnknownCpu(String),
    /// The base has another engine.
    Engine {
        /// Version of the runtime in the base.
        base: String,
        /// Processors that the two engines were compared for.
        cpu: Cpu,
    },
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlabelled => {
                write!(
                    f,
                    "the base does not say which engine it has (label {}): is it made by `image \
                        base`?",
                    label::ENGINE
                )
            }
            Self::UnknownCpu(cpu) => {
                write!(f, "the base is for processors that this version does not know: {cpu}")
            }
            Self::Engine { base, cpu } => write!(
                f,
                "the engine of the base (version {base}, {cpu}) is not the one that this \
                    keynet-inference ({}) compiles for: make the base with this version, or use \
                    the version that made the base",
                env!("CARGO_PKG_VERSION")
            ),
        }
    }
}

/// Adds `action` to `base`. Compiles it for the processors that the base names, in a child process
/// with the limits of `host`.
///
/// # Errors
/// The action cannot be compiled.
pub async fn append(
    base: &mut Image,
    action: Action<'_>,
    host: &HostConfig,
) -> Result<Appended, ImageError> {
    let time = Time::from_environment()?;
    let digest = Digest::of(action.component);
    let mut tree = Tree::default();
    tree.put(ACTION, Entry::File(action.component.to_vec()));
    let appended = match compiler(base, host)? {
        Ok((precompiler, cpu)) => {
            let compile = |source| ImageError::Compile { cpu: cpu.to_string(), source };
            let mut code = precompiler.code(action.component, &digest).await.map_err(compile)?;
            let content = BakedCode::content(&mut code, &digest, &precompiler.hash())
                .map_err(|error| compile(error.into()))?;
            tree.put(&ACTION.replace(".wasm", ".cwasm"), Entry::File(content));
            Appended::Compiled(cpu)
        }
        Err(mismatch) => Appended::ComponentOnly(mismatch),
    };
    base.add(Layer::of(&tree, time), "keynet-inference image build", time);
    describe(base, action, &digest);
    Ok(appended)
}

/// Returns the compiler for the engine in `base`, or the reason why its code would not be used.
fn compiler(
    base: &Image,
    host: &HostConfig,
) -> Result<Result<(Precompiler, Cpu), Mismatch>, ImageError> {
    let Some(engine) = base.config().label(label::ENGINE) else {
        return Ok(Err(Mismatch::Unlabelled));
    };
    let cpu = match base.config().label(label::CPU) {
        None => host.cpu,
        Some(name) => match name.parse() {
            Ok(cpu) => cpu,
            Err(_) => return Ok(Err(Mismatch::UnknownCpu(name.chars().take(40).collect()))),
        },
    };
    let precompiler = Host::precompiler(host, cpu)?;
    if precompiler.hash().to_string() == engine {
        return Ok(Ok((precompiler, cpu)));
    }
    let version =
        base.config().label(label::VERSION).unwrap_or("unknown").chars().take(40).collect();
    Ok(Err(Mismatch::Engine { base: version, cpu }))
}

/// Sets the labels, annotations and variables of the image for the action.
fn describe(image: &mut Image, action: Action<'_>, digest: &Digest) {
    let origin = image.origin().map(|(_, digest)| digest.to_string());
    image.config_mut().set_variable("KEYNET_ACTION", ACTION);
    let digest = digest.to_string();
    let labels = [
        (label::COMPONENT, digest.as_str()),
        ("org.opencontainers.image.title", action.name),
        ("org.opencontainers.image.description", action.description),
    ];
    for (name, value) in labels {
        image.config_mut().set_label(name, value);
        image.annotate(name, value);
    }
    if let Some(base) = origin {
        image.annotate("org.opencontainers.image.base.digest", &base);
    }
}
