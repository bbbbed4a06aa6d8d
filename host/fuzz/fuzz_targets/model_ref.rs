#![no_main]

keynet_fuzz::target!(model_ref);
