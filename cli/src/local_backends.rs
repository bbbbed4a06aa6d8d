//! The backends of this machine, which an action uses if no server is configured.

use keynet_base::Config;
use keynet_host::Action;

use crate::storage;
use crate::ui::console::Console;

/// Reports the embedded defaults that an action uses, one line each.
pub fn announce(action: &Action, config: &Config, console: Console) {
    let models = &config.embedded_models.folder;
    if action.imports().has("triton-predict") && config.triton.is_none() {
        if models.is_dir() {
            console.note(format_args!(
                "models are run in process, from {} (TRITON_URL is not set)",
                models.display()
            ));
        } else {
            console.note(format_args!(
                "there are no models: no folder {} (--models, or TRITON_URL)",
                models.display()
            ));
        }
    }
    if action.imports().has("storage") && config.s3.is_none() {
        let storage = config.embedded_storage.folder.display();
        let read = storage::public_address(config).map_or(String::new(), |_| {
            "; `keynet-inference storage serve` answers their URLs".to_owned()
        });
        console.note(format_args!(
            "objects are files in {storage} (AWS_BUCKET_NAME is not set){read}"
        ));
    }
}
