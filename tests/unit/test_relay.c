/* The notification mail, its headers, and the directory transport. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keys/seal.h"
#include "server/relay_dir.h"
#include "server/relay_mail.h"
#include "server/relay_queue.h"
#include "server/relay_smart.h"
#include "store/send.h"

static const struct mail_settings settings = {
	"Example Clinic", "post@clinic.example", "https://mail.clinic.example"
};

static struct notice
plain_notice(void)
{
	struct notice n = {
		"bob@partner.example",
		"/m/0123456789ABCDEFGHJKMNPQRS/1123456789ABCDEFGHJKMNPQRS",
		"Ada Example", "ada@clinic.example", 1790000000,
		"abc123@clinic.example", 1789000000
	};

	return n;
}

static void
test_mail_is_plain(void **state)
{
	static const char link[] = "\n\nhttps://mail.clinic.example/m/"
	    "0123456789ABCDEFGHJKMNPQRS/1123456789ABCDEFGHJKMNPQRS\n\n";
	struct notice n = plain_notice();
	const char *why, *line, *end;
	char *mail;
	size_t len;

	(void)state;
	assert_int_equal(mail_build(&n, &settings, &mail, &len, &why), LL_OK);
	assert_int_equal(strlen(mail), len);
	assert_non_null(strstr(mail, link));
	assert_non_null(strstr(mail, "\nTo: <bob@partner.example>\n"));
	assert_non_null(strstr(mail,
	    "\nMessage-ID: <abc123@clinic.example>\n"));
	assert_non_null(strstr(mail, "\nAuto-Submitted: auto-generated\n"));
	assert_non_null(strstr(mail, "From: Example Clinic\n "
	    "<post@clinic.example>\n"));
	assert_non_null(strstr(mail, "Date: Thu, 10 Sep 2026 "));
	assert_non_null(strstr(mail, "\nContent-Transfer-Encoding: 7bit\n"));
	assert_non_null(strstr(mail, "Ada Example\n<ada@clinic.example>\n"));
	for (line = mail; *line != '\0'; line = end + 1) {
		end = strchr(line, '\n');
		assert_non_null(end);
		assert_true(end - line <= 120);
	}
	for (line = mail; *line != '\0'; line++)
		assert_true(*line == '\n' || (*line >= 0x20 && *line <= 0x7e));
	free(mail);
}

static void
test_mail_refuses_injection(void **state)
{
	static const struct {
		const char *to, *from, *path, *id;
	} rows[] = {
		{ "b@x.example\r\nBcc: c@y.example", NULL, NULL, NULL },
		{ "b@x.example>\nRCPT TO:<c@y.example", NULL, NULL, NULL },
		{ "b c@x.example", NULL, NULL, NULL },
		{ NULL, "a@x.example\n\nbody", NULL, NULL },
		{ NULL, NULL, "/m/A\nX: y", NULL },
		{ NULL, NULL, "m/A", NULL },
		{ NULL, NULL, NULL, "id@x\r\nX: y" },
		{ NULL, NULL, NULL, "" },
	};
	struct notice n;
	const char *why;
	char *mail;
	size_t i, len;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		n = plain_notice();
		n.to = rows[i].to != NULL ? rows[i].to : n.to;
		n.sender_email = rows[i].from != NULL ? rows[i].from :
		    n.sender_email;
		n.link_path = rows[i].path != NULL ? rows[i].path :
		    n.link_path;
		n.mail_id = rows[i].id != NULL ? rows[i].id : n.mail_id;
		assert_int_equal(mail_build(&n, &settings, &mail, &len, &why),
		    LL_USAGE);
		assert_null(mail);
		assert_non_null(why);
	}
}

static void
test_mail_foreign_names(void **state)
{
	struct mail_settings s = settings;
	struct notice n = plain_notice();
	const char *why;
	char *mail;
	size_t len;

	(void)state;
	s.org_name = "Klinik Z\xc3\xbcrich";
	n.sender_name = "J\xc3\xb6rg\nX-Evil: yes";
	assert_int_equal(mail_build(&n, &s, &mail, &len, &why), LL_OK);
	assert_non_null(strstr(mail, "From: =?UTF-8?B?"));
	assert_null(strstr(mail, "X-Evil"));
	assert_null(strstr(mail, "\xc3"));
	assert_non_null(strstr(mail, "\n<ada@clinic.example>\n"));
	free(mail);
}

static void
test_phrase(void **state)
{
	static const struct {
		const char *text, *expect;
	} rows[] = {
		{ "Example Clinic", "Example Clinic" },
		{ "A. \"B\" \\ C", "\"A. \\\"B\\\" \\\\ C\"" },
		{ "a\r\nb", "a  b" },
		{ "=?UTF-8?Q?x?=", "\"=?UTF-8?Q?x?=\"" },
		{ "\xc3\xa9", "=?UTF-8?B?w6k=?=" },
	};
	char out[200], longer[401];
	const char *p;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		mail_phrase(rows[i].text, 6, out, sizeof(out));
		assert_string_equal(out, rows[i].expect);
	}
	for (i = 0; i < 400; i += 2)
		memcpy(longer + i, "\xc3\xa9", 2);
	longer[400] = '\0';
	mail_phrase(longer, 6, out, sizeof(out));
	assert_true(strlen(out) < sizeof(out));
	for (p = out; (p = strstr(p, "=?")) != NULL; p += 2)
		assert_true(strchr(p, '\n') == NULL ||
		    strchr(p, '\n') - p <= 76);
}

/* A row as the store leases it, sealed with what the relay itself gave. */
static struct msg *
leased_row(const struct secret *root, const struct id *id, uint64_t day,
    const char *address, const char *sender)
{
	struct seal_context ctx = { .type = SEAL_QUEUE, .object = *id,
	    .generation = day };
	struct msg *key, *m;
	struct tlv_out out;
	const uint8_t *pk, *wrap;
	uint8_t *box;
	size_t wrap_len, box_len;

	assert_int_equal(queue_key_request(root, day, &key), LL_OK);
	pk = view_hash(msg_view(key), F_QUEUE_PK);
	wrap = view_bytes(msg_view(key), F_WRAP, &wrap_len);
	tlv_out_init(&out, 4096);
	tlv_put_u64(&out, QT_KIND, 1);
	tlv_put_text(&out, QT_TO, "bob@partner.example");
	tlv_put_text(&out, QT_LINK_PATH, "/m/X/Y");
	tlv_put_text(&out, QT_SENDER_EMAIL, "ada@clinic.example");
	tlv_put_u64(&out, QT_EXPIRES, 77);
	assert_int_equal(seal_box(pk, &ctx, out.data, out.len, &box,
	    &box_len), LL_OK);
	assert_int_equal(msg_create(MSG_REPLY, OP_QUEUE_LEASE, &m), LL_OK);
	msg_put_id(m, F_QUEUE_ID, id);
	msg_put_text(m, F_ADDRESS, address);
	msg_put_text(m, F_EMAIL, sender);
	msg_put_u64(m, F_QUEUE_DAY, day);
	msg_put_bytes(m, F_QUEUE_PK, pk, HASH_BYTES);
	msg_put_bytes(m, F_WRAP, wrap, wrap_len);
	msg_put_bytes(m, F_PAYLOAD, box, box_len);
	msg_put_text(m, F_MAIL_ID, "m@x.example");
	tlv_out_finish(&out);
	free(box);
	msg_destroy(key);
	return m;
}

