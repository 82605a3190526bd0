/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A ring is an AF_PACKET socket with TPACKET_V3: the kernel fills blocks and
 * hands one over when it is full or RETIRE_MS old; we hand it back when read.
 *
 * The socket asks for one protocol, not for all.  So it gets a packet once,
 * where IP gets it, though that may have come through a bond, a bridge or a
 * VLAN; and on lo it gets the way in, never the way out.
 *
 * Small blocks, since each wake-up at a low rate costs a whole one: 64 blocks
 * of 5 ms let us be late by 320 ms.
 */
#include "probes/sweep_capture.h"

#include <errno.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <linux/if_packet.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "probes/sweep_filter.h"
#include "probes/sweep_packet.h"
#include "probes/sweep_rawcap.h"

#define BLOCK_BYTES 131072u /* a multiple of the page */
#define BLOCKS 64u
#define FRAME_BYTES 2048u /* only has to divide a block */
#define RETIRE_MS 5u
#define BLOCKS_PER_WAKEUP 4u
#define RAW_READS_MAX 2048u /* more than its buffer holds */

struct ring {
	struct sweep_rings *owner;
	struct loop_fd *io;
	int fd; /* -1: no test prefix of this family, or raw */
	struct sweep_rawcap *raw; /* instead of a ring, or NULL */
	uint8_t *map;
	unsigned next; /* block to be read next */
	uint64_t drops;
};

struct sweep_rings {
	struct sweep_capture what;
	struct sweep_counters counters;
	sweep_reply_cb *cb;
	void *arg;
	bool is_paused;
	struct ring rings[2]; /* IPv4, IPv6 */
};

static void
count_packet(struct sweep_counters *n, enum sweep_drop why)
{
	switch (why) {
	case SWEEP_OK:
		n->accepted++;
		break;
	case SWEEP_DROP_SHORT:
		n->bad_short++;
		break;
	case SWEEP_DROP_TYPE:
		n->bad_type++;
		break;
	case SWEEP_DROP_EXPERIMENT:
		n->bad_experiment++;
		break;
	case SWEEP_DROP_MAC:
		n->bad_mac++;
		break;
	case SWEEP_DROP_COUNT:
		break;
	}
}

/* sweep_packet_cb */
static void
take_packet(const uint8_t *packet, size_t len, uint64_t recv_us, void *arg)
{
	struct sweep_rings *r = arg;
	struct sweep_reply reply;
	enum sweep_drop why =
	    sweep_reply_parse(packet, len, &r->what, recv_us, &reply);

	count_packet(&r->counters, why);
	if (why == SWEEP_OK || why == SWEEP_DROP_EXPERIMENT ||
	    why == SWEEP_DROP_MAC)
		r->cb(&reply, r->arg);
}

static void
read_packet(struct sweep_rings *r, const struct tpacket3_hdr *h)
{
	const uint8_t *packet = (const uint8_t *)h + h->tp_net;
	uint64_t recv_us =
	    (uint64_t)h->tp_sec * 1000000 + (uint64_t)h->tp_nsec / 1000;

	take_packet(packet, h->tp_snaplen, recv_us, r);
}

/* False when the kernel has not yet handed over the next block. */
static bool
read_block(struct ring *ring)
{
	uint8_t *block = ring->map + (size_t)ring->next * BLOCK_BYTES;
	struct tpacket_block_desc *desc = (void *)block;
	struct tpacket_hdr_v1 *head = &desc->hdr.bh1;
	const uint8_t *p;

	if ((__atomic_load_n(&head->block_status, __ATOMIC_ACQUIRE) &
		TP_STATUS_USER) == 0)
		return false;
	p = block + head->offset_to_first_pkt;
	for (uint32_t i = 0; i < head->num_pkts; i++) {
		const struct tpacket3_hdr *h = (const void *)p;

		read_packet(ring->owner, h);
		p += h->tp_next_offset;
	}
	__atomic_store_n(&head->block_status, TP_STATUS_KERNEL,
	    __ATOMIC_RELEASE);
	ring->next = (ring->next + 1) % BLOCKS;
	return true;
}

