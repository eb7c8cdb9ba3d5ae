# The two commands: `make demo` and `make test`. Each sets up everything it needs, without root.
.PHONY: demo test test-long setup build check clean

CARGO ?= cargo

demo: setup
	$(CARGO) build --release --locked
	target/release/gridboard run experiments/quickstart.yaml

# No line of the library depends on the trainer, so its own tests run once; without the trainer the program as a whole is
# tried again.
test: setup check
	$(CARGO) test --locked --no-default-features --test it
	$(CARGO) test --locked --lib --bins --tests

# What takes too long for every change: sixty kills at random moments.
test-long: setup
	$(CARGO) test --locked --test it -- --ignored

# Format, lints and documentation, as CI has them.
check:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --no-default-features --lib --bins -- -D warnings
	$(CARGO) clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --no-default-features

setup:
	scripts/setup.sh

build: setup
	$(CARGO) build --release --locked

clean:
	rm -rf target .libtorch .venv
