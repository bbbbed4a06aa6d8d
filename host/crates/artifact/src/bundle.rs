//! Signatures as cosign 3 makes them: a Sigstore bundle, stored as a manifest that refers to the
//! signed manifest.
//!
//! <https://github.com/sigstore/cosign/blob/main/specs/BUNDLE_SPEC.md>,
//! <https://github.com/secure-systems-lab/dsse/blob/master/protocol.md>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

use super::key::PublicKey;
use super::nulls::null_is_default;
use super::store::RawManifest;
use keynet_base::digest::Digest;
use keynet_base::quote::shown;

/// Prefix of a bundle's media type; the version follows.
pub(super) const BUNDLE_TYPE: &str = "application/vnd.dev.sigstore.bundle";
/// Payload type of an envelope.
const STATEMENT_TYPE: &str = "application/vnd.in-toto+json";
/// Predicate type of a statement that signs an image; other types are attestations about it.
const SIGNS: &str = "https://sigstore.dev/cosign/sign/v1";

/// Result of checking a bundle against a manifest and a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The key signed the manifest.
    Signed,
    /// The key signed another artifact, with this digest.
    OtherArtifact(String),
    /// Another key signed it.
    OtherKey,
    /// The bundle is of a kind that this key does not verify.
    OtherKind(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    #[serde(default)]
    verification_material: Value,
    dsse_envelope: Option<Envelope>,
    message_signature: Option<MessageSignature>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: String,
    payload_type: String,
    #[serde(default, deserialize_with = "null_is_default")]
    signatures: Vec<EnvelopeSignature>,
}

#[derive(Deserialize)]
struct EnvelopeSignature {
    sig: String,
}

#[derive(Deserialize)]
struct MessageSignature {
    signature: String,
}

/// Payload of an envelope (in-toto's Statement).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    #[serde(default)]
    predicate_type: String,
    #[serde(default, deserialize_with = "null_is_default")]
    subject: Vec<Subject>,
}

#[derive(Deserialize)]
struct Subject {
    #[serde(default)]
    digest: Value,
}

/// Checks the bundle `text` against `manifest` and `key`.
pub(super) fn judge(text: &[u8], manifest: &RawManifest, key: &PublicKey) -> Verdict {
    let Ok(bundle) = serde_json::from_slice::<Bundle>(text) else {
        return Verdict::OtherKind("a Sigstore bundle that cannot be read".to_owned());
    };
    let material = |name: &str| {
        bundle.verification_material.get(name).is_some_and(|material| !material.is_null())
    };
    let keyless = ["certificate", "x509CertificateChain"].into_iter().any(material);
    if keyless {
        let how = "a Sigstore signature with a certificate in place of a key: check it with \
            `cosign verify --certificate-identity`";
        return Verdict::OtherKind(how.to_owned());
    }
    match (bundle.dsse_envelope, bundle.message_signature) {
        (Some(envelope), _) => of_envelope(&envelope, &manifest.digest(), key),
        (None, Some(message)) => match decode(&message.signature) {
            Some(signature) if key.verifies(&manifest.bytes, &signature) => Verdict::Signed,
            _ => Verdict::OtherKey,
        },
        (None, None) => Verdict::OtherKind("a Sigstore bundle without a signature".to_owned()),
    }
}

fn of_envelope(envelope: &Envelope, digest: &Digest, key: &PublicKey) -> Verdict {
    let Some(payload) = decode(&envelope.payload) else { return Verdict::OtherKey };
    let signed = pre_authentication(&envelope.payload_type, &payload);
    if !envelope
        .signatures
        .iter()
        .filter_map(|one| decode(&one.sig))
        .any(|signature| key.verifies(&signed, &signature))
    {
        return Verdict::OtherKey;
    }
    let statement = serde_json::from_slice::<Statement>(&payload)
        .ok()
        .filter(|_| envelope.payload_type == STATEMENT_TYPE);
    let Some(statement) = statement else {
        return Verdict::OtherKind(
            "something by this key that is no statement about an artifact".to_owned(),
        );
    };
    if statement.predicate_type != SIGNS {
        let kind = shown(&statement.predicate_type);
        return Verdict::OtherKind(format!(
            "an attestation by this key ({kind}), which is not a signature"
        ));
    }
    let subjects: Vec<_> = statement
        .subject
        .iter()
        .filter_map(|subject| subject.digest.get("sha256")?.as_str())
        .collect();
    if subjects.contains(&digest.hex().as_str()) {
        return Verdict::Signed;
    }
    Verdict::OtherArtifact(
        subjects
            .first()
            .map_or_else(|| "nothing".to_owned(), |other| format!("sha256:{}", shown(other))),
    )
}

