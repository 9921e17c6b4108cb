# contrib/: what a newcomer runs and what the house rules are.
.PHONY: lint
lint: programs
	@contrib/lint/run $(B)

.PHONY: demo
demo:
	@contrib/deps.sh build demo
	@$(MAKE) --no-print-directory -j$(JOBS) programs
	@contrib/demo

# install: the two commands, the programs that letterlockd starts, man pages,
# units, and the configuration's keys as an example.
BINDIR = $(PREFIX)/bin
SBINDIR = $(PREFIX)/sbin
LIBEXECDIR = $(PREFIX)/libexec/letterlock
MANDIR = $(PREFIX)/share/man/man8
DOCDIR = $(PREFIX)/share/doc/letterlock
UNITDIR ?= $(PREFIX)/lib/systemd/system
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
HELPERS = $(filter-out letterlock letterlockd,$(PROGRAMS))
UNITS = letterlock.service letterlock-backup.service letterlock-backup.timer

install: programs
	install -d $(addprefix $(DESTDIR),$(BINDIR) $(SBINDIR) $(LIBEXECDIR) \
	  $(MANDIR) $(DOCDIR)/proxy $(UNITDIR) $(SYSUSERSDIR))
	install -m 755 $(B)/letterlock $(DESTDIR)$(BINDIR)
	install -m 755 $(B)/letterlockd $(DESTDIR)$(SBINDIR)
	install -m 755 $(addprefix $(B)/,$(HELPERS)) $(DESTDIR)$(LIBEXECDIR)
	install -m 644 contrib/man/*.8 $(DESTDIR)$(MANDIR)
	install -m 644 contrib/smarthost.txt contrib/postfix.txt \
	  contrib/finding-keys.txt $(DESTDIR)$(DOCDIR)
	install -m 644 contrib/proxy/* $(DESTDIR)$(DOCDIR)/proxy
	$(B)/letterlockd --print-config \
	  >$(DESTDIR)$(DOCDIR)/letterlock.conf.example
	install -m 644 contrib/systemd/sysusers.conf \
	  $(DESTDIR)$(SYSUSERSDIR)/letterlock.conf
	for unit in $(UNITS); do \
	  sed -e 's|@SBINDIR@|$(SBINDIR)|g' -e 's|@BINDIR@|$(BINDIR)|g' \
	    contrib/systemd/$$unit >$(DESTDIR)$(UNITDIR)/$$unit || exit 1; \
	done
