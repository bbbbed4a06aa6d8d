#![no_main]

keynet_fuzz::target!(triton_answer);
