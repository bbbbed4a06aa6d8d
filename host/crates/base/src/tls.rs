//! The cryptography that TLS uses in this process: ring, chosen once.

/// Chooses ring for every TLS connection of this process that does not bring a provider of its own.
/// Call it before the first client is made; calling it again does nothing.
pub fn install() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Whoever came first between the two lines chose the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}