static void
read_blocks(struct ring *ring, unsigned max)
{
	while (max-- > 0 && !ring->owner->is_paused &&
	    (ring->raw != NULL ? sweep_rawcap_read(ring->raw)
			       : read_block(ring)))
		continue;
}

static void
on_readable(struct loop *lp, int fd, unsigned events, void *arg)
{
	(void)lp;
	(void)fd;
	(void)events;
	read_blocks(arg, BLOCKS_PER_WAKEUP);
}

static int
set_filter(int fd, const struct sweep_capture *what, bool is_ipv4,
    struct err *err)
{
	struct sock_filter code[SWEEP_FILTER_MAX];
	struct sock_fprog prog = {
		.len = (unsigned short)sweep_filter_build(what, is_ipv4, code),
		.filter = code,
	};

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) ==
	    -1)
		return err_sys(err, "setsockopt SO_ATTACH_FILTER");
	return 0;
}

static int
set_packet_option(int fd, int option, int value, struct err *err)
{
	if (setsockopt(fd, SOL_PACKET, option, &value, sizeof(value)) == -1)
		return err_sys(err, "setsockopt of packet option %d", option);
	return 0;
}

static int
map_ring(struct ring *ring, struct err *err)
{
	struct tpacket_req3 req = { .tp_block_size = BLOCK_BYTES,
		.tp_block_nr = BLOCKS,
		.tp_frame_size = FRAME_BYTES,
		.tp_frame_nr = BLOCKS * (BLOCK_BYTES / FRAME_BYTES),
		.tp_retire_blk_tov = RETIRE_MS };
	void *map;

	if (set_packet_option(ring->fd, PACKET_VERSION, TPACKET_V3, err) ==
		-1 ||
	    set_packet_option(ring->fd, PACKET_IGNORE_OUTGOING, 1, err) == -1)
		return -1;
	if (setsockopt(ring->fd, SOL_PACKET, PACKET_RX_RING, &req,
		sizeof(req)) == -1)
		return err_sys(err, "setsockopt PACKET_RX_RING");
	map = mmap(NULL, (size_t)BLOCKS * BLOCK_BYTES, PROT_READ | PROT_WRITE,
	    MAP_SHARED, ring->fd, 0);
	if (map == MAP_FAILED)
		return err_sys(err, "mmap of the ring");
	ring->map = map;
	return 0;
}

/* Filter and ring come first: from bind on packets arrive. */
static int
ring_open(struct ring *ring, struct sweep_rings *r, bool is_ipv4,
    struct err *err)
{
	struct sockaddr_ll sa = { .sll_family = AF_PACKET,
		.sll_protocol = htons(is_ipv4 ? ETH_P_IP : ETH_P_IPV6) };

	ring->owner = r;
	ring->fd =
	    socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (ring->fd == -1)
		return err_sys(err, "packet socket");
	if (set_filter(ring->fd, &r->what, is_ipv4, err) == -1 ||
	    map_ring(ring, err) == -1)
		return -1;
	if (bind(ring->fd, (const struct sockaddr *)&sa, sizeof(sa)) == -1)
		return err_sys(err, "bind of packet socket");
	return 0;
}

static void
ring_close(struct ring *ring)
{
	sweep_rawcap_close(ring->raw);
	if (ring->map != NULL)
		(void)munmap(ring->map, (size_t)BLOCKS * BLOCK_BYTES);
	if (ring->fd != -1)
		(void)close(ring->fd);
	*ring = (struct ring){ .fd = -1 };
}

/* A ring, or else a raw socket. */
static int
ring_or_raw_open(struct ring *ring, struct sweep_rings *r, bool is_ipv4,
    struct err *err)
{
	if (ring_open(ring, r, is_ipv4, err) == 0)
		return 0;
	log_warnx("capture: %s: raw sockets instead", err->msg);
	ring_close(ring);
	ring->owner = r;
	ring->raw = sweep_rawcap_open(&r->what, is_ipv4, take_packet, r, err);
	return ring->raw != NULL ? 0 : -1;
}

