/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef STORE_UTF8_H
#define STORE_UTF8_H
/*
 * utf8 -- what counts as text: RFC 3629, no overlong forms, no surrogates,
 * nothing above U+10FFFF.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the character that p begins with, 0 if it is none; left >= 1. */
size_t utf8_char_bytes(const uint8_t *p, size_t left);
/* Nothing but characters, and no NUL among them. */
bool utf8_is_text(const char *s, size_t len);
/* Replaces each byte that belongs to no character by '?'. */
void utf8_clean(char *s);

#endif /* STORE_UTF8_H */
