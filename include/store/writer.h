/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef STORE_WRITER_H
#define STORE_WRITER_H
/*
 * writer -- puts decoded rows into the file: one prepared statement per kind of
 * write, transactions around batches.  Each row can be written twice with the
 * same result.
 */
#include <stdbool.h>

#include "base/err.h"
#include "store/store_wire.h"

struct writer;

enum writer_result {
	WRITER_DONE,
	WRITER_BAD_ROW, /* this row can never be written; it left no trace */
	WRITER_TROUBLE  /* the file or the system: try the transaction again */
};

/* As schema_open.  NULL with err. */
struct writer *writer_open(const char *path, struct err *err);
void writer_close(struct writer *wr);

/* Takes the lock for writing, waiting for other writers a while. */
int writer_begin(struct writer *wr, struct err *err);
/* In a transaction.  boot: STORE_BOOT_BYTES digits, part of an event's key. */
enum writer_result writer_put(struct writer *wr, const struct store_row *row,
    const char *boot, struct err *err);
/* 0: what was put is on disk. */
int writer_commit(struct writer *wr, struct err *err);
void writer_rollback(struct writer *wr);

/* After trouble: is a new connection worth more than this one? */
bool writer_must_reopen(const struct writer *wr);
/* Folds the WAL into the file. */
void writer_checkpoint(struct writer *wr);

#endif /* STORE_WRITER_H */
