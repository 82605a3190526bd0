/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef REPORT_FIELDS_H
#define REPORT_FIELDS_H
/*
 * fields -- typed reading of JSON that somebody else wrote.  The first thing
 * that is missing or of the wrong type is kept in err, with its name; after
 * that every read gives a harmless value, so read all, then test bad once.
 *
 * Objects and arrays that come back are borrowed from the document.  obj may
 * be NULL or of any type: everything in it is missing then.
 */
#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/err.h"

struct fields {
	struct err *err; /* not NULL */
	bool bad;
};

/* Required. "" if bad. */
const char *fields_text(struct fields *f, const json_t *obj, const char *key);
/* A whole number that is not negative: counts, durations. */
int64_t fields_count(struct fields *f, const json_t *obj, const char *key);
/* Wall milliseconds, 0 .. TEXT_WALL_MAX_MS. */
int64_t fields_wall_ms(struct fields *f, const json_t *obj, const char *key);
/* Any finite number that is not negative. */
double fields_real(struct fields *f, const json_t *obj, const char *key);
bool fields_bool(struct fields *f, const json_t *obj, const char *key);
/* NULL if bad: jansson takes NULL for an empty array or object. */
const json_t *fields_array(struct fields *f, const json_t *obj,
    const char *key);
const json_t *fields_object(struct fields *f, const json_t *obj,
    const char *key);

/* Missing or null are in order and give the fallback, or NULL. */
const char *fields_text_or(struct fields *f, const json_t *obj, const char *key,
    const char *fallback);
int64_t fields_count_or(struct fields *f, const json_t *obj, const char *key,
    int64_t fallback);
double fields_real_or(struct fields *f, const json_t *obj, const char *key,
    double fallback);
int64_t fields_wall_ms_or(struct fields *f, const json_t *obj, const char *key,
    int64_t fallback);
const json_t *fields_array_opt(struct fields *f, const json_t *obj,
    const char *key);
const json_t *fields_object_opt(struct fields *f, const json_t *obj,
    const char *key);
/* A list of texts as one, separator between; "" if there is none.  The caller
 * frees it. */
char *fields_texts_or_none(struct fields *f, const json_t *obj, const char *key,
    const char *separator);

#endif /* REPORT_FIELDS_H */
