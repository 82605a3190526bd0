/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PROBES_DNS_WIRE_H
#define PROBES_DNS_WIRE_H
/*
 * dns_wire -- one question to a name server and its answer (RFC 1035 s.4).
 * No EDNS: an answer over 512 bytes comes truncated, and again over TCP.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/dns_name.h"

#define DNS_HEADER_BYTES 12u
#define DNS_QUERY_BYTES_MAX (DNS_HEADER_BYTES + DNS_NAME_BYTES_MAX + 2u + 2u)
/* Two names, each byte as "\DDD", and five numbers: the longest SOA. */
#define DNS_DATA_BYTES 2304u

struct dns_question {
	uint16_t id;
	const char *name; /* as dns_name_parse gives it */
	const struct dns_type *type;
};

/* Returns the length, or 0 if it does not fit or the name is none. */
size_t dns_wire_encode_query(const struct dns_question *q, uint8_t *buf,
    size_t size);

enum dns_verdict {
	DNS_OK,
	DNS_FOREIGN,   /* no answer to this question: somebody else's */
	DNS_TRUNCATED, /* to be asked again over TCP */
	DNS_MALFORMED,
	DNS_VERDICT_COUNT
};

/*
 * The data of records is text as dns_data_parse gives it; in names, bytes that
 * would need an escape are "\DDD".
 */
struct dns_reply {
	unsigned rcode;
	size_t n_records; /* of the asked type, in the answer section */
	bool has_wanted;
	char first[DNS_DATA_BYTES]; /* the data of the first of them, or "" */
};

/*
 * msg is from the network.  wanted: the data that is looked for, or NULL.
 * *out is set only on DNS_OK.
 */
enum dns_verdict dns_wire_decode_reply(const uint8_t *msg, size_t len,
    const struct dns_question *q, const char *wanted, struct dns_reply *out);

#endif /* PROBES_DNS_WIRE_H */
