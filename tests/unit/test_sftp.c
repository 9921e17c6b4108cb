/*
 * test_sftp.c - the sftp protocol over a back end of memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/sftp_fake.h"

struct client {
	struct fake fake;
	struct sftp *s;
	struct sftp_out request;
	uint8_t answer[SFTP_PACKET_MAX + 64];
	struct sftp_in in;        /* the answer's fields after the id */
	uint32_t id;
	uint8_t handle[16];
};

static void
ask(struct client *c, enum sftp_type type)
{
	sftp_out_fits(&c->request);
	sftp_begin(&c->request, type, ++c->id);
}

static void
push(struct client *c)
{
	size_t len = c->request.end - c->request.start, room;
	uint8_t *in = sftp_input(c->s, &room);

	assert_true(len <= room);
	memcpy(in, c->request.data + c->request.start, len);
	sftp_fed(c->s, len);
	c->request.start = c->request.end = 0;
}

/* Sends the open packet and takes the answer; its type is returned. */
static int
answer(struct client *c)
{
	const uint8_t *out;
	size_t len;
	struct sftp_in head;
	uint32_t body;

	sftp_end(&c->request);
	push(c);
	assert_int_equal(sftp_work(c->s), LL_OK);
	out = sftp_output(c->s, &len);
	head = (struct sftp_in){ out, len, false };
	body = sftp_get_u32(&head);
	assert_int_equal(body, len - 4);
	memcpy(c->answer, out, len);
	sftp_sent(c->s, len);
	c->in = (struct sftp_in){ c->answer + 4, body, false };
	return sftp_get_u8(&c->in);
}

static void
expect_status(struct client *c, enum sftp_status status)
{
	assert_int_equal(answer(c), SFTP_STATUS);
	assert_int_equal(sftp_get_u32(&c->in), c->id);
	assert_int_equal(sftp_get_u32(&c->in), status);
}

static void
path_request(struct client *c, enum sftp_type type, const char *path)
{
	ask(c, type);
	sftp_put_text(&c->request, path);
}

static void
open_request(struct client *c, const char *path, uint32_t flags)
{
	path_request(c, SFTP_OPEN, path);
	sftp_put_u32(&c->request, flags);
	sftp_put_u32(&c->request, 0);
}

static void
take_handle(struct client *c)
{
	const uint8_t *handle;
	size_t len;

	assert_int_equal(answer(c), SFTP_HANDLE);
	sftp_get_u32(&c->in);
	handle = sftp_get_string(&c->in, &len);
	assert_int_equal(len, sizeof(c->handle));
	memcpy(c->handle, handle, len);
}

static void
handle_request(struct client *c, enum sftp_type type)
{
	ask(c, type);
	sftp_put_string(&c->request, c->handle, sizeof(c->handle));
}

static void
write_request(struct client *c, uint64_t offset, const void *p, size_t len)
{
	handle_request(c, SFTP_WRITE);
	sftp_put_u64(&c->request, offset);
	sftp_put_string(&c->request, p, len);
}

static int
set_up(void **state)
{
	struct client *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	assert_int_equal(sftp_out_init(&c->request), LL_OK);
	assert_int_equal(sftp_create(&fake_back, &c->fake, &c->s), LL_OK);
	sftp_begin(&c->request, SFTP_INIT, SFTP_VERSION);
	assert_int_equal(answer(c), SFTP_VERSION_REPLY);
	assert_int_equal(sftp_get_u32(&c->in), SFTP_VERSION);
	*state = c;
	return 0;
}

static int
tear_down(void **state)
{
	struct client *c = *state;

	sftp_destroy(c->s);
	assert_int_equal(c->fake.open, 0);
	fake_finish(&c->fake);
	sftp_out_finish(&c->request);
	free(c);
	return 0;
}

