/*
 * test_secret.c - guarded memory is locked, wiped and guarded, or refused.
 */
#include "tests/unit/unit.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/capability.h>

#include "keys/kdf.h"
#include "keys/secret.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

/* Outcome of a test body that runs in a child: its exit code, or minus the
 * signal. */
static int
in_child(int (*body)(void))
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		/* AddressSanitizer would report what we provoke */
		signal(SIGSEGV, SIG_DFL);
		_exit(body());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

/* Root with CAP_IPC_LOCK has no limit. */
static int
limit_locked_memory(rlim_t bytes)
{
	struct __user_cap_header_struct head = {
		_LINUX_CAPABILITY_VERSION_3, 0
	};
	struct __user_cap_data_struct none[2];
	struct rlimit lim = { bytes, bytes };

	memset(none, 0, sizeof none);
	return setrlimit(RLIMIT_MEMLOCK, &lim) != 0 ||
	    syscall(SYS_capset, &head, none) != 0;
}

static int
no_lock_no_secret(void)
{
	struct secret s = { 7, (uint8_t *)1 };

	if (limit_locked_memory(0) != 0)
		return 1;
	if (secret_setup(4096) != LL_FULL)
		return 2;
	if (secret_init(&s, 32) != LL_NOMEM || s.data != NULL || s.len != 0)
		return 3;
	if (secret_random(&s, 32) != LL_NOMEM || s.data != NULL)
		return 4;
	return secret_setup(0) == LL_OK ? 0 : 5;
}

/* libsodium goes on unlocked at this point and says nothing. */
static int
the_last_page_counts(void)
{
	struct secret s[64];
	int n;

	if (limit_locked_memory(65536) != 0)
		return 255;
	for (n = 0; n < 64; n++)
		if (secret_init(&s[n], 32) != LL_OK)
			break;
	return n;
}

static long
locked_kib(void)
{
	char line[256];
	long kib = -1;
	FILE *f = fopen("/proc/self/status", "r");

	assert_non_null(f);
	while (fgets(line, sizeof line, f) != NULL)
		if (strncmp(line, "VmLck:", 6) == 0)
			kib = strtol(line + 6, NULL, 10);
	fclose(f);
	return kib;
}

static void
secrets_are_locked(void **state)
{
	struct secret s;
	long before;

	(void)state;
	if (SANITIZED)
		skip();          /* its mlock does nothing */
	before = locked_kib();
	assert_ok(secret_init(&s, 40000));
	assert_true(locked_kib() >= before + 40);
	secret_finish(&s);
	assert_int_equal(locked_kib(), before);
}

static void
unlocked_memory_is_refused(void **state)
{
	(void)state;
	if (SANITIZED)
		skip();
	assert_int_equal(in_child(no_lock_no_secret), 0);
	assert_in_range(in_child(the_last_page_counts), 4, 16);
}

static int
read_past_the_end(void)
{
	struct secret s;
	volatile uint8_t *p;

	if (secret_init(&s, 32) != LL_OK)
		return 1;
	p = s.data;
	return p[32];
}

static int
write_before_the_start(void)
{
	struct secret s;

	if (secret_init(&s, 32) != LL_OK)
		return 1;
	((volatile uint8_t *)s.data)[-1] ^= 1;
	secret_finish(&s);
	return 0;
}

static void
overruns_end_the_process(void **state)
{
	int got;

	(void)state;
	got = in_child(read_past_the_end);
	assert_true(got == -SIGSEGV || (SANITIZED && got == 1));
	assert_true(in_child(write_before_the_start) != 0);
}

static void
secrets_begin_as_zero_and_end_as_none(void **state)
{
	static const uint8_t zero[100];
	struct secret s, t;

	(void)state;
	assert_ok(secret_init(&s, sizeof zero));
	assert_memory_equal(s.data, zero, sizeof zero);
	memset(s.data, 1, s.len);
	secret_finish(&s);
	assert_null(s.data);
	assert_int_equal(s.len, 0);
	secret_finish(&s);
	assert_ok(secret_copy(&s, "abc", 3));
	assert_memory_equal(s.data, "abc", 3);
	secret_finish(&s);
	assert_ok(secret_random(&s, 32));
	assert_ok(secret_random(&t, 32));
	assert_memory_not_equal(s.data, t.data, 32);
	assert_memory_not_equal(s.data, zero, 32);
	secret_finish(&s);
	secret_finish(&t);
}

static void
sizes_have_bounds(void **state)
{
	struct secret s;

	(void)state;
	assert_result(secret_init(&s, 0), LL_USAGE);
	assert_null(s.data);
	assert_result(secret_init(&s, 65537), LL_TOOBIG);
	assert_null(s.data);
	assert_ok(secret_init(&s, 65536));
	secret_finish(&s);
	assert_ok(secret_init(&s, 1));
	secret_finish(&s);
}

static void
slow_hash_has_bounds(void **state)
{
	char input[KDF_INPUT_MAX + 1] = { 0 };
	struct kdf_params p, q;
	struct secret a, b;

	(void)state;
	kdf_params_init(&p, 1, 1);
	kdf_params_init(&q, 1, 1);
	assert_memory_not_equal(p.salt, q.salt, sizeof p.salt);
	assert_ok(kdf_run(input, KDF_INPUT_MAX, &p, &a));
	assert_int_equal(a.len, KDF_OUT_BYTES);
	assert_ok(kdf_run(input, KDF_INPUT_MAX, &q, &b));
	assert_memory_not_equal(a.data, b.data, a.len);
	secret_finish(&b);
	assert_ok(kdf_run(input, KDF_INPUT_MAX, &p, &b));
	assert_memory_equal(a.data, b.data, a.len);
	secret_finish(&a);
	secret_finish(&b);
	assert_ok(kdf_run(NULL, 0, &p, &a));
	secret_finish(&a);
	assert_result(kdf_run(input, KDF_INPUT_MAX + 1, &p, &a), LL_TOOBIG);
	assert_null(a.data);
	p.memory_mib = 0;
	assert_result(kdf_run(input, 1, &p, &a), LL_USAGE);
	p.memory_mib = 4097;
	assert_result(kdf_run(input, 1, &p, &a), LL_USAGE);
	p.memory_mib = 1;
	p.passes = 0;
	assert_result(kdf_run(input, 1, &p, &a), LL_USAGE);
	p.passes = 17;
	assert_result(kdf_run(input, 1, &p, &a), LL_USAGE);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(secrets_are_locked),
		cmocka_unit_test(unlocked_memory_is_refused),
		cmocka_unit_test(overruns_end_the_process),
		cmocka_unit_test(secrets_begin_as_zero_and_end_as_none),
		cmocka_unit_test(sizes_have_bounds),
		cmocka_unit_test(slow_hash_has_bounds),
	};

	if (secret_setup(65536) != LL_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
