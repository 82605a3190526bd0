/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_JSON_TEXT_H
#define BASE_JSON_TEXT_H
/*
 * json_text -- a text of a JSON object.
 */
#include <jansson.h>

/* Borrowed from obj; "" if it has no text of that key, or is no object. */
const char *json_text(const json_t *obj, const char *key);

#endif /* BASE_JSON_TEXT_H */
