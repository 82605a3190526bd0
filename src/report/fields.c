/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "report/fields.h"

#include <math.h>
#include <stdlib.h>

#include "base/xalloc.h"
#include "report/text.h"

static const char *
type_name(const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "a list";
	case JSON_STRING:
		return "text";
	case JSON_INTEGER:
	case JSON_REAL:
		return "a number out of range";
	case JSON_TRUE:
	case JSON_FALSE:
		return "true or false";
	case JSON_NULL:
		return "null";
	}
	return "nothing known";
}

static void
spoil(struct fields *f, const json_t *v, const char *key, const char *want)
{
	if (f->bad)
		return;
	f->bad = true;
	if (v == NULL) {
		err_set(f->err, ERR_PROTO, "\"%s\": missing, expected %s", key,
		    want);
	} else {
		err_set(f->err, ERR_PROTO, "\"%s\": expected %s, is %s", key,
		    want, type_name(v));
	}
}

static bool
is_absent(const json_t *obj, const char *key)
{
	const json_t *v = json_object_get(obj, key);

	return v == NULL || json_is_null(v);
}

static int64_t
take_int(struct fields *f, const json_t *obj, const char *key, int64_t max)
{
	const json_t *v = json_object_get(obj, key);

	if (json_is_integer(v) && json_integer_value(v) >= 0 &&
	    json_integer_value(v) <= max)
		return json_integer_value(v);
	spoil(f, v, key, "a whole number from 0");
	return 0;
}

const char *
fields_text(struct fields *f, const json_t *obj, const char *key)
{
	const json_t *v = json_object_get(obj, key);

	if (json_is_string(v))
		return json_string_value(v);
	spoil(f, v, key, "text");
	return "";
}

int64_t
fields_count(struct fields *f, const json_t *obj, const char *key)
{
	return take_int(f, obj, key, INT64_MAX);
}

int64_t
fields_wall_ms(struct fields *f, const json_t *obj, const char *key)
{
	return take_int(f, obj, key, TEXT_WALL_MAX_MS);
}

double
fields_real(struct fields *f, const json_t *obj, const char *key)
{
	const json_t *v = json_object_get(obj, key);
	double d = json_number_value(v);

	if (json_is_number(v) && isfinite(d) && d >= 0)
		return d;
	spoil(f, v, key, "a number from 0");
	return 0;
}

bool
fields_bool(struct fields *f, const json_t *obj, const char *key)
{
	const json_t *v = json_object_get(obj, key);

	if (!json_is_boolean(v))
		spoil(f, v, key, "true or false");
	return json_is_true(v);
}

const json_t *
fields_array(struct fields *f, const json_t *obj, const char *key)
{
	const json_t *v = json_object_get(obj, key);

	if (json_is_array(v))
		return v;
	spoil(f, v, key, "a list");
	return NULL;
}

const json_t *
fields_object(struct fields *f, const json_t *obj, const char *key)
{
	const json_t *v = json_object_get(obj, key);

	if (json_is_object(v))
		return v;
	spoil(f, v, key, "an object");
	return NULL;
}

const char *
fields_text_or(struct fields *f, const json_t *obj, const char *key,
    const char *fallback)
{
	return is_absent(obj, key) ? fallback : fields_text(f, obj, key);
}

int64_t
fields_count_or(struct fields *f, const json_t *obj, const char *key,
    int64_t fallback)
{
	return is_absent(obj, key) ? fallback : fields_count(f, obj, key);
}

double
fields_real_or(struct fields *f, const json_t *obj, const char *key,
    double fallback)
{
	return is_absent(obj, key) ? fallback : fields_real(f, obj, key);
}

int64_t
fields_wall_ms_or(struct fields *f, const json_t *obj, const char *key,
    int64_t fallback)
{
	return is_absent(obj, key) ? fallback : fields_wall_ms(f, obj, key);
}

const json_t *
fields_array_opt(struct fields *f, const json_t *obj, const char *key)
{
	return is_absent(obj, key) ? NULL : fields_array(f, obj, key);
}

const json_t *
fields_object_opt(struct fields *f, const json_t *obj, const char *key)
{
	return is_absent(obj, key) ? NULL : fields_object(f, obj, key);
}

char *
fields_texts_or_none(struct fields *f, const json_t *obj, const char *key,
    const char *separator)
{
	const json_t *list = fields_array_opt(f, obj, key), *v;
	char *text = xstrdup("");
	size_t i;

	json_array_foreach (list, i, v) {
		char *longer;

		if (!json_is_string(v)) {
			spoil(f, v, key, "text");
			continue;
		}
		longer = xasprintf("%s%s%s", text, i > 0 ? separator : "",
		    json_string_value(v));
		free(text);
		text = longer;
	}
	return text;
}
