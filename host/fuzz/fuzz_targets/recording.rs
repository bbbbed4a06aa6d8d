#![no_main]

keynet_fuzz::target!(recording);
