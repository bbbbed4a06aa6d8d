//! The modes of a real registry.

use super::*;

#[test]
fn a_registry_for_everybody() {
    tour("none");
}

#[test]
fn a_registry_with_passwords() {
    tour("basic");
}

#[test]
fn a_registry_with_its_own_certificate_authority() {
    tour("tls");
}

#[test]
fn a_registry_with_tokens() {
    tour("token");
}
