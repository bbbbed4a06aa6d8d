//! The resource `picture`: a picture and the font of its text.

use std::cell::RefCell;

use keynet_imaging::{self as imaging, Font};

use crate::exports::keynet::imaging::pictures::{
    Bounds, Channels, Color, Error, Filter, GuestPicture, Layout, LetterBoxed, Normalization,
    Picture as Handle,
};

/// A picture that a guest has a handle of.
pub struct Picture(RefCell<Inner>);

struct Inner {
    picture: imaging::Picture,
    font: Option<Font>,
}

impl Picture {
    fn handle(picture: imaging::Picture) -> Handle {
        Handle::new(Self(RefCell::new(Inner { picture, font: None })))
    }

    /// Calls `call` with the picture.
    fn with<T>(&self, call: impl FnOnce(&imaging::Picture) -> T) -> T {
        call(&self.0.borrow().picture)
    }

    /// Writes with the picture's font.
    fn write(
        &self,
        write: impl FnOnce(&mut imaging::Picture, &Font) -> imaging::Result<()>,
    ) -> Result<(), Error> {
        let Inner { picture, font } = &mut *self.0.borrow_mut();
        Ok(write(picture, font.get_or_insert_with(Font::latin))?)
    }
}

impl GuestPicture for Picture {
    fn decode(file: Vec<u8>) -> Result<Handle, Error> {
        Ok(Self::handle(imaging::Picture::decode(&file)?))
    }

    fn from_rgb(width: u32, height: u32, rgb: Vec<u8>) -> Result<Handle, Error> {
        Ok(Self::handle(imaging::Picture::from_rgb(width, height, rgb)?))
    }

    fn width(&self) -> u32 {
        self.with(imaging::Picture::width)
    }

    fn height(&self) -> u32 {
        self.with(imaging::Picture::height)
    }

    fn crop(&self, left: u32, top: u32, width: u32, height: u32) -> Result<Handle, Error> {
        Ok(Self::handle(self.with(|picture| picture.crop(left, top, width, height))?))
    }

    fn resize(&self, width: u32, height: u32, filter: Filter) -> Result<Handle, Error> {
        Ok(Self::handle(self.with(|picture| picture.resize(width, height, filter.into()))?))
    }

    fn letter_box(
        &self,
        width: u32,
        height: u32,
        filter: Filter,
        color: Color,
    ) -> Result<LetterBoxed, Error> {
        let (filter, color) = (filter.into(), color.into());
        let imaging::LetterBoxed { picture, scale, left, top } =
            self.with(|picture| picture.letter_box(width, height, filter, color))?;
        Ok(LetterBoxed { picture: Self::handle(picture), scale, left, top })
    }

    fn to_uint8(&self, layout: Layout, channels: Channels) -> Vec<u8> {
        self.with(|picture| picture.to_uint8(layout.into(), channels.into()))
    }

    fn to_fp16(
        &self,
        layout: Layout,
        channels: Channels,
        normalization: Normalization,
    ) -> Result<Vec<u8>, Error> {
        let normalization = normalization.into();
        Ok(self.with(|it| it.to_fp16_bytes(layout.into(), channels.into(), &normalization))?)
    }

    fn to_fp32(
        &self,
        layout: Layout,
        channels: Channels,
        normalization: Normalization,
    ) -> Result<Vec<u8>, Error> {
        let normalization = normalization.into();
        Ok(self.with(|it| it.to_fp32_bytes(layout.into(), channels.into(), &normalization))?)
    }

    fn draw_box(&self, bounds: Bounds, color: Color, line: Option<u32>) -> Result<(), Error> {
        let Bounds { left, top, right, bottom } = bounds;
        let bounds = [left, top, right, bottom];
        Ok(self.0.borrow_mut().picture.draw_box(bounds, color.into(), line)?)
    }

    fn draw_label(
        &self,
        text: String,
        left: f64,
        top: f64,
        color: Color,
        size: Option<f64>,
    ) -> Result<(), Error> {
        self.write(|picture, font| picture.draw_label(font, &text, [left, top], color.into(), size))
    }

    fn draw_text(
        &self,
        text: String,
        left: f64,
        top: f64,
        color: Color,
        size: Option<f64>,
    ) -> Result<(), Error> {
        self.write(|picture, font| picture.draw_text(font, &text, [left, top], color.into(), size))
    }

    fn set_font(&self, file: Vec<u8>) -> Result<(), Error> {
        self.0.borrow_mut().font = Some(Font::parse(file)?);
        Ok(())
    }

    fn encode_png(&self) -> Result<Vec<u8>, Error> {
        Ok(self.with(imaging::Picture::encode_png)?)
    }

    fn encode_jpeg(&self, quality: u8) -> Result<Vec<u8>, Error> {
        Ok(self.with(|picture| picture.encode_jpeg(quality))?)
    }
}
