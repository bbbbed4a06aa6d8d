# Two commands: `make demo` shows the main job, `make test` passes every test. Both set up what they need.
.PHONY: demo test install wheels bench accuracy help

help:
	@echo 'make demo      set up, build, find things in a picture, say where the result is'
	@echo 'make test      set up and run every check and test'
	@echo 'make install   install the keynet-inference command, and the keynet-runtime that images are made of'
	@echo 'make wheels    build numpy and Pillow for functions in Python'
	@echo 'make bench     repeat the figures of docs/benchmarks.md'
	@echo 'make accuracy  measure the detector on pictures it has never seen'

demo:
	@examples/image-detection/demo

test:
	@tests/run

install:
	cargo install --path cli --locked
	cargo install --path host --locked

wheels:
	@guest-sdk/python/wheels/build

bench:
	@tests/bench

accuracy:
	@examples/image-detection/training/accuracy
