# store/: messages between programs (store.a) and letterlock-store itself.
OBJS_store = store/msg.o store/chan.o store/loop.o store/kind.o
OBJS_store += store/desk.o store/draft.o store/draft_desk.o store/mail.o
