#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""ExaBGP's own healthcheck that also notes when a check failed: stamped_healthcheck.py STAMPS [its options ...].

It tells no time itself, and its hooks would fork a command before it reports.  Each failed check appends its
time, in nanoseconds since the epoch, as one line to STAMPS: some microseconds in the peer's way.
"""

from __future__ import annotations

import sys
import time

from exabgp.application import healthcheck


def main() -> None:
    path = sys.argv.pop(1)
    check = healthcheck.check
    with open(path, "a", encoding="ascii", buffering=1) as stamps:

        def stamped_check(command: str, timeout: int) -> bool:
            passed: bool = check(command, timeout)
            if not passed:
                stamps.write(f"{time.time_ns()}\n")
            return passed

        healthcheck.check = stamped_check
        healthcheck.main()


if __name__ == "__main__":
    main()
