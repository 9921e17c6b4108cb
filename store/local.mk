# store/: messages between programs (store.a) and letterlock-store itself.
OBJS_store = store/msg.o store/chan.o store/loop.o store/kind.o
OBJS_store += store/desk.o store/draft.o store/draft_desk.o store/mail.o
# for the programs that show things to people (they link with -ljansson)
OBJS_store += store/adminverb.o store/adminverb_list.o \
  store/adminverb_user.o store/jsonout.o
