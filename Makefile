# Two commands: `make demo` shows the main job, `make test` passes every test. Both set up what they need.
.PHONY: demo test check install dist wheels bench fuzz accuracy help

help:
	@echo 'make demo      set up, build, find things in a picture, say where the result is'
	@echo 'make test      set up and run every check and test'
	@echo 'make check     format, clippy and the unit tests that need no server'
	@echo 'make install   install the keynet-inference command, and the keynet-runtime that images are made of'
	@echo 'make dist      make the archive of a release: both programs, checksums, an install script'
	@echo 'make wheels    build numpy and Pillow for functions in Python'
	@echo 'make bench     repeat the figures of docs/benchmarks.md'
	@echo 'make fuzz      look for inputs that break a parser: SECONDS=60 for each, TARGET=name for one'
	@echo 'make accuracy  measure the detector on pictures it has never seen'

demo:
	@examples/image-detection/demo

test:
	@tests/run

check:
	@tests/run format lint unit

install:
	KEYNET_IMAGING_COMPONENT=$$(guest-sdk/imaging/component/build) && export KEYNET_IMAGING_COMPONENT && cargo install --path cli --locked
	cargo install --path host --locked

dist:
	@cli/dist

wheels:
	@guest-sdk/python/wheels/build

bench:
	@tests/bench

fuzz:
	@host/fuzz/run --seconds $(or $(SECONDS),60) $(TARGET)

accuracy:
	@examples/image-detection/training/accuracy
