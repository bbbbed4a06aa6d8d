#![no_main]

keynet_fuzz::target!(component);
