# Two commands: `make demo` and `make test`. Each does all its own set-up and says what it installs. Both want root or sudo.
.PHONY: deps configure build demo test test-services bench lint fuzz clean

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

bench: build
	@tools/as-root bench/run $(BENCH)

lint: deps
	@tools/lint

fuzz: deps
	@tools/fuzz $(SECONDS_EACH)

clean:
	rm -rf build
