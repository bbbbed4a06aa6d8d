#![no_main]

keynet_fuzz::target!(size_expression);
