//! Flags that several commands share.

use std::net::SocketAddr;

use clap::Args;
use keynet_base::AllowedHosts;
use keynet_base::config::{parse_bytes, parse_duration};

use crate::input::address::ListenAddress;

/// Settings that stand above the environment's.
#[derive(Debug, Clone, Default, Args)]
pub struct HostArgs {
    /// Run models from this folder, in Triton's repository layout [default: ./models]
    #[arg(long, value_name = "DIR")]
    pub models: Option<std::path::PathBuf>,
    /// Keep objects in this folder [default: ./storage]
    #[arg(long, value_name = "DIR")]
    pub storage: Option<std::path::PathBuf>,
    /// How long a run may take, such as 500ms, 60s or 5m [default: the policy's, 60s]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub timeout: Option<std::time::Duration>,
    /// How much memory a run may hold, such as 512MiB [default: the policy's, 256MiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes)]
    pub memory: Option<u64>,
}

/// The hosts that a server on this machine answers for.
#[derive(Debug, Clone, Default, Args)]
pub struct HostNameArgs {
    /// Also answer for this host name, and requests of its pages, besides localhost and the address
    /// listened on; may be repeated
    #[arg(long = "allow-host", value_name = "NAME")]
    pub allowed: Vec<String>,
}

impl HostNameArgs {
    /// What a server answers for that was to listen at `address` and is `bound` there.
    pub fn allowed(&self, address: &ListenAddress, bound: SocketAddr) -> AllowedHosts {
        AllowedHosts::listening_at(bound)
            .called(address.host())
            .trusting(self.allowed.iter().map(String::as_str))
    }
}

/// How registries are reached.
#[derive(Debug, Clone, Default, Args)]
pub struct RegistryArgs {
    /// Speak plain HTTP with the registry; without it only on this machine [also:
    /// KEYNET_REGISTRY_INSECURE, a list of hosts]
    #[arg(long)]
    pub insecure: bool,
    /// Trust the certificate authorities in this PEM file [also: KEYNET_REGISTRY_CA]
    #[arg(long, value_name = "FILE")]
    pub ca: Option<std::path::PathBuf>,
}

/// How a command that takes a while answers.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct AnswerArgs {
    /// Answer with one JSON object: the result or the error
    #[arg(long)]
    pub json: bool,
    /// Say nothing of the progress
    #[arg(short, long)]
    pub quiet: bool,
}
