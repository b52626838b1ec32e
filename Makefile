# queuectl: one makefile for everything, no recursion into folders.
#
# The targets people call (FRONT below) first see to it that the packages they
# need are there (contrib/install-deps.sh), then call this makefile again for
# the targets that compile: a fresh machine has git, make and a shell, so
# pkg-config may be asked only after that.  `make help` lists all of it.

FRONT := all bench demo test test-clients fuzz clock trees full soak crash model power unit lint deps schema install uninstall clean help
.PHONY: $(FRONT) core lib units fuzzers benchers bins lint-parts FORCE
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDARY:
# Front targets run one after the other (two of them would build the same
# files); what they call is as parallel as -j says.
ifneq ($(filter $(FRONT),$(or $(MAKECMDGOALS),all)),)
.NOTPARALLEL:
endif

# --- what may be set on the command line ------------------------------------

PREFIX  ?= /usr/local
DESTDIR ?=
# DEBUG=1, SANITIZE=address,undefined, V=1, DEPS=no; WERROR= lets warnings be.
DEBUG    ?=
SANITIZE ?=
V        ?=
WERROR   ?= -Werror
# The passes of `make test`.
PASSES   ?= normal sanitized poll

SYSTEM := $(shell uname -s)
ifeq ($(SYSTEM),Linux)
SYS           ?= linux
WATCH_DEFAULT := inotify
else
SYS           ?= bsd
WATCH_DEFAULT := kqueue
endif
WATCH ?= $(WATCH_DEFAULT)
ifeq ($(filter $(WATCH),inotify kqueue poll),)
$(error WATCH=$(WATCH): must be inotify, kqueue or poll)
endif
ifeq ($(filter $(SYS),linux bsd),)
$(error SYS=$(SYS): must be linux or bsd)
endif

# Each set of flags has a folder of its own: build, build/san, build/poll, ...
comma   := ,
empty   :=
space   := $(empty) $(empty)
VARIANT := $(if $(SANITIZE),$(if $(filter address$(comma)undefined,$(SANITIZE)),san,san-$(subst $(comma),-,$(SANITIZE)))) \
           $(filter-out $(WATCH_DEFAULT),$(WATCH)) $(if $(DEBUG),debug)
BUILD   ?= build$(if $(strip $(VARIANT)),/$(subst $(space),-,$(strip $(VARIANT))))

# --- sources ------------------------------------------------------------------