/// Returns the bytes that an envelope's signature covers (DSSE's pre-authentication encoding).
fn pre_authentication(kind: &str, payload: &[u8]) -> Vec<u8> {
    let mut text = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
    text.extend_from_slice(payload);
    text
}

fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text.trim()).ok()
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::super::key::PrivateKey;
    use super::*;

    /// Returns a bundle as cosign 3 writes it with a key.
    pub(crate) fn bundle(key: &PrivateKey, digest: &Digest, predicate: &str) -> Vec<u8> {
        let subject = json!([{ "digest": { "sha256": digest.hex() } }]);
        let statement = json!({ "_type": "https://in-toto.io/Statement/v1", "subject": subject, "predicateType": predicate, "predicate": {} });
        let payload = statement.to_string().into_bytes();
        let signature = key.sign(&pre_authentication(STATEMENT_TYPE, &payload));
        json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": { "publicKey": { "hint": "x" }, "tlogEntries": [] },
            "dsseEnvelope": {
                "payload": STANDARD.encode(payload), "payloadType": STATEMENT_TYPE, "signatures": [{ "sig": STANDARD.encode(signature) }],
            },
        })
        .to_string()
        .into_bytes()
    }

    fn manifest(text: &'static str) -> RawManifest {
        RawManifest { media_type: "m".to_owned(), bytes: text.into() }
    }

    #[test]
    fn an_envelope_is_verified_and_is_about_the_artifact() {
        let (key, other, signed) = (PrivateKey::generate(), PrivateKey::generate(), manifest("{}"));
        let text = bundle(&key, &signed.digest(), SIGNS);
        assert_eq!(judge(&text, &signed, &key.public()), Verdict::Signed);
        assert_eq!(judge(&text, &signed, &other.public()), Verdict::OtherKey);
        let moved = format!("sha256:{}", signed.digest().hex());
        assert_eq!(judge(&text, &manifest("[]"), &key.public()), Verdict::OtherArtifact(moved));
        let kind = |text: &[u8]| match judge(text, &signed, &key.public()) {
            Verdict::OtherKind(kind) => kind,
            verdict => panic!("{verdict:?}"),
        };
        assert!(
            kind(&bundle(&key, &signed.digest(), "https://slsa.dev/provenance/v1"))
                .contains("slsa.dev")
        );
        assert!(
            kind(b"{").contains("cannot be read") && kind(b"{}").contains("without a signature")
        );
        assert!(kind(br#"{"verificationMaterial":{"certificate":{"rawBytes":"AA=="}},"dsseEnvelope":null}"#).contains("certificate"));
        let tampered = String::from_utf8(text).unwrap().replace("vnd.in-toto", "vnd.in-tot0");
        assert_eq!(judge(tampered.as_bytes(), &signed, &key.public()), Verdict::OtherKey);
    }

    #[test]
    fn a_signature_of_the_manifest_itself_is_verified() {
        let (key, signed) = (PrivateKey::generate(), manifest("{}"));
        let text = json!({ "messageSignature": { "signature": STANDARD.encode(key.sign(&signed.bytes)) } }).to_string();
        assert_eq!(judge(text.as_bytes(), &signed, &key.public()), Verdict::Signed);
        assert_eq!(judge(text.as_bytes(), &manifest("[]"), &key.public()), Verdict::OtherKey);
    }
}
