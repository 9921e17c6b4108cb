/*
 * test_outmail.c - a message sealed as mail, and keys inspected, by a
 * letterlock-parse that a child process plays.
 */
#include "tests/unit/unit.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keys/secret.h"
#include "keys/whole.h"
#include "store/inspect.h"
#include "store/outmail.h"
#include "store/send.h"

#define BIG 300000               /* bytes of the attachment, and of a mail */

enum play {
	PLAY_BOTH,               /* a small mail and a big one */
	PLAY_REFUSE,             /* half a mail, then LL_DENIED with words */
	PLAY_MISSING,            /* one format of the two */
	PLAY_TWICE,              /* one format twice */
	PLAY_END,                /* ends before its answer does */
	PLAY_KEY, PLAY_KEYS, PLAY_BAD_KEY, PLAY_NO_KEY
};

static struct draft d;
static struct draft_attachment file;
static int sealed_file = -1, blob = -1;
static struct outmail_made committed;
static bool refuse_blob;
static uint8_t plain[BIG];

/* --- the played program --- */

static void
put_result(const struct parse_wire *w, enum ll_result r, const char *words,
    const struct tlv_out *more)
{
	struct tlv_out o;

	tlv_out_init(&o, 65536);
	tlv_put_u64(&o, PARSE_F_RESULT, r);
	if (*words)
		tlv_put_text(&o, PARSE_F_WORDS, words);
	if (more)
		tlv_put_raw(&o, more->data, more->len);
	if (parse_put(w, 'R', o.data, o.len) || parse_put(w, 'E', NULL, 0))
		_exit(1);
	tlv_out_finish(&o);
}

static void
put_mail(const struct parse_wire *w, uint32_t format, size_t len)
{
	if (parse_put_begin(w, format) || parse_put(w, 'D', plain, len))
		_exit(1);
}

static void
put_facts(struct tlv_out *o, const char *fingerprint)
{
	tlv_put_u64(o, PARSE_F_FORMAT, PARSE_OPENPGP);
	tlv_put_text(o, PARSE_F_FINGERPRINT, fingerprint);
	tlv_put_text(o, PARSE_F_ALGORITHM, "EDDSA-255");
	tlv_put_u64(o, PARSE_F_EXPIRES, 1234);
	tlv_put_bytes(o, PARSE_F_KEY, "key", 3);
}

static void
put_keys(const struct parse_wire *w)
{
	struct tlv_out all, one;

	tlv_out_init(&all, 65536);
	tlv_out_init(&one, 65536);
	tlv_put_u64(&one, PARSE_F_RESULT, LL_DENIED);
	tlv_put_text(&one, PARSE_F_WORDS, "It has expired.");
	put_facts(&one, "AAAA");
	tlv_put_tlv(&all, PARSE_F_KEYS, &one);
	tlv_out_finish(&one);
	tlv_out_init(&one, 65536);
	tlv_put_u64(&one, PARSE_F_RESULT, LL_OK);
	put_facts(&one, "BBBB");
	tlv_put_tlv(&all, PARSE_F_KEYS, &one);
	tlv_out_finish(&one);
	put_result(w, LL_OK, "", &all);
	tlv_out_finish(&all);
}

static void
answer(const struct parse_wire *w, enum play play)
{
	struct tlv_out facts;

	tlv_out_init(&facts, 65536);
	put_facts(&facts, "0123ABCD");
	switch (play) {
	case PLAY_BOTH:
		put_mail(w, PARSE_OPENPGP, 100);
		put_mail(w, PARSE_SMIME, BIG);
		put_result(w, LL_OK, "", NULL);
		break;
	case PLAY_REFUSE:
		put_mail(w, PARSE_OPENPGP, BIG);
		put_result(w, LL_DENIED, "A key expired.", NULL);
		break;
	case PLAY_MISSING:
		put_mail(w, PARSE_OPENPGP, 100);
		put_result(w, LL_OK, "", NULL);
		break;
	case PLAY_TWICE:
		put_mail(w, PARSE_OPENPGP, 100);
		put_mail(w, PARSE_SMIME, 100);
		put_mail(w, PARSE_OPENPGP, 100);
		put_result(w, LL_OK, "", NULL);
		break;
	case PLAY_END:
		put_mail(w, PARSE_OPENPGP, 100);
		break;
	case PLAY_KEY:
		put_result(w, LL_OK, "", &facts);
		break;
	case PLAY_KEYS:
		put_keys(w);
		break;
	case PLAY_BAD_KEY:
		put_result(w, LL_DENIED, "It is too weak.", &facts);
		break;
	case PLAY_NO_KEY:
		put_result(w, LL_PROTO, "That is no OpenPGP key.", NULL);
		break;
	}
	tlv_out_finish(&facts);
}

