//! Shared memory of tensors for Triton: the files, and the regions that Triton has registered.

use keynet_test_servers::RealServer;

use crate::http;

fn regions() -> impl Iterator<Item = String> {
    let names = std::fs::read_dir("/dev/shm")
        .expect("shared memory")
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| name.starts_with("keynet-") && !name.starts_with("keynet-new-"))
}

fn owner(region: &str) -> &str {
    region.split('-').nth(1).expect("keynet-PID-START-RANDOM")
}

/// Returns the shared memory files of a process.
pub fn of(process: u32) -> Vec<String> {
    regions().filter(|region| owner(region) == process.to_string()).collect()
}

/// Returns the regions of this project that a Triton server has registered.
pub fn registered(triton: &RealServer) -> Vec<String> {
    let address = triton.get("TRITON_HTTP").trim_start_matches("http://");
    let known = http(address, "GET", "/v2/systemsharedmemory/status", &[], b"").json();
    let names = known
        .as_array()
        .expect("a list")
        .iter()
        .map(|region| region["name"].as_str().expect("a name").to_owned());
    names.filter(|name| name.starts_with("keynet-")).collect()
}
