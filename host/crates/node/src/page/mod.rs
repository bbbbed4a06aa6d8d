//! The page of a node, at `/ui`: its files, and what it needs beside OpenWhisk's API. `run --serve`
//! has the same page, for its one action.
//!
//! The page is static and holds no state of anyone: it signs in with the key of a namespace and
//! calls the API as any client does. Two collections of a namespace exist for it: descriptions of
//! actions, and pictures of its storage. It imports nothing of `api`, which has the routes.

mod assets;
mod description;
mod pictures;

pub(crate) use assets::confinement;
pub use assets::{Asset, PageServer, asset};
pub use description::may_use;
pub(crate) use description::{described, summary};
pub use pictures::{Gallery, Picture, PictureError};
pub(crate) use pictures::{read, remove_expired, store};
