#![no_main]

keynet_fuzz::target!(model_graph, memory = 1000);
