#![no_main]

keynet_fuzz::target!(config_pbtxt);
