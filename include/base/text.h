/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H
/*
 * text -- copying into arrays of fixed size.
 */
#include <stdbool.h>
#include <stddef.h>

/* Copies what fits, always terminated, no character of UTF-8 cut in two. Returns whether all of it fitted. */
bool text_copy(char *dst, size_t size, const char *src);

#endif /* BASE_TEXT_H */
