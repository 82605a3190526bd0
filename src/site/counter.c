/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "site/counter.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/num.h"
#include "base/xalloc.h"

#define NAME_BYTES 128
#define EXIT_OK "exit status 0: "
/* The counter's line of nft is "packets 5 bytes 420". */
#define NFT_LIST "nft list counter \"$@\" | sed -n 's/.*"
#define NFT_FIRST "/\\1/p' | head -n 1"
#define NFT_PACKETS NFT_LIST "packets \\([0-9][0-9]*\\) .*" NFT_FIRST
#define NFT_BYTES NFT_LIST "packets [0-9]* bytes \\([0-9][0-9]*\\).*" NFT_FIRST
#define NFT_ARGS 8

struct counter {
	struct counter_env env;
	const struct conf_counter *conf;
	int64_t interval_ms;
	struct counter_ops ops;
	void *arg;
	struct loop_timer *timer;
	struct probe *probe; /* a command that runs */
	struct conf_probe command;
	char *nft_words; /* "inet\0filter\0web" */
	char *nft_argv[NFT_ARGS];
	char name[NAME_BYTES];
};

/* ---- readings ---- */

static void
take_text(struct counter *c, const char *text)
{
	struct err err;
	uint64_t count;

	if (num_parse_u64(text, 0, UINT64_MAX, &count, &err) == -1) {
		c->ops.on_trouble(err.msg, c->arg);
	} else {
		c->ops.on_count(count, mono_now(), c->arg);
	}
}

static void
read_interface(struct counter *c)
{
	char path[96], text[32];
	struct err err;
	ssize_t n = -1;
	int fd;

	(void)snprintf(path, sizeof(path), "/sys/class/net/%s/statistics/%s",
	    c->conf->name, c->conf->bytes ? "rx_bytes" : "rx_packets");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd != -1)
		n = read(fd, text, sizeof(text) - 1);
	if (n == -1) {
		(void)err_sys(&err, "%s", path);
		c->ops.on_trouble(err.msg, c->arg);
	} else {
		text[n] = '\0';
		text[strcspn(text, "\n")] = '\0';
		take_text(c, text);
	}
	if (fd != -1)
		(void)close(fd);
}

static void
on_command(const struct probe_result *result, void *arg)
{
	struct counter *c = arg;
	const size_t head = strlen(EXIT_OK);

	c->probe = NULL;
	if (result->verdict == PROBE_PASS &&
	    strncmp(result->detail, EXIT_OK, head) == 0) {
		take_text(c, result->detail + head);
	} else {
		c->ops.on_trouble(result->detail, c->arg);
	}
}

static void
on_timer(struct loop *lp, void *arg)
{
	struct counter *c = arg;
	struct probe_env *env =
	    c->conf->kind == COUNTER_NFT ? c->env.nft : c->env.commands;

	(void)lp;
	loop_timer_set(c->timer, c->interval_ms);
	if (c->conf->kind == COUNTER_INTERFACE) {
		read_interface(c);
	} else if (c->probe == NULL && env != NULL) {
		c->probe = probe_start(env, &c->command, on_command, c);
	}
}

/* ---- life ---- */

/* /bin/sh -c SCRIPT sh inet filter web: the names were checked by conf. */
static void
make_nft_command(struct counter *c)
{
	const char *const head[] = { "/bin/sh", "-c",
		c->conf->bytes ? NFT_BYTES : NFT_PACKETS, "sh" };
	char *rest, *word;
	size_t n = 0;

	c->nft_words = xstrdup(c->conf->name);
	rest = c->nft_words;
	for (; n < sizeof(head) / sizeof(head[0]); n++)
		c->nft_argv[n] = xstrdup(head[n]);
	while ((word = strsep(&rest, " ")) != NULL && n < NFT_ARGS - 1)
		c->nft_argv[n++] = xstrdup(word);
	c->command.argv = c->nft_argv;
}

static void
make_name(struct counter *c)
{
	switch (c->conf->kind) {
	case COUNTER_INTERFACE:
		(void)snprintf(c->name, sizeof(c->name), "interface %.100s",
		    c->conf->name);
		break;
	case COUNTER_NFT:
		(void)snprintf(c->name, sizeof(c->name), "nft %.100s",
		    c->conf->name);
		break;
	case COUNTER_COMMAND:
		(void)snprintf(c->name, sizeof(c->name), "command %.100s",
		    c->conf->argv[0]);
		break;
	case COUNTER_NONE:
		break;
	}
}

struct counter *
counter_new(const struct counter_env *env, const struct conf_counter *conf,
    int64_t interval_ms, const struct counter_ops *ops, void *arg)
{
	static char none[] = "counter";
	struct counter *c = xcalloc(1, sizeof(*c));

	c->env = *env;
	c->conf = conf;
	c->interval_ms = interval_ms;
	c->ops = *ops;
	c->arg = arg;
	c->command = (struct conf_probe){ .name = none,
		.kind = PROBE_EXEC,
		.argv = conf->argv,
		.timeout_ms = COUNTER_TIMEOUT_MS };
	if (conf->kind == COUNTER_NFT)
		make_nft_command(c);
	make_name(c);
	c->timer = loop_timer_new(env->lp, on_timer, c);
	loop_timer_set(c->timer, 0);
	return c;
}

void
counter_free(struct counter *c)
{
	if (c == NULL)
		return;
	if (c->probe != NULL)
		probe_cancel(c->probe);
	loop_timer_free(c->timer);
	for (size_t i = 0; i < NFT_ARGS; i++)
		free(c->nft_argv[i]);
	free(c->nft_words);
	free(c);
}

const char *
counter_name(const struct counter *c)
{
	return c->name;
}
