//! Configuration of the host for one command: the environment, overridden by flags.

use keynet_base::Config;

use crate::errors::ExpectedError;
use crate::flags::HostArgs;

/// Reads the configuration from the environment and overrides it with `args`.
///
/// # Errors
/// A value cannot be used, or a named folder does not exist.
pub fn read(args: &HostArgs) -> Result<Config, ExpectedError> {
    let mut config = Config::from_environment()?;
    config.hide_secrets();
    config.embedded_storage.public_url = Some(config.embedded_storage.local_url());
    if let Some(folder) = &args.models {
        std::fs::read_dir(folder).map_err(ExpectedError::io("read models from", folder))?;
        config.embedded_models.folder.clone_from(folder);
        config.triton = None;
    }
    if let Some(folder) = &args.storage {
        config.embedded_storage.folder.clone_from(folder);
        config.s3 = None;
    }
    config.limits.time = args.timeout.or(config.limits.time);
    config.limits.memory = args.memory.or(config.limits.memory);
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_models_folder_that_is_not_there_is_named() {
        let args = HostArgs { models: Some("no/such/models".into()), ..HostArgs::default() };
        let error = read(&args).unwrap_err().one_line();
        assert!(error.starts_with("cannot read models from no/such/models: "), "{error}");
    }
}
