"""A certificate authority of a test's own, and servers on loopback with its certificates."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest


@dataclass(frozen=True, slots=True)
class Authority:
    """A CA made with the `openssl` command. `file` holds its certificate, as PEM."""

    directory: Path

    @property
    def file(self) -> Path:
        return self.directory / "ca.pem"

    @classmethod
    def new(cls, directory: Path) -> Authority:
        if shutil.which("openssl") is None:
            pytest.skip("there is no openssl: apt-get install openssl")
        authority = cls(directory)
        extensions = ("basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign")
        authority._openssl(
            *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=A CA of a test", "-keyout", "ca.key", "-out", "ca.pem"),
            *(part for extension in extensions for part in ("-addext", extension)),
        )
        return authority

    def issue(self, address: str) -> ssl.SSLContext:
        """A server's context with a certificate for that IP address."""
        self._openssl(
            *("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=A server of a test"),
            *("-keyout", "server.key", "-out", "server.csr"),
        )
        (self.directory / "extensions").write_text(
            f"subjectAltName=IP:{address}\nauthorityKeyIdentifier=keyid\n"
            "subjectKeyIdentifier=hash\nbasicConstraints=CA:FALSE\n"
        )
        self._openssl(
            *("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key"),
            *("-CAcreateserial", "-days", "2", "-extfile", "extensions", "-out", "server.pem"),
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.directory / "server.pem", self.directory / "server.key")
        return context

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(
            ["openssl", *arguments], cwd=self.directory, check=True, stderr=subprocess.PIPE
        )


@contextmanager
def served_over_tls(
    handler: type[BaseHTTPRequestHandler], context: ssl.SSLContext
) -> Iterator[str]:
    """A server on loopback; its address."""
    server = _Server(("127.0.0.1", 0), handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that end the handshake are what is tested."""