static void
test_queue_row(void **state)
{
	struct secret root, other;
	struct queue_keys keys, strange;
	struct queue_row q;
	struct id id;
	struct msg *m;

	(void)state;
	assert_int_equal(secret_random(&root, 32), LL_OK);
	assert_int_equal(secret_random(&other, 32), LL_OK);
	queue_keys_init(&keys, &root);
	queue_keys_init(&strange, &other);
	id_random(&id);
	m = leased_row(&root, &id, 20780, "Bob@partner.example",
	    "ada@clinic.example");
	assert_int_equal(queue_row_open(&keys, msg_view(m), &q), LL_OK);
	assert_false(q.is_mail);
	assert_string_equal(q.to, "bob@partner.example");
	assert_string_equal(q.notice.to, "bob@partner.example");
	assert_string_equal(q.notice.link_path, "/m/X/Y");
	assert_string_equal(q.notice.sender_name, "");
	assert_int_equal(q.notice.expires, 77);
	assert_string_equal(q.notice.mail_id, "m@x.example");
	queue_row_finish(&q);
	assert_int_equal(queue_row_open(&strange, msg_view(m), &q), LL_AUTH);
	queue_row_finish(&q);
	msg_destroy(m);
	/* sealed for somebody else than the row says */
	m = leased_row(&root, &id, 20780, "carol@partner.example",
	    "ada@clinic.example");
	assert_int_equal(queue_row_open(&keys, msg_view(m), &q), LL_PROTO);
	queue_row_finish(&q);
	msg_destroy(m);
	/* in another's name than the message's author */
	m = leased_row(&root, &id, 20780, "bob@partner.example",
	    "eve@clinic.example");
	assert_int_equal(queue_row_open(&keys, msg_view(m), &q), LL_PROTO);
	queue_row_finish(&q);
	msg_destroy(m);
	queue_keys_finish(&keys);
	queue_keys_finish(&strange);
	secret_finish(&root);
	secret_finish(&other);
}

