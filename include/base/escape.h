/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_ESCAPE_H
#define BASE_ESCAPE_H
/*
 * escape -- any bytes as printable text: \r \n \t \\ and \xNN.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * The bytes that text stands for, at most strlen(text) of them, into out.
 * Returns how many, or -1 with err for a backslash before anything else.
 */
ptrdiff_t escape_parse(const char *text, uint8_t *out, struct err *err);
/* Printable ASCII that parses back to the same; the caller frees. */
char *escape_format(const void *bytes, size_t len);

#endif /* BASE_ESCAPE_H */
