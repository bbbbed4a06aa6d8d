//! Calls of an action's `describe`, which returns its name, description and input schema.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::activation::{ActivationRequest, Failure, LogSink, Means, Run, Sandbox, State, Stream};
use crate::capabilities::Meter;
use crate::capabilities::bindings::ActionPre;
use crate::capabilities::bindings::exports::keynet::inference::function::FunctionInfo;
use crate::capabilities::user_input::Parameters;
use crate::policy::Limits;

/// Time and memory in bytes for an action to describe itself; more memory for a component that
/// contains a language's runtime.
pub(super) const DESCRIBE_TIME: Duration = Duration::from_secs(3);
pub(super) const DESCRIBE_MEMORY: u64 = 64 << 20;
pub(super) const DESCRIBE_MEMORY_OF_RUNTIME: u64 = 128 << 20;

/// Returns the limits of the call: it happens when an action is loaded, inspected or pushed, and
/// the action may be hostile. Runtimes of some languages need more memory than others.
fn describe_limits(component_bytes: usize) -> Limits {
    const LANGUAGE_RUNTIME: usize = 8 << 20;
    Limits {
        memory: if component_bytes > LANGUAGE_RUNTIME {
            DESCRIBE_MEMORY_OF_RUNTIME
        } else {
            DESCRIBE_MEMORY
        },
        time: DESCRIBE_TIME,
        logs: 64 << 10,
        handles: 64,
        call_bytes: 1 << 20,
    }
}

/// Calls `describe`; every call of an import traps.
pub(super) async fn describe(
    sandbox: &Sandbox,
    action: &ActionPre<State>,
    means: &Means,
    component_bytes: usize,
    logs: Option<Arc<dyn LogSink>>,
) -> Result<FunctionInfo, Failure> {
    struct Captured;
    impl LogSink for Captured {
        fn line(&self, _: Stream, line: &[u8]) {
            tracing::debug!(line = %String::from_utf8_lossy(line), "while an action described itself");
        }
    }
    let _slot = sandbox.reserve(None).await;
    let limits = describe_limits(component_bytes);
    let logs = logs.unwrap_or_else(|| Arc::new(Captured));
    let request = ActivationRequest::new(Parameters::none(), logs);
    let (meter, started) = (Meter::describing(), Instant::now());
    let mut run = Run::new(sandbox, None, means, &limits, meter, request, started).await?;
    let _ticking = sandbox.engine().ticking();
    run.enter(async |store| {
        let instance = action.instantiate_async(&mut *store).await?;
        instance.keynet_inference_function().call_describe(store).await
    })
    .await
}
