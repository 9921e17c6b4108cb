# store/: messages between programs (store.a) and letterlock-store itself.
OBJS_store =
