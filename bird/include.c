/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "bird/include.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/xalloc.h"

#define FILE_MAX_BYTES (8u << 20)
#define ROUTE_WORD "route "
#define ROUTE_END " blackhole;"

static const char head[] =
    "# written by anycastd: do not edit, changes are overwritten\n";

char *
bird_include_line(const struct prefix *p, char buf[BIRD_ROUTE_LINE_BYTES])
{
	char text[PREFIX_TEXT_BYTES];

	(void)snprintf(buf, BIRD_ROUTE_LINE_BYTES, ROUTE_WORD "%s" ROUTE_END,
	    prefix_format(p, text));
	return buf;
}

static void
put_static(FILE *out, const char *name, const struct prefix *p, size_t n,
    bool is_ipv4)
{
	fprintf(out, "protocol static %s {\n\t%s;\n", name,
	    is_ipv4 ? "ipv4" : "ipv6");
	for (size_t i = 0; i < n; i++) {
		char line[BIRD_ROUTE_LINE_BYTES];

		if (p[i].is_ipv4 == is_ipv4)
			fprintf(out, "\t%s\n", bird_include_line(&p[i], line));
	}
	fprintf(out, "}\n");
}

char *
bird_include_format(const struct prefix *announced, size_t n)
{
	struct prefix *sorted = xcalloc(n, sizeof(*sorted));
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		abort();
	if (n > 0)
		memcpy(sorted, announced, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), prefix_compare);
	fputs(head, out);
	put_static(out, BIRD_STATIC4, sorted, n, true);
	put_static(out, BIRD_STATIC6, sorted, n, false);
	if (fclose(out) != 0)
		abort();
	free(sorted);
	return text;
}

/* The reverse of bird_include_line, exactly. */
static bool
line_parse(const char *line, size_t len, struct prefix *out)
{
	const size_t before = strlen(ROUTE_WORD), after = strlen(ROUTE_END);
	char net[PREFIX_TEXT_BYTES];

	if (len <= before + after || len - before - after >= sizeof(net) ||
	    memcmp(line, ROUTE_WORD, before) != 0 ||
	    memcmp(line + len - after, ROUTE_END, after) != 0)
		return false;
	memcpy(net, line + before, len - before - after);
	net[len - before - after] = '\0';
	return prefix_parse(net, out, NULL) == 0;
}

/* The prefix of a line that gives a route, with whatever attributes. */
static bool
line_prefix(const char *line, struct prefix *out)
{
	const size_t word = strlen(ROUTE_WORD);
	char net[PREFIX_TEXT_BYTES];
	size_t len;

	line += strspn(line, "\t");
	if (strncmp(line, ROUTE_WORD, word) != 0)
		return false;
	line += word;
	len = strcspn(line, " ;\n");
	if (len >= sizeof(net))
		return false;
	memcpy(net, line, len);
	net[len] = '\0';
	return prefix_parse(net, out, NULL) == 0;
}

size_t
bird_include_parse(const char *text, struct prefix *out, size_t max)
{
	size_t n = 0;

	for (const char *line = text; *line != '\0';) {
		size_t indent = strspn(line, "\t"), len;
		struct prefix prefix;

		line += indent;
		len = strcspn(line, "\n");
		if (line_parse(line, len, &prefix)) {
			if (n < max)
				out[n] = prefix;
			n++;
		}
		line += len + (line[len] == '\n');
	}
	return n;
}

char *
bird_include_without(const char *text, const struct prefix *gone, size_t n)
{
	char *kept = xcalloc(strlen(text) + 1, 1);
	struct prefix *sorted = xcalloc(n, sizeof(*sorted));
	size_t used = 0;

	if (n > 0)
		memcpy(sorted, gone, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), prefix_compare);

	for (const char *line = text; *line != '\0';) {
		size_t len = strcspn(line, "\n"), next = len + (line[len] != 0);
		struct prefix prefix;

		if (!line_prefix(line, &prefix) ||
		    bsearch(&prefix, sorted, n, sizeof(*sorted),
			prefix_compare) == NULL) {
			memcpy(kept + used, line, next);
			used += next;
		}
		line += next;
	}
	free(sorted);
	return kept;
}

char *
bird_include_read(const char *path, struct err *err)
{
	/* Not to wait for a writer, should a FIFO lie there. */
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	size_t got = 0;
	struct stat st;
	char *text;

	if (fd == -1 && errno == ENOENT)
		return xstrdup("");
	if (fd == -1 || fstat(fd, &st) == -1) {
		err_sys(err, "%s", path);
		goto fail;
	}
	if (!S_ISREG(st.st_mode) || st.st_size > (off_t)FILE_MAX_BYTES) {
		err_set(err, ERR_CONF, "%s: not a file of ours", path);
		goto fail;
	}
	text = xcalloc((size_t)st.st_size + 1, 1);
	while (got < (size_t)st.st_size) {
		ssize_t n = read(fd, text + got, (size_t)st.st_size - got);

		if (n == -1 && errno == EINTR)
			continue;
		/* Half a file would read as half of the routes withdrawn. */
		if (n == -1) {
			err_sys(err, "%s", path);
			free(text);
			goto fail;
		}
		if (n == 0)
			break;
		got += (size_t)n;
	}
	(void)close(fd);
	return text;

fail:
	if (fd != -1)
		(void)close(fd);
	return NULL;
}

static int
write_and_sync(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -1;
		text += n;
		len -= (size_t)n;
	}
	return fsync(fd);
}

/* The rename itself must survive a power cut too. */
static int
sync_folder(const char *path, struct err *err)
{
	char *copy = xstrdup(path);
	const char *folder = dirname(copy);
	int rc = 0, fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd == -1 || fsync(fd) == -1)
		rc = err_sys(err, "%s", folder);
	if (fd != -1)
		(void)close(fd);
	free(copy);
	return rc;
}

int
bird_include_write(const char *path, const char *text, struct err *err)
{
	return bird_include_write_by("new", path, text, err);
}

int
bird_include_write_by(const char *writer, const char *path, const char *text,
    struct err *err)
{
	char *fresh = xasprintf("%s.%s", path, writer);
	int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd == -1) {
		err_sys(err, "%s", fresh);
		goto fail;
	}
	/* BIRD runs as another user and must read it, whatever our umask. */
	if (fchmod(fd, 0644) == -1 ||
	    write_and_sync(fd, text, strlen(text)) == -1) {
		err_sys(err, "%s", fresh);
		(void)close(fd);
		goto fail_unlink;
	}
	(void)close(fd);
	if (rename(fresh, path) == -1) {
		err_sys(err, "rename %s", path);
		goto fail_unlink;
	}
	free(fresh);
	return sync_folder(path, err);

fail_unlink:
	(void)unlink(fresh);
fail:
	free(fresh);
	return -1;
}
