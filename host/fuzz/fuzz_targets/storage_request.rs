#![no_main]

keynet_fuzz::target!(storage_request);
