#![no_main]

keynet_fuzz::target!(init_body);