# Of the files that stand in for one another only the chosen one.
LEFT_OUT := $(filter-out src/spool/watch_$(WATCH).c,$(wildcard src/spool/watch_*.c)) \
            $(filter-out src/base/%_$(SYS).c,$(wildcard src/base/*_linux.c src/base/*_bsd.c))
SOURCES  := $(filter-out $(LEFT_OUT),$(sort $(wildcard src/*/*.c)))
CLI_OBJ  := $(patsubst %.c,$(BUILD)/%.o,$(filter src/cli/%,$(SOURCES)))
LIB_OBJ  := $(patsubst %.c,$(BUILD)/%.o,$(filter-out src/cli/%,$(SOURCES)))
UNITS    := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(sort $(wildcard tests/unit/test_*.c)))
# The fuzz targets need no more than the layers they are about.
FUZZ_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(filter src/base/% src/spool/% src/job/% src/queue/request.c,$(SOURCES)) \
              $(filter-out tests/fuzz/fuzz_%,$(wildcard tests/fuzz/*.c)))
FUZZERS  := $(patsubst tests/fuzz/%.c,$(BUILD)/%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
JOBS_HERE := $(BUILD)/tests/soakjob
BENCHERS := $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(sort $(wildcard tests/bench/*.c)))
PROGRAM  := $(BUILD)/queuectl
LIB      := $(BUILD)/libqueuectl.a
LIB_OUT  := $(BUILD)/installed/libqueuectl.a

# --- flags ----------------------------------------------------------------------

# Asked once, when the first recipe needs it (see above).
once = $(eval $(1) := $(2))$($(1))
PKG_CFLAGS    = $(call once,PKG_CFLAGS,$(shell pkg-config --cflags libcjson inih))
# inih's archive where it has one: a program that is started for each job starts sooner.
INIH_A        = $(call once,INIH_A,$(shell $(CC) -print-file-name=libinih.a))
PKG_LIBS      = $(call once,PKG_LIBS,$(if $(wildcard $(INIH_A)),$(shell pkg-config --libs libcjson) \
                    $(INIH_A),$(shell pkg-config --libs libcjson inih)))
CMOCKA_CFLAGS = $(call once,CMOCKA_CFLAGS,$(shell pkg-config --cflags cmocka))
CMOCKA_LIBS   = $(call once,CMOCKA_LIBS,$(shell pkg-config --libs cmocka))

WARN := -Wall -Wextra $(WERROR) -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
        -Wpointer-arith -Wwrite-strings -Wformat=2 -Wvla -Wundef
# Names are bounded by their grammar, which gcc cannot see; clang has no such warning.
GCC_ONLY := $(if $(findstring clang,$(CC)),,-Wno-format-truncation)
LANGUAGE := -std=c11 -D_GNU_SOURCE -Isrc -Iinclude -include base/banned.h
ifneq ($(SANITIZE),)
CFLAGS   ?= -O1 -g
HARDEN   := -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer
SAN_LINK := -fsanitize=$(SANITIZE)
else ifneq ($(DEBUG),)
CFLAGS   ?= -O0 -g3
HARDEN   := -fstack-protector-strong
else
CFLAGS   ?= -O2 -g
HARDEN   := -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
endif
ALL_CFLAGS = -pthread $(LANGUAGE) $(WARN) $(GCC_ONLY) -pipe -fvisibility=hidden $(HARDEN) $(CFLAGS) $(CPPFLAGS) $(PKG_CFLAGS)

OBJCOPY ?= objcopy

ifeq ($(V),1)
Q   :=
say  = @:
else
Q   := @
say  = @printf '  %-3s %s\n' $(1) $(2)
endif
MAKEFLAGS += --no-print-directory

# --- the targets people call ------------------------------------------------------

all:
	@sh contrib/install-deps.sh build
	+@$(MAKE) core

demo: all
	@QUEUECTL_BIN='$(abspath $(PROGRAM))' contrib/demo.sh

unit: all
	@sh contrib/install-deps.sh unit
	+@$(MAKE) units
	@tests/run --unit normal='$(BUILD)'

# The last line is `N passed, N failed, N skipped` over all passes.
test: all
	@sh contrib/install-deps.sh test
	+@$(MAKE) units benchers
ifneq ($(filter sanitized,$(PASSES)),)
	+@$(MAKE) BUILD='$(BUILD)/san' SANITIZE=address,undefined core units
endif
ifneq ($(filter poll,$(PASSES)),)
	+@$(MAKE) BUILD='$(BUILD)/poll' WATCH=poll core
endif
	@tests/run $(if $(filter normal,$(PASSES)),normal='$(BUILD)') \
	    $(if $(filter sanitized,$(PASSES)),sanitized='$(BUILD)/san') \
	    $(if $(filter poll,$(PASSES)),poll='$(BUILD)/poll') $(TESTS)

# The clients in contrib/clients, all of them: their languages are many packages,
# so `make test` runs this with those that are there.
test-clients: all
	@sh contrib/install-deps.sh clients
	@tests/run normal='$(BUILD)' tests/clients/test_clients.sh

# Each so manieth point is tried: all of them take hours (CRASH_STRIDE=1).
CRASH_STRIDE ?= 8
crash: all
	@sh contrib/install-deps.sh test
	@QUEUECTL_BIN='$(abspath $(PROGRAM))' QUEUECTL_BUILD='$(BUILD)' \
	    tests/crash/kill.py --stride '$(CRASH_STRIDE)'
	@QUEUECTL_BIN='$(abspath $(PROGRAM))' QUEUECTL_BUILD='$(BUILD)' \
	    tests/crash/faults.py --stride "$$((8 * $(CRASH_STRIDE)))"
	@QUEUECTL_BIN='$(abspath $(PROGRAM))' MALLOC=all tests/crash/test_malloc.sh

# Against its peers and the limit of the machine: BENCH="--row noop --json FILE ..."
BENCH ?=
bench: all
	@sh contrib/install-deps.sh test bench
	+@$(MAKE) benchers
	@QUEUECTL_BIN='$(abspath $(PROGRAM))' QUEUECTL_BENCH='$(abspath $(BUILD))/bench' \
	    tests/bench/bench.py $(BENCH)

# The clock is set under a queue at work (a clock of its own: tests/clock/setclock.c).
clock: all
	@sh contrib/install-deps.sh test
	@QUEUECTL_BIN='$(abspath $(PROGRAM))' QUEUECTL_BUILD='$(BUILD)' tests/clock/clock.py --all

# Power cuts in the middle of work: STATES of each file system in POWER_KINDS, then
# the mutants, each of which must be seen.
STATES      ?= 5000
POWER_SEED  ?= 1
POWER_KINDS ?= ext4 writeback noauto xfs btrfs
power: all
	@sh contrib/install-deps.sh disks
	@for kind in $(POWER_KINDS); do \
	    QUEUECTL_BIN='$(abspath $(PROGRAM))' tests/power/power.sh $$kind --states $(STATES) \
	        --seed $(POWER_SEED) || exit; \
	done
	@QUEUECTL_BUILD='$(abspath $(BUILD))' MUTANTS=all EXT4=40 tests/power/test_power.sh

# Every kind of tree, ended in every way: without a cgroup, then in a delegated one.
trees: all
	@sh contrib/install-deps.sh test
	@QUEUECTL_BIN='$(abspath $(PROGRAM))' tests/trees/trees.py
	@QUEUECTL_BIN='$(abspath $(PROGRAM))' tests/trees/trees.py --cgroup

# Each format, or those of FUZZ="names times ...", two at a time.
FUZZ_SECONDS ?= 600
fuzz:
	@sh contrib/install-deps.sh build fuzz
	@QUEUECTL_BUILD='$(BUILD)' tests/fuzz/run $(FUZZ_SECONDS) $(FUZZ)

# The disk fills up under a queue at work (small file systems in a mount namespace).
full: all
	@sh contrib/install-deps.sh test disks
	@QUEUECTL_BIN='$(abspath $(PROGRAM))' QUEUECTL_BUILD='$(BUILD)' tests/full/full.py --all

lint:
	@sh contrib/install-deps.sh build unit lint
	+@$(MAKE) -k lint-parts

deps:
	@sh contrib/install-deps.sh all

# Every interleaving of the protocol; a slice is in `make test`.
model:
	@sh contrib/install-deps.sh model
	@tests/model/check --whole

# All of it: ten minutes or more.  Slices of both are in `make test`.
SOAK := QUEUECTL_BIN='$(abspath $(PROGRAM))' QUEUECTL_BUILD='$(abspath $(BUILD))' python3 tests/stress
soak: all
	@sh contrib/install-deps.sh test
	+@$(MAKE) units
	$(SOAK)/soak.py --jobs 200000 --odd 2
	$(SOAK)/soak.py --jobs 20000 --odd 2 --ext4
	$(SOAK)/hands.py --operators 8 --operations 600

# The program says it; tests/cli/schema.bats holds the file to that.
schema: all
	$(PROGRAM) help --schema > doc/job.schema.json.new
	mv doc/job.schema.json.new doc/job.schema.json

clean:
	rm -rf build

help:
	@echo 'make             build/queuectl and build/libqueuectl.a'
	@echo 'make test        all tests: as built, with sanitizers, and with the poll backend'
	@echo '                 (PASSES="normal sanitized poll", TESTS="tests/cli/x.bats ..." for less)'
	@echo 'make test-clients  contrib/clients in all ten languages (installs these)'
	@echo 'make crash       kill -9 before each system call, and each call that fails: every 8th'
	@echo '                 (CRASH_STRIDE=8); every allocation of every command fails'
	@echo 'make bench       how fast it is, against its peers (BENCH="--row noop --place tmpfs")'
	@echo 'make trees       jobs whose processes are hard to end: all kinds, ended in all ways'
	@echo 'make clock       the clock is set an hour, ten years, a little: all cases'
	@echo 'make soak        200,000 jobs while workers are killed, operators at work by hand'
	@echo 'make model       the protocol under every interleaving of its steps (spin)'
	@echo 'make full        the disk fills up: every kind of disk (as root)'
	@echo 'make unit        the C unit tests alone'
	@echo 'make power       STATES=5000 power cuts on each of POWER_KINDS="$(POWER_KINDS)"'
	@echo 'make fuzz        each format of tests/fuzz for FUZZ_SECONDS=600 (FUZZ="names times ...")'
	@echo 'make lint        cppcheck, shellcheck, mandoc, clang, layers'
	@echo 'make demo        contrib/demo.sh'
	@echo 'make deps        install what building, testing and linting need'
	@echo 'make schema      doc/job.schema.json anew, after a change of the members'
	@echo 'make install     to DESTDIR and PREFIX ($(PREFIX)); make uninstall takes it away'
	@echo 'make clean       rm -rf build'
	@echo
	@echo 'DEBUG=1  SANITIZE=address,undefined  WATCH=inotify|kqueue|poll  CC=clang  V=1'
	@echo 'DEPS=no  install no packages: say what is missing and stop'
	@echo 'BUILD=DIR  where to build; each set of flags has its own (now $(BUILD))'

# --- compiling ------------------------------------------------------------------------

core: $(PROGRAM)
lib: $(LIB)
units: $(UNITS) $(JOBS_HERE)
fuzzers: $(FUZZERS)
benchers: $(BENCHERS)

$(PROGRAM): $(CLI_OBJ) $(LIB) $(BUILD)/flags
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) -pthread $(SAN_LINK) $(LDFLAGS) -o $@ $(CLI_OBJ) $(LIB) $(PKG_LIBS)

# Made anew each time: ar would keep the object of a source that is gone.
$(LIB): $(LIB_OBJ) $(BUILD)/objects
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $(LIB_OBJ)

$(BUILD)/%.o: %.c $(BUILD)/flags
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) $(if $(filter tests/%,$<),$(CMOCKA_CFLAGS)) -MMD -MP -c -o $@ $<

$(BUILD)/tests/test_%: $(BUILD)/tests/unit/test_%.o $(LIB)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) -pthread $(SAN_LINK) $(LDFLAGS) -o $@ $< $(LIB) $(PKG_LIBS) $(CMOCKA_LIBS)

# By a make with clang and its flags: see tests/fuzz/common.bash.
$(BUILD)/fuzz_%: $(BUILD)/tests/fuzz/fuzz_%.o $(BUILD)/fuzz.a
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(SAN_LINK) -fsanitize=fuzzer $(LDFLAGS) -o $@ $^ $(PKG_LIBS)
$(BUILD)/fuzz.a: $(FUZZ_OBJ) $(BUILD)/objects
	$(call say,AR,$@)
	$(Q)mkdir -p $(@D) && rm -f $@ && $(AR) rcs $@ $(FUZZ_OBJ)

# What tests run as a job, hundred thousands of times: static, it starts in half the time.
$(JOBS_HERE): $(BUILD)/tests/%: tests/stress/%.c $(BUILD)/flags
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(LANGUAGE) $(WARN) -O2 -static -o $@ $<

# What the benchmark measures with; only durable.c is a client of ours.
$(BUILD)/bench/durable: tests/bench/durable.c $(LIB)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -o $@ $^ $(PKG_LIBS)
$(BUILD)/bench/stamp: tests/bench/stamp.c $(BUILD)/flags
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(LANGUAGE) $(WARN) -O2 -static -o $@ $<
$(BUILD)/bench/%: tests/bench/%.c $(BUILD)/flags
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -o $@ $<

# Other flags, or other sources: these two change, and what hangs on them is
# made again.  Unchanged they keep their time.
quote = '$(subst ','\'',$(1))'
$(BUILD)/flags: FORCE
	@mkdir -p $(@D); printf '%s\n' $(call quote,$(CC) $(ALL_CFLAGS) $(SAN_LINK) $(LDFLAGS)) > $@.new; \
	if cmp -s $@.new $@; then rm -f $@.new; else mv $@.new $@; fi
$(BUILD)/objects: FORCE
	@mkdir -p $(@D); printf '%s\n' $(LIB_OBJ) > $@.new; \
	if cmp -s $@.new $@; then rm -f $@.new; else mv $@.new $@; fi
FORCE:

-include $(patsubst %.c,$(BUILD)/%.d,$(SOURCES) $(wildcard tests/unit/test_*.c tests/fuzz/*.c))

# --- install ---------------------------------------------------------------------------

# The archive others link holds one object in which every name that is not
# public (queuectl_..., marked QUEUECTL_API) has become local.
$(LIB_OUT): $(LIB)
	$(call say,AR,$@)
	$(Q)mkdir -p $(@D) && rm -f $@
	$(Q)$(LD) -r -o $(@D)/queuectl.o --whole-archive $(LIB)
	$(Q)$(OBJCOPY) --localize-hidden $(@D)/queuectl.o
	$(Q)$(AR) rcs $@ $(@D)/queuectl.o

VERSION = $(shell sed -n 's/^.define QUEUECTL_VERSION "\(.*\)"/\1/p' include/queuectl.h)
$(BUILD)/installed/queuectl.pc: contrib/queuectl.pc.in include/queuectl.h FORCE
	$(Q)mkdir -p $(@D) && sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' $< > $@

bins: $(PROGRAM) $(LIB_OUT) $(BUILD)/installed/queuectl.pc

MAN_1  := $(wildcard doc/*.1)
MAN_5  := $(wildcard doc/*.5)
MAN_7  := $(wildcard doc/*.7)
BINDIR := $(DESTDIR)$(PREFIX)/bin
LIBDIR := $(DESTDIR)$(PREFIX)/lib
INCDIR := $(DESTDIR)$(PREFIX)/include
MANDIR := $(DESTDIR)$(PREFIX)/share/man
OWNDIR := $(DESTDIR)$(PREFIX)/share/queuectl

install:
	@sh contrib/install-deps.sh build
	+@$(MAKE) bins
	install -d '$(BINDIR)' '$(LIBDIR)/pkgconfig' '$(INCDIR)' '$(OWNDIR)'
	install -m 755 $(PROGRAM) '$(BINDIR)'
	install -m 644 $(LIB_OUT) '$(LIBDIR)'
	install -m 644 $(BUILD)/installed/queuectl.pc '$(LIBDIR)/pkgconfig'
	install -m 644 include/queuectl.h '$(INCDIR)'
	install -m 644 doc/job.schema.json '$(OWNDIR)'
	$(foreach n,1 5 7,$(if $(MAN_$(n)),install -d '$(MANDIR)/man$(n)' && install -m 644 $(MAN_$(n)) '$(MANDIR)/man$(n)' &&)) :

uninstall:
	rm -f '$(BINDIR)/queuectl' '$(LIBDIR)/libqueuectl.a' \
	    '$(LIBDIR)/pkgconfig/queuectl.pc' '$(INCDIR)/queuectl.h' '$(OWNDIR)/job.schema.json' \
	    $(foreach n,1 5 7,$(foreach page,$(notdir $(MAN_$(n))),'$(MANDIR)/man$(n)/$(page)'))
	rmdir '$(OWNDIR)' 2>/dev/null || :

# --- lint --------------------------------------------------------------------------------

# Every source that compiles on this system, whichever backend is chosen.
FOREIGN := $(if $(filter Linux,$(SYSTEM)),src/spool/watch_kqueue.c $(wildcard src/base/*_bsd.c),\
             src/spool/watch_inotify.c $(wildcard src/base/*_linux.c))
C_HERE  := $(filter-out $(FOREIGN),$(sort $(wildcard src/*/*.c tests/*/*.c)))
SCRIPTS := $(sort $(wildcard contrib/*.sh contrib/clients/*.sh .ci/run tests/run tests/*.sh tests/*/*.sh \
                             tests/*.bash tests/*/*.bash))
