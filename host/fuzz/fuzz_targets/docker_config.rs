#![no_main]

keynet_fuzz::target!(docker_config);