static void
keep_ended(void *arg, struct relay_job *job)
{
	*(struct relay_job **)arg = job;
}

static void
test_directory(void **state)
{
	char path[] = "/tmp/ll-relay-XXXXXX", file[128], got[200];
	struct secret root;
	struct relay_job *job, *ended = NULL;
	struct job_world world;
	char text[ID_TEXT + 1];
	struct relay_dir *d;
	struct msg *m;
	struct id id;
	FILE *f;
	int i;

	(void)state;
	assert_non_null(mkdtemp(path));
	assert_int_equal(secret_random(&root, 32), LL_OK);
	memset(&world, 0, sizeof(world));
	queue_keys_init(&world.keys, &root);
	world.mail = settings;
	assert_int_equal(dir_open("/nowhere/at/all", &world, keep_ended,
	    &ended, &d), LL_USAGE);
	assert_int_equal(dir_open(path, &world, keep_ended, &ended, &d),
	    LL_OK);
	id_random(&id);
	id_text(&id, text);
	m = leased_row(&root, &id, 20780, "bob@partner.example",
	    "ada@clinic.example");
	assert_int_equal(job_create(msg_view(m), &job), LL_OK);
	/* The same row again is the same file. */
	for (i = 0; i < 2; i++) {
		dir_submit(d, job);
		assert_ptr_equal(ended, job);
		assert_int_equal(job->outcome, QUEUE_SENT);
		assert_string_equal(job->words, "written");
	}
	snprintf(file, sizeof(file), "%s/%s.eml", path, text);
	f = fopen(file, "r");
	assert_non_null(f);
	assert_non_null(fgets(got, sizeof(got), f));
	fclose(f);
	assert_string_equal(got, "From: Example Clinic\n");
	assert_int_equal(unlink(file), 0);
	assert_int_equal(rmdir(path), 0);
	/* The directory is gone: try again later. */
	dir_submit(d, job);
	assert_int_equal(job->outcome, QUEUE_RETRY);
	assert_non_null(strstr(job->words, "directory"));
	job_destroy(job);
	msg_destroy(m);
	dir_close(d);
	queue_keys_finish(&world.keys);
	secret_finish(&root);
}

static void
test_server_next_door(void **state)
{
	static const struct {
		const char *relay, *tls;
		enum ll_result r;
		bool checked;
		enum smtp_tls mode;
	} rows[] = {
		{ "http://127.0.0.1/", "", LL_USAGE, false, 0 },
		{ "smtp://", "", LL_USAGE, false, 0 },
		{ "smtp://mx.example:25", "", LL_OK, true, SMTP_TLS_REQUIRED },
		{ "smtp://mx.example:25", "off", LL_OK, false, SMTP_TLS_OFF },
		{ "smtp://127.0.0.1:25", "", LL_OK, false,
		    SMTP_TLS_IF_OFFERED },
		{ "smtp://[::1]:25", "", LL_OK, false, SMTP_TLS_IF_OFFERED },
		{ "smtp://localhost", "", LL_OK, false, SMTP_TLS_IF_OFFERED },
		{ "smtp://localhost.example", "", LL_OK, true,
		    SMTP_TLS_REQUIRED },
		{ "smtp://127.0.0.1:25", "required", LL_OK, true,
		    SMTP_TLS_REQUIRED },
		{ "smtps://mx.example", "", LL_OK, true, SMTP_TLS_REQUIRED },
		{ "smtps://127.0.0.1", "", LL_OK, true, SMTP_TLS_IF_OFFERED },
	};
	struct smart_settings s = { "", "", "", "", "" };
	struct host_settings h;
	struct relay_smart *m;
	const char *why;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		s.relay = rows[i].relay;
		s.tls = rows[i].tls;
		assert_int_equal(smart_open(&s, &m, &why), rows[i].r);
		if (rows[i].r != LL_OK) {
			assert_non_null(why);
			continue;
		}
		smart_host(m, &h);
		assert_int_equal(smart_is_checked(m), rows[i].checked);
		assert_int_equal(h.check, rows[i].checked);
		assert_int_equal(h.tls, rows[i].mode);
		smart_close(m);
	}
	s.ca = "/nowhere.pem";
	assert_int_equal(smart_open(&s, &m, &why), LL_USAGE);
	s.ca = "";
	s.user = "post";
	s.password_file = "/nowhere.pass";
	assert_int_equal(smart_open(&s, &m, &why), LL_USAGE);
}

