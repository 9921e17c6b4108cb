#include "keys/envelope.h"

#include <stdlib.h>
#include <string.h>

/* Wipes too: subjects and names are message text. */
void
envelope_drop(char **member)
{
	if (*member != NULL)
		sodium_memzero(*member, strlen(*member));
	free(*member);
	*member = NULL;
}

static void
drop_list(char ***list, size_t *count)
{
	size_t i;

	for (i = 0; i < *count; i++)
		envelope_drop(&(*list)[i]);
	free(*list);
	*list = NULL;
	*count = 0;
}

static enum ll_result
copy_text(const char *text, char **out_r)
{
	*out_r = strdup(text);
	return *out_r == NULL ? LL_NOMEM : LL_OK;
}

/* Makes room for one more item of a list that holds count. */
static enum ll_result
list_grow(void **list, size_t count, size_t item)
{
	size_t room;
	void *p;

	if (count != 0 && (count & (count - 1)) != 0)
		return LL_OK;
	room = count == 0 ? 1 : 2 * count;
	p = realloc(*list, room * item);
	if (p == NULL)
		return LL_NOMEM;
	*list = p;
	return LL_OK;
}

void
envelope_init(struct envelope *e)
{
	memset(e, 0, sizeof *e);
}

void
envelope_finish(struct envelope *e)
{
	size_t i;

	envelope_drop(&e->from);
	envelope_drop(&e->from_name);
	envelope_drop(&e->subject);
	drop_list(&e->to, &e->to_count);
	drop_list(&e->cc, &e->cc_count);
	drop_list(&e->readers, &e->reader_count);
	for (i = 0; i < e->object_count; i++) {
		envelope_drop(&e->objects[i].name);
		envelope_drop(&e->objects[i].type);
	}
	free(e->objects);
	envelope_init(e);
}

enum ll_result
envelope_set(char **member, const char *text)
{
	char *copy;
	enum ll_result r;

	r = copy_text(text, &copy);
	if (r != LL_OK)
		return r;
	envelope_drop(member);
	*member = copy;
	return LL_OK;
}

enum ll_result
envelope_add(char ***list, size_t *count, const char *text)
{
	void *grown = *list;
	enum ll_result r;

	if (*count >= ENVELOPE_READERS_MAX)
		return LL_TOOBIG;
	r = list_grow(&grown, *count, sizeof **list);
	if (r != LL_OK)
		return r;
	*list = grown;
	r = copy_text(text, &(*list)[*count]);
	if (r == LL_OK)
		(*count)++;
	return r;
}

enum ll_result
envelope_add_object(struct envelope *e, const struct envelope_object *o)
{
	struct envelope_object copy = *o;
	void *grown = e->objects;
	enum ll_result r;

	if (e->object_count >= ENVELOPE_OBJECTS_MAX)
		return LL_TOOBIG;
	copy.type = NULL;
	r = copy_text(o->name == NULL ? "" : o->name, &copy.name);
	if (r == LL_OK)
		r = copy_text(o->type == NULL ? "" : o->type, &copy.type);
	if (r == LL_OK)
		r = list_grow(&grown, e->object_count, sizeof copy);
	if (r != LL_OK) {
		envelope_drop(&copy.name);
		envelope_drop(&copy.type);
		return r;
	}
	e->objects = grown;
	e->objects[e->object_count++] = copy;
	return LL_OK;
}
