# Two commands: `make demo` and `make test`. Each does all its own set-up and says what it installs. Both want root or sudo.
.PHONY: deps configure build demo test test-services replay-matrix bench lint fuzz clean

deps:
	@tools/install-deps

configure: deps
	@cmake --preset release -DSKEP_TESTS=ON >/dev/null

build: configure
	@cmake --build --preset release

demo: configure
	@cmake --build --preset release --target demo
	@tools/as-root build/bin/skep demo $(DEMO)

test: build
	@tools/run-tests

# Every service for which there is a profile in deploy/services; first installs those that `make test` does without.
test-services: build
	@tools/install-deps --services
	@tools/as-root tools/test-services

# Every dialogue of tests/dialogues, recorded a hundred times and replayed to the bait, to others and to none: half an hour.
replay-matrix: build
	@tools/install-deps --services
	@tools/as-root env SKEP_REPLAY_DIALOGUES=all SKEP_REPLAY_RECORDINGS=$(or $(RECORDINGS),100) build/bin/replay_matrix_test

bench: build
	@tools/as-root bench/run $(BENCH)

lint: deps
	@tools/lint

fuzz: deps
	@tools/fuzz $(SECONDS_EACH)

clean:
	rm -rf build
