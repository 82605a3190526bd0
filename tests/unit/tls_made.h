/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TLS_MADE_H
#define TLS_MADE_H
/*
 * tls_made -- certificates of an authority of the test's own, and of a stranger's:
 * made by the script that operators have.
 */
#include "base/tls.h"

#include <stdio.h>
#include <stdlib.h>

#include "run_program.h"
#include "test.h"

#define MAKE "contrib/examples/make-certificates"

/* Folders: the fleet's, and a stranger's who gives himself the same names. */
static struct {
	char dir[40];
	char fleet[64], other[64];
} made;

struct identity {
	char certificate[96], key[96], ca[96];
	struct tls_files files;
};

static inline struct tls_files
files_of(struct identity *id, const char *folder, const char *name)
{
	(void)snprintf(id->certificate, sizeof(id->certificate), "%s/%s.pem",
	    folder, name);
	(void)snprintf(id->key, sizeof(id->key), "%s/%s.key", folder, name);
	(void)snprintf(id->ca, sizeof(id->ca), "%s/ca.pem", folder);
	id->files = (struct tls_files){ id->certificate, id->key, id->ca };
	return id->files;
}

#define PERSON "jo@example.net"

/* Of folder, for a site, its controller and a person. */
static inline void
made_run(const char *folder)
{
	const char *const argv[] = { MAKE, folder, "chc",
		"akl,IP:127.0.0.1,IP:::1", PERSON, NULL };
	char out[256];

	assert_int_equal(run_program(argv, "", out, sizeof(out)), 0);
}

static inline int
made_setup(void **state)
{
	(void)state;
	(void)snprintf(made.dir, sizeof(made.dir), "/tmp/test_tls.XXXXXX");
	assert_non_null(mkdtemp(made.dir));
	(void)snprintf(made.fleet, sizeof(made.fleet), "%s/fleet", made.dir);
	(void)snprintf(made.other, sizeof(made.other), "%s/other", made.dir);
	made_run(made.fleet);
	made_run(made.other);
	return 0;
}

static inline void
made_copy(const char *from, const char *to)
{
	const char *const argv[] = { "cp", from, to, NULL };
	char out[64];

	assert_int_equal(run_program(argv, "", out, sizeof(out)), 0);
}

static inline int
made_teardown(void **state)
{
	const char *const argv[] = { "rm", "-r", made.dir, NULL };
	char out[64];

	(void)state;
	return run_program(argv, "", out, sizeof(out));
}

#endif /* TLS_MADE_H */
