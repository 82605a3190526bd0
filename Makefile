# SPDX-License-Identifier: GPL-3.0-or-later
# make demo   watch a lab of real BIRDs lose a site and a prediction come true
# make test   everything that proves it
# make        build only;  make help lists the rest

PREFIX     ?= /usr/local
SYSCONFDIR ?= /etc
UNITDIR    ?= $(PREFIX)/lib/systemd/system
ZSHDIR     ?= $(PREFIX)/share/zsh/site-functions
MODE       ?= release
PKG_CONFIG ?= pkg-config
B          ?= build/$(MODE)
ifeq ($(MAKELEVEL),0)
MAKEFLAGS  += -j$(shell nproc)
endif
Q          := $(if $(V),,@)
SHELL      := /bin/bash

# Packages come before anything that asks pkg-config; a no-op if all is there.
ifeq ($(filter clean help deps format,$(MAKECMDGOALS)),)
DEPS_DONE := $(shell contrib/install-deps build >&2 && echo yes)
ifneq ($(DEPS_DONE),yes)
$(error packages are missing, see above)
endif
endif

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || cat VERSION)

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wvla -Wundef -Wformat=2 \
	-Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
	-Wpointer-arith -Wcast-qual -Wwrite-strings -Wconversion \
	-Wnull-dereference -Wswitch-enum -Wimplicit-fallthrough
ifneq ($(filter clang fuzz,$(MODE)),)
CC := clang
endif
# The option, if this compiler has it.
if_known = $(shell $(CC) $(1) -x c -c /dev/null -o /dev/null 2>/dev/null && echo $(1))
HARD := -fstack-protector-strong -fstack-clash-protection \
	$(call if_known,-ftrivial-auto-var-init=zero) -fPIE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
ifeq ($(shell uname -m),x86_64)
HARD += -fcf-protection
endif
SAN := -O1 -g -fno-omit-frame-pointer -fno-sanitize-recover=all
FLAGS_release := -O2 -g $(HARD)
LINK_release  := -pie -Wl,-z,relro,-z,now,-z,noexecstack
FLAGS_debug   := -O0 -g
FLAGS_clang   := $(FLAGS_release)
LINK_clang    := $(LINK_release)
FLAGS_asan    := $(SAN) -fsanitize=address,undefined
LINK_asan     := $(FLAGS_asan)
FLAGS_fuzz    := $(SAN) -fsanitize=fuzzer-no-link,address,undefined
LINK_fuzz     := $(SAN) -fsanitize=address,undefined

LIBS := libevent_core libevent_extra libevent_openssl libssl libcrypto libcurl sqlite3 liboping jansson \
	libcyaml yaml-0.1 libsodium libcap-ng libmnl libseccomp
DEPS_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(LIBS) 2>/dev/null)
DEPS_LIBS   := $(shell $(PKG_CONFIG) --libs $(LIBS) 2>/dev/null) -lm

# CFLAGS, CPPFLAGS, LDFLAGS and LDLIBS belong to whoever builds; ours stay apart.
ALL_CFLAGS   = -std=gnu11 $(WARN) $(FLAGS_$(MODE)) $(DEPS_CFLAGS) $(CFLAGS)
ALL_CPPFLAGS = -D_GNU_SOURCE -iquote include -iquote tests -MMD -MP $(CPPFLAGS)
ALL_LDFLAGS  = $(LINK_$(MODE)) $(LDFLAGS)

