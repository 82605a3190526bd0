/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_ERR_H
#define BASE_ERR_H
/*
 * err -- what went wrong, filled where it happens, reported where somebody can
 * act on it.  A function that can fail takes `struct err *err` last (may be
 * NULL) and returns -1 or NULL; on success err is left alone.
 */

enum err_code {
	ERR_NONE = 0,
	ERR_SYS,     /* a system call failed: err.sys holds errno */
	ERR_CONF,    /* the configuration or an argument is wrong */
	ERR_PROTO,   /* a peer said something that it must not say */
	ERR_STORE,   /* SQLite */
	ERR_BIRD,    /* BIRD refused: the text holds its numeric code */
	ERR_REFUSED, /* we refuse: a rule forbids it */
	ERR_TIMEOUT,
	ERR_GONE, /* the other side is not there */
	ERR_CODE_COUNT
};

struct err {
	enum err_code code;
	int sys;       /* saved errno; 0 unless code is ERR_SYS */
	char msg[512]; /* always terminated; truncated if long */
};

/* Fill err.  Always return -1, so that a failing line is one statement. */
int err_set(struct err *err, enum err_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* As err_set with ERR_SYS; appends ": strerror(errno)".  errno is kept. */
int err_sys(struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Prepend "subject: " on the way up; code stays.  Always return -1. */
int err_wrap(struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* A short stable name such as "refused"; for JSON and logs. */
const char *err_code_name(enum err_code code);

#endif /* BASE_ERR_H */
