/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/age.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define BOOT_ID "/proc/sys/kernel/random/boot_id"
#define BOOT_ID_BYTES 36

/* "" if the system does not tell: then every age is 0. */
static const char *
boot_id(void)
{
	static char id[BOOT_ID_BYTES + 1];
	int fd;

	if (id[0] != '\0')
		return id;
	fd = open(BOOT_ID, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return id;
	if (read(fd, id, BOOT_ID_BYTES) != BOOT_ID_BYTES)
		id[0] = '\0';
	(void)close(fd);
	return id;
}

void
age_stamp(json_t *doc)
{
	json_object_set_new(doc, "boot", json_string(boot_id()));
	json_object_set_new(doc, "us", json_integer(mono_now().us));
}

int64_t
age_of(const json_t *doc)
{
	const char *boot = json_string_value(json_object_get(doc, "boot"));
	int64_t us = json_integer_value(json_object_get(doc, "us"));
	struct mono now = mono_now();

	if (boot == NULL || boot[0] == '\0' || strcmp(boot, boot_id()) != 0 ||
	    us < 0 || us > now.us)
		return 0;
	return mono_diff_ms(now, (struct mono){ .us = us });
}
