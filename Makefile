# The commands of the project, for people. What they do is in tools/; how it is built is in CMakeLists.txt.
PREFIX ?= /usr/local
DESTDIR ?=
JOBS ?= 2
ROUNDS ?= 5
export JOBS

.PHONY: help run test check bench install clean

help:
	@echo 'make run      download a file from estab with wget, in a private network, and show every segment'
	@echo 'make test     build and run the tests: unit, conversation, simulation, interop'
	@echo 'make check    everything: both compilers, sanitizers, clang-tidy, fuzz corpora, the long tests'
	@echo 'make bench    build and run the benchmarks beside their peers [ROUNDS=$(ROUNDS)]'
	@echo 'make install  headers, library, CMake and pkg-config files, the program [PREFIX=$(PREFIX)] [DESTDIR=]'
	@echo 'make clean    remove build/ and out/'
	@echo 'Each first installs the Debian packages that it needs and that are missing (tools/setup).'

run:
	@tools/setup run
	@tools/build --as-configured dev -DESTAB_TESTS=OFF -DESTAB_EXAMPLES=OFF estab
	@tools/run-demo build/dev

test:
	@tools/setup test
	@tools/build dev
	@tools/ctest dev -LE check

check:
	@tools/setup check
	@tools/check

bench:
	@tools/setup bench
	@tools/build bench
	@tools/run-bench build/bench --rounds $(ROUNDS)

install:
	@tools/setup run
	@tools/build release -DCMAKE_INSTALL_PREFIX=$(PREFIX)
	@DESTDIR='$(DESTDIR)' cmake --install build/release >build/release/install.log || \
	  { cat build/release/install.log; exit 1; }
	@echo 'installed in $(DESTDIR)$(PREFIX); the list is build/release/install_manifest.txt'

clean:
	rm -rf build out
