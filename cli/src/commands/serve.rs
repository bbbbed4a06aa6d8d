//! `serve`: a node, which serves OpenWhisk's API on this machine.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use keynet_node::{Developer, Listening, ServeError, ServeOptions, backup, new_key, serve};

use crate::errors::ExpectedError;
use crate::ui::console::Console;

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// The file with the namespaces and their limits; without one there is one namespace, guest,
    /// for your own actions
    #[arg(long, value_name = "NODE.TOML")]
    config: Option<PathBuf>,
    /// The folder of actions, activation records and objects
    #[arg(long, value_name = "DIR", default_value = "node")]
    data: PathBuf,
    /// Listen on this address instead of the file's, or of 127.0.0.1:3233
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Copy the databases of the folder of --data to a new folder, while a node uses them or not,
    /// and do nothing else
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["config", "listen"])]
    backup: Option<PathBuf>,
    /// Write a new key for a namespace to a file, and do nothing else
    #[arg(long, value_name = "FILE", conflicts_with_all = ["config", "data", "listen", "backup"])]
    new_key: Option<PathBuf>,
}

/// Serves until the process is asked to stop.
///
/// # Errors
/// The node cannot start.
pub fn run(args: &ServeArgs, console: Console) -> Result<(), ExpectedError> {
    if let Some(file) = &args.new_key {
        new_key(file).map_err(ServeError::from)?;
        console.note(format_args!("wrote {}", file.display()));
        return Ok(());
    }
    if let Some(folder) = &args.backup {
        backup(&args.data, folder)?;
        console.note(format_args!("wrote {}", folder.display()));
        return Ok(());
    }
    let options =
        ServeOptions { config: args.config.clone(), data: args.data.clone(), listen: args.listen };
    serve(&options, |listening| announce(listening, console))?;
    Ok(())
}

fn announce(listening: &Listening, console: Console) {
    let url = format!("http://{}", listening.address);
    console.say(&format!("listening on {url}\n"));
    let Some(Developer { key_file, key_is_new, state, objects }) = &listening.developer else {
        let names = listening.namespaces.join(", ");
        console.note(format_args!("namespaces: {names}"));
        return;
    };
    if *key_is_new {
        console.note(format_args!(
            "the key of the namespace guest is new; it is in {}",
            key_file.display()
        ));
    }
    console.note(format_args!("use it in another terminal, with any client of OpenWhisk:"));
    console.say(&format!("{}\n", usage(&url, key_file)));
    console.note(format_args!("or open {url}/ui in a browser and sign in with the key"));
    console.note(format_args!("URLs of objects that actions return are answered by"));
    console.say(&format!("{}\n", object_server(state, objects)));
}

/// Returns the command that answers URLs of objects.
fn object_server(state: &Path, objects: &Path) -> String {
    let (state, objects) = (state.display(), objects.display());
    format!("  KEYNET_STATE_DIR={state} keynet-inference storage serve --storage {objects}")
}

/// Returns the commands that make a shell use the node.
fn usage(url: &str, key: &Path) -> String {
    format!("  export __OW_API_HOST={url} __OW_API_KEY=$(cat {})", key.display())
}
