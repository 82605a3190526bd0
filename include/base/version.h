/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_VERSION_H
#define BASE_VERSION_H

const char *anycastd_version(void);

#endif /* BASE_VERSION_H */
