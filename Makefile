# The whole build in one graph: no makefile calls another one's rules, every
# object knows its headers (-MMD) and the flags it was built with.
#
#   make                 ./fault and ./libfault.so
#   make check           everything, and the test suite        (see ./check)
#   make demo            a suite on the reference programs     (see ./demo)
#   make check T='tests/e2e/x.sh …'        only these tests
#   make conformance                       the whole table of the kernel's truth
#   make readiness                         every event loop, every hold
#   make transparency                      CPython's tests, servers: as without us
#   make conformance-table                 both, and docs/conformance.md of it
#   make bench | bench-instructions        what it costs, see bench/README.md
#   make stock-delay                       how late others are beside a delay
#   make check-unit | check-build | check-format | sanitize | format | clean
#   make sanitize-shim [MODES=tsan]        the library itself under sanitizers
#   make fuzz [SECONDS=600] [TARGETS='yaml run']   hostile input, by libFuzzer
#   make pressure                          a million holds, registrations, sockets
#   make adversity                         `fault run` with each call of its own failing
#   make mutants                           each line of mutants.txt taken out: noticed?
#   make suite                             scenarios/ in every style and family
#   make stock                             fetches the programs that tests use
#   make aarch64 [CROSS=all]               for another machine, run by an emulator
#   make man                               the pages below build, with scdoc
#   make install | uninstall               prefix bindir libdir mandir DESTDIR
#
#   MODE=release|asan|tsan|coverage|clang|fuzz|aarch64
#                                          what kind of build, each in build/MODE
#   WERROR=1                               warnings are errors (the suite sets it)
#   V=1                                    show the commands
#
# Modules are found by wildcard, so a new file needs no line here, and a folder
# that is not there is an empty module.

MODE ?= release
B := build/$(MODE)

prefix ?= /usr/local
bindir ?= $(prefix)/bin
libdir ?= $(prefix)/lib
mandir ?= $(prefix)/share/man

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

# ---- flags ------------------------------------------------------------------

ifneq ($(filter $(MODE),clang fuzz),)
CC := clang
else ifeq ($(MODE),aarch64)
cross := $(CURDIR)/build/cross/bin/aarch64-linux-gnu-
CC := $(cross)gcc
AR := $(cross)ar
endif
compiler := $(if $(findstring clang,$(shell $(CC) --version 2>/dev/null)),clang,gcc)
machine := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine 2>/dev/null)))

WARN := -Wall -Wextra -Wshadow -Wundef -Wvla -Wwrite-strings -Wpointer-arith \
	-Wcast-qual -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 \
	-Wnull-dereference -Wswitch-enum -Wconversion -Wsign-conversion
ifeq ($(compiler),gcc)
WARN += -Wimplicit-fallthrough=5 -Wlogical-op -Wduplicated-cond \
	-Wduplicated-branches -Wjump-misses-init
endif
WARN += $(if $(WERROR),-Werror)

OPT := -O2
FORTIFY := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
ifeq ($(MODE),asan)
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=undefined \
	-fno-omit-frame-pointer
else ifeq ($(MODE),fuzz)
SANITIZE := -fsanitize=fuzzer-no-link,address,undefined \
	-fno-sanitize-recover=undefined -fno-omit-frame-pointer
OPT := -O1
else ifeq ($(MODE),tsan)
SANITIZE := -fsanitize=thread -fno-omit-frame-pointer
else ifeq ($(MODE),coverage)
SANITIZE := --coverage -fprofile-update=atomic
OPT := -O1
else ifeq ($(filter $(MODE),release clang aarch64),)
$(error MODE=$(MODE) is none of release, asan, tsan, coverage, clang, fuzz, aarch64)
endif
# Sanitizers intercept the plain functions only, not the fortified twins.
FORTIFY := $(if $(SANITIZE),-U_FORTIFY_SOURCE,$(FORTIFY))
HARDEN := -fstack-protector-strong $(if $(filter x86_64,$(machine)),-fcf-protection)

