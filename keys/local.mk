# keys/: what everything stands on: guarded memory, sealing, codes, sandbox.
OBJS_keys = keys/result.o keys/secret.o keys/tlv.o keys/id.o keys/derive.o \
  keys/kdf.o keys/seal.o keys/seal_stream.o keys/seal_object.o
LIBS_keys = -lsodium -lnettle -lseccomp -lpthread
