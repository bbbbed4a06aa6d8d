//! Tensors that go to Triton through shared memory: the files of it, and what Triton knows of them.

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

/// Files of regions of a process.
pub fn of(process: u32) -> Vec<String> {
    regions().filter(|region| owner(region) == process.to_string()).collect()
}

/// Regions of ours that a Triton knows.
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
