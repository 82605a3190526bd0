#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serves a directory over HTTP on every address of both families: health_server.py DIRECTORY PORT."""

from __future__ import annotations

import functools
import socket
import sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer


class Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    extensions_map = {"": "text/plain"}


class Server(ThreadingHTTPServer):
    address_family = socket.AF_INET6
    daemon_threads = True
    request_queue_size = 128

    def server_bind(self) -> None:
        """Binds for IPv4 as well, and without HTTPServer's look-up of the host's name, which can take seconds."""
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = "localhost", self.server_address[1]


def main() -> int:
    if len(sys.argv) != 3:
        print("usage: health_server.py DIRECTORY PORT", file=sys.stderr)
        return 2
    handler = functools.partial(Handler, directory=sys.argv[1])
    Server(("::", int(sys.argv[2])), handler).serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
