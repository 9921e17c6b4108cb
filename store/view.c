#include "store/msg.h"

static bool
find(struct tlv_view v, enum field f, struct tlv_field *field_r)
{
	size_t at = 0;

	return tlv_find(v, (uint8_t)f, &at, field_r) == LL_OK;
}

uint64_t
view_u64(struct tlv_view v, enum field f)
{
	struct tlv_field field;
	uint64_t value;

	if (!find(v, f, &field) || tlv_u64(&field, &value) != LL_OK)
		return 0;
	return value;
}

const char *
view_text(struct tlv_view v, enum field f)
{
	struct tlv_field field;
	const char *text;

	if (!find(v, f, &field) || tlv_text(&field, &text) != LL_OK)
		return "";
	return text;
}

const uint8_t *
view_bytes(struct tlv_view v, enum field f, size_t *len_r)
{
	struct tlv_field field;

	*len_r = 0;
	if (!find(v, f, &field))
		return NULL;
	*len_r = field.len;
	return field.data;
}

bool
view_id(struct tlv_view v, enum field f, struct id *id_r)
{
	struct tlv_field field;

	return find(v, f, &field) && tlv_id(&field, id_r) == LL_OK;
}

const uint8_t *
view_hash(struct tlv_view v, enum field f)
{
	struct tlv_field field;

	if (!find(v, f, &field) || field.len != 32)
		return NULL;
	return field.data;
}

bool
view_has(struct tlv_view v, enum field f)
{
	struct tlv_field field;

	return find(v, f, &field);
}

bool
view_each(struct tlv_view v, enum field f, size_t *at,
    struct tlv_field *field_r)
{
	return tlv_find(v, (uint8_t)f, at, field_r) == LL_OK;
}

bool
view_nest(struct tlv_view v, enum field f, size_t *at,
    struct tlv_view *inner_r)
{
	struct tlv_field field;

	if (tlv_find(v, (uint8_t)f, at, &field) != LL_OK)
		return false;
	inner_r->data = field.data;
	inner_r->len = field.len;
	return true;
}
