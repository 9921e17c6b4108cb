/* The root secret's files and the SSH host key sealed under it. */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/copy.h"
#include "server/file.h"
#include "server/hostkey.h"
#include "server/root.h"
#include "tests/unit/unit.h"

static char dir[40];

static int
make_dir(void **state)
{
	(void)state;
	memcpy(dir, "/tmp/ll-root.XXXXXX", 20);
	return mkdtemp(dir) == NULL;
}

static int
remove_dir(void **state)
{
	(void)state;
	return copy_remove_tree(dir) != LL_OK;
}

static enum ll_result
load(struct secret *root_r)
{
	static char why[CONFIG_WHY];
	struct config c;
	enum ll_result r;

	assert_ok(config_init(&c));
	assert_ok(config_set(&c, "test", "data", dir, why));
	r = root_load(&c, root_r, why);
	config_finish(&c);
	return r;
}

static void
test_text(void **state)
{
	struct secret root, back;
	char text[ROOT_TEXT], typed[ROOT_TEXT + 8];

	(void)state;
	assert_ok(root_create(&root));
	root_text(&root, text);
	assert_int_equal(strlen(text), ROOT_TEXT - 1);
	snprintf(typed, sizeof(typed), " %s \n", text);
	assert_ok(root_parse(typed, &back));
	assert_memory_equal(root.data, back.data, ROOT_BYTES);
	secret_finish(&back);
	text[0] = 'U';
	assert_result(root_parse(text, &back), LL_USAGE);
	assert_result(root_parse("1ZM8", &back), LL_USAGE);
	secret_finish(&root);
}

static void
test_file(void **state)
{
	struct secret root, back;
	char path[FILE_PATH_MAX];
	struct stat st;

	(void)state;
	assert_result(load(&back), LL_NOTFOUND);
	assert_ok(root_create(&root));
	assert_ok(root_save(dir, &root, NULL));
	assert_ok(file_path(dir, "root.key", path));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0400);
	assert_result(root_save(dir, &root, NULL), LL_CONFLICT);
	assert_ok(load(&back));
	assert_memory_equal(root.data, back.data, ROOT_BYTES);
	secret_finish(&back);
	/* one that others may read is refused */
	assert_int_equal(chmod(path, 0440), 0);
	assert_result(load(&back), LL_DENIED);
	assert_null(back.data);
	secret_finish(&root);
}

/* A systemd credential comes before the file. */
static void
test_credential(void **state)
{
	struct secret root, other, back;
	char path[FILE_PATH_MAX], text[ROOT_TEXT];

	(void)state;
	assert_ok(root_create(&root));
	assert_ok(root_create(&other));
	assert_ok(root_save(dir, &other, NULL));
	root_text(&root, text);
	assert_ok(file_path(dir, "letterlock-root", path));
	assert_ok(file_create(path, 0400, text, strlen(text)));
	assert_int_equal(setenv("CREDENTIALS_DIRECTORY", dir, 1), 0);
	assert_ok(load(&back));
	assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
	assert_memory_equal(root.data, back.data, ROOT_BYTES);
	secret_finish(&back);
	secret_finish(&other);
	secret_finish(&root);
}

/* Standard input becomes a pipe with that text. */
static void
type(const char *text)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], text, strlen(text)), strlen(text));
	close(fds[1]);
	assert_int_equal(dup2(fds[0], 0), 0);
	close(fds[0]);
}

static void
test_passphrase(void **state)
{
	static const char words[] = "eleven quiet bicycles";
	struct secret root, back, passphrase;

	(void)state;
	assert_ok(root_create(&root));
	assert_ok(secret_copy(&passphrase, words, strlen(words)));
	assert_ok(root_save(dir, &root, &passphrase));
	type("eleven quiet bicycles\n");
	assert_ok(load(&back));
	assert_memory_equal(root.data, back.data, ROOT_BYTES);
	secret_finish(&back);
	type("twelve quiet bicycles\n");
	assert_result(load(&back), LL_AUTH);
	secret_finish(&passphrase);
	secret_finish(&root);
}

static void
test_hostkey(void **state)
{
	char line[HOSTKEY_LINE], print[HOSTKEY_LINE], path[FILE_PATH_MAX];
	struct secret root, other, seed, file;

	(void)state;
	assert_ok(root_create(&root));
	assert_ok(root_create(&other));
	assert_ok(hostkey_create(dir, &root));
	assert_ok(hostkey_load(dir, &root, &seed));
	assert_int_equal(seed.len, 32);
	assert_ok(hostkey_public(&seed, line, print));
	assert_ok(file_path(dir, "host_ed25519.pub", path));
	assert_ok(file_read(path, 200, 0, &file));
	assert_memory_equal(file.data, line, strlen(line));
	assert_memory_equal(line, "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI", 37);
	assert_memory_equal(print, "SHA256:", 7);
	secret_finish(&file);
	secret_finish(&seed);
	assert_result(hostkey_load(dir, &other, &seed), LL_AUTH);
	secret_finish(&other);
	secret_finish(&root);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test_setup_teardown(test_file, make_dir,
		    remove_dir),
		cmocka_unit_test_setup_teardown(test_credential, make_dir,
		    remove_dir),
		cmocka_unit_test_setup_teardown(test_passphrase, make_dir,
		    remove_dir),
		cmocka_unit_test_setup_teardown(test_hostkey, make_dir,
		    remove_dir),
	};

	return secret_setup(65536) != LL_OK ? 1 :
	    cmocka_run_group_tests(tests, NULL, NULL);
}
