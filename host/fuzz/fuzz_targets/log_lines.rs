#![no_main]

keynet_fuzz::target!(log_lines, memory = 4096);
