#include <string.h>
#include <sodium.h>

#include "tui/exec.h"

static json_t *
others_json(const struct center_planned *row)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; list && i < row->other_count; i++)
		(void)json_array_append_new(list,
		    json_string(route_name(row->others[i])));
	return list;
}

static json_t *
keys_json(const struct center_planned *row)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; list && i < row->key_count; i++)
		(void)json_array_append_new(list, json_pack("{s:s,s:s,s:s}",
		    "format", center_format_name(row->keys[i].format),
		    "fingerprint", row->keys[i].fingerprint, "address",
		    row->keys[i].address));
	return list;
}

static json_t *
row_json(const struct center_planned *row)
{
	return json_pack("{s:s,s:s,s:s,s:s,s:s,s:b,s:o,s:s,s:o,s:o}",
	    "address", row->address, "route", route_name(row->route),
	    "reason", row->reason, "trust", row->trust, "evidence",
	    row->evidence, "held", (int)row->held, "wanted",
	    row->wanted == ROUTE_NONE ? json_null() :
	    json_string(route_name(row->wanted)), "warning", row->warning,
	    "others", others_json(row), "keys", keys_json(row));
}

static json_t *
plan_json(const struct center_plan *p)
{
	char hash[2 * HASH_BYTES + 1];
	json_t *list = json_array();
	size_t i;

	sodium_bin2hex(hash, sizeof hash, p->hash, HASH_BYTES);
	for (i = 0; list && i < p->count; i++)
		if (json_array_append_new(list, row_json(&p->rows[i])) != 0) {
			json_decref(list);
			return NULL;
		}
	return json_pack("{s:s,s:o,s:s,s:I,s:s}", "hash", hash, "recipients",
	    list, "class", class_name(p->class), "looking",
	    (json_int_t)p->looking, "warning", p->warning ? p->warning : "");
}

static void
print_others(FILE *out, const struct center_planned *row)
{
	size_t i;

	if (row->other_count == 0)
		return;
	(void)fprintf(out, "  possible too:");
	for (i = 0; i < row->other_count; i++)
		(void)fprintf(out, " %s", route_name(row->others[i]));
	(void)fputc('\n', out);
}

static void
print_row(FILE *out, const struct center_planned *row)
{
	char text[CENTER_FINGERPRINT];
	size_t i;

	(void)fprintf(out, "%s: %s%s\n", row->address, row->held ?
	    "HELD, will not be sent" : route_name(row->route),
	    row->wanted != ROUTE_NONE ? " (as you asked)" : "");
	if (!row->held)
		(void)fprintf(out, "  the recipient %s\n",
		    center_route_sentence(row->route));
	if (*row->reason)
		(void)fprintf(out, "  why: %s\n", row->reason);
	if (*row->trust)
		(void)fprintf(out, "  trust: %s\n", row->trust);
	for (i = 0; i < row->key_count; i++) {
		center_fingerprint_text(row->keys[i].fingerprint, text);
		(void)fprintf(out, "  key: %s %s\n",
		    center_format_name(row->keys[i].format), text);
	}
	if (*row->evidence)
		(void)fprintf(out, "  evidence: %s\n", row->evidence);
	if (row->code_known)
		(void)fprintf(out, "  code: the one this recipient has used "
		    "before\n");
	if (*row->warning)
		(void)fprintf(out, "  WARNING: %s\n", row->warning);
	print_others(out, row);
}

void
exec_print_plan(FILE *out, const struct center_plan *p)
{
	size_t i;

	if (p->class != CLASS_NORMAL)
		(void)fprintf(out, "class: %s\n", class_name(p->class));
	for (i = 0; i < p->count; i++)
		print_row(out, &p->rows[i]);
	if (p->warning)
		(void)fprintf(out, "WARNING: %s\n", p->warning);
	if (p->looking)
		(void)fprintf(out, "still looking for keys: a later plan may "
		    "know more\n");
}

enum ll_result
exec_put_plan(struct verb_call *call, const struct center_plan *p)
{
	if (call->json)
		return exec_json(call, plan_json(p));
	exec_print_plan(call->out, p);
	return LL_OK;
}