static void
upload(struct client *c, const char *path, const void *p, size_t len)
{
	open_request(c, path, SFTP_OPEN_WRITE | SFTP_OPEN_CREATE |
	    SFTP_OPEN_TRUNCATE);
	take_handle(c);
	write_request(c, 0, p, len);
	expect_status(c, SFTP_FX_OK);
	handle_request(c, SFTP_CLOSE);
	expect_status(c, SFTP_FX_OK);
}

static void
paths_have_one_form(void **state)
{
	static const struct {
		const char *asked, *answered;
	} rows[] = {
		{ ".", "/" }, { "", "/" }, { "/", "/" }, { "//", "/" },
		{ "../../..", "/" }, { "a.pdf", "/a.pdf" },
		{ "/./x/../a.pdf", "/a.pdf" }, { "/d", "/d" },
		{ "/d/0BCD1234", "/d/0BCD1234" },
		{ "m/0BCD/x\nb", "/m/0BCD/x_b" },
		{ "/m/0BCD/..", "/m" },
	};
	struct client *c = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const uint8_t *text;
		size_t len;

		path_request(c, SFTP_REALPATH, rows[i].asked);
		assert_int_equal(answer(c), SFTP_NAME);
		sftp_get_u32(&c->in);
		assert_int_equal(sftp_get_u32(&c->in), 1);
		text = sftp_get_string(&c->in, &len);
		assert_int_equal(len, strlen(rows[i].answered));
		assert_memory_equal(text, rows[i].answered, len);
	}
}

static void
paths_that_cannot_be(void **state)
{
	static const char *const rows[] = {
		"/etc/passwd", "/d/0BCD/x/y", "/d/a", "/m/U!!!",
		"/d/0BCDEFGHJKMNPQRSTVWXYZ01234/x",
	};
	struct client *c = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		path_request(c, SFTP_STAT, rows[i]);
		expect_status(c, SFTP_FX_NO_SUCH_FILE);
	}
}

static void
an_upload_is_there_after_close(void **state)
{
	struct client *c = *state;
	const uint8_t *data;
	size_t len;

	open_request(c, "/a\x1b[31m.txt", SFTP_OPEN_WRITE | SFTP_OPEN_CREATE);
	take_handle(c);
	write_request(c, 0, "hello ", 6);
	expect_status(c, SFTP_FX_OK);
	write_request(c, 6, "world", 5);
	expect_status(c, SFTP_FX_OK);
	assert_int_equal(c->fake.count, 0);
	handle_request(c, SFTP_CLOSE);
	expect_status(c, SFTP_FX_OK);
	assert_int_equal(c->fake.count, 1);
	assert_null(strchr(c->fake.files[0].name, 0x1b));

	open_request(c, c->fake.files[0].name, SFTP_OPEN_READ);
	take_handle(c);
	handle_request(c, SFTP_READ);
	sftp_put_u64(&c->request, 4);
	sftp_put_u32(&c->request, 100);
	assert_int_equal(answer(c), SFTP_DATA);
	sftp_get_u32(&c->in);
	data = sftp_get_string(&c->in, &len);
	assert_int_equal(len, 7);
	assert_memory_equal(data, "o world", 7);
	handle_request(c, SFTP_READ);
	sftp_put_u64(&c->request, 11);
	sftp_put_u32(&c->request, 100);
	expect_status(c, SFTP_FX_EOF);
	handle_request(c, SFTP_CLOSE);
	expect_status(c, SFTP_FX_OK);
}

static void
a_gap_spoils_the_upload(void **state)
{
	struct client *c = *state;

	open_request(c, "/a", SFTP_OPEN_WRITE);
	take_handle(c);
	write_request(c, 10, "x", 1);
	expect_status(c, SFTP_FX_FAILURE);
	write_request(c, 0, "x", 1);
	expect_status(c, SFTP_FX_FAILURE);
	handle_request(c, SFTP_CLOSE);
	expect_status(c, SFTP_FX_FAILURE);
	assert_int_equal(c->fake.count, 0);
	assert_int_equal(c->fake.complaints, 1);
}

