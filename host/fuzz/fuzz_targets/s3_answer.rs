#![no_main]

keynet_fuzz::target!(s3_answer);
