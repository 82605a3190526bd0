/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_DNS_NAME_H
#define BASE_DNS_NAME_H
/*
 * dns_name -- the words of the DNS as people write them: types of records,
 * response codes, domain names, the data of a record.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define DNS_CLASS_IN 1u
#define DNS_CLASS_CH 3u
#define DNS_RCODE_MAX 15u

/* RFC 1035 s.2.3.4: bytes of a name on the wire; one character each as text. */
#define DNS_NAME_BYTES_MAX 255u
#define DNS_LABEL_BYTES_MAX 63u
#define DNS_NAME_TEXT_BYTES 255u

/*
 * shape: what a record's data consists of, a character for each part:
 * 4 and 6 an address, n a name, h and w a number of 16 and 32 bits, t all the
 * rest: the strings of a TXT record, one behind the other.
 */
struct dns_type {
	const char *name; /* "A", "CHAOS TXT" */
	uint16_t number;
	uint16_t class;
	const char *shape;
};

/* NULL if we do not know it; lower case is as good. */
const struct dns_type *dns_type_find(const char *name);
/* All that we know: "A AAAA ..." */
#define DNS_TYPE_NAMES_BYTES 96
char *dns_type_names(char buf[DNS_TYPE_NAMES_BYTES]);

/* 0 .. DNS_RCODE_MAX, or -1. */
int dns_rcode_find(const char *name);
/* "NXDOMAIN", or "12" for one without a name. */
#define DNS_RCODE_TEXT_BYTES 16
char *dns_rcode_format(unsigned rcode, char buf[DNS_RCODE_TEXT_BYTES]);

/*
 * A domain name in lower case without the dot behind it; the root is ".".
 * Characters that would need an escape are refused.
 */
int dns_name_parse(const char *text, char out[DNS_NAME_TEXT_BYTES],
    struct err *err);

/*
 * The data of a record in the form in which dns_wire gives it: addresses and
 * names in their one spelling, parts one blank apart.  *out is new memory.
 */
int dns_data_parse(const struct dns_type *type, const char *text, char **out,
    struct err *err);

#endif /* BASE_DNS_NAME_H */
