/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <curl/curl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include <sodium.h>

#include "anycastd/daemon.h"
#include "base/conf.h"
#include "base/log.h"
#include "base/version.h"

#define DEFAULT_FILE "/etc/anycastd/anycastd.yml"

enum {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
};

static void
usage(FILE *out)
{
	fputs(
	    "usage: anycastd [-dhnvV] [-c FILE]\n"
	    "\n"
	    "Announces and withdraws anycast prefixes through BIRD by the health of\n"
	    "their services.\n"
	    "\n"
	    "  -c, --config FILE  configuration (default " DEFAULT_FILE ")\n"
	    "  -n, --check        check the configuration and exit\n"
	    "  -v, --verbose      with -n: print the configuration with all defaults\n"
	    "  -d, --debug        log more\n"
	    "  -V, --version      print the version and exit\n"
	    "  -h, --help         print this and exit\n"
	    "\n"
	    "Example: anycastd -n -c " DEFAULT_FILE "\n",
	    out);
}

struct options {
	const char *file;
	bool check;
	bool verbose;
	bool debug;
};

/* -1: go on; else the exit status. */
static int
options_parse(struct options *opt, int argc, char *argv[])
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "check", no_argument, NULL, 'n' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "debug", no_argument, NULL, 'd' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "c:nvdVh", longs, NULL)) != -1) {
		switch (c) {
		case 'c':
			opt->file = optarg;
			break;
		case 'n':
			opt->check = true;
			break;
		case 'v':
			opt->verbose = true;
			break;
		case 'd':
			opt->debug = true;
			break;
		case 'V':
			printf("anycastd %s\n", anycastd_version());
			return EXIT_DONE;
		case 'h':
			usage(stdout);
			return EXIT_DONE;
		default:
			usage(stderr);
			return EXIT_USAGE;
		}
	}
	if (optind != argc) {
		fprintf(stderr, "anycastd: %s: unexpected argument\n",
		    argv[optind]);
		usage(stderr);
		return EXIT_USAGE;
	}
	return -1;
}

static void
print_checked(const struct conf *conf, bool verbose)
{
	struct err err;
	char *text;

	/* It may be meant for another machine, so this is no refusal. */
	if (daemon_check_folders(conf, &err) == -1)
		fprintf(stderr, "anycastd: warning: %s\n", err.msg);
	if (daemon_check_tls(conf, &err) == -1)
		fprintf(stderr, "anycastd: warning: %s\n", err.msg);
	if (!verbose) {
		printf("%s: configuration is good\n", conf->file);
		return;
	}
	text = conf_format(conf);
	fputs(text, stdout);
	free(text);
}

int
main(int argc, char *argv[])
{
	struct options opt = { .file = DEFAULT_FILE };
	struct err err = { 0 };
	struct conf *conf;
	int rc = options_parse(&opt, argc, argv);

	if (rc != -1)
		return rc;
	conf = conf_load(opt.file, &err);
	if (conf == NULL) {
		fprintf(stderr, "anycastd: %s\n", err.msg);
		return EXIT_FAILED;
	}
	if (opt.check) {
		print_checked(conf, opt.verbose);
		conf_free(conf);
		return EXIT_DONE;
	}
	if (opt.debug)
		(void)setenv("ANYCASTD_DEBUG", "1", 1);
	log_init("anycastd", opt.debug);
	if (sodium_init() == -1 ||
	    curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		log_warnx("daemon: a library cannot start");
		return EXIT_FAILED;
	}
	rc = EXIT_DONE;
	if (daemon_run(conf, &err) == -1) {
		log_warnx("daemon: %s", err.msg);
		rc = EXIT_FAILED;
	}
	curl_global_cleanup();
	return rc;
}
