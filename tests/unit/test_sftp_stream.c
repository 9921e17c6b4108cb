/*
 * test_sftp_stream.c - a sealed attachment, written in pieces and read from
 * anywhere.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "server/sftp_stream.h"

struct sealed {
	struct secret key;
	struct id message, object;
	int fd;
	uint64_t sealed_bytes;
	uint8_t hash[HASH_BYTES];
	uint8_t *plain;
	size_t len;
};

static void
seal(struct sealed *s, size_t len, size_t step)
{
	struct sftp_writer w;

	assert_int_equal(secret_setup(65536), LL_OK);
	memset(s, 0, sizeof(*s));
	assert_int_equal(secret_random(&s->key, KEY_BYTES), LL_OK);
	id_random(&s->message);
	id_random(&s->object);
	s->len = len;
	s->plain = malloc(len + 1);
	assert_non_null(s->plain);
	randombytes_buf(s->plain, len);
	s->fd = memfd_create("sealed", 0);
	assert_true(s->fd >= 0);
	assert_int_equal(sftp_writer_begin(&w, dup(s->fd), &s->key,
	    &s->message, &s->object, len), LL_OK);
	for (size_t at = 0; at < len; at += step)
		assert_int_equal(sftp_writer_write(&w, s->plain + at,
		    len - at < step ? len - at : step), LL_OK);
	assert_int_equal(sftp_writer_write(&w, s->plain, 1), LL_TOOBIG);
	assert_int_equal(sftp_writer_end(&w), LL_OK);
	assert_int_equal(w.plain_bytes, len);
	assert_int_equal(w.sealed_bytes, seal_object_bytes(len));
	s->sealed_bytes = w.sealed_bytes;
	assert_int_equal(lseek(s->fd, 0, SEEK_END), s->sealed_bytes);
	memcpy(s->hash, w.hash, HASH_BYTES);
	sftp_writer_finish(&w);
}

static void
seal_end(struct sealed *s)
{
	secret_finish(&s->key);
	free(s->plain);
	close(s->fd);
}

static enum ll_result
begin(const struct sealed *s, struct sftp_reader *r)
{
	memset(r, 0, sizeof(*r));
	r->fd = dup(s->fd);
	r->sealed_bytes = s->sealed_bytes;
	r->message = s->message;
	r->object = s->object;
	memcpy(r->hash, s->hash, HASH_BYTES);
	return sftp_reader_begin(r, &s->key);
}

static const size_t sizes[] = { 0, 1, 65535, 65536, 65537, 131072, 300001 };

static void
every_size_comes_back(void **state)
{
	static uint8_t out[300100];

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct sealed s;
		struct sftp_reader r;
		size_t got;

		seal(&s, sizes[i], 32768 + i);
		assert_int_equal(begin(&s, &r), LL_OK);
		assert_int_equal(sftp_reader_read(&r, 0, out, sizeof(out),
		    &got), LL_OK);
		assert_int_equal(got, sizes[i]);
		assert_memory_equal(out, s.plain, got);
		assert_int_equal(sftp_reader_read(&r, sizes[i] + 7, out, 10,
		    &got), LL_OK);
		assert_int_equal(got, 0);
		sftp_reader_finish(&r);
		seal_end(&s);
	}
}

static void
any_offset_may_be_read(void **state)
{
	static uint8_t out[100000];
	struct sealed s;
	struct sftp_reader r;

	(void)state;
	seal(&s, 300001, 65536);
	assert_int_equal(begin(&s, &r), LL_OK);
	for (int i = 0; i < 200; i++) {
		size_t at = randombytes_uniform(300001), got;
		size_t len = randombytes_uniform(sizeof(out));
		size_t want = s.len - at < len ? s.len - at : len;

		assert_int_equal(sftp_reader_read(&r, at, out, len, &got),
		    LL_OK);
		assert_int_equal(got, want);
		assert_memory_equal(out, s.plain + at, got);
	}
	sftp_reader_finish(&r);
	seal_end(&s);
}

static void
flip(const struct sealed *s, uint64_t at)
{
	uint8_t b;

	assert_int_equal(pread(s->fd, &b, 1, (off_t)at), 1);
	b ^= 0x10;
	assert_int_equal(pwrite(s->fd, &b, 1, (off_t)at), 1);
}

static void
changed_or_cut_ciphertext_is_refused(void **state)
{
	static uint8_t out[300100];
	struct sealed s;
	struct sftp_reader r;
	size_t got;

	(void)state;
	seal(&s, 200000, 65536);
	for (int i = 0; i < 50; i++) {
		uint64_t at = randombytes_uniform((uint32_t)s.sealed_bytes);

		flip(&s, at);
		if (begin(&s, &r) == LL_OK)
			assert_int_equal(sftp_reader_read(&r, 0, out,
			    sizeof(out), &got), LL_AUTH);
		sftp_reader_finish(&r);
		flip(&s, at);
	}
	/* cut at a chunk's border, and a manifest that names another hash */
	s.sealed_bytes = SEAL_STREAM_HEADER + SEAL_CHUNK_OUT;
	assert_int_equal(begin(&s, &r), LL_OK);
	assert_int_equal(sftp_reader_read(&r, 0, out, sizeof(out), &got),
	    LL_AUTH);
	sftp_reader_finish(&r);
	seal_end(&s);
	seal(&s, 1000, 1000);
	s.hash[0] ^= 1;
	assert_int_equal(begin(&s, &r), LL_OK);
	assert_int_equal(sftp_reader_read(&r, 0, out, sizeof(out), &got),
	    LL_AUTH);
	assert_int_equal(got, 0);
	sftp_reader_finish(&r);
	seal_end(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_size_comes_back),
		cmocka_unit_test(any_offset_may_be_read),
		cmocka_unit_test(changed_or_cut_ciphertext_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