/* Reads the job; the text and the attachment have to come whole. */
static void
be_parser(int fd, enum play play)
{
	static struct parse_chunk c;
	static uint8_t items[2][BIG + 10];
	const struct parse_wire w = { fd, 5000 };
	size_t len[2] = { 0, 0 }, n = 0, count = 0;

	for (;;) {
		if (parse_get(&w, &c))
			_exit(2);
		if (c.kind == 'E')
			break;
		if (c.kind == 'B') {
			n = parse_begun(&c);
			count++;
		} else if (c.kind == 'D' && n < 2) {
			if (len[n] + c.len > sizeof items[n])
				_exit(3);
			memcpy(items[n] + len[n], c.data, c.len);
			len[n] += c.len;
		}
	}
	if (count > 0 && (count != 2 || len[0] != 13 || len[1] != BIG
	    || memcmp(items[0], "One\r\nTwo\r\n.\r\n", 13) != 0
	    || memcmp(items[1], plain, BIG) != 0))
		_exit(4);
	answer(&w, play);
	_exit(0);
}

static pid_t
start(enum play play, int *fd_r)
{
	int fds[2];
	pid_t pid;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(fds[0]);
		be_parser(fds[1], play);
	}
	close(fds[1]);
	*fd_r = fds[0];
	return pid;
}

