/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "site/meter.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/num.h"
#include "base/text.h"
#include "base/xalloc.h"

#define TROUBLE_BYTES 160
#define NAME_BYTES 128
#define COMMAND_TIMEOUT_MS 5000
#define EXIT_OK "exit status 0: "
/* The counter's line of nft is "packets 5 bytes 420". */
#define NFT_SCRIPT                                                             \
	"nft list counter \"$@\" | "                                           \
	"sed -n 's/.*packets \\([0-9][0-9]*\\) .*/\\1/p' | head -n 1"
#define NFT_ARGS 8

struct meter {
	struct meters *ms;
	const struct conf_counter *counter;
	int64_t interval_ms;
	struct loop_timer *timer;
	struct probe *probe; /* a command that runs */
	struct conf_probe command;
	char *nft_words; /* "inet\0filter\0web" */
	char *nft_argv[NFT_ARGS];
	char name[NAME_BYTES];
	char trouble[TROUBLE_BYTES];
	bool has_last, has_rate;
	uint64_t last;
	struct mono last_at;
	double per_s;
};

struct meters {
	struct meters_env env;
	struct meter *meters; /* one per counter */
	size_t n;
	struct meter **of_service; /* NULL: none */
};

/* ---- readings ---- */

static void
take_reading(struct meter *m, uint64_t count)
{
	struct mono now = mono_now();
	int64_t us = now.us - m->last_at.us;

	m->trouble[0] = '\0';
	/* A counter that fell was reset: begin anew. */
	m->has_rate = m->has_last && count >= m->last && us > 0;
	if (m->has_rate)
		m->per_s = (double)(count - m->last) * 1e6 / (double)us;
	m->last = count;
	m->last_at = now;
	m->has_last = true;
	m->ms->env.on_reading(m->ms->env.arg);
}

static void
take_trouble(struct meter *m, const char *why)
{
	(void)text_copy(m->trouble, sizeof(m->trouble), why);
	m->has_rate = false;
	m->has_last = false;
	m->ms->env.on_reading(m->ms->env.arg);
}

static void
take_text(struct meter *m, const char *text)
{
	struct err err;
	uint64_t count;

	if (num_parse_u64(text, 0, UINT64_MAX, &count, &err) == -1) {
		take_trouble(m, err.msg);
	} else {
		take_reading(m, count);
	}
}

static void
read_interface(struct meter *m)
{
	char path[96], text[32];
	struct err err;
	ssize_t n = -1;
	int fd;

	(void)snprintf(path, sizeof(path),
	    "/sys/class/net/%s/statistics/rx_packets", m->counter->name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd != -1)
		n = read(fd, text, sizeof(text) - 1);
	if (n == -1) {
		(void)err_sys(&err, "%s", path);
		take_trouble(m, err.msg);
	} else {
		text[n] = '\0';
		text[strcspn(text, "\n")] = '\0';
		take_text(m, text);
	}
	if (fd != -1)
		(void)close(fd);
}

static void
on_command(const struct probe_result *result, void *arg)
{
	struct meter *m = arg;
	const size_t head = strlen(EXIT_OK);

	m->probe = NULL;
	if (result->verdict == PROBE_PASS &&
	    strncmp(result->detail, EXIT_OK, head) == 0) {
		take_text(m, result->detail + head);
	} else {
		take_trouble(m, result->detail);
	}
}

static void
on_timer(struct loop *lp, void *arg)
{
	struct meter *m = arg;
	struct probe_env *env = m->counter->kind == COUNTER_NFT
	    ? m->ms->env.nft
	    : m->ms->env.commands;

	(void)lp;
	loop_timer_set(m->timer, m->interval_ms);
	if (m->counter->kind == COUNTER_INTERFACE) {
		read_interface(m);
	} else if (m->probe == NULL && env != NULL) {
		m->probe = probe_start(env, &m->command, on_command, m);
	}
}

/* ---- life ---- */

static bool
argv_equal(char *const *a, char *const *b)
{
	while (*a != NULL && *b != NULL && strcmp(*a, *b) == 0) {
		a++;
		b++;
	}
	return *a == NULL && *b == NULL;
}