CFLAGS ?=
CPPFLAGS ?=
LDFLAGS ?=
cflags = -std=gnu11 -g -D_GNU_SOURCE -iquote . -pthread \
	-ffile-prefix-map=$(CURDIR)=. \
	$(OPT) $(FORTIFY) $(HARDEN) $(WARN) $(SANITIZE) $(CPPFLAGS) $(CFLAGS)
shim_cflags := -fPIC -fvisibility=hidden -fno-semantic-interposition \
	-ftls-model=initial-exec
ldflags = -Wl,-z,relro,-z,now -pthread $(SANITIZE) $(LDFLAGS)

say = $(if $(V),,@echo "  $(1) $@" &&)

# Files that are rewritten only when what they hold differs. Every object
# depends on the flags, and what finds the library on where it is installed.
$(B)/flags: says := $(CC) $(cflags) $(ldflags)
$(B)/libdir: says := $(libdir)
$(B)/flags $(B)/libdir: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(says)' | cmp -s - $@ || printf '%s\n' '$(says)' >$@

$(B)/obj/runner/launch.o: $(B)/libdir
$(B)/obj/runner/launch.o: cflags += -DFAULT_LIBDIR='"$(libdir)"'

$(B)/obj/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,CC  )$(CC) $(cflags) -MMD -MP -c -o $@ $<

# The same sources once more, as the library needs them.
$(B)/pic/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,CC  )$(CC) $(cflags) $(shim_cflags) -MMD -MP -c -o $@ $<

$(B)/pic/%.o: %.S $(B)/flags
	@mkdir -p $(@D)
	$(call say,CC  )$(CC) $(cflags) $(shim_cflags) -MMD -MP -c -o $@ $<

# ---- libfault.so and fault --------------------------------------------------

