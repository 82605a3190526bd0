#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""preview.py SITES [--plain] [--format FORMAT] -- the failover report of a
fleet that does not exist (synthetic.py), on standard output."""
import argparse
import sys

import reportkit
import synthetic


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sites", type=int)
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--format", default="html")
    args = parser.parse_args()
    doc = synthetic.make(args.sites, plain=args.plain)
    with reportkit.Api({"/v1/failover": doc}) as api:
        sys.stdout.write(reportkit.anycastctl(api, "report", "failover", "--format",
                                              args.format))


if __name__ == "__main__":
    main()
