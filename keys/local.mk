# keys/: what everything stands on: guarded memory, sealing, codes, sandbox.
OBJS_keys = keys/result.o
LIBS_keys = -lsodium -lnettle -lseccomp -lpthread
