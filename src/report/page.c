/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "report/page.h"

#include <math.h>
#include <string.h>

#include <sodium.h>

#include "base/mono.h"
#include "report/markup.h"
#include "report/text.h"

#define EN_DASH "\xe2\x80\x93"
#define BASE64_VARIANT sodium_base64_VARIANT_ORIGINAL
#define HASH_TEXT_BYTES                                                        \
	sodium_base64_ENCODED_LEN(crypto_hash_sha256_BYTES, BASE64_VARIANT)

/* 'sha256-...' of the content of an inline element (CSP level 2, s.7.1). */
static void
put_hash(FILE *out, const char *content)
{
	unsigned char hash[crypto_hash_sha256_BYTES];
	char text[HASH_TEXT_BYTES];

	(void)crypto_hash_sha256(hash, (const unsigned char *)content,
	    strlen(content));
	sodium_bin2base64(text, sizeof(text), hash, sizeof(hash),
	    BASE64_VARIANT);
	fprintf(out, "'sha256-%s'", text);
}

void
page_begin(FILE *out, const char *title, const char *about)
{
	fputs("<!doctype html>\n<html lang=\"en\">\n<head>\n"
	      "<meta charset=\"utf-8\">\n"
	      "<meta http-equiv=\"Content-Security-Policy\" "
	      "content=\"default-src 'none'; style-src ",
	    out);
	put_hash(out, page_style);
	fputs("; script-src ", out);
	put_hash(out, page_script);
	fputs("; base-uri 'none'; form-action 'none'\">\n"
	      "<meta name=\"viewport\" content=\"width=device-width, "
	      "initial-scale=1\">\n"
	      "<meta name=\"color-scheme\" content=\"light dark\">\n"
	      "<meta name=\"referrer\" content=\"no-referrer\">\n<title>",
	    out);
	markup_put(out, title);
	fprintf(out, "</title>\n<style>%s</style>\n<script>%s</script>\n",
	    page_style, page_script);
	fputs("</head>\n<body>\n<header>\n<h1>", out);
	markup_put(out, title);
	fputs("</h1>\n<p class=\"about\">", out);
	markup_put(out, about);
	fputs("</p>\n</header>\n", out);
}

void
page_end(FILE *out)
{
	fputs("</body>\n</html>\n", out);
}

void
page_put_share(FILE *out, double share)
{
	char text[TEXT_NUMBER_BYTES];

	fputs(text_share(share, text), out);
}

void
page_put_interval(FILE *out, const struct model_heir *h)
{
	char text[TEXT_NUMBER_BYTES];

	if (!isnan(h->low + h->high))
		fputs(text_range(h->low, h->high, EN_DASH, text), out);
}

void
page_put_label(FILE *out, enum model_label label)
{
	const char *name = model_label_name(label);

	if (label != MODEL_UNLABELLED) {
		fprintf(out, "<span class=\"label %s\">%s</span>", name, name);
	}
}

void
page_put_age(FILE *out, const struct model_map *m)
{
	char age[TEXT_NUMBER_BYTES], wall[WALL_TEXT_BYTES];

	fprintf(out, "<time datetime=\"%s\" title=\"measured %s\">%s</time>",
	    wall_format(m->measured_ms, wall), wall, text_age(m->age_ms, age));
}
