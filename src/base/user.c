/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/user.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define LINE_BYTES 4096

static bool
is_plain(const char *name)
{
	for (; *name != '\0'; name++) {
		if (*name <= ' ' || *name > '~')
			return false;
	}
	return true;
}

bool
user_name(uid_t uid, char name[USER_NAME_BYTES])
{
	FILE *in = fopen("/etc/passwd", "re");
	char line[LINE_BYTES];
	struct passwd entry, *got;
	bool found = false;

	while (in != NULL && !found &&
	    fgetpwent_r(in, &entry, line, sizeof(line), &got) == 0) {
		found = entry.pw_uid == uid && is_plain(entry.pw_name) &&
		    text_copy(name, USER_NAME_BYTES, entry.pw_name);
	}
	if (in != NULL)
		(void)fclose(in);
	return found;
}
