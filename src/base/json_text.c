/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/json_text.h"

const char *
json_text(const json_t *obj, const char *key)
{
	const char *text = json_string_value(json_object_get(obj, key));

	return text != NULL ? text : "";
}
