//! `keynet:imaging/pictures`, exported: each call is one of `keynet_imaging`, in the types of the
//! interface.

mod convert;
mod picture;

wit_bindgen::generate!({
    world: "keynet:imaging/library",
    path: "../wit",
});

use exports::keynet::imaging::pictures::{Color, Guest};

struct Library;

impl Guest for Library {
    type Picture = picture::Picture;

    fn class_color(class: u32) -> Color {
        keynet_imaging::Color::of_class(class as usize).into()
    }
}

export!(Library);