PAGES   := $(strip $(MAN_1) $(MAN_5) $(MAN_7))
LINTS   := lint-cppcheck lint-shell lint-man lint-clang lint-layers
.PHONY: $(LINTS)
lint-parts: $(LINTS)

lint-cppcheck:
	$(call say,LINT,'cppcheck   src')
	$(Q)cppcheck --quiet --std=c11 --language=c --inline-suppr --error-exitcode=1 \
	    --enable=warning,performance,portability --suppress=missingIncludeSystem \
	    -D_GNU_SOURCE '-DcJSON_ArrayForEach(e,a)=for(e=(a)->child;e;e=e->next)' \
	    -Isrc -Iinclude src

lint-shell:
	$(call say,LINT,'shellcheck $(words $(SCRIPTS)) scripts')
	$(Q)shellcheck -x $(SCRIPTS)

lint-man:
	$(call say,LINT,'mandoc     $(words $(PAGES)) pages')
	$(Q)$(if $(PAGES),mandoc -Tlint -Wwarning $(PAGES),:)

# gcc's own warnings stop `make`; clang sees other things.
lint-clang:
	$(call say,LINT,'clang      $(words $(C_HERE)) sources')
	$(Q)clang $(filter-out -Wno-format-truncation,$(ALL_CFLAGS)) $(CMOCKA_CFLAGS) -fsyntax-only $(C_HERE)

lint-layers:
	$(call say,LINT,'layers     src')
	$(Q)sh contrib/lint-layers.sh
