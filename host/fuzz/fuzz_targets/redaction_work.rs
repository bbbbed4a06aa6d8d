#![no_main]

keynet_fuzz::target!(redaction_work, memory = 4096);