/* A mail sealed as its sender's worker does it, and what the row says. */
struct sealed {
	uint8_t key[KEY_BYTES], hash[RELAY_STREAM_HASH];
	uint8_t *data;
	size_t len;
	struct queue_mail mail;
};

static void
seal_mail(const char *text, size_t len, struct sealed *s)
{
	uint8_t ignored[HASH_BYTES];

	randombytes_buf(s->key, sizeof(s->key));
	crypto_hash_sha256(s->hash, (const uint8_t *)text, len);
	s->mail.key = s->key;
	s->mail.hash = s->hash;
	s->mail.bytes = len;
	id_random(&s->mail.message);
	id_random(&s->mail.object);
	assert_int_equal(seal_object_buffer(s->key, &s->mail.message,
	    &s->mail.object, OBJECT_MAIL, text, len, &s->data, &s->len,
	    ignored), LL_OK);
}

/* How the stream ends; *sum_r bytes came before. */
static enum ll_result
read_all(const struct sealed *s, bool by_file, size_t *sum_r)
{
	struct relay_stream *stream;
	const uint8_t *p;
	enum ll_result r;
	size_t len;
	FILE *f = NULL;
	int fd = -1;

	*sum_r = 0;
	if (by_file) {
		f = tmpfile();
		assert_non_null(f);
		assert_int_equal(fwrite(s->data, 1, s->len, f), s->len);
		rewind(f);
		fd = dup(fileno(f));
	}
	r = relay_stream_open(&s->mail, by_file ? NULL : s->data, s->len, fd,
	    &stream);
	while (r == LL_OK) {
		r = relay_stream_next(stream, &p, &len);
		if (r == LL_OK)
			assert_true(len > 0 && len <= SEAL_CHUNK);
		*sum_r += len;
	}
	relay_stream_close(stream);
	if (f != NULL)
		fclose(f);
	return r;
}

static void
test_stream(void **state)
{
	static const struct {
		const char *text;
		enum ll_result end;
	} rows[] = {
		{ "A: b\r\n\r\nbody\r\n", LL_EOF },
		{ "A: b\r\n\r\n.\r\n", LL_EOF },
		{ "A: b\r\n\r\nbody", LL_PROTO },
		{ "A: b\r\n\r\nbody\r", LL_PROTO },
		{ "A: b\r\n\r\nbody\n.\r\n", LL_PROTO },
		{ "A: b\r\n\r\nbody\r.\r\n", LL_PROTO },
		{ "A: b\r\n\r\nbody\r\r\n", LL_PROTO },
		{ "\n", LL_PROTO },
	};
	struct sealed s;
	size_t i, sum;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		seal_mail(rows[i].text, strlen(rows[i].text), &s);
		assert_int_equal(read_all(&s, false, &sum), rows[i].end);
		assert_int_equal(read_all(&s, true, &sum), rows[i].end);
		free(s.data);
	}
}

static void
test_stream_is_what_was_named(void **state)
{
	const size_t len = 3 * SEAL_CHUNK;
	char *text = malloc(len);
	struct sealed s;
	size_t i, sum, whole;

	(void)state;
	assert_non_null(text);
	for (i = 0; i < len; i++)
		text[i] = i % 64 == 62 ? '\r' : i % 64 == 63 ? '\n' : 'x';
	seal_mail(text, len, &s);
	whole = s.len;
	assert_int_equal(read_all(&s, true, &sum), LL_EOF);
	assert_int_equal(sum, len);
	for (s.len = 0; s.len < whole; s.len += 20011)
		assert_int_equal(read_all(&s, s.len % 2, &sum), LL_AUTH);
	s.len = whole;
	s.data[whole / 2] ^= 1;
	assert_int_equal(read_all(&s, true, &sum), LL_AUTH);
	s.data[whole / 2] ^= 1;
	s.hash[5] ^= 1;
	assert_int_equal(read_all(&s, true, &sum), LL_AUTH);
	s.hash[5] ^= 1;
	s.mail.bytes--;
	assert_int_equal(read_all(&s, true, &sum), LL_AUTH);
	s.mail.bytes += 2;
	assert_int_equal(read_all(&s, true, &sum), LL_AUTH);
	free(s.data);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mail_is_plain),
		cmocka_unit_test(test_mail_refuses_injection),
		cmocka_unit_test(test_mail_foreign_names),
		cmocka_unit_test(test_phrase),
		cmocka_unit_test(test_queue_row),
		cmocka_unit_test(test_directory),
		cmocka_unit_test(test_server_next_door),
		cmocka_unit_test(test_stream),
		cmocka_unit_test(test_stream_is_what_was_named),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	if (secret_setup(65536) != LL_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
