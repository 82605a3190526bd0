/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * First byte: the type that was asked for; the rest: the answer.  With the
 * answer's own id and question as ours, so that more than the header is read;
 * the text of the first record is then looked for, and must be found.
 */
#include <stdlib.h>
#include <string.h>

#include "probes/dns_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const types[] = { "A", "AAAA", "NS", "SOA", "CNAME", "PTR",
	"MX", "SRV", "TXT", "CHAOS TXT" };

static void
look_again(const uint8_t *msg, size_t len, const struct dns_question *q,
    const struct dns_reply *first)
{
	struct dns_reply again;

	if (first->rcode > DNS_RCODE_MAX || first->n_records > len ||
	    strlen(first->first) >= DNS_DATA_BYTES)
		abort();
	if (dns_wire_decode_reply(msg, len, q, first->first, &again) !=
		DNS_OK ||
	    again.n_records != first->n_records ||
	    strcmp(again.first, first->first) != 0)
		abort();
	/* Texts with NUL, or too long, are equal to nothing. */
	if (first->n_records > 0 && q->type->shape[0] != 't' &&
	    !again.has_wanted)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dns_question q = { .name = "www.example.net" };
	uint8_t query[DNS_QUERY_BYTES_MAX];
	struct dns_reply reply;

	if (size < 3)
		return 0;
	q.type =
	    dns_type_find(types[data[0] % (sizeof(types) / sizeof(types[0]))]);
	q.id = (uint16_t)(data[1] << 8 | data[2]);
	if (dns_wire_encode_query(&q, query, sizeof(query)) == 0)
		abort();
	if (dns_wire_decode_reply(data + 1, size - 1, &q, NULL, &reply) ==
	    DNS_OK)
		look_again(data + 1, size - 1, &q, &reply);
	return 0;
}
