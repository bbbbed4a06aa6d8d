#![no_main]

keynet_fuzz::target!(run_body);