static void
too_much_is_refused_at_the_write(void **state)
{
	static uint8_t big[200000];
	struct client *c = *state;

	open_request(c, "/a", SFTP_OPEN_WRITE);
	take_handle(c);
	write_request(c, 0, big, sizeof(big));
	expect_status(c, SFTP_FX_OK);
	write_request(c, sizeof(big), big, sizeof(big));
	expect_status(c, SFTP_FX_FAILURE);
	handle_request(c, SFTP_CLOSE);
	expect_status(c, SFTP_FX_FAILURE);
	assert_int_equal(c->fake.count, 0);
}

static void
folders_list_names(void **state)
{
	struct client *c = *state;
	const uint8_t *name;
	size_t len;

	upload(c, "/one", "1", 1);
	upload(c, "/two", "22", 2);
	path_request(c, SFTP_OPENDIR, "/");
	take_handle(c);
	handle_request(c, SFTP_READDIR);
	assert_int_equal(answer(c), SFTP_NAME);
	sftp_get_u32(&c->in);
	assert_int_equal(sftp_get_u32(&c->in), 2);
	name = sftp_get_string(&c->in, &len);
	assert_int_equal(len, 3);
	assert_memory_equal(name, "one", 3);
	handle_request(c, SFTP_READDIR);
	expect_status(c, SFTP_FX_EOF);
	/* ids are not listed: /d and /m are empty without asking anybody */
	c->fake.refuse = LL_IO;
	path_request(c, SFTP_OPENDIR, "/m");
	take_handle(c);
	handle_request(c, SFTP_READDIR);
	expect_status(c, SFTP_FX_EOF);
}

static void
locked_is_denied_aloud(void **state)
{
	struct client *c = *state;

	c->fake.refuse = LL_LOCKED;
	path_request(c, SFTP_STAT, "/");
	assert_int_equal(answer(c), SFTP_ATTRS);
	open_request(c, "/a", SFTP_OPEN_WRITE);
	expect_status(c, SFTP_FX_DENIED);
	path_request(c, SFTP_OPENDIR, "/");
	expect_status(c, SFTP_FX_DENIED);
	assert_int_equal(c->fake.complaints, 1);
}

static void
what_is_not_offered(void **state)
{
	struct client *c = *state;

	path_request(c, SFTP_MKDIR, "/x");
	expect_status(c, SFTP_FX_DENIED);
	path_request(c, SFTP_RMDIR, "/d");
	expect_status(c, SFTP_FX_DENIED);
	path_request(c, SFTP_READLINK, "/x");
	expect_status(c, SFTP_FX_UNSUPPORTED);
	path_request(c, SFTP_EXTENDED, "statvfs@openssh.com");
	expect_status(c, SFTP_FX_UNSUPPORTED);
	ask(c, (enum sftp_type)99);
	expect_status(c, SFTP_FX_UNSUPPORTED);
	open_request(c, "/m/0BCD/x", SFTP_OPEN_WRITE);
	expect_status(c, SFTP_FX_DENIED);
	path_request(c, SFTP_REMOVE, "/m/0BCD/kept");
	expect_status(c, SFTP_FX_DENIED);
	path_request(c, SFTP_RENAME, "/d/0BCD/kept");
	sftp_put_text(&c->request, "/d/0BCE/kept");
	expect_status(c, SFTP_FX_DENIED);
	path_request(c, SFTP_RENAME, "/d/0BCD/kept");
	sftp_put_text(&c->request, "/d/0BCD/other");
	expect_status(c, SFTP_FX_OK);
	path_request(c, SFTP_SETSTAT, "/kept");
	sftp_put_u32(&c->request, 0);
	expect_status(c, SFTP_FX_OK);
}

