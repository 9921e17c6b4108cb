# tui/
OBJS_letterlock-tui += tui/editor.o tui/hint.o tui/input.o tui/paint.o \
  tui/qr.o tui/term.o tui/undo.o tui/view.o tui/wrap.o
LIBS_letterlock-tui += -lncursesw -ltinfo -lqrencode
