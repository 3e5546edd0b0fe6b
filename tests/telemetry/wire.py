"""Every statement that clients send to PostgreSQL, read from the wire on its way.

pg_stat_statements can't be this witness: when it is full it throws the rarest statements away, with
their counts, and the tests share one server.
Protocol: postgresql.org/docs/current/protocol-message-formats.html.
"""

import socket
import struct
import threading
from contextlib import suppress
from urllib.parse import urlsplit

# What a client begins with: version 3.x asks for a session, other codes for TLS and the like.
VERSION = 3


class Wire:
    """Passes connections on to the server of ``url``; clients use ``self.url``."""

    def __init__(self, url):
        parts = urlsplit(url)
        self._target = (parts.hostname, parts.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        login = parts.netloc.rpartition("@")[0]
        self.url = parts._replace(netloc=f"{login}@127.0.0.1:{port}").geturl()
        self.statements = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._listener.close()

    def _accept(self):
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
                for pump in (self._requests, self._answers):
                    threading.Thread(target=pump, args=[client, server], daemon=True).start()

    def _answers(self, client, server):
        with suppress(OSError):
            while data := server.recv(65536):
                client.sendall(data)
        end(client, server)

    def _requests(self, client, server):
        prepared, begun = {}, False
        with suppress(OSError), client.makefile("rb") as stream:
            while head := stream.read(5 if begun else 4):
                (length,) = struct.unpack("!I", head[-4:])
                body = stream.read(length - 4)
                if begun:
                    self._note(head[:1], body, prepared)
                else:
                    begun = struct.unpack("!H", body[:2])[0] == VERSION
                server.sendall(head + body)
        end(client, server)

    def _note(self, kind, body, prepared):
        if kind == b"Q":
            self.statements.append(body.rstrip(b"\0").decode())
        elif kind == b"P":
            name, text = body.split(b"\0")[:2]
            prepared[name] = text.decode()
        elif kind == b"B":
            self.statements.append(prepared[body.split(b"\0")[1]])


def end(*connections):
    """Whoever waits at the other end, or here in another thread, hears of it."""
    for each in connections:
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()