MAINS    := src/anycastd/main.c src/anycastctl/main.c
SOURCES  := $(filter-out $(MAINS),$(wildcard src/*/*.c probes/*.c bird/*.c))
OBJECTS  := $(SOURCES:%.c=$(B)/%.o)
LIBRARY  := $(B)/libanycast.a
PROGRAMS := $(B)/anycastd $(B)/anycastctl
SIM      := $(patsubst %.c,$(B)/%.o,$(filter-out tests/sim/packsim.c,$(wildcard tests/sim/*.c)))
UNIT     := $(patsubst tests/unit/%.c,$(B)/unit/%,$(wildcard tests/unit/test_*.c))
FUZZERS  := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))

all: $(PROGRAMS)

$(B)/%.o: %.c $(B)/flags
	$(Q)mkdir -p $(@D); echo "  CC    $<"; $(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -c -o $@ $<

# Rewritten, and so all is rebuilt, only when compiler or flags change.
$(B)/flags: FORCE
	$(Q)mkdir -p $(@D); echo '$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS)' | cmp -s - $@ || \
	echo '$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS)' > $@

$(B)/version.h: FORCE
	$(Q)mkdir -p $(@D); echo '#define ANYCASTD_VERSION "$(VERSION)"' | cmp -s - $@ || \
	echo '#define ANYCASTD_VERSION "$(VERSION)"' > $@
$(B)/src/base/version.o: $(B)/version.h
$(B)/src/base/version.o: ALL_CPPFLAGS += -include $(B)/version.h

# What the assembler takes in, the compiler does not know of.
$(B)/src/report/assets.o: $(wildcard src/report/web/*)

$(LIBRARY): $(OBJECTS)
	$(Q)echo "  AR    $@"; rm -f $@; $(AR) rcs $@ $^

$(B)/anycastd: $(B)/src/anycastd/main.o $(LIBRARY)
	$(Q)echo "  LINK  $@"; $(CC) $(ALL_LDFLAGS) -o $@ $^ $(DEPS_LIBS) $(LDLIBS)
$(B)/anycastctl: $(B)/src/anycastctl/main.o $(LIBRARY)
	$(Q)echo "  LINK  $@"; $(CC) $(ALL_LDFLAGS) -o $@ $^ $(DEPS_LIBS) $(LDLIBS)
$(B)/unit/%: $(B)/tests/unit/%.o $(LIBRARY)
	$(Q)mkdir -p $(@D); echo "  LINK  $@"; $(CC) $(ALL_LDFLAGS) -o $@ $^ $(DEPS_LIBS) -lcmocka $(LDLIBS)
# Only the unit tests that need the synthetic Internet take anything from it.
$(B)/libsim.a: $(SIM)
	$(Q)echo "  AR    $@"; rm -f $@; $(AR) rcs $@ $^
$(B)/packsim: $(B)/tests/sim/packsim.o $(B)/libsim.a $(LIBRARY)
	$(Q)echo "  LINK  $@"; $(CC) $(ALL_LDFLAGS) -o $@ $^ $(DEPS_LIBS) $(LDLIBS)
$(B)/unit/test_pack_sim: $(B)/libsim.a
$(B)/fuzz/%: $(B)/tests/fuzz/%.o $(LIBRARY)
	$(Q)mkdir -p $(@D); echo "  LINK  $@"; $(CC) -fsanitize=fuzzer $(ALL_LDFLAGS) -o $@ $^ $(DEPS_LIBS) $(LDLIBS)

$(B)/bench/%: $(B)/tests/bench/%.o $(LIBRARY)
	$(Q)mkdir -p $(@D); echo "  LINK  $@"; $(CC) $(ALL_LDFLAGS) -o $@ $^ $(DEPS_LIBS) $(LDLIBS)

unit-programs: $(UNIT)
fuzz-programs: $(FUZZERS)

# Unit tests of this MODE: prints cmocka's lines, ends with a count.
check: $(UNIT) $(PROGRAMS)
	$(Q)tests/run-unit $(UNIT)
check-%:
	$(Q)$(MAKE) --no-print-directory MODE=$* check

deps:
	$(Q)contrib/install-deps build test

test: deps
	$(Q)+$(MAKE) --no-print-directory all unit-programs
	$(Q)tests/run-all $(B)

# The same scenarios under containerlab itself; skipped, with the reason, where that cannot be.
test-containerlab: all
	$(Q)contrib/install-deps build test deb
	$(Q)+deb=$$(contrib/debian/build build/deb) && tests/run-containerlab "$$deb" $(SCENARIOS)

# The image that the topologies name, in the Docker engine that runs, or in the lab's own.
node-image: all
	$(Q)contrib/install-deps build deb containerlab
	$(Q)+deb=$$(contrib/debian/build build/deb) && base=$$(tests/lab/containerlab/base "$$deb" build/containerlab) && \
	    tests/lab/lab engine tests/lab/containerlab/image "$$base" "$$deb"

# The fault table: FAULTS="bird disk ..." for some of its rows.
test-faults: deps
	$(Q)+$(MAKE) --no-print-directory all
	$(Q)tests/run-faults $(B) $(FAULTS)

demo: deps
	$(Q)$(MAKE) --no-print-directory all
	$(Q)tests/lab/demo $(B)
demo-world: deps
	$(Q)$(MAKE) --no-print-directory all
	$(Q)tests/lab/demo $(B) world

bench: bench-reaction bench-routes bench-sweep bench-pack bench-store bench-clients
bench-routes: all
	$(Q)contrib/install-deps build test bench
	$(Q)tests/bench/routes $(B)

bench-reaction: all
	$(Q)contrib/install-deps build test bench
	$(Q)tests/bench/reaction $(B)

# Beside zmap, masscan, fping and liboping; 5 rounds take some minutes.
bench-sweep: all $(B)/bench/sweep_pass $(B)/bench/liboping_pass
	$(Q)contrib/install-deps build test bench
	$(Q)tests/bench/sweep $(B)

# PACK_ARGS=--quick: a small Internet, in seconds.
bench-pack: $(B)/packsim
	$(Q)contrib/install-deps build test
	$(Q)tests/bench/pack $(B) $(PACK_ARGS)

bench-store: all
	$(Q)contrib/install-deps build bench
	$(Q)$(MAKE) --no-print-directory $(B)/bench/store_pass
	$(Q)tests/bench/store $(B)

# Maps of 16 sites and 500,000 addresses, and every one of them come true.
test-maps: deps
	$(Q)$(MAKE) --no-print-directory all
	$(Q)tests/lab/maps $(B)

# What recent clients cost: no network, 20 s.
bench-clients: $(B)/bench/feed_rate
	$(Q)tests/bench/clients $(B)

# FUZZ_SECONDS of each fuzzer, from the seeds in tests/fuzz/corpus.
FUZZ_SECONDS ?= 10
fuzz:
	$(Q)contrib/install-deps lint
	$(Q)$(MAKE) --no-print-directory MODE=fuzz fuzz-programs
	$(Q)tests/run-fuzz build/fuzz $(FUZZ_SECONDS)

C_FILES := $(wildcard src/*/*.c probes/*.c bird/*.c include/*/*.h tests/*.h tests/unit/*.c tests/unit/*.h tests/fuzz/*.c \
	tests/bench/*.c tests/sim/*.[ch])
format:
	clang-format -i $(C_FILES)
format-check:
	$(Q)contrib/install-deps lint
	$(Q)clang-format --dry-run -Werror $(C_FILES)
SCRIPTS := $(shell grep -rlE '^\#!/bin/(ba)?sh' .ci contrib tests --include='*' 2>/dev/null | grep -v '/corpus/')
lint: $(B)/version.h
	$(Q)contrib/install-deps lint
	$(Q)printf '%s\n' $(filter %.c,$(C_FILES)) | xargs -P2 -I{} clang-tidy --quiet {} -- \
	    -std=gnu11 $(ALL_CPPFLAGS) -include $(B)/version.h $(DEPS_CFLAGS) 2> >(grep -vE 'warnings? (generated|treated)|Suppressed|Use -header-filter' >&2)
	$(Q)shellcheck -x $(SCRIPTS)
	$(Q)mandoc -Tlint -Wwarning man/*.[158]

install: all
	install -D -m 0755 $(B)/anycastd $(DESTDIR)$(PREFIX)/sbin/anycastd
	install -D -m 0755 $(B)/anycastctl $(DESTDIR)$(PREFIX)/bin/anycastctl
	install -D -m 0644 man/anycastd.8 $(DESTDIR)$(PREFIX)/share/man/man8/anycastd.8
	install -D -m 0644 man/anycastctl.1 $(DESTDIR)$(PREFIX)/share/man/man1/anycastctl.1
	install -D -m 0644 man/anycastd.conf.5 $(DESTDIR)$(PREFIX)/share/man/man5/anycastd.conf.5
	install -d $(DESTDIR)$(UNITDIR)
	sed 's,/usr/local/\(s\?bin\),$(PREFIX)/\1,' contrib/systemd/anycastd.service > $(DESTDIR)$(UNITDIR)/anycastd.service
	chmod 0644 $(DESTDIR)$(UNITDIR)/anycastd.service
	install -D -m 0644 contrib/sysusers/anycastd.conf $(DESTDIR)$(PREFIX)/lib/sysusers.d/anycastd.conf
	install -D -m 0644 contrib/tmpfiles/anycastd.conf $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/anycastd.conf
	install -D -m 0644 contrib/completion/anycastctl.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/anycastctl
	install -D -m 0644 contrib/completion/_anycastctl $(DESTDIR)$(ZSHDIR)/_anycastctl
	install -D -m 0644 bird/export.conf $(DESTDIR)$(PREFIX)/share/anycastd/export.conf
	install -d $(DESTDIR)$(PREFIX)/share/doc/anycastd/examples
	install -m 0644 README.md CHANGELOG.md docs/*.md $(DESTDIR)$(PREFIX)/share/doc/anycastd
	install -m 0644 contrib/examples/*.yml $(DESTDIR)$(PREFIX)/share/doc/anycastd/examples
	install -m 0755 contrib/examples/make-certificates $(DESTDIR)$(PREFIX)/share/doc/anycastd/examples

# A package for this Debian, looked into but not installed.
deb: all
	$(Q)contrib/install-deps deb
	$(Q)+deb=$$(contrib/debian/build build/deb) && contrib/debian/check "$$deb"

clean:
	rm -rf build

help:
	@echo 'make            build anycastd and anycastctl into $(B)'
	@echo 'make demo       the whole loop in a lab of real BIRDs; no root'
	@echo 'make demo-world twelve sites, drained one after the other, and a report (HTML)'
	@echo 'make test       unit tests and lab scenarios'
	@echo 'make test-faults  the fault table: what is broken, and what became of it'
	@echo 'make test-containerlab  the lab scenarios under containerlab, as root'
	@echo 'make node-image the containers'\'' image, for labs under containerlab'
	@echo 'make test-maps  maps of 16 sites and 500,000 addresses, and whether they come true'
	@echo 'make bench      measurements, results in build/bench/*.json'
	@echo 'make check-asan unit tests under address and undefined sanitizers'
	@echo 'make fuzz       FUZZ_SECONDS=10 of each fuzzer'
	@echo 'make deb        a Debian package in build/deb'
	@echo 'make lint format-check format install clean'

.DELETE_ON_ERROR:
.PHONY: all check deps test test-faults test-containerlab node-image demo demo-world test-maps bench bench-reaction bench-routes bench-sweep bench-pack bench-store bench-clients fuzz format format-check lint install deb clean help \
	unit-programs fuzz-programs FORCE
.SECONDARY:
-include $(wildcard $(B)/*/*.d $(B)/*/*/*.d $(B)/*/*/*/*.d)
