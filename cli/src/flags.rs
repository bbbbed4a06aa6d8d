//! Flags that several commands share.

use std::net::SocketAddr;

use clap::Args;
use keynet_base::AllowedHosts;
use keynet_base::config::{LimitOverrides, parse_bytes, parse_duration};

use crate::input::address::ListenAddress;

/// Settings that override those of the environment.
#[derive(Debug, Clone, Default, Args)]
pub struct HostArgs {
    /// Run models from this folder, in Triton's repository layout [default: ./models]
    #[arg(long, value_name = "DIR")]
    pub models: Option<std::path::PathBuf>,
    /// Store objects in this folder [default: ./storage]
    #[arg(long, value_name = "DIR")]
    pub storage: Option<std::path::PathBuf>,
    /// Time limit of a run, such as 500ms, 60s or 5m [default: the policy's, 60s]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub timeout: Option<std::time::Duration>,
    /// Memory limit of a run, such as 512MiB [default: the policy's, 256MiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes)]
    pub memory: Option<u64>,
}

impl HostArgs {
    /// Returns the limits of a run that they set.
    pub fn limits(&self) -> LimitOverrides {
        LimitOverrides { time: self.timeout, memory: self.memory, ..LimitOverrides::default() }
    }
}

/// Host names that a server on this machine accepts.
#[derive(Debug, Clone, Default, Args)]
pub struct HostNameArgs {
    /// Also accept requests for this host name, and from its pages, besides localhost and the
    /// address listened on; may be repeated
    #[arg(long = "allow-host", value_name = "NAME")]
    pub allowed: Vec<String>,
}

impl HostNameArgs {
    /// Returns the host names that a server accepts which listens at `address` and got the address
    /// `bound`.
    pub fn allowed(&self, address: &ListenAddress, bound: SocketAddr) -> AllowedHosts {
        AllowedHosts::listening_at(bound)
            .called(address.host())
            .trusting(self.allowed.iter().map(String::as_str))
    }
}

/// Access to registries.
#[derive(Debug, Clone, Default, Args)]
pub struct RegistryArgs {
    /// Use plain HTTP with the registry; without this option only on this machine [also:
    /// KEYNET_REGISTRY_INSECURE, a list of hosts]
    #[arg(long)]
    pub insecure: bool,
    /// Trust the certificate authorities in this PEM file [also: KEYNET_REGISTRY_CA]
    #[arg(long, value_name = "FILE")]
    pub ca: Option<std::path::PathBuf>,
}

/// Output of a command that takes a while.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct AnswerArgs {
    /// Print one JSON object: the result or the error
    #[arg(long)]
    pub json: bool,
    /// Do not show the progress
    #[arg(short, long)]
    pub quiet: bool,
}