static void
limits_are_told(void **state)
{
	struct client *c = *state;

	path_request(c, SFTP_EXTENDED, "limits@openssh.com");
	assert_int_equal(answer(c), SFTP_EXTENDED_REPLY);
	sftp_get_u32(&c->in);
	assert_int_equal(sftp_get_u64(&c->in), SFTP_PACKET_MAX);
	assert_int_equal(sftp_get_u64(&c->in), SFTP_DATA_MAX);
	assert_int_equal(sftp_get_u64(&c->in), SFTP_DATA_MAX);
	assert_int_equal(sftp_get_u64(&c->in), SFTP_HANDLES);
}

static void
handles_are_few_and_not_guessed(void **state)
{
	struct client *c = *state;

	for (int i = 0; i < SFTP_HANDLES; i++) {
		open_request(c, "/x", SFTP_OPEN_WRITE);
		take_handle(c);
	}
	open_request(c, "/x", SFTP_OPEN_WRITE);
	expect_status(c, SFTP_FX_FAILURE);
	c->handle[3] ^= 1;
	handle_request(c, SFTP_CLOSE);
	expect_status(c, SFTP_FX_BAD_MESSAGE);
	c->handle[3] ^= 1;
	handle_request(c, SFTP_CLOSE);
	expect_status(c, SFTP_FX_OK);
	handle_request(c, SFTP_CLOSE);
	expect_status(c, SFTP_FX_BAD_MESSAGE);
}

static void
a_packet_too_long_ends_it(void **state)
{
	static const uint8_t rows[][5] = {
		{ 0x00, 0x04, 0x00, 0x01, SFTP_OPEN },
		{ 0xff, 0xff, 0xff, 0xff, SFTP_OPEN },
		{ 0x00, 0x00, 0x00, 0x00, 0 },
		{ 0x00, 0x00, 0x00, 0x01, SFTP_OPEN },
	};
	struct client *c = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t room;
		uint8_t *in = sftp_input(c->s, &room);

		memcpy(in, rows[i], sizeof(rows[i]));
		sftp_fed(c->s, sizeof(rows[i]));
		assert_int_equal(sftp_work(c->s), LL_PROTO);
		sftp_destroy(c->s);
		assert_int_equal(sftp_create(&fake_back, &c->fake, &c->s),
		    LL_OK);
		/* without INIT nothing is answered either */
		path_request(c, SFTP_STAT, "/");
		sftp_end(&c->request);
		push(c);
		assert_int_equal(sftp_work(c->s), LL_PROTO);
		sftp_destroy(c->s);
		assert_int_equal(sftp_create(&fake_back, &c->fake, &c->s),
		    LL_OK);
		sftp_begin(&c->request, SFTP_INIT, SFTP_VERSION);
		assert_int_equal(answer(c), SFTP_VERSION_REPLY);
	}
}

static void
many_reads_wait_for_room(void **state)
{
	static uint8_t big[250000];
	struct client *c = *state;
	uint64_t got = 0;
	size_t len;

	upload(c, "/big", big, sizeof(big));
	open_request(c, "/big", SFTP_OPEN_READ);
	take_handle(c);
	for (int i = 0; i < 64; i++) {
		handle_request(c, SFTP_READ);
		sftp_put_u64(&c->request, 0);
		sftp_put_u32(&c->request, sizeof(big));
		sftp_end(&c->request);
		push(c);
	}
	do {
		assert_int_equal(sftp_work(c->s), LL_OK);
		sftp_output(c->s, &len);
		assert_true(len <= SFTP_OUT_ROOM);
		sftp_sent(c->s, len);
		got += len;
	} while (len > 0);
	assert_int_equal(got, 64 * (sizeof(big) + 13));
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(paths_have_one_form), T(paths_that_cannot_be),
		T(an_upload_is_there_after_close), T(a_gap_spoils_the_upload),
		T(too_much_is_refused_at_the_write), T(folders_list_names),
		T(locked_is_denied_aloud), T(what_is_not_offered),
		T(limits_are_told), T(handles_are_few_and_not_guessed),
		T(a_packet_too_long_ends_it), T(many_reads_wait_for_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
