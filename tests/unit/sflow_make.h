/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SFLOW_MAKE_H
#define SFLOW_MAKE_H
/*
 * sflow_make -- sFlow version 5 datagrams for tests, written after
 * sflow_version_5.txt and not with the decoder's code.
 */
#include <string.h>

#include "base/addr.h"
#include "base/cursor.h"
#include "test.h"

#define SFLOW_MAKE_BYTES 4096

/* Where lengths are put when they are known. */
struct sflow_make {
	uint8_t buf[SFLOW_MAKE_BYTES];
	struct wcursor w;
	uint8_t *sample_at, *record_at;
};

static inline size_t
sflow_make_len(const struct sflow_make *m)
{
	return SFLOW_MAKE_BYTES - m->w.left;
}

static inline void
sflow_make_begin(struct sflow_make *m, uint32_t version, uint32_t n_samples)
{
	m->w = (struct wcursor){ .p = m->buf, .left = SFLOW_MAKE_BYTES };
	wcursor_be32(&m->w, version);
	wcursor_be32(&m->w, 1);
	wcursor_be32(&m->w, 0xc0000201);
	wcursor_be32(&m->w, 0);    /* part of the agent */
	wcursor_be32(&m->w, 17);   /* sequence */
	wcursor_be32(&m->w, 1234); /* uptime */
	wcursor_be32(&m->w, n_samples);
}

static inline void
sflow_make_put_len(const struct sflow_make *m, uint8_t *at)
{
	struct wcursor w = { .p = at, .left = 4 };

	wcursor_be32(&w, (uint32_t)(m->w.p - at) - 4);
}

static inline void
sflow_make_sample(struct sflow_make *m, uint32_t format, uint32_t rate,
    uint32_t n_records)
{
	int words = format == 3 ? 4 : 2;

	wcursor_be32(&m->w, format);
	m->sample_at = m->w.p;
	wcursor_be32(&m->w, 0);
	wcursor_be32(&m->w, 99); /* sequence */
	for (int i = 0; i < words / 2; i++)
		wcursor_be32(&m->w, 7); /* source */
	wcursor_be32(&m->w, rate);
	wcursor_be32(&m->w, 1000); /* pool */
	wcursor_be32(&m->w, 0);    /* drops */
	for (int i = 0; i < words; i++)
		wcursor_be32(&m->w, 3); /* interfaces */
	wcursor_be32(&m->w, n_records);
}

static inline void
sflow_make_sample_end(struct sflow_make *m)
{
	sflow_make_put_len(m, m->sample_at);
}

static inline void
sflow_make_record(struct sflow_make *m, uint32_t format)
{
	wcursor_be32(&m->w, format);
	m->record_at = m->w.p;
	wcursor_be32(&m->w, 0);
}

static inline void
sflow_make_record_end(struct sflow_make *m)
{
	sflow_make_put_len(m, m->record_at);
	while ((m->w.p - m->buf) % 4 != 0)
		wcursor_u8(&m->w, 0);
}

static inline void
sflow_make_addr(struct sflow_make *m, const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a, NULL), 0);
	if (addr_is_ipv4(&a)) {
		wcursor_bytes(&m->w, a.b + 12, 4);
	} else {
		wcursor_bytes(&m->w, a.b, 16);
	}
}

/* The head of an IP packet, without options. */
static inline void
sflow_make_ip(struct sflow_make *m, const char *src, const char *dst)
{
	if (strchr(src, ':') == NULL) {
		wcursor_be32(&m->w, 0x4500003c);
		wcursor_be32(&m->w, 0);
		wcursor_be32(&m->w, 0x40110000);
	} else {
		wcursor_be32(&m->w, 0x60000000);
		wcursor_be32(&m->w, 0x00141140);
	}
	sflow_make_addr(m, src);
	sflow_make_addr(m, dst);
}

/* A raw header record of Ethernet; tags: EtherTypes, 0 ends them. */
static inline void
sflow_make_ethernet(struct sflow_make *m, const uint16_t *tags, const char *src,
    const char *dst)
{
	uint8_t *at;

	sflow_make_record(m, 1);
	wcursor_be32(&m->w, 1);
	wcursor_be32(&m->w, 1500);
	wcursor_be32(&m->w, 4);
	at = m->w.p;
	wcursor_be32(&m->w, 0);
	wcursor_bytes(&m->w, "\2\0\0\0\0\1\2\0\0\0\0\2", 12);
	for (; *tags != 0; tags++) {
		wcursor_be16(&m->w, *tags);
		wcursor_be16(&m->w, 0x2064);
	}
	wcursor_be16(&m->w, strchr(src, ':') == NULL ? 0x0800 : 0x86dd);
	sflow_make_ip(m, src, dst);
	sflow_make_put_len(m, at);
	sflow_make_record_end(m);
}

/* A raw header record that begins with the IP packet. */
static inline void
sflow_make_raw_ip(struct sflow_make *m, uint32_t protocol, const char *src,
    const char *dst)
{
	uint8_t *at;

	sflow_make_record(m, 1);
	wcursor_be32(&m->w, protocol);
	wcursor_be32(&m->w, 200);
	wcursor_be32(&m->w, 0);
	at = m->w.p;
	wcursor_be32(&m->w, 0);
	sflow_make_ip(m, src, dst);
	sflow_make_put_len(m, at);
	sflow_make_record_end(m);
}

static inline void
sflow_make_sampled_ip(struct sflow_make *m, const char *src, const char *dst)
{
	sflow_make_record(m, strchr(src, ':') == NULL ? 3 : 4);
	wcursor_be32(&m->w, 80);
	wcursor_be32(&m->w, 17);
	sflow_make_addr(m, src);
	sflow_make_addr(m, dst);
	for (int i = 0; i < 4; i++)
		wcursor_be32(&m->w, 53);
	sflow_make_record_end(m);
}

#endif /* SFLOW_MAKE_H */
