#![no_main]

keynet_fuzz::target!(registry_answer);
