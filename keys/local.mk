# keys/: what everything stands on: guarded memory, sealing, codes, sandbox.
OBJS_keys = keys/result.o keys/secret.o keys/tlv.o keys/id.o keys/derive.o \
  keys/kdf.o keys/seal.o keys/seal_box.o keys/seal_stream.o \
  keys/seal_object.o keys/totp.o keys/muc.o keys/site.o keys/clean.o \
  keys/puny.o keys/clean_name.o keys/vault.o keys/recovery.o keys/passphrase.o \
  keys/envelope.o keys/envelope_code.o keys/sandbox.o \
  keys/sandbox_calls.o keys/whole.o keys/parse_wire.o
LIBS_keys = -lsodium -lnettle -lseccomp -lpthread
LDFLAGS_test_branches = -Wl,--wrap=randombytes_buf,--wrap=sodium_memcmp \
  -Wl,--wrap=crypto_aead_xchacha20poly1305_ietf_decrypt \
  -Wl,--wrap=crypto_box_seal,--wrap=crypto_box_seal_open \
  -Wl,--wrap=crypto_secretstream_xchacha20poly1305_pull \
  -Wl,--wrap=crypto_scalarmult_base
LDFLAGS_test_nomem = -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc \
  -Wl,--wrap=strdup,--wrap=free,--wrap=sodium_malloc,--wrap=sodium_free

# letterlock-parse: the one program that links RNP and OpenSSL's CMS.
OBJS_parse = $(addprefix keys/,job.o out.o write.o write_field.o \
  write_entity.o pgp_key.o pgp_import.o pgp_job.o pgp_keep.o pgp_seal.o \
  cms_key.o cms_chain.o cms_import.o cms_make.o cms_keep.o cms_seal.o \
  cms_open.o pgp_open.o open.o open_found.o open_inline.o open_report.o open_walk.o \
  mime_charset.o mime_html.o mime_read.o mime_table.o mime_text.o \
  mime_tnef.o)
PROGRAMS += letterlock-parse
OBJS_letterlock-parse = keys/letterlock-parse.o $(OBJS_parse)
LIBS_letterlock-parse = -lrnp -lcrypto
OBJS_test_parse_mime = $(OBJS_parse)
LIBS_test_parse_mime = $(LIBS_letterlock-parse)
OBJS_fuzz_parse_job = $(OBJS_parse)
LIBS_fuzz_parse_job = $(LIBS_letterlock-parse)
