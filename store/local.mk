# store/: messages between programs (store.a) and letterlock-store itself.
OBJS_store = store/msg.o store/view.o store/chan.o store/loop.o store/kind.o
OBJS_store += store/desk.o store/draft.o store/draft_desk.o store/mail.o
OBJS_store += store/mail_object.o store/opened.o store/opened_read.o \
  store/inspect.o store/keyring.o store/outmail.o
# for the programs that show things to people (they link with -ljansson)
OBJS_store += store/adminverb.o store/adminverb_list.o \
  store/adminverb_user.o store/jsonout.o

PROGRAMS += letterlock-store
OBJS_storeprogram = store/db.o store/schema.o store/serve.o store/group.o \
  store/optable.o store/log.o store/lease.o store/delay.o store/login.o \
  store/bind.o store/vaults.o store/enroll.o store/sshkeys.o store/users.o \
  store/boxes.o store/drafts.o store/object.o store/upload.o store/plan.o \
  store/plan_outside.o store/route.o store/mailkey.o store/peerkey.o \
  store/authority.o store/send.o store/undo.o store/status.o \
  store/delivery.o store/queue.o store/link.o \
  store/portal.o store/intake.o store/finding.o store/finding_board.o \
  store/sweep.o store/backup.o store/house.o store/setup.o
OBJS_letterlock-store = store/letterlock-store.o $(OBJS_storeprogram)
LIBS_letterlock-store = -lsqlite3

# tests that start the real program
define store_test
OBJS_$(1) = tests/unit/storekit.o
LIBS_$(1) = -lsqlite3
endef
$(foreach t,send auth link roles crash blob lease limits keys plan route migrate submit intake finding,\
  $(eval $(call store_test,test_store_$(t))))

$(B)/tests/unit/shim_disk.so: tests/unit/shim_disk.c
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) -D_GNU_SOURCE -std=c11 $(WARN) -O1 -fPIC -shared -o $@ $<
$(B)/tests/unit/test_store_limits: $(B)/tests/unit/shim_disk.so

OBJS_fuzz_store_request = $(OBJS_storeprogram)
LIBS_fuzz_store_request = -lsqlite3
