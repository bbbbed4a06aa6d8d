//! Basic authentication with the key of a namespace.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;

use super::reply::Rejection;
use crate::tenants::{Namespace, Tenants};

/// Maximum length in bytes of a key in base64.
const MAX_KEY: usize = 1 << 10;

/// Returns the namespace of the request's key.
///
/// # Errors
/// There is no key, or it belongs to no namespace: 401 in both cases.
pub(super) fn namespace(
    tenants: &Tenants,
    headers: &HeaderMap,
) -> Result<Arc<Namespace>, Rejection> {
    let mut keys = headers.get_all(AUTHORIZATION).iter();
    let header = keys.next().ok_or_else(|| Rejection::unauthorized(false))?;
    let key = header.to_str().ok().and_then(|text| {
        let (scheme, key) = text.split_once(' ')?;
        (scheme.eq_ignore_ascii_case("basic") && key.len() <= MAX_KEY).then(|| key.trim())
    });
    let key = key.and_then(|key| BASE64_STANDARD.decode(key).ok());
    let namespace = key.and_then(|key| tenants.with_key(&key));
    // Two headers could mean one namespace to a proxy and another one here.
    namespace.filter(|_| keys.next().is_none()).ok_or_else(|| Rejection::unauthorized(true))
}
