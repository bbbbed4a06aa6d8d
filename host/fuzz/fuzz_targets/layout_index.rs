#![no_main]

keynet_fuzz::target!(layout_index);
