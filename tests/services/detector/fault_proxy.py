"""A line to the API that fails in every way: a TCP proxy on loopback."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

Fault = Callable[["Exchange"], None]
_TIMEOUT_S = 10.0
_CHUNK = 65_536


@dataclass
class Exchange:
    """One request on its way: the client's connection, and where the API is."""

    client: socket.socket
    upstream: tuple[str, int]

    def request(self) -> bytes:
        """The whole request."""
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._more()
        head, _, body = received.partition(b"\r\n\r\n")
        while len(body) < _length(head):
            body += self._more()
        return head + b"\r\n\r\n" + body

    def answer(self, request: bytes) -> bytes:
        """What the API says to it, on a connection of its own."""
        with socket.create_connection(self.upstream, _TIMEOUT_S) as api:
            api.sendall(_the_last(request))
            parts = []
            while part := api.recv(_CHUNK):
                parts.append(part)
        return _the_last(b"".join(parts))

    def reset(self) -> None:
        """Break the connection off, so that the client is told of a reset."""
        self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.client.close()

    def _more(self) -> bytes:
        part = self.client.recv(_CHUNK)
        if not part:
            raise ConnectionResetError
        return part


@dataclass
class FaultProxy:
    """Does to each exchange what the next fault of the list says; without one, what it should.

    Attributes
    ----------
    url
        Where it listens.
    upstream
        Where the API is.
    faults
        Of the exchanges to come, the first one first.
    always
        What happens where the list is empty.
    exchanges
        How many there were.
    """

    url: str
    upstream: tuple[str, int]
    faults: list[Fault] = field(default_factory=list)
    always: Fault = field(default_factory=lambda: passes)
    exchanges: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def _handle(self, client: socket.socket) -> None:
        with self._lock:
            self.exchanges += 1
            fault = self.faults.pop(0) if self.faults else self.always
        client.settimeout(_TIMEOUT_S)
        with client, suppress(OSError):
            fault(Exchange(client, self.upstream))


def passes(exchange: Exchange) -> None:
    exchange.client.sendall(exchange.answer(exchange.request()))


def refuses(exchange: Exchange) -> None:
    """Breaks off before a byte was read."""
    exchange.reset()


def resets_in_the_middle(exchange: Exchange) -> None:
    """Breaks off when a part of the request was read."""
    exchange.client.recv(200)
    exchange.reset()


def resets_before_the_answer(exchange: Exchange) -> None:
    """The API has stored it, and the client is not told."""
    exchange.answer(exchange.request())
    exchange.reset()


def cuts_the_answer(exchange: Exchange) -> None:
    """The API has stored it, and half of its answer arrives."""
    answer = exchange.answer(exchange.request())
    exchange.client.sendall(answer[: len(answer) // 2])


def drips(exchange: Exchange) -> None:
    """Everything arrives, in small pieces, slowly."""
    answer = exchange.answer(exchange.request())
    for start in range(0, len(answer), 40):
        exchange.client.sendall(answer[start : start + 40])
        time.sleep(0.005)


def loses(exchange: Exchange) -> None:
    """Takes the request and never says anything, until the client gives up."""
    while exchange.client.recv(_CHUNK):
        pass


def answers(status: int, **headers: str) -> Fault:
    """Says this by itself, as a proxy or gateway does; the API hears nothing."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    head = "\r\n".join([f"HTTP/1.1 {status} So", "Content-Length: 4", "Connection: close", *lines])

    def fault(exchange: Exchange) -> None:
        exchange.request()
        exchange.client.sendall(f"{head}\r\n\r\noops".encode())

    return fault


@contextmanager
def fault_proxy(api_url: str) -> Iterator[FaultProxy]:
    """A proxy before the API at that address."""
    host, _, port = api_url.removeprefix("http://").rstrip("/").partition(":")
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        proxy = FaultProxy(f"http://127.0.0.1:{listener.getsockname()[1]}", (host, int(port)))
        accepting = threading.Thread(target=_accept, args=(listener, proxy), daemon=True)
        accepting.start()
        yield proxy
        listener.shutdown(socket.SHUT_RDWR)
        accepting.join()


def _accept(listener: socket.socket, proxy: FaultProxy) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            threading.Thread(target=proxy._handle, args=(client,), daemon=True).start()


def _the_last(message: bytes) -> bytes:
    """The message, with word that nothing follows it on this connection."""
    return message.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0