core_src := $(wildcard plan/*.c engine/*.c lang/*.c)
shim_src := $(wildcard shim/*.c shim/*.S)
runner_src := $(wildcard runner/*.c runner/report/*.c)

obj = $(patsubst %,$(B)/$(1)/%.o,$(basename $(2)))
core_obj := $(call obj,obj,$(core_src))
runner_obj := $(call obj,obj,$(runner_src))
shim_obj := $(call obj,pic,$(shim_src) $(core_src))

lib := $(if $(shim_src),$(B)/libfault.so)
bin := $(if $(filter runner/main.c,$(runner_src)),$(B)/fault)

# Exactly the rows of calls.def are exported. The version script has to be
# anonymous: with a named node ld.so silently ignores the wrappers.
$(B)/shim.map: shim/exports.map.in plan/calls.def $(B)/flags
	@mkdir -p $(@D)
	$(call say,MAP )$(CC) -E -P -undef -x c -iquote . -o $@ $<

# What it calls of libc, and of itself, is never the program's function of that
# name (shim/libc.def).
libc := $(shell sed -n 's/^LIBC(\([a-z_0-9]*\)).*/\1/p' shim/libc.def 2>/dev/null)

# The static libyaml keeps the library free of dependencies other than libc,
# and --exclude-libs keeps its symbols from clashing with the target's own.
$(B)/libfault.so: $(shim_obj) $(B)/shim.map
	$(call say,LINK)$(CC) -shared $(ldflags) -Wl,-z,defs,-z,text -Wl,--as-needed \
		-Wl,--exclude-libs,ALL -Wl,--version-script=$(B)/shim.map \
		-Wl,-Bsymbolic-functions \
		$(foreach f,malloc calloc realloc free strdup $(libc),-Wl,--wrap=$f) \
		-o $@ $(shim_obj) -Wl,-Bstatic -lyaml -Wl,-Bdynamic

runner_libs := -Wl,--as-needed -lyaml -ljansson -ldw -lelf -lm

$(B)/fault: $(runner_obj) $(core_obj)
	$(call say,LINK)$(CC) $(ldflags) -o $@ $^ $(runner_libs)

# What unit tests and helpers link with: all of it but the main function.
$(B)/libcore.a: $(core_obj) $(filter-out %/runner/main.o,$(runner_obj))
	@rm -f $@
	$(call say,AR  )$(AR) rcsD $@ $^

# The two products at the top are links into the release build, and so are the
# programs that the scenarios start.
refs := reference/server reference/client
top := $(if $(filter release,$(MODE)),$(if $(bin),fault) $(if $(lib),libfault.so) \
	$(if $(wildcard $(refs:%=%.c)),$(refs)))
fault libfault.so $(refs): %: $(B)/%
	@ln -sfr $< $@

# ---- small programs: one per file -------------------------------------------

# $(call programs,FOLDER,ARCHIVE,LIBRARIES): each .c file of FOLDER with a main
# function is a program B/FOLDER/NAME; those without are linked into all of them.
main_of = $(if $(1),$(shell grep -lE '^(int )?main\>' $(1)))
define programs
$(1)_main := $$(call main_of,$$(wildcard $(1)/*.c))
$(1)_bin := $$($(1)_main:%.c=$(B)/%)
$(1)_obj := $$(call obj,obj,$$(wildcard $(1)/*.c))
$(1)_common := $$(filter-out $$(call obj,obj,$$($(1)_main)),$$($(1)_obj))
$$($(1)_bin): $(B)/%: $(B)/obj/%.o $$($(1)_common) $(2)
	@mkdir -p $$(@D)
	$$(call say,LINK)$$(CC) $$(ldflags) $$(link) -o $$@ $$^ $(3)
all_obj += $$($(1)_obj)
endef

$(eval $(call programs,reference))
$(eval $(call programs,reference/faulty))
$(eval $(call programs,tests/unit,$(B)/libcore.a,-lcmocka $(runner_libs)))
$(eval $(call programs,tests/probes))
$(eval $(call programs,tests/rows))
$(eval $(call programs,tests/conformance))
$(eval $(call programs,tests/readiness))
$(eval $(call programs,tests/fuzz/fds))
$(eval $(call programs,bench))

# Probes are what users' programs are: lightly optimised, some with the
# fortified twins of the calls, some without a dynamic loader.
$(B)/obj/tests/probes/%.o: OPT := -O1
$(B)/obj/tests/probes/%.o: FORTIFY := -U_FORTIFY_SOURCE
$(B)/obj/tests/probes/%_fortify.o: OPT := -O2
$(B)/obj/tests/probes/%_fortify.o: FORTIFY := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
$(B)/obj/tests/probes/%_static.o $(B)/tests/probes/%_static: SANITIZE :=
$(B)/tests/probes/%_static: link := -static

# Fuzz targets: each with libFuzzer, or with a main function that replays.
fuzz_src := $(wildcard tests/fuzz/*.c)
fuzz_targets := $(if $(fuzz_src),$(shell grep -l '^int LLVMFuzzerTestOneInput' \
	$(fuzz_src)))
fuzz_main := tests/fuzz/replay.c
fuzz_bin := $(fuzz_targets:%.c=$(B)/%)
fuzz_common := $(call obj,obj,$(filter-out $(fuzz_targets) $(if $(filter fuzz,\
	$(MODE)),$(fuzz_main)),$(fuzz_src)))
$(fuzz_bin): $(B)/%: $(B)/obj/%.o $(fuzz_common) $(B)/libcore.a
	@mkdir -p $(@D)
	$(call say,LINK)$(CC) $(ldflags) $(if $(filter fuzz,$(MODE)),-fsanitize=fuzzer) \
		-o $@ $^ $(runner_libs)
all_obj += $(call obj,obj,$(fuzz_src))

-include $(patsubst %.o,%.d,$(core_obj) $(runner_obj) $(shim_obj) $(all_obj))

# ---- targets ----------------------------------------------------------------

unit := $(tests/unit_bin)
reference := $(reference_bin) $(reference/faulty_bin)
programs := $(unit) $(reference) $(tests/probes_bin) $(tests/rows_bin) \
	$(tests/conformance_bin) $(tests/readiness_bin) $(tests/fuzz/fds_bin) \
	$(bench_bin)

.PHONY: all reference programs unit check check-unit check-build check-format \
	sanitize demo stock format clean man install uninstall FORCE
FORCE:

all: $(lib) $(bin) $(top)
reference: $(reference)
unit: $(unit)
programs: all $(programs) $(B)/tests/fail_nth.so

# The suite: unit tests (once more under the sanitizers), conformance programs
# named test_*, and every shell script that speaks TAP. T= names a few instead.
helpers := tests/build/deps.sh tests/programs/env.sh
build_tests := $(filter-out $(helpers),$(wildcard tests/build/*.sh))
suite := $(unit) $(if $(filter release,$(MODE)),$(unit:$(B)/%=build/asan/%)) \
	$(filter %/test_%,$(tests/conformance_bin)) $(build_tests) \
	tests/conformance/slice.sh tests/readiness/slice.sh \
	tests/transparency/slice.sh tests/transparency/servers_slice.sh \
	tests/sanitize/targets.sh \
	$(filter-out $(helpers),$(wildcard tests/e2e/*.sh tests/programs/*.sh))

# Tests of the build run make themselves: they must not inherit our job slots.
run_tests = BUILD=$(CURDIR)/$(B) MAKEFLAGS= tests/run $(RUNFLAGS)

# The sanitizers' build takes long: not for a few tests that do without.
check: programs stock \
	$(if $(filter release,$(MODE)),$(if $(findstring asan,$(or $T,$(suite))),asan-unit))
	@$(run_tests) $(or $(T),$(suite))

.PHONY: conformance
conformance: programs
	@$(run_tests) tests/conformance/run.sh

# What an injector of errnos alone does: the control of both suites.
preloads := $(B)/tests/errno_only.so $(B)/tests/fail_nth.so
$(B)/tests/errno_only.so: tests/control/errno_only.c
$(B)/tests/fail_nth.so: tests/adversity/fail_nth.c
$(preloads): $(B)/flags
	@mkdir -p $(@D)
	$(call say,LINK)$(CC) $(cflags) -fPIC -shared $(ldflags) -o $@ $(filter %.c,$^)

# Both suites and their controls, some minutes; writes docs/conformance.md.
.PHONY: conformance-table
conformance-table: programs $(B)/tests/errno_only.so
	@BUILD=$(CURDIR)/$(B) tests/control/table >docs/conformance.md.new
	@mv docs/conformance.md.new docs/conformance.md

# `fault run` when the machine fails it, at each point once: some ten minutes, of
# which ./check has a slice.
.PHONY: adversity
adversity: programs
	@BUILD=$(CURDIR)/$(B) tests/adversity/run
	@BUILD=$(CURDIR)/$(B) tests/adversity/situations

.PHONY: readiness
readiness: programs
	@$(run_tests) tests/readiness/run.sh

# What programs do with the library as without it: CPython's own tests, servers
# under load, exec with every environment.
transparency := $(filter-out %/modes.sh %/load.sh %slice.sh, \
	$(wildcard tests/transparency/*.sh))
.PHONY: transparency
transparency: programs stock
	@tests/programs/fetch load || echo 'not all servers are there, see above'
	@WHOLE=1 $(run_tests) $(or $(T),$(transparency) tests/e2e/environ.sh)

# scenarios/ over all I/O styles and both families, of which ./check has a slice.
.PHONY: suite
suite: programs
	@SUITE=all $(run_tests) tests/e2e/scenarios.sh

check-unit: unit
	@$(run_tests) $(unit)

check-build: all
	@$(run_tests) $(build_tests)

check-format:
	@$(run_tests) tests/build/format.sh

.PHONY: asan-unit
asan-unit:
	@$(MAKE) --no-print-directory MODE=asan unit fuzz-programs

# All that has to do with sanitizers and debuggers, half an hour: unit tests built
# with them, the library built with them, and targets of every build.
sanitize: all
	@sh -c '. tests/build/deps.sh; want valgrind gdb clang libclang-rt-14-dev'
	@$(MAKE) --no-print-directory MODE=asan check-unit
	@$(MAKE) --no-print-directory MODE=tsan check-unit
	@BUILD=$(CURDIR)/$(B) TARGETS=all tests/run tests/sanitize/targets.sh \
		tests/sanitize/tools.sh
	@$(MAKE) --no-print-directory sanitize-shim

# libfault.so built with the sanitizers, under the tests that load it: some
# minutes for each of asan and tsan.
.PHONY: sanitize-shim
sanitize-shim:
	@MAKEFLAGS= tests/sanitize/run $(MODES)

# The targets of tests/fuzz under libFuzzer, SECONDS each, two at a time.
.PHONY: fuzz fuzz-programs
fuzz:
	@MAKEFLAGS= SECONDS_EACH='$(SECONDS)' tests/fuzz/run $(TARGETS)

fuzz-programs: $(fuzz_bin)

# Built for another machine, and run there by an emulator: unit tests, one way of
# each scenario. CROSS=all: every way. Fetches what it needs below build/cross.
.PHONY: aarch64
aarch64:
	@tests/cross/fetch
	@$(MAKE) --no-print-directory MODE=aarch64 all reference unit
	@tests/cross/run

# tests/e2e/pressure.sh twenty times as long, with its figures.
.PHONY: pressure
pressure: programs
	@BUILD=$(CURDIR)/$(B) PRESSURE=$(or $(TIMES),20) tests/e2e/pressure.sh

# Every line of tests/mutants/mutants.txt is taken out once: a test must notice.
.PHONY: mutants
mutants:
	@tests/mutants/run

# Stock programs for the tests; without a network their tests are skipped, and
# counted as skipped.
stock:
	@tests/programs/fetch || echo 'stock programs: not complete, see above'

DEMO ?= scenarios
demo: all reference
	./fault run --out build/demo $(DEMO)

# Measurements, side by side in one run; no part of the suite (bench/README.md).
.PHONY: bench bench-instructions
bench: all $(bench_bin)
	@bench/fetch || echo 'bench: without libfiu, see above'
	@BUILD=$(CURDIR)/$(B) bench/run

bench-instructions: all $(bench_bin)
	@BUILD=$(CURDIR)/$(B) bench/run instructions

# tests/e2e/stock_delay.sh with figures: a table, and a narrower criterion.
.PHONY: stock-delay
stock-delay: programs stock
	@BUILD=$(CURDIR)/$(B) FIGURES=$(or $(ROUNDS),24) tests/e2e/stock_delay.sh

CLANG_FORMAT ?= $(or $(shell command -v clang-format-14),clang-format)
format:
	$(CLANG_FORMAT) -i $(wildcard $(foreach d,plan engine lang shim runner \
		runner/report reference reference/faulty bench tests tests/* tests/fuzz/fds,\
		$d/*.[ch]))

clean:
	rm -rf build fault libfault.so

# Manual pages, where scdoc is there to make them.
pages := $(patsubst docs/man/%.scd,%,$(wildcard docs/man/*.scd))
scdoc := $(shell command -v scdoc)
page_dir = $(DESTDIR)$(mandir)/man$(subst .,,$(suffix $(1)))

$(B)/man/%: docs/man/%.scd
	@mkdir -p $(@D)
	$(call say,MAN )$(scdoc) <$< >$@

man: $(if $(scdoc),$(pages:%=$(B)/man/%))

install: all man
	install -d $(DESTDIR)$(bindir) $(DESTDIR)$(libdir)/fault
	install $(B)/fault $(DESTDIR)$(bindir)/fault
	install -m 644 $(B)/libfault.so $(DESTDIR)$(libdir)/fault/libfault.so
	$(if $(scdoc),$(foreach p,$(pages),install -D -m 644 \
		-t $(call page_dir,$p) $(B)/man/$p &&)) :

uninstall:
	rm -f $(DESTDIR)$(bindir)/fault $(DESTDIR)$(libdir)/fault/libfault.so \
		$(foreach p,$(pages),$(call page_dir,$p)/$p)
	-rmdir $(DESTDIR)$(libdir)/fault
