/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SITE_WILL_H
#define SITE_WILL_H
/*
 * will -- what the keeper does when the daemon dies and nobody takes its
 * place: it writes the include file as deposited and lets BIRD read it.  It
 * needs no network and nothing of the dead process.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/conf.h"
#include "base/worker.h"

void will_deposit(struct keeper *k, const struct conf *conf,
    const struct prefix *announced, size_t n);
void will_clear(struct keeper *k);
/* The same at once, by a daemon that ends. Blocks for BIRD's timeout. */
int will_do_now(const struct conf *conf, const struct prefix *announced,
    size_t n, struct err *err);

/* For keeper_start. Blocks: waits first whether another daemon takes over. */
void will_carry_out(const uint8_t *body, size_t len);

/* The file whose lock says that a daemon lives. The caller frees it. */
char *will_lock_path(const struct conf *conf);
/* Takes the lock for the life of the process; -1 with err if a daemon has it
 * and keeps it for wait_ms. */
int will_lock(const char *path, int64_t wait_ms, struct err *err);

#endif /* SITE_WILL_H */
