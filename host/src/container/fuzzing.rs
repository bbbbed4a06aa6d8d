//! Fuzzing of the bodies of `/init` and `/run`, and of archives; see [`keynet_base::fuzzing`].

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::init_request::InitRequest;
use super::run_request::RunRequest;
use super::variables;
use crate::activation::GuestEnvironment;
use crate::capabilities::user_input::Parameters;
use crate::code::archive::{ungzip, unzip};
use crate::code::{self, Arrived};
use keynet_base::config::is_reserved;
use keynet_base::fuzzing::{checked, text};
use keynet_base::quote::bounded;

/// Input is a zip or a tar.gz.
pub fn archive(data: &[u8]) {
    let unpacked = if data.starts_with(b"PK") { unzip(data) } else { ungzip(data) };
    let Some(unpacked) = checked(unpacked) else { return };
    assert!(unpacked.component.starts_with(b"\0asm") && unpacked.component.len() <= 128 << 20);
    assert!(unpacked.request.is_none_or(|request| request.len() <= 64 << 10));
}

/// Input is a body of `/init`. No variable of the result configures the host, and each is valid in
/// an environment.
pub fn init_body(data: &[u8]) {
    let Some(request) = checked(InitRequest::parse(data).map_err(|error| bounded(error, 512)))
    else {
        return;
    };
    if let Some(Arrived::Reference(reference)) =
        request.code.and_then(|code| checked(code::read(&code)))
    {
        assert!(reference.starts_with("oci://"));
    }
    for (name, value) in variables::base(&BTreeMap::new(), &request.env).pairs() {
        assert!(
            !is_reserved(name)
                && !name.is_empty()
                && !name.contains(['=', '\0'])
                && !value.contains('\0'),
            "{name:?}"
        );
    }
}

/// Input is a body of `/run`. Its argument is JSON, and its variables have distinct names.
pub fn run_body(data: &[u8]) {
    let Some(request) = checked(RunRequest::parse(data).map_err(|error| bounded(error, 512)))
    else {
        return;
    };
    assert!(request.value.is_none_or(|value| serde_json::from_str::<&RawValue>(value).is_ok()));
    let names: BTreeMap<_, _> =
        request.variables.iter().map(|(name, value)| (name, value)).collect();
    assert_eq!(names.len(), request.variables.len(), "a variable is there twice");
    assert!(names.keys().all(|name| name.starts_with("__OW_")));
    let environment = GuestEnvironment::new(request.variables);
    let mut pairs = environment.pairs().iter();
    assert!(pairs.all(|(name, value)| !name.contains(['=', '\0']) && !value.contains('\0')));
}

/// Input is the parameters of an activation. None of the result configures the host, and parsing it
/// again changes nothing.
pub fn parameters(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let Some(parameters) = checked(Parameters::parse(text)) else { return };
    let again = Parameters::parse(parameters.text());
    assert!(again.is_ok_and(|again| again.text() == parameters.text()), "{}", parameters.text());
    if let Ok(fields) = serde_json::from_str::<BTreeMap<String, &RawValue>>(parameters.text()) {
        assert!(!fields.keys().any(|name| is_reserved(name)), "{}", parameters.text());
    }
}