static int
ended(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* --- the host --- */

static enum ll_result
open_file(void *arg, size_t n, int *fd_r)
{
	(void)arg;
	assert_int_equal(n, 0);
	*fd_r = dup(sealed_file);
	assert_int_equal(lseek(*fd_r, 0, SEEK_SET), 0);
	return LL_OK;
}

static enum ll_result
new_blob(void *arg, uint64_t expected, struct id *object_r, int *fd_r)
{
	(void)arg;
	assert_true(expected >= BIG);
	*fd_r = -1;
	if (refuse_blob)
		return LL_FULL;
	id_random(object_r);
	if (blob >= 0)
		close(blob);
	blob = memfd_create("blob", 0);
	*fd_r = dup(blob);
	return LL_OK;
}

static enum ll_result
commit_blob(void *arg, const struct outmail_made *made)
{
	(void)arg;
	committed = *made;
	return LL_OK;
}

static const struct outmail_host host = { open_file, new_blob, commit_blob,
    NULL };

static int
setup(void **state)
{
	uint64_t plain_bytes;
	char name[] = "a.bin", type[] = "application/octet-stream";
	int in;

	(void)state;
	randombytes_buf(plain, sizeof plain);
	if (draft_init(&d) || draft_set_body(&d, "One\nTwo\n.\n"))
		return -1;
	in = memfd_create("plain", 0);
	sealed_file = memfd_create("sealed", 0);
	memset(&file, 0, sizeof file);
	id_random(&file.object);
	file.name = name;
	file.type = type;
	file.plain_bytes = BIG;
	if (whole_write(in, plain, BIG) || lseek(in, 0, SEEK_SET) != 0
	    || seal_object_fd(d.key.data, &d.id, &file.object,
	    OBJECT_ATTACHMENT, in, sealed_file, BIG, &plain_bytes,
	    &file.sealed_bytes, file.hash) || draft_add_attachment(&d, &file))
		return -1;
	close(in);
	memset(&committed, 0, sizeof committed);
	refuse_blob = false;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	draft_finish(&d);
	close(sealed_file);
	if (blob >= 0)
		close(blob);
	blob = -1;
	return 0;
}

static enum ll_result
seal(enum play play, struct outmail_made made[OUTMAIL_FORMATS],
    char words[OUTMAIL_WORDS], int *status_r)
{
	const struct outmail_key keys[] = {
		{ PARSE_OPENPGP, (const uint8_t *)"pgp", 3, false },
		{ PARSE_SMIME, (const uint8_t *)"cert", 4, true },
	};
	struct outmail o = { .d = &d, .from = "ada@house.example",
	    .from_name = "Ada", .date = 1, .mail_id = "x@house.example",
	    .in_reply_to = "", .keys = keys, .key_count = 2, .host = &host };
	enum ll_result r;
	pid_t pid;
	int fd;

	pid = start(play, &fd);
	r = outmail_seal(fd, &o, made, words);
	*status_r = ended(pid);
	return r;
}

/* --- tests --- */

static void
open_and_compare(const struct outmail_made *m, const uint8_t *sealed,
    size_t len, size_t want)
{
	uint8_t hash[HASH_BYTES], sum[HASH_BYTES], *p;
	size_t n;

	assert_int_equal(len, m->sealed_bytes);
	assert_ok(seal_object_open_buffer(m->key.data, &d.id, &m->object,
	    OBJECT_MAIL, sealed, len, &p, &n, hash));
	assert_int_equal(n, want);
	assert_memory_equal(p, plain, want);
	assert_memory_equal(hash, m->hash, HASH_BYTES);
	(void)crypto_hash_sha256(sum, plain, want);
	assert_memory_equal(sum, m->sha256, HASH_BYTES);
	assert_int_equal(m->bytes, want);
	free(p);
}

static void
a_small_mail_stays_inline_and_a_big_one_is_a_blob(void **state)
{
	static uint8_t sealed[BIG + 4096];
	struct outmail_made made[OUTMAIL_FORMATS];
	char words[OUTMAIL_WORDS];
	size_t len;
	int status;

	(void)state;
	assert_ok(seal(PLAY_BOTH, made, words, &status));
	assert_int_equal(status, 0);
	assert_true(made[PARSE_OPENPGP].made && made[PARSE_SMIME].made);
	assert_false(made[PARSE_PLAIN].made);
	open_and_compare(&made[PARSE_OPENPGP], made[PARSE_OPENPGP].data,
	    made[PARSE_OPENPGP].sealed_bytes, 100);
	assert_null(made[PARSE_SMIME].data);
	assert_int_equal(lseek(blob, 0, SEEK_SET), 0);
	assert_ok(whole_read(blob, sealed, sizeof sealed, &len));
	open_and_compare(&made[PARSE_SMIME], sealed, len, BIG);
	assert_true(id_equal(&committed.object, &made[PARSE_SMIME].object));
	assert_memory_not_equal(made[PARSE_OPENPGP].key.data,
	    made[PARSE_SMIME].key.data, KEY_BYTES);
	outmail_finish(made);
}

static void
what_is_refused_gives_words_and_commits_nothing(void **state)
{
	static const char broke_off[] = "sealing the mail broke off: try "
	    "again";
	static const struct {
		enum play play;
		enum ll_result r;
		const char *words;
	} rows[] = {
		{ PLAY_REFUSE, LL_DENIED, "A key expired." },
		{ PLAY_MISSING, LL_IO, broke_off },
		{ PLAY_TWICE, LL_IO, broke_off },
		{ PLAY_END, LL_IO, broke_off },
	};
	struct outmail_made made[OUTMAIL_FORMATS];
	char words[OUTMAIL_WORDS];
	int status;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_int_equal(seal(rows[i].play, made, words, &status),
		    rows[i].r);
		assert_string_equal(words, rows[i].words);
		assert_int_equal(committed.bytes, 0);
		outmail_finish(made);
	}
}

static void
a_changed_attachment_is_never_sent(void **state)
{
	struct outmail_made made[OUTMAIL_FORMATS];
	char words[OUTMAIL_WORDS];
	uint8_t byte = 0;
	int status;

	(void)state;
	assert_int_equal(pread(sealed_file, &byte, 1, 150000), 1);
	byte ^= 1;
	assert_int_equal(pwrite(sealed_file, &byte, 1, 150000), 1);
	assert_int_equal(seal(PLAY_BOTH, made, words, &status), LL_AUTH);
	assert_int_not_equal(status, 0);
	outmail_finish(made);
	/* whole chunks that are missing at the end are missed as well */
	byte ^= 1;
	assert_int_equal(pwrite(sealed_file, &byte, 1, 150000), 1);
	assert_int_equal(ftruncate(sealed_file, SEAL_STREAM_HEADER +
	    SEAL_CHUNK_OUT), 0);
	assert_int_equal(seal(PLAY_BOTH, made, words, &status), LL_AUTH);
	outmail_finish(made);
}

