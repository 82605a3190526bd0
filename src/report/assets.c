/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The page's style sheet and program as they lie in src/report/web, taken in by
 * the assembler: no generator, and the files stay what an editor knows.  The
 * path is from the folder where make runs.
 */
#include "report/page.h"

#define EMBED(symbol, file)                                                    \
	__asm__(".pushsection .rodata\n"                                       \
		".global " #symbol "\n" #symbol ":\n"                          \
		".incbin \"" file "\"\n"                                       \
		".byte 0\n"                                                    \
		".popsection\n")

EMBED(page_style, "src/report/web/page.css");
EMBED(page_script, "src/report/web/page.js");
