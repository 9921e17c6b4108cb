#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "keys/clean.h"
#include "store/jsonout.h"

json_t *
jsonout_text(const char *text)
{
	json_t *value;
	char *clean;

	if (clean_text(text, strlen(text), CLEAN_BLOCK, &clean) != LL_OK)
		return NULL;
	value = json_string(clean);
	free(clean);
	return value;
}

void
jsonout_time_text(uint64_t unix_time, char text[24])
{
	time_t t = (time_t)unix_time;
	struct tm tm;

	if (unix_time == 0 || unix_time > 253402300799u ||
	    gmtime_r(&t, &tm) == NULL ||
	    strftime(text, 24, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		memcpy(text, "-", 2);
}

json_t *
jsonout_time(uint64_t unix_time)
{
	char text[24];

	jsonout_time_text(unix_time, text);
	return unix_time == 0 ? json_null() : json_string(text);
}

enum ll_result
jsonout_print(FILE *out, json_t *value)
{
	enum ll_result r = LL_OK;

	if (value == NULL)
		return LL_NOMEM;
	if (json_dumpf(value, out, JSON_COMPACT) != 0 ||
	    fputc('\n', out) == EOF || fflush(out) != 0)
		r = LL_IO;
	json_decref(value);
	return r;
}
