/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef ANYCASTCTL_CLIENTS_CONVERT_H
#define ANYCASTCTL_CLIENTS_CONVERT_H
/*
 * clients_convert -- what flow tools write, as the text of a client list, by
 * the decoders of the feeds.  Weights are packets; records of no IP client are
 * left out; a bad record ends it, as a malformed line ends an import of text.
 * sFlow: datagrams one behind the other.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/conf.h"
#include "base/err.h"

struct clients_convert;

struct clients_convert *clients_convert_new(enum feed_type type);
void clients_convert_free(struct clients_convert *cc);

/* A piece of the input, overwritten; last: it ends with it.  -1 with err. */
int clients_convert_push(struct clients_convert *cc, char *data, size_t len,
    bool last, struct err *err);
/* Bytes of text that are ready. */
size_t clients_convert_len(const struct clients_convert *cc);
/* Takes them; never NULL, the caller frees. */
char *clients_convert_take(struct clients_convert *cc, size_t *len);

#endif /* ANYCASTCTL_CLIENTS_CONVERT_H */
