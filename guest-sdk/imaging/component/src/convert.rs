//! Between the interface's types and those of the crate.

use crate::exports::keynet::imaging::pictures as wit;
use keynet_imaging as imaging;

impl From<wit::Color> for imaging::Color {
    fn from(color: wit::Color) -> Self {
        Self::new(color.red, color.green, color.blue)
    }
}

impl From<imaging::Color> for wit::Color {
    fn from(color: imaging::Color) -> Self {
        Self { red: color.red, green: color.green, blue: color.blue }
    }
}

impl From<imaging::Error> for wit::Error {
    fn from(error: imaging::Error) -> Self {
        let kind = match error.kind() {
            imaging::ErrorKind::TooLarge => wit::ErrorKind::TooLarge,
            imaging::ErrorKind::Unsupported => wit::ErrorKind::Unsupported,
            _ => wit::ErrorKind::Invalid,
        };
        Self { kind, message: error.message().to_owned() }
    }
}

impl From<wit::Filter> for imaging::Filter {
    fn from(filter: wit::Filter) -> Self {
        match filter {
            wit::Filter::Nearest => Self::Nearest,
            wit::Filter::Area => Self::Area,
            wit::Filter::Bilinear => Self::Bilinear,
            wit::Filter::Bicubic => Self::Bicubic,
            wit::Filter::Lanczos => Self::Lanczos,
        }
    }
}

impl From<wit::Layout> for imaging::Layout {
    fn from(layout: wit::Layout) -> Self {
        match layout {
            wit::Layout::Chw => Self::Chw,
            wit::Layout::Hwc => Self::Hwc,
        }
    }
}

impl From<wit::Channels> for imaging::Channels {
    fn from(channels: wit::Channels) -> Self {
        match channels {
            wit::Channels::Rgb => Self::Rgb,
            wit::Channels::Bgr => Self::Bgr,
            wit::Channels::Gray => Self::Gray,
        }
    }
}

impl From<wit::Normalization> for imaging::Normalization {
    fn from(normalization: wit::Normalization) -> Self {
        let wit::Normalization { divisor, mean, std } = normalization;
        Self { divisor, mean: mean.into(), std: std.into() }
    }
}
