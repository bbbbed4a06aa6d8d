#![no_main]

keynet_fuzz::target!(archive, memory = 16 << 10);
