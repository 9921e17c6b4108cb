# tui/: the message center and its faces.
PROGRAMS += letterlock-tui
OBJS_center = tui/center.o tui/center_after.o tui/center_draft.o \
  tui/center_key.o tui/center_link.o tui/center_list.o tui/center_look.o \
  tui/center_mail.o tui/center_opened.o tui/center_own.o \
  tui/center_plan.o tui/center_send.o
OBJS_verbs = tui/exec.o tui/exec_admin.o tui/exec_after.o tui/exec_key.o \
  tui/exec_mail.o tui/exec_show.o tui/exec_plan.o tui/line_key.o \
  tui/exec_send.o tui/line.o tui/line_enrol.o tui/line_write.o tui/split.o \
  tui/teletype.o tui/verb.o
OBJS_letterlock-tui = tui/letterlock-tui.o $(OBJS_center) $(OBJS_verbs)
LIBS_letterlock-tui = -ljansson
OBJS_screen = tui/account.o tui/admin.o tui/compose.o tui/compose_draw.o \
  tui/compose_key.o tui/dialog.o tui/drafts.o tui/editor.o \
  tui/editor_view.o tui/enrol.o tui/folders.o tui/hint.o tui/input.o tui/keys.o \
  tui/lines.o tui/mailbox.o tui/paint.o tui/paste.o tui/plan.o tui/qr.o tui/qrpage.o \
  tui/reader.o tui/recipients.o tui/screen.o tui/status.o tui/term.o \
  tui/undo.o tui/unlock.o tui/view.o tui/words.o tui/wrap.o
OBJS_letterlock-tui += $(OBJS_screen)
LIBS_letterlock-tui += -lncursesw -ltinfo -lqrencode

OBJS_test_editor = tui/editor.o tui/editor_view.o tui/undo.o tui/wrap.o
OBJS_test_input = tui/input.o tui/wrap.o
OBJS_test_qr = tui/qr.o
LIBS_test_qr = -lqrencode
OBJS_test_screen = tests/unit/fake_center.o tests/unit/fake_keys.o \
  $(OBJS_screen)
LIBS_test_screen = -lncursesw -ltinfo -lqrencode
OBJS_test_split = tui/split.o
OBJS_test_verb = $(OBJS_center) $(OBJS_verbs) tui/qr.o
LIBS_test_verb = -ljansson -lqrencode
OBJS_fuzz_split = $(OBJS_center) $(OBJS_verbs) tui/qr.o
LIBS_fuzz_split = -ljansson -lqrencode
OBJS_fuzz_input = tui/input.o tui/wrap.o
OBJS_fuzz_editor = tui/editor.o tui/editor_view.o tui/undo.o tui/wrap.o
