//! The function `run` of an instance.

use std::ops::Range;

use wasmtime::Store;
use wasmtime::component::__internal::{CanonicalAbiInfo, InstanceType, InterfaceType, LiftContext};
use wasmtime::component::{Component, ComponentExportIndex, ComponentType, Func, Instance, Lift};

use super::State;
use crate::capabilities::bindings::keynet::inference::types;
use keynet_base::error::Error;

/// Interface that an action exports, and its function that runs it.
const INTERFACE: &str = "keynet:inference/function@0.1.0";
const RUN: &str = "run";

/// The function `run` of one instance.
pub(crate) struct Function(Func);

impl Function {
    /// Returns where a component that was linked as an action exports it.
    pub(super) fn index(component: &Component) -> Option<ComponentExportIndex> {
        let interface = component.get_export_index(None, INTERFACE)?;
        component.get_export_index(Some(&interface), RUN)
    }

    /// Returns the function of `instance`, exported at `index`.
    pub(super) fn of(
        store: &mut Store<State>,
        instance: &Instance,
        index: Option<&ComponentExportIndex>,
    ) -> wasmtime::Result<Self> {
        let function = index.and_then(|index| instance.get_func(store, index));
        function.map(Self).ok_or_else(|| wasmtime::format_err!("no function `{RUN}` is exported"))
    }

    /// Runs the action. The addresses of the memory in which its result was are in the state
    /// afterwards.
    pub(super) async fn call(
        self,
        store: &mut Store<State>,
        arguments: &str,
    ) -> wasmtime::Result<Result<String, Error>> {
        let function = self.0.typed::<(&str,), (Result<Text, types::Error>,)>(&*store)?;
        let (answer,) = function.call_async(&mut *store, (arguments,)).await?;
        Ok(match answer {
            Ok(Text { text, memory }) => {
                store.data_mut().result_memory = memory;
                Ok(text)
            }
            Err(error) => Err(error.into()),
        })
    }
}

/// A string of the guest, with the addresses of the linear memory that it was in. wasmtime has no
/// other way to learn where a component's memory is.
struct Text {
    text: String,
    memory: Range<usize>,
}

impl Text {
    fn new(text: String, context: &LiftContext<'_>) -> Self {
        let memory = context.memory().as_ptr_range();
        Self { text, memory: memory.start.addr()..memory.end.addr() }
    }
}

// SAFETY: it is lowered as a string is.
#[expect(unsafe_code, reason = "a type that is lifted as a string")]
unsafe impl ComponentType for Text {
    type Lower = <String as ComponentType>::Lower;
    const ABI: CanonicalAbiInfo = String::ABI;

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> wasmtime::Result<()> {
        String::typecheck(ty, types)
    }
}

// SAFETY: it is lifted as a string is.
#[expect(unsafe_code, reason = "a type that is lifted as a string")]
unsafe impl Lift for Text {
    fn linear_lift_from_flat(
        context: &mut LiftContext<'_>,
        ty: InterfaceType,
        source: &Self::Lower,
    ) -> wasmtime::Result<Self> {
        String::linear_lift_from_flat(context, ty, source).map(|text| Self::new(text, context))
    }

    fn linear_lift_from_memory(
        context: &mut LiftContext<'_>,
        ty: InterfaceType,
        bytes: &[u8],
    ) -> wasmtime::Result<Self> {
        String::linear_lift_from_memory(context, ty, bytes).map(|text| Self::new(text, context))
    }
}
