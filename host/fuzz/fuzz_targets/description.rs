#![no_main]

keynet_fuzz::target!(description);
