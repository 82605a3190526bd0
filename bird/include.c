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
#define ROUTE_ATTRS " blackhole { "
#define ROUTE_ATTRS_END "};"
#define GSHUT_TEXT BIRD_ATTR_GSHUT " = 1; "
#define PREPEND_TEXT BIRD_ATTR_PREPEND " = "

static const char head[] =
    "# written by anycastd: do not edit, changes are overwritten\n";

/* There may be thousands of lines, and BIRD waits: no stdio.  Returns the end. */
static char *
put_line(char *p, const struct bird_route *r)
{
	const struct route_attrs none = { 0 };

	p = stpcpy(p, ROUTE_WORD);
	if (r->net != NULL) {
		p = stpcpy(p, r->net);
	} else {
		(void)prefix_format(&r->prefix, p);
		p += strlen(p);
	}
	if (route_attrs_equal(r->attrs, none))
		return stpcpy(p, ROUTE_END);
	p = stpcpy(p, ROUTE_ATTRS);
	if (r->attrs.graceful_shutdown)
		p = stpcpy(p, GSHUT_TEXT);
	if (r->attrs.prepend > 0) {
		p = stpcpy(p, PREPEND_TEXT);
		*p++ = (char)('0' + r->attrs.prepend);
		p = stpcpy(p, "; ");
	}
	return stpcpy(p, ROUTE_ATTRS_END);
}

char *
bird_include_line(const struct bird_route *r, char buf[BIRD_ROUTE_LINE_BYTES])
{
	(void)put_line(buf, r);
	return buf;
}

/* Both are of constant length but for their routes. */
#define STATICS_BYTES 160

static char *
put_static(char *out, const char *name, const struct bird_route *r, size_t n,
    bool is_ipv4)
{
	out = stpcpy(out, "protocol static ");
	out = stpcpy(out, name);
	out = stpcpy(out, is_ipv4 ? " {\n\tipv4;\n" : " {\n\tipv6;\n");
	for (size_t i = 0; i < n; i++) {
		if (r[i].prefix.is_ipv4 != is_ipv4)
			continue;
		*out++ = '\t';
		out = put_line(out, &r[i]);
		*out++ = '\n';
	}
	return stpcpy(out, "}\n");
}

static int
route_compare(const void *a, const void *b)
{
	const struct bird_route *ra = a, *rb = b;

	return prefix_compare(&ra->prefix, &rb->prefix);
}

static bool
are_sorted(const struct bird_route *r, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		if (route_compare(&r[i - 1], &r[i]) > 0)
			return false;
	}
	return true;
}

static struct bird_route *
sorted_copy(const struct bird_route *r, size_t n)
{
	struct bird_route *copy = xcalloc(n, sizeof(*copy));

	memcpy(copy, r, n * sizeof(*copy));
	qsort(copy, n, sizeof(*copy), route_compare);
	return copy;
}

char *
bird_include_format(const struct bird_route *routes, size_t n)
{
	struct bird_route *copy =
	    are_sorted(routes, n) ? NULL : sorted_copy(routes, n);
	const struct bird_route *sorted = copy != NULL ? copy : routes;
	char *text = xreallocarray(NULL,
	    sizeof(head) + STATICS_BYTES + n * (BIRD_ROUTE_LINE_BYTES + 2), 1);
	char *out = stpcpy(text, head);

	out = put_static(out, BIRD_STATIC4, sorted, n, true);
	(void)put_static(out, BIRD_STATIC6, sorted, n, false);
	free(copy);
	return text;
}

char *
bird_include_make(const struct allow_list *allow,
    const struct bird_route *routes, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		if (allow_check(allow, &routes[i].prefix, err) == -1)
			return NULL;
	}
	return bird_include_format(routes, n);
}

/* Takes the word from the front of a text that ends at `end`. */
static bool
take(const char **p, const char *end, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(end - *p) < n || memcmp(*p, word, n) != 0)
		return false;
	*p += n;
	return true;
}

/* What stands between the braces, up to and with the last one. */
static bool
attrs_parse(const char *p, const char *end, struct route_attrs *out)
{
	out->graceful_shutdown = take(&p, end, GSHUT_TEXT);
	if (take(&p, end, PREPEND_TEXT)) {
		if (p == end || *p < '1' || *p > '0' + (int)ROUTE_PREPEND_MAX)
			return false;
		out->prepend = (uint8_t)(*p++ - '0');
		if (!take(&p, end, "; "))
			return false;
	}
	return take(&p, end, ROUTE_ATTRS_END) && p == end;
}

