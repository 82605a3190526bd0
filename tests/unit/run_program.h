/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef RUN_PROGRAM_H
#define RUN_PROGRAM_H
/*
 * run_program -- another program within a test: texts in, texts out.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "test.h"

#define RUN_NOT_FOUND 127
#define RUN_ARGS_MAX 8

/*
 * Runs argv, NULL-terminated, from PATH, with input on its standard input, and
 * waits for its end.  out, of size bytes, gets the beginning of what it prints.
 * Returns its exit status; RUN_NOT_FOUND if there is no such program.
 */
static inline int
run_program(const char *const argv[], const char *input, char *out, size_t size)
{
	char *copies[RUN_ARGS_MAX + 1] = { NULL };
	FILE *from = tmpfile(), *to = tmpfile();
	int status = 0;
	pid_t pid;

	assert_true(from != NULL && to != NULL);
	fputs(input, from);
	assert_int_equal(fflush(from), 0);
	rewind(from);
	for (size_t i = 0; argv[i] != NULL && i < RUN_ARGS_MAX; i++)
		copies[i] = xstrdup(argv[i]);
	fflush(NULL);
	pid = fork();
	assert_true(pid != -1);
	if (pid == 0) {
		(void)dup2(fileno(from), STDIN_FILENO);
		(void)dup2(fileno(to), STDOUT_FILENO);
		(void)execvp(copies[0], copies);
		_exit(RUN_NOT_FOUND);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	rewind(to);
	out[fread(out, 1, size - 1, to)] = '\0';
	(void)fclose(from);
	(void)fclose(to);
	for (size_t i = 0; copies[i] != NULL; i++)
		free(copies[i]);
	return WEXITSTATUS(status);
}

#endif /* RUN_PROGRAM_H */
