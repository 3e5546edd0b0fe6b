"""A TCP proxy that does to Redis' connections what networks do: a fault for each name.

``pass``, ``delay`` (each answer late), ``cut`` (closed, and refused from then on), ``half_open``
(taken, never answered), ``reset`` (RST in the middle), ``garbage`` (answers that are none).
"""

import random
import socket
import struct
import threading
import time
from contextlib import suppress

DELAY_S = 0.6
FAULTS = ("delay", "cut", "half_open", "reset", "garbage")


class Proxy:
    def __init__(self, host, port):
        self.target = (host, port)
        self.fault = "pass"
        self.pairs = []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def become(self, fault):
        """From now on. Open connections feel it as well, and those of a fault end with it."""
        self.fault = fault
        if fault in {"cut", "reset", "pass"}:
            for pair in self.pairs:
                self._end(pair, abruptly=fault == "reset")
            self.pairs = []

    def close(self):
        self.become("cut")
        self.listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            if self.fault in {"cut", "reset"}:
                self._end([client], abruptly=self.fault == "reset")
                continue
            try:
                server = socket.create_connection(self.target)
            except OSError:
                client.close()
                continue
            pair = [client, server]
            self.pairs.append(pair)
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=[pair, source, sink], daemon=True).start()

    def _pump(self, pair, source, sink):
        answers = sink is pair[0]
        with suppress(OSError):
            while data := source.recv(65536):
                if self.fault == "half_open":
                    continue
                if answers and self.fault == "delay":
                    time.sleep(DELAY_S)
                if answers and self.fault == "garbage":
                    data = random.randbytes(len(data))
                sink.sendall(data)
        self._end(pair)

    def _end(self, pair, *, abruptly=False):
        for each in pair:
            with suppress(OSError):
                if abruptly:
                    linger = struct.pack("ii", 1, 0)
                    each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                else:
                    each.shutdown(socket.SHUT_RDWR)
            each.close()