/* The reverse of bird_include_line, exactly. */
static bool
line_parse(const char *line, size_t len, struct bird_route *out)
{
	const char *p = line, *end = line + len;
	char net[PREFIX_TEXT_BYTES];
	size_t n;

	*out = (struct bird_route){ 0 };
	if (!take(&p, end, ROUTE_WORD))
		return false;
	n = strcspn(p, " \n");
	if (n >= sizeof(net) || p + n > end)
		return false;
	memcpy(net, p, n);
	net[n] = '\0';
	p += n;
	if (prefix_parse(net, &out->prefix, NULL) == -1)
		return false;
	if (take(&p, end, ROUTE_END))
		return p == end;
	return take(&p, end, ROUTE_ATTRS) && attrs_parse(p, end, &out->attrs);
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
bird_include_parse(const char *text, struct bird_route *out, size_t max)
{
	size_t n = 0;

	for (const char *line = text; *line != '\0';) {
		size_t indent = strspn(line, "\t"), len;
		struct bird_route route;

		line += indent;
		len = strcspn(line, "\n");
		if (line_parse(line, len, &route)) {
			if (n < max)
				out[n] = route;
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
	text = xreallocarray(NULL, (size_t)st.st_size + 1, 1);
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
	text[got] = '\0';
	return text;

fail:
	if (fd != -1)
		(void)close(fd);
	return NULL;
}

static int
write_all(int fd, const char *text, size_t len)
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
	return 0;
}

static int
sync_path(const char *path, int flags, struct err *err)
{
	int rc = 0, fd = open(path, flags | O_CLOEXEC);

	if (fd == -1 || fsync(fd) == -1)
		rc = err_sys(err, "%s", path);
	if (fd != -1)
		(void)close(fd);
	return rc;
}

/* The rename itself must survive a power cut too. */
static int
sync_folder(const char *path, struct err *err)
{
	char *copy = xstrdup(path);
	int rc = sync_path(dirname(copy), O_RDONLY | O_DIRECTORY, err);

	free(copy);
	return rc;
}

/* Beside path, with its bytes on disk if `sync`.  What a crash left there may be
 * a file, or a link to one, that is not ours. */
static int
write_fresh(const char *fresh, const char *text, bool sync, struct err *err)
{
	int fd, rc = 0;

	(void)unlink(fresh);
	fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd == -1)
		return err_sys(err, "%s", fresh);
	/* BIRD runs as another user and must read it, whatever our umask. */
	if (fchmod(fd, 0644) == -1 || write_all(fd, text, strlen(text)) == -1 ||
	    (sync && fsync(fd) == -1))
		rc = err_sys(err, "%s", fresh);
	/* Begun before it gets its name: ext4 puts on disk what has its place
	 * there before it puts names there, so that no power cut leaves the
	 * name with an empty file.  What cannot be begun, fsync tells. */
	if (rc == 0 && !sync)
		(void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	if (close(fd) == -1 && rc == 0)
		rc = err_sys(err, "%s", fresh);
	return rc;
}

static int
stage(const char *writer, const char *path, const char *text, bool sync,
    struct err *err)
{
	char *fresh = xasprintf("%s.%s", path, writer);
	int rc = write_fresh(fresh, text, sync, err);

	if (rc == -1)
		(void)unlink(fresh);
	free(fresh);
	return rc;
}

static int
place(const char *writer, const char *path, struct err *err)
{
	char *fresh = xasprintf("%s.%s", path, writer);
	int rc = 0;

	if (rename(fresh, path) == -1) {
		rc = err_sys(err, "rename %s", path);
		(void)unlink(fresh);
	}
	free(fresh);
	return rc;
}

static int
put(const char *writer, const char *path, const char *text, bool sync,
    struct err *err)
{
	if (stage(writer, path, text, sync, err) == -1)
		return -1;
	return place(writer, path, err);
}

int
bird_include_stage(const char *path, const char *text, struct err *err)
{
	return stage("new", path, text, false, err);
}

int
bird_include_place(const char *path, struct err *err)
{
	return place("new", path, err);
}

void
bird_include_unstage(const char *path)
{
	char *fresh = xasprintf("%s.new", path);

	(void)unlink(fresh);
	free(fresh);
}

int
bird_include_put(const char *path, const char *text, struct err *err)
{
	return put("new", path, text, false, err);
}

int
bird_include_swap(const char *path, const char *text, const char *aside,
    bool *is_staged, struct err *err)
{
	char *fresh, *staged;
	int rc;

	*is_staged = false;
	if (stage("new", path, text, false, err) == -1)
		return -1;
	fresh = xasprintf("%s.new", path);
	staged = xasprintf("%s.new", aside);
	/* Not every file system can, and there may be no old file. */
	if (renameat2(AT_FDCWD, fresh, AT_FDCWD, path, RENAME_EXCHANGE) == -1) {
		rc = place("new", path, err);
	} else {
		*is_staged = rename(fresh, staged) == 0;
		if (!*is_staged)
			(void)unlink(fresh);
		rc = 0;
	}
	free(staged);
	free(fresh);
	return rc;
}

int
bird_include_sync(const char *path, struct err *err)
{
	if (sync_path(path, O_RDONLY, err) == -1)
		return -1;
	return sync_folder(path, err);
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
	if (put(writer, path, text, true, err) == -1)
		return -1;
	return sync_folder(path, err);
}