static bool
is_same(const struct meter *m, const struct conf_drain *d)
{
	if (m->counter->kind != d->counter.kind ||
	    m->interval_ms != d->interval_ms)
		return false;
	if (d->counter.kind == COUNTER_COMMAND)
		return argv_equal(m->counter->argv, d->counter.argv);
	return strcmp(m->counter->name, d->counter.name) == 0;
}

/* /bin/sh -c SCRIPT sh inet filter web: the names were checked by conf. */
static void
make_nft_command(struct meter *m)
{
	static const char *const head[] = { "/bin/sh", "-c", NFT_SCRIPT, "sh" };
	char *rest, *word;
	size_t n = 0;

	m->nft_words = xstrdup(m->counter->name);
	rest = m->nft_words;
	for (; n < sizeof(head) / sizeof(head[0]); n++)
		m->nft_argv[n] = xstrdup(head[n]);
	while ((word = strsep(&rest, " ")) != NULL && n < NFT_ARGS - 1)
		m->nft_argv[n++] = xstrdup(word);
	m->command.argv = m->nft_argv;
}

static void
meter_init(struct meter *m, struct meters *ms, const struct conf_drain *d)
{
	static char none[] = "counter";

	*m = (struct meter){
		.ms = ms, .counter = &d->counter, .interval_ms = d->interval_ms
	};
	m->command = (struct conf_probe){ .name = none,
		.kind = PROBE_EXEC,
		.argv = d->counter.argv,
		.timeout_ms = COMMAND_TIMEOUT_MS };
	if (d->counter.kind == COUNTER_NFT)
		make_nft_command(m);
	(void)snprintf(m->name, sizeof(m->name), "%s %.100s",
	    d->counter.kind == COUNTER_INTERFACE ? "interface"
		: d->counter.kind == COUNTER_NFT ? "nft"
						 : "command",
	    d->counter.kind == COUNTER_COMMAND ? d->counter.argv[0]
					       : d->counter.name);
	(void)text_copy(m->trouble, sizeof(m->trouble), "not read yet");
	m->timer = loop_timer_new(ms->env.lp, on_timer, m);
	loop_timer_set(m->timer, 0);
}

struct meters *
meters_new(const struct meters_env *env, const struct conf_service *services,
    size_t n)
{
	struct meters *ms = xcalloc(1, sizeof(*ms));

	ms->env = *env;
	ms->meters = xcalloc(n, sizeof(*ms->meters));
	ms->of_service = xcalloc(n, sizeof(struct meter *));
	for (size_t s = 0; s < n; s++) {
		const struct conf_drain *d = &services[s].drain;
		size_t i = 0;

		if (d->counter.kind == COUNTER_NONE)
			continue;
		while (i < ms->n && !is_same(&ms->meters[i], d))
			i++;
		if (i == ms->n)
			meter_init(&ms->meters[ms->n++], ms, d);
		ms->of_service[s] = &ms->meters[i];
	}
	return ms;
}

void
meters_free(struct meters *ms)
{
	if (ms == NULL)
		return;
	for (size_t i = 0; i < ms->n; i++) {
		struct meter *m = &ms->meters[i];

		if (m->probe != NULL)
			probe_cancel(m->probe);
		loop_timer_free(m->timer);
		for (size_t k = 0; k < NFT_ARGS; k++)
			free(m->nft_argv[k]);
		free(m->nft_words);
	}
	free(ms->meters);
	free(ms->of_service);
	free(ms);
}

bool
meters_rate(const struct meters *ms, size_t s, double *per_s)
{
	const struct meter *m = ms->of_service[s];

	if (m == NULL || !m->has_rate)
		return false;
	*per_s = m->per_s;
	return true;
}

const char *
meters_trouble(const struct meters *ms, size_t s)
{
	return ms->of_service[s] != NULL ? ms->of_service[s]->trouble : "";
}

const char *
meters_name(const struct meters *ms, size_t s)
{
	return ms->of_service[s] != NULL ? ms->of_service[s]->name : "";
}

bool
meters_need(const struct conf_service *services, size_t n,
    enum counter_kind kind)
{
	for (size_t s = 0; s < n; s++) {
		if (services[s].drain.counter.kind == kind)
			return true;
	}
	return false;
}