static void
a_full_quota_ends_it(void **state)
{
	struct outmail_made made[OUTMAIL_FORMATS];
	char words[OUTMAIL_WORDS];
	int status;

	(void)state;
	refuse_blob = true;
	assert_int_equal(seal(PLAY_BOTH, made, words, &status), LL_FULL);
	outmail_finish(made);
}

static void
a_message_id_is_random_and_of_the_senders_domain(void **state)
{
	char a[OUTMAIL_ID], b[OUTMAIL_ID], from[200];

	(void)state;
	outmail_id("ada@house.example", a);
	outmail_id("ada@house.example", b);
	assert_string_equal(a + 32, "@house.example");
	assert_string_not_equal(a, b);
	/* a domain that is too long for it is not cut into another one */
	memset(from, 'x', sizeof from - 1);
	from[0] = '@';
	from[sizeof from - 1] = '\0';
	outmail_id(from, a);
	assert_string_equal(a + 32, "@letterlock.invalid");
}

static void
der_values_are_told_apart(void **state)
{
	static const uint8_t two[] = { 0x30, 2, 5, 0, 0x30, 0x81, 1, 0 };

	(void)state;
	assert_int_equal(outmail_der_first(two, sizeof two), 4);
	assert_int_equal(outmail_der_first(two + 4, 4), 4);
	assert_int_equal(outmail_der_first(two, 3), 3);
	assert_int_equal(outmail_der_first(two, 1), 1);
	assert_int_equal(outmail_der_first(two + 1, 7), 7);
	assert_int_equal(outmail_der_first(NULL, 0), 0);
}

static enum ll_result
inspect(enum play play, struct inspection *i)
{
	const struct tlv_view none = { NULL, 0 };
	enum ll_result r;
	pid_t pid;
	int fd;

	pid = start(play, &fd);
	r = inspect_run(fd, "dora@out.example", "key", 3, none, i);
	assert_int_equal(ended(pid), 0);
	return r;
}

static void
keys_are_read_one_by_one(void **state)
{
	struct inspection i;

	(void)state;
	assert_ok(inspect(PLAY_KEY, &i));
	assert_int_equal(i.count, 1);
	assert_string_equal(i.keys[0].fingerprint, "0123ABCD");
	assert_int_equal(i.keys[0].expires, 1234);
	assert_int_equal(i.keys[0].key_len, 3);
	inspect_finish(&i);
	assert_ok(inspect(PLAY_KEYS, &i));
	assert_int_equal(i.count, 2);
	assert_int_equal(i.keys[0].result, LL_DENIED);
	assert_string_equal(i.keys[0].words, "It has expired.");
	assert_int_equal(i.keys[1].result, LL_OK);
	assert_string_equal(i.keys[1].fingerprint, "BBBB");
	inspect_finish(&i);
	assert_ok(inspect(PLAY_BAD_KEY, &i));
	assert_int_equal(i.keys[0].result, LL_DENIED);
	assert_string_equal(i.keys[0].words, "It is too weak.");
	inspect_finish(&i);
	assert_int_equal(inspect(PLAY_NO_KEY, &i), LL_PROTO);
	assert_string_equal(i.words, "That is no OpenPGP key.");
	inspect_finish(&i);
	assert_int_equal(inspect(PLAY_END, &i), LL_PROTO);
	inspect_finish(&i);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    a_small_mail_stays_inline_and_a_big_one_is_a_blob, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    what_is_refused_gives_words_and_commits_nothing, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    a_changed_attachment_is_never_sent, setup, teardown),
		cmocka_unit_test_setup_teardown(a_full_quota_ends_it, setup,
		    teardown),
		cmocka_unit_test(
		    a_message_id_is_random_and_of_the_senders_domain),
		cmocka_unit_test(der_values_are_told_apart),
		cmocka_unit_test_setup_teardown(keys_are_read_one_by_one,
		    setup, teardown),
	};

	if (secret_setup(65536) != LL_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
