//! `storage serve`: serves the objects of embedded storage over HTTP to clients that hold a
//! presigned URL.

use clap::{Args, Subcommand};
use keynet_base::Config;
use keynet_object_storage::folder_store;

use crate::errors::ExpectedError;
use crate::flags::{HostArgs, HostNameArgs};
use crate::input::address::ListenAddress;
use crate::runtime::{self, Work};
use crate::ui::console::Console;
use crate::{settings, storage};

/// Work with the objects of embedded storage.
#[derive(Debug, Args)]
pub struct StorageArgs {
    #[command(subcommand)]
    command: StorageCommand,
}

#[derive(Debug, Subcommand)]
enum StorageCommand {
    /// Serve the presigned URLs of embedded storage until Ctrl-C
    Serve(ServeArgs),
}

#[derive(Debug, Args)]
struct ServeArgs {
    /// The folder of objects [default: ./storage]
    #[arg(long, value_name = "DIR")]
    storage: Option<std::path::PathBuf>,
    /// Address to listen on [default: the address of presigned URLs, 127.0.0.1:9797]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<ListenAddress>,
    #[command(flatten)]
    hosts: HostNameArgs,
}

/// Runs a subcommand of `storage`.
///
/// # Errors
/// The folder cannot be used, or the address is in use.
pub fn run(args: StorageArgs, console: Console) -> Result<(), ExpectedError> {
    let StorageCommand::Serve(args) = args.command;
    let config = settings::read(&HostArgs { storage: args.storage, ..HostArgs::default() })?;
    runtime::start(Work::Many)?.block_on(serve(&config, args.listen, &args.hosts, console))
}

async fn serve(
    config: &Config,
    listen: Option<ListenAddress>,
    hosts: &HostNameArgs,
    console: Console,
) -> Result<(), ExpectedError> {
    let store = storage::open(config)?;
    let address = listen.unwrap_or_else(|| storage::default_address(config));
    let (listener, bound) = address.bind().await?;
    let public = config.embedded_storage.local_url();
    console.say(&format!(
        "listening on http://{bound}, objects in {}\n",
        config.embedded_storage.folder.display()
    ));
    if storage::public_address(config)
        .is_none_or(|expected| expected.to_string() != bound.to_string() && expected != address)
    {
        console.note(format_args!(
            "presigned URLs point to {public}; KEYNET_STORAGE_PUBLIC_URL says where"
        ));
    }
    let limits = storage::limits(config, hosts.allowed(&address, bound));
    folder_store::serve(listener, store, limits, runtime::asked_to_stop())
        .await
        .map_err(ExpectedError::io_on("serve on", bound.to_string()))
}
