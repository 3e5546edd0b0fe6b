"""Stands in for a server that has no Debian package: listens, answers 200, and says what it is.

Usage: ``stand_in.py NAME PORT [PORT ...]``. What is sent to it (spans, for Jaeger) is read and
counted: ``GET /received`` answers how many bodies there were.
"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NAME = sys.argv[1]
received: list[int] = []


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer({"stand-in for": NAME, "received": len(received)})

    def do_POST(self) -> None:
        received.append(len(self.rfile.read(int(self.headers.get("Content-Length") or 0))))
        self._answer({})

    def _answer(self, body: dict[str, object]) -> None:
        content = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        pass


sys.stdout.write(f"A stand-in for {NAME}: it only listens and answers health checks.\n")
# The real server's arguments come after the ports.
PORTS = [int(argument) for argument in sys.argv[2:] if argument.isdigit()]
servers = [ThreadingHTTPServer(("0.0.0.0", port), Handler) for port in PORTS]
for server in servers[1:]:
    threading.Thread(target=server.serve_forever, daemon=True).start()
servers[0].serve_forever()
