/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef UNIT_CTL_RUN_H
#define UNIT_CTL_RUN_H
/*
 * ctl_run -- anycastctl within a test: arguments in, exit code and texts out.
 */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "anycastctl/ctl.h"
#include "base/xalloc.h"

#define ARGS_MAX 16

struct result {
	enum ctl_exit rc;
	char *out;
	char *err;
};

static inline void
result_clear(struct result *r)
{
	free(r->out);
	free(r->err);
}

/* Run anycastctl with these arguments, up to NULL. */
static inline struct result
run_args(const char *const args[])
{
	char *argv[ARGS_MAX + 1] = { 0 };
	struct result r = { 0 };
	size_t out_len, err_len;
	FILE *out = open_memstream(&r.out, &out_len);
	FILE *err = open_memstream(&r.err, &err_len);
	int argc = 0;
	char *copies[ARGS_MAX];

	assert_non_null(out);
	assert_non_null(err);
	copies[argc] = argv[argc] = xstrdup("anycastctl");
	for (argc = 1; args[argc - 1] != NULL; argc++) {
		assert_true(argc < ARGS_MAX);
		copies[argc] = argv[argc] = xstrdup(args[argc - 1]);
	}
	r.rc = ctl_run(argc, argv, out, err);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(fclose(err), 0);
	while (argc-- > 0)
		free(copies[argc]);
	return r;
}
#define RUN(...) run_args((const char *const[]){ __VA_ARGS__, NULL })

static inline void
check(struct result r, enum ctl_exit rc, const char *in_out, const char *in_err)
{
	if (r.rc != rc || strstr(r.out, in_out) == NULL ||
	    strstr(r.err, in_err) == NULL) {
		print_error("rc %d, out: %s\nerr: %s\n", (int)r.rc, r.out,
		    r.err);
	}
	assert_int_equal(r.rc, rc);
	assert_non_null(strstr(r.out, in_out));
	assert_non_null(strstr(r.err, in_err));
	result_clear(&r);
}

#endif /* UNIT_CTL_RUN_H */
