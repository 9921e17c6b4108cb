#include "tui/exec.h"

static json_t *
words_json(const struct center_recipient *r)
{
	return r->has_code ? json_pack("[s,s]", r->words[0], r->words[1]) :
	    json_array();
}

static json_t *
events_json(const struct center_recipient *r)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; list && i < r->event_count; i++)
		(void)json_array_append_new(list, json_pack("{s:s,s:o,s:s}",
		    "event", event_name(r->events[i].event), "time",
		    exec_json_time(r->events[i].time), "detail",
		    r->events[i].detail));
	return list;
}

/* Every recipient, with or without what happened to the delivery. */
static json_t *
recipients_json(const struct center_sent *s, bool events)
{
	const struct center_recipient *row;
	json_t *list = json_array(), *o;
	size_t i;

	for (i = 0; list && i < s->count; i++) {
		row = &s->rows[i];
		o = json_pack("{s:s,s:s,s:s,s:s,s:o,s:o,s:o,s:o}",
		    "address", row->address, "route", route_name(row->route),
		    "state", delivery_state_name(row->state), "reason",
		    row->reason, "code",
		    exec_json_text(row->has_code ? row->code : NULL),
		    "phonetic",
		    exec_json_text(row->has_code ? row->phonetic : NULL),
		    "site_words", words_json(row), "expires",
		    exec_json_time(row->expires));
		if (events && json_object_set_new(o, "events",
		    events_json(row)) != 0) {
			json_decref(o);
			o = NULL;
		}
		if (json_array_append_new(list, o) != 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

json_t *
exec_sent_json(const struct center_sent *s)
{
	return json_pack("{s:o,s:o,s:s,s:o}", "id", exec_json_id(&s->id),
	    "thread", exec_json_id(&s->thread), "state",
	    delivery_state_name(s->state), "recipients",
	    recipients_json(s, false));
}

static void
print_events(FILE *out, const struct center_recipient *r)
{
	char when[CENTER_TIME_TEXT];
	size_t i;

	for (i = 0; i < r->event_count; i++) {
		center_time_text(r->events[i].time, when);
		(void)fprintf(out, "  %s  %s%s%s\n", when,
		    event_name(r->events[i].event),
		    *r->events[i].detail ? ": " : "", r->events[i].detail);
	}
}

void
exec_print_recipients(FILE *out, const struct center_sent *s, bool events)
{
	const struct center_recipient *r;
	char when[CENTER_TIME_TEXT];
	size_t i;

	for (i = 0; i < s->count; i++) {
		r = &s->rows[i];
		(void)fprintf(out, "%s: %s (%s)\n", r->address,
		    delivery_state_name(r->state),
		    center_state_sentence(r->state));
		if (*r->reason)
			(void)fprintf(out, "  %s\n", r->reason);
		if (r->has_code)
			(void)fprintf(out, "  tell them by phone: code %s\n"
			    "    (%s)\n  the page will show: %s %s\n",
			    r->code, r->phonetic, r->words[0], r->words[1]);
		if (r->expires) {
			center_time_text(r->expires, when);
			(void)fprintf(out, "  until %s\n", when);
		}
		if (events)
			print_events(out, r);
	}
}

enum ll_result
exec_undo(struct verb_call *call)
{
	struct id id;
	enum ll_result r;

	r = exec_id(call, &id);
	if (r == LL_OK)
		r = center_undo(call->c, &id);
	return r ? r : exec_became(call, &id, "draft",
	    "taken back; it is a draft again");
}

static json_t *
status_json(const struct center_sent *s)
{
	return json_pack("{s:o,s:o}", "id", exec_json_id(&s->id),
	    "recipients", recipients_json(s, true));
}

enum ll_result
exec_status(struct verb_call *call)
{
	struct center_sent s;
	struct id id;
	enum ll_result r;

	r = exec_id(call, &id);
	if (r == LL_OK)
		r = center_status(call->c, &id, &s);
	if (r)
		return r;
	if (call->json)
		r = exec_json(call, status_json(&s));
	else
		exec_print_recipients(call->out, &s, true);
	center_sent_finish(&s);
	return r;
}

static json_t *
withdrawn_json(const struct center_sent *s)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; list && i < s->count; i++)
		(void)json_array_append_new(list, json_pack(
		    "{s:s,s:s,s:b,s:s}", "address", s->rows[i].address,
		    "state", delivery_state_name(s->rows[i].state), "was_read",
		    (int)s->rows[i].was_read, "reason", s->rows[i].reason));
	return json_pack("{s:o,s:o}", "id", exec_json_id(&s->id),
	    "recipients", list);
}

enum ll_result
exec_withdraw(struct verb_call *call)
{
	struct center_sent s;
	struct id id;
	size_t i;
	enum ll_result r;

	r = exec_id(call, &id);
	if (r == LL_OK)
		r = center_withdraw(call->c, &id, verb_option(call, "to"),
		    verb_option(call, "reason"), &s);
	if (r)
		return r;
	if (call->json)
		r = exec_json(call, withdrawn_json(&s));
	for (i = 0; !call->json && i < s.count; i++)
		(void)fprintf(call->out, "%s: %s%s%s%s\n", s.rows[i].address,
		    delivery_state_name(s.rows[i].state),
		    s.rows[i].was_read ? " (it had been read)" : "",
		    *s.rows[i].reason ? "; not withdrawn: " : "",
		    s.rows[i].reason);
	center_sent_finish(&s);
	return r;
}

enum ll_result
exec_reissue(struct verb_call *call)
{
	struct center_send_options o = { 0 };
	const char *to = verb_option(call, "to");
	struct center_sent s;
	struct id id;
	enum ll_result r;

	if (!to)
		return verb_fail(call, LL_USAGE,
		    "reissue needs --to ADDRESS");
	r = exec_id(call, &id);
	if (r == LL_OK)
		r = center_reissue(call->c, &id, to, &o, &s);
	if (r)
		return r;
	if (call->json)
		r = exec_json(call, exec_sent_json(&s));
	else
		exec_print_recipients(call->out, &s, false);
	center_sent_finish(&s);
	return r;
}
