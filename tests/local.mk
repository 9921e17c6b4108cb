# tests/: unit tests (cmocka), end-to-end tests (python), fuzzers.
#
# tests/unit/test_x.c becomes $(B)/tests/unit/test_x, linked with store.a and
# keys.a.  What it needs besides stands in the local.mk of the folder under
# test: OBJS_test_x (objects of a program), LIBS_test_x, LDFLAGS_test_x.
# tests/fuzz/fuzz_x.c likewise: OBJS_fuzz_x, LIBS_fuzz_x.

UNIT_TESTS = $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c))
FUZZERS = $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_SECS ?= 60
JOBS := $(shell nproc 2>/dev/null || echo 2)
ASAN = -fsanitize=address,undefined -fno-sanitize-recover=undefined \
  -fno-omit-frame-pointer

define unit_rule
$(B)/tests/unit/$(1): $(B)/tests/unit/$(1).o \
  $$(addprefix $(B)/,$$(OBJS_$(1))) $(B)/store.a $(B)/keys.a
	$$(call say,LD,$$@)
	$$(Q)$$(CC) $$(CFLAGS) $$(LDFLAGS) $$(LDFLAGS_$(1)) -o $$@ $$< \
	  $$(addprefix $(B)/,$$(OBJS_$(1))) $(B)/store.a $(B)/keys.a \
	  $$(LIBS_$(1)) -lcmocka $$(LIBS_keys)
endef
$(foreach t,$(UNIT_TESTS),$(eval $(call unit_rule,$(t))))

define fuzz_rule
$(B)/tests/fuzz/$(1): $(B)/tests/fuzz/$(1).o \
  $$(addprefix $(B)/,$$(OBJS_$(1))) $(B)/store.a $(B)/keys.a
	$$(call say,LD,$$@)
	$$(Q)$$(CC) $$(CFLAGS) -fsanitize=fuzzer $$(LDFLAGS) -o $$@ $$< \
	  $$(addprefix $(B)/,$$(OBJS_$(1))) $(B)/store.a $(B)/keys.a \
	  $$(LIBS_$(1)) $$(LIBS_keys)
endef
$(foreach t,$(FUZZERS),$(eval $(call fuzz_rule,$(t))))

.PHONY: unit-tests fuzzers
unit-tests: $(addprefix $(B)/tests/unit/,$(UNIT_TESTS))
fuzzers: $(addprefix $(B)/tests/fuzz/,$(FUZZERS))

check:
	@contrib/deps.sh build test
	@$(MAKE) --no-print-directory -j$(JOBS) programs unit-tests
	@lint=0; $(MAKE) --no-print-directory lint || lint=1; \
	  tests/run $(TESTS) && exit $$lint

asan:
	@contrib/deps.sh build test
	@$(MAKE) --no-print-directory -j$(JOBS) B=build-asan OPT='-O1 -g' \
	  HARDEN='-fPIE $(ASAN)' programs unit-tests
	@B=build-asan tests/run $(TESTS)

soak:
	@contrib/deps.sh build test
	@$(MAKE) --no-print-directory -j$(JOBS) programs unit-tests
	@LL_SOAK=1 tests/run $(TESTS)

fuzz:
	@contrib/deps.sh build fuzz
	@$(MAKE) --no-print-directory -j$(JOBS) B=build-fuzz CC=clang \
	  OPT='-O1 -g' HARDEN='-fPIE $(ASAN) -fsanitize=fuzzer-no-link' fuzzers
	@tests/fuzz/run $(FUZZ_SECS) $(addprefix build-fuzz/tests/fuzz/,$(FUZZERS))

# tests/bench/: speed and memory against what a user would run instead.
OBJS_load = tests/bench/load.o $(OBJS_daemon) server/enrol.o \
  server/enrol_answer.o

# a mail server that keeps nothing
$(B)/tests/bench/tlssink: $(B)/tests/bench/tlssink.o
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< -lssl -lcrypto -lpthread

.PHONY: bench
$(B)/tests/bench/load: $(addprefix $(B)/,$(OBJS_load)) $(B)/store.a $(B)/keys.a
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(addprefix $(B)/,$(OBJS_load)) \
	  $(B)/store.a $(B)/keys.a $(LIBS_keys)

$(B)/tests/bench/bare: $(B)/tests/bench/bare.o
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< -lrnp -lcrypto

bench:
	@contrib/deps.sh build test bench
	@$(MAKE) --no-print-directory -j$(JOBS) programs $(B)/tests/bench/load \
	  $(B)/tests/bench/bare $(B)/tests/bench/tlssink
	@tests/bench/bench.py $(MEASURES)
