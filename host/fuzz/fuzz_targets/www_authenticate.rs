#![no_main]

keynet_fuzz::target!(www_authenticate);
