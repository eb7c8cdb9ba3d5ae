# The two commands: `make demo` and `make test`. Each sets up everything it needs, without root.
.PHONY: demo test test-long announce setup build check clean

CARGO ?= cargo

demo: announce setup
	$(CARGO) build --release --locked
	target/release/gridboard run experiments/quickstart.yaml

# No line of the library depends on the trainer, so its own tests run once; without the trainer the program as a whole is
# tried again.
test: setup check
	$(CARGO) test --locked --no-default-features --test it
	$(CARGO) test --locked --lib --bins --tests

# What takes too long for every change: sixty kills at random moments.
test-long: setup
	$(CARGO) test --locked --bins --test it -- --ignored

# Format, lints and documentation, as CI has them.
check:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --no-default-features --lib --bins -- -D warnings
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
	rm -rf target .libtorch .venv
