/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_USER_H
#define BASE_USER_H
/*
 * user -- names of users from /etc/passwd alone: getpwuid(3) may ask the
 * network, and block.
 */
#include <stdbool.h>
#include <sys/types.h>

#define USER_NAME_BYTES 64

/* false: it has no name there, or one that is too long or not printable. */
bool user_name(uid_t uid, char name[USER_NAME_BYTES]);

#endif /* BASE_USER_H */
