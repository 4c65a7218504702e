# Two commands: `make demo` and `make test`. Each does all its own set-up and says what it installs. Both want root or sudo.
.PHONY: deps configure build demo test bench lint fuzz clean

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

bench: build
	@tools/as-root bench/run $(BENCH)

lint: deps
	@tools/lint

fuzz: deps
	@tools/fuzz $(SECONDS_EACH)

clean:
	rm -rf build
