//! Colors, and those of a detector's classes.

/// Red, green and blue, 0 to 255 each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Color {
    /// Red.
    pub red: u8,
    /// Green.
    pub green: u8,
    /// Blue.
    pub blue: u8,
}

/// Apart from each other and from most pictures.
const CLASSES: [Color; 10] = [
    Color::new(255, 77, 77),
    Color::new(26, 163, 255),
    Color::new(255, 204, 0),
    Color::new(0, 204, 136),
    Color::new(204, 102, 255),
    Color::new(255, 136, 26),
    Color::new(77, 230, 230),
    Color::new(255, 102, 178),
    Color::new(153, 221, 51),
    Color::new(90, 90, 235),
];

impl Color {
    /// Black.
    pub const BLACK: Self = Self::new(0, 0, 0);
    /// White.
    pub const WHITE: Self = Self::new(255, 255, 255);

    /// The color of these values.
    pub const fn new(red: u8, green: u8, blue: u8) -> Self {
        Self { red, green, blue }
    }

    /// Returns the color for a detector's class: ten in turn, apart from each other and from most
    /// pictures.
    pub fn of_class(class: usize) -> Self {
        CLASSES.get(class % CLASSES.len()).copied().unwrap_or(Self::BLACK)
    }

    /// Returns black or white, what can be read on this color.
    pub(crate) fn ink(self) -> Self {
        let luminance = 0.299 * f32::from(self.red)
            + 0.587 * f32::from(self.green)
            + 0.114 * f32::from(self.blue);
        if luminance > 110.0 { Self::BLACK } else { Self::WHITE }
    }

    pub(crate) fn rgb(self) -> [u8; 3] {
        [self.red, self.green, self.blue]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_classes_have_colors_of_their_own() {
        let colors: std::collections::HashSet<_> = (0..10).map(Color::of_class).collect();
        assert_eq!(colors.len(), 10);
        assert_eq!(Color::of_class(23), Color::of_class(3));
    }

    #[test]
    fn ink_can_be_read_on_its_ground() {
        assert_eq!(Color::of_class(2).ink(), Color::BLACK);
        assert_eq!(Color::of_class(9).ink(), Color::WHITE);
    }
}
