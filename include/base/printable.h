/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_PRINTABLE_H
#define BASE_PRINTABLE_H
/*
 * printable -- text from outside made fit for a message: bytes that are not
 * printable ASCII become '?', a long text ends in "...", an empty one becomes
 * two quotes.
 */

#define PRINTABLE_TEXT_BYTES 80

/* Returns buf. */
char *printable(const char *s, char buf[PRINTABLE_TEXT_BYTES]);

#endif /* BASE_PRINTABLE_H */
