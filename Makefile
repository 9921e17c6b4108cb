# letterlock: one non-recursive Makefile; each folder says in its local.mk
# which objects its archive and programs consist of.
#
#   make             build everything into build/
#   make demo        install what is missing, build, run a whole letterlock
#   make check       install what the tests need, build, run all tests
#   make install     DESTDIR= PREFIX=
#   make lint        house rules: include order, libraries, banned calls
#   make asan        the suite under AddressSanitizer and UBSan
#   make soak fuzz bench   the slow suites

B ?= build
PREFIX ?= /usr/local
CC ?= cc
PKG_CONFIG ?= pkg-config
V ?= 0

WARN = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
  -Wpointer-arith -Wcast-qual -Wwrite-strings -Wformat=2 -Wvla -Wundef -Werror
OPT ?= -O2 -g
HARDEN = -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
CPPFLAGS += -I. -D_GNU_SOURCE -DLL_LIBEXECDIR='"$(PREFIX)/libexec/letterlock"'
CFLAGS = -std=c11 $(WARN) $(OPT) $(HARDEN) $(EXTRA_CFLAGS)
LDFLAGS = -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(EXTRA_LDFLAGS)

ifeq ($(V),0)
Q = @
say = @printf '  %-5s %s\n' $(1) $(2)
else
Q =
say =
endif

PROGRAMS :=
all: programs

include keys/local.mk store/local.mk server/local.mk tui/local.mk
include tests/local.mk contrib/local.mk

.SECONDEXPANSION:
.PHONY: all programs clean install lint check demo asan soak fuzz bench

programs: $(addprefix $(B)/,$(PROGRAMS))

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(CFLAGS_$*) -MMD -MP -c -o $@ $<

$(B)/keys.a: $$(addprefix $(B)/,$$(OBJS_keys))
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

$(B)/store.a: $$(addprefix $(B)/,$$(OBJS_store))
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

# A program: its own objects, then store.a, then keys.a.
$(addprefix $(B)/,$(PROGRAMS)): $(B)/%: $$(addprefix $(B)/,$$(OBJS_$$*)) \
  $(B)/store.a $(B)/keys.a
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(LDFLAGS_$*) -o $@ \
	  $(addprefix $(B)/,$(OBJS_$*)) $(B)/store.a $(B)/keys.a \
	  $(LIBS_$*) $(LIBS_keys)

clean:
	rm -rf $(B)

-include $(shell find $(B) -name '*.d' 2>/dev/null)
