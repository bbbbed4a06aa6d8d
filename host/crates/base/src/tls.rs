//! TLS cryptography of this process: ring, installed once.

/// Installs ring for every TLS connection of this process that does not bring its own provider. The
/// caller must run it before the first client is created; further calls do nothing.
pub fn install() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // A thread that was faster between the two lines installed the same provider.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}
