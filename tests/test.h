/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TEST_H
#define TEST_H
/* cmocka and the headers that it wants before it, in order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* The longest wait for any condition. It is long since it decides nothing: a
 * machine may be busy with much else. */
#define WAIT_MAX_MS 120000

#define TEST_COUNT(a) (sizeof(a) / sizeof((a)[0]))

#endif /* TEST_H */
