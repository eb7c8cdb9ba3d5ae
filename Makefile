# The two commands: `make demo` and `make test`. Each sets up everything it needs, without root.
.PHONY: demo test test-page test-long announce setup build check clean

CARGO ?= cargo

demo: announce setup
	$(CARGO) build --release --locked
	target/release/gridboard run experiments/quickstart.yaml

# No line of the library depends on the trainer, so its own tests run once; without the trainer the program as a whole is
# tried again, but on a cluster, where it makes no difference and takes minutes.
test: setup check test-page
	$(CARGO) test --locked --no-default-features --features page --test it -- --skip slurm::
	$(CARGO) test --locked --lib --bins --tests

# The scripts of the live page without a browser: their types, what they work out, and their size. With one they are tried by `cargo test`.
test-page: setup
	@for program in chromium chromedriver; do command -v $$program >/dev/null \
	  || echo "test: NOT TRIED in a browser: $$program is missing (apt-get install chromium chromium-driver)"; done
	@if command -v node >/dev/null && [ -d src/serve/node_modules ]; then node src/serve/node_modules/typescript/bin/tsc -p src/serve \
	  && node --test src/serve/tests/*.test.js && scripts/page_size.sh; \
	  else echo "test: NOT TRIED: the scripts of the live page, without node and npm (apt-get install nodejs npm)"; fi

# What takes too long for every change: sixty kills at random moments.
test-long: setup
	$(CARGO) test --locked --bins --test it -- --ignored

# Format, lints and documentation, as CI has them.
check:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --no-default-features --lib --bins -- -D warnings
	$(CARGO) clippy --locked --no-default-features --features page --lib --bins -- -D warnings
	$(CARGO) clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --no-default-features

# What a first `make demo` takes, measured with the libtorch for processors; scripts/setup.sh tells what it brings itself.
announce:
	@test -x target/release/gridboard || printf '%s\n' \
	  'demo: from nothing this downloads 0.7 GB (libtorch 0.5 GB of it; 2.5 GB beside an NVIDIA driver), builds for' \
	  'demo: about 10 minutes of processor time, takes 1.6 GB on disk, and trains 27 small networks in about a minute.' \
	  'demo: It all lies in this folder, and make clean removes it.'

setup:
	scripts/setup.sh

build: setup
	$(CARGO) build --release --locked

clean:
	rm -rf target .libtorch .venv src/serve/node_modules
