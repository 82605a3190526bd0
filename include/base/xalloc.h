/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_XALLOC_H
#define BASE_XALLOC_H
/*
 * xalloc -- small allocations that cannot fail: abort with a message instead.
 * Sizes that come from outside are bounded by the caller before.
 */
#include <stddef.h>

void *xcalloc(size_t count, size_t size)
    __attribute__((returns_nonnull, warn_unused_result));
void *xreallocarray(void *p, size_t count, size_t size)
    __attribute__((returns_nonnull, warn_unused_result));
char *xstrdup(const char *s)
    __attribute__((returns_nonnull, warn_unused_result));
char *xasprintf(const char *fmt, ...)
    __attribute__((format(printf, 1, 2), returns_nonnull, warn_unused_result));

#endif /* BASE_XALLOC_H */