static bool
has_prefix(const struct sweep_capture *what, bool is_ipv4)
{
	for (size_t i = 0; i < what->n_prefixes; i++) {
		if (what->prefixes[i].is_ipv4 == is_ipv4)
			return true;
	}
	return false;
}

struct sweep_rings *
sweep_capture_open(struct loop *lp, const struct sweep_capture *what,
    sweep_reply_cb *cb, void *arg, struct err *err)
{
	struct sweep_rings *r = xcalloc(1, sizeof(*r));

	*r = (struct sweep_rings){ .what = *what, .cb = cb, .arg = arg };
	r->rings[0].fd = r->rings[1].fd = -1;
	for (size_t i = 0; i < 2; i++) {
		struct ring *ring = &r->rings[i];

		if (!has_prefix(what, i == 0))
			continue;
		if (ring_or_raw_open(ring, r, i == 0, err) == -1)
			goto fail;
		ring->io = loop_fd_new(lp,
		    ring->raw != NULL ? sweep_rawcap_fd(ring->raw) : ring->fd,
		    LOOP_READ, on_readable, ring);
	}
	return r;

fail:
	sweep_capture_close(r);
	return NULL;
}

void
sweep_capture_close(struct sweep_rings *r)
{
	if (r == NULL)
		return;
	for (size_t i = 0; i < 2; i++) {
		loop_fd_free(r->rings[i].io);
		ring_close(&r->rings[i]);
	}
	free(r);
}

/* One round of the ring at most, so that it ends also under a flood; and no
 * less of a raw socket's buffer. */
void
sweep_capture_drain(struct sweep_rings *r)
{
	for (size_t i = 0; i < 2; i++) {
		struct ring *ring = &r->rings[i];

		if (ring->io != NULL) {
			read_blocks(ring,
			    ring->raw != NULL ? RAW_READS_MAX : BLOCKS);
		}
	}
}

void
sweep_capture_set_runs(struct sweep_rings *r, const struct sweep_capture *what)
{
	if (!r->is_paused)
		sweep_capture_drain(r);
	memcpy(r->what.runs, what->runs, sizeof(r->what.runs));
	r->what.n_runs = what->n_runs;
}

enum sweep_capture_mode
sweep_capture_mode(const struct sweep_rings *r)
{
	return r->rings[0].raw != NULL || r->rings[1].raw != NULL
	    ? SWEEP_CAPTURE_RAW
	    : SWEEP_CAPTURE_RING;
}

enum sweep_capture_mode
sweep_capture_family_mode(const struct sweep_rings *r, bool is_ipv4)
{
	const struct ring *ring = &r->rings[is_ipv4 ? 0 : 1];

	if (ring->raw != NULL)
		return SWEEP_CAPTURE_RAW;
	return ring->fd != -1 ? SWEEP_CAPTURE_RING : SWEEP_CAPTURE_OFF;
}

void
sweep_capture_pause(struct sweep_rings *r, bool pause)
{
	r->is_paused = pause;
	for (size_t i = 0; i < 2; i++) {
		if (r->rings[i].io != NULL)
			loop_fd_set(r->rings[i].io, pause ? 0 : LOOP_READ);
	}
}

bool
sweep_capture_is_paused(const struct sweep_rings *r)
{
	return r->is_paused;
}

/* The kernel forgets its count when it is read. */
static void
read_drops(struct ring *ring)
{
	struct tpacket_stats_v3 st;
	socklen_t len = sizeof(st);

	if (getsockopt(ring->fd, SOL_PACKET, PACKET_STATISTICS, &st, &len) ==
	    -1) {
		log_warn("capture: getsockopt PACKET_STATISTICS");
		return;
	}
	ring->drops += st.tp_drops;
}

struct sweep_counters
sweep_capture_counters(struct sweep_rings *r)
{
	struct sweep_counters n = r->counters;

	for (size_t i = 0; i < 2; i++) {
		struct ring *ring = &r->rings[i];

		if (ring->raw != NULL)
			ring->drops = sweep_rawcap_drops(ring->raw);
		if (ring->fd != -1)
			read_drops(ring);
		n.kernel_drops += ring->drops;
	}
	return n;
}
