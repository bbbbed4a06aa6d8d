//! Responses whose size depends on what a namespace stores: lists of entities, and large entities.

use std::sync::Arc;

use hyper::StatusCode;
use serde::Serialize;
use serde_json::json;

use super::Call;
use super::reply::{Rejection, Reply};
use crate::entities::{Action, ActionJson, Package, PackageJson};
use crate::page;
use crate::tenants::Namespace;

/// Largest list, or entity without its code, in bytes.
pub(super) const MAX: usize = 32 << 20;

/// Bytes of an entity's JSON beside its parameters and annotations.
const FIELDS: usize = 1 << 10;

/// Entry of a list.
pub(super) trait Entry: Send + Sync + 'static {
    /// Returns the most bytes of its JSON.
    fn bytes(&self) -> usize;

    /// Returns its JSON.
    fn json(&self) -> impl Serialize + '_;
}

/// An action, as its owner or others see it.
pub(super) struct ListedAction {
    pub action: Arc<Action>,
    pub for_owner: bool,
}

impl Entry for ListedAction {
    fn bytes(&self) -> usize {
        FIELDS + self.action.annotations.size()
    }

    fn json(&self) -> impl Serialize + '_ {
        ActionJson::entry(&self.action, self.for_owner)
    }
}

/// An action, as the page lists it.
pub(super) struct DescribedAction(pub Arc<Action>);

impl Entry for DescribedAction {
    fn bytes(&self) -> usize {
        FIELDS
    }

    fn json(&self) -> impl Serialize + '_ {
        page::summary(&self.0)
    }
}

impl Entry for Arc<Package> {
    fn bytes(&self) -> usize {
        FIELDS + self.annotations.size()
    }

    fn json(&self) -> impl Serialize + '_ {
        PackageJson::entry(self)
    }
}

/// Returns a page of a list, or its number of entries if the request asks for `count`.
pub(super) async fn listed(
    call: &Call<'_>,
    user: &Namespace,
    collection: &str,
    entries: Vec<impl Entry>,
) -> Result<Reply, Rejection> {
    let page = call.target.page(collection)?;
    if call.target.flag("count", false)? {
        let count = entries.len().saturating_sub(page.skip);
        return Ok(Reply::json(&json!({ (collection): count })));
    }
    let entries: Vec<_> = entries.into_iter().skip(page.skip).take(page.limit).collect();
    let bytes = entries.iter().map(Entry::bytes).sum();
    let write = move || Reply::json(&entries.iter().map(Entry::json).collect::<Vec<_>>());
    written(user, bytes, "list", write).await
}

/// Returns the response that `write` makes of at most `bytes`: off the async workers if they are many,
/// and with memory of the namespace until it was sent.
pub(super) async fn written(
    user: &Namespace,
    bytes: usize,
    what: &str,
    write: impl FnOnce() -> Reply + Send + 'static,
) -> Result<Reply, Rejection> {
    if bytes > MAX {
        let message = format!(
            "The {what} has {bytes} bytes, more than the {MAX} of a response: ask for fewer entries \
                with `limit`, or for one of them by its name"
        );
        return Err(Rejection::new(StatusCode::PAYLOAD_TOO_LARGE, message));
    }
    // The text may have room for as much again.
    let held = user.reserve(2 * bytes, "a response")?;
    let reply = user.offload(bytes, write).await.ok_or_else(Rejection::stopping)?;
    Ok(reply.holding(held))
}
