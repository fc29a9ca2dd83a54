"""A device's key by a code from the panel, kept for its user alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from usher.client import UsherClient
from usher.domain.errors import ConfigurationError
from usher.domain.identifiers import new_id
from usher.wire import DeviceCreated


def pair(api_url: str, code: str, key_file: Path, ca_file: Path | None = None) -> DeviceCreated:
    """Fetch a device's key by a code and keep it in `key_file`.

    The file appears with the whole key in it, readable for this user alone, or not at all. It is
    made ready before the code is used: a disk that cannot be written costs no code.

    Parameters
    ----------
    api_url
        Where the API listens.
    code
        As the panel shows it; case, dash and spaces do not matter.
    key_file
        Must not exist.
    ca_file
        As of `UsherClient`.

    Raises
    ------
    ConfigurationError
        If there is a key file already, or none can be written there.
    NotAuthenticated
        If the code is wrong, used or too old.
    TooManyRequests
        If there were too many wrong codes lately.
    Unavailable
        If the API does not answer, or its certificate is not trusted.
    """
    with UsherClient(api_url, ca_file=ca_file) as client, _new_file(key_file) as descriptor:
        device = client.pair(code)
        _write(descriptor, f"{device.key}\n".encode())
    return device


def is_private(api_url: str) -> bool:
    """Whether what is sent there can be read by nobody on the way."""
    address = urlsplit(api_url)
    return address.scheme == "https" or address.hostname in ("127.0.0.1", "::1", "localhost")


@contextmanager
def _new_file(path: Path) -> Iterator[int]:
    """A file open for writing, that appears as `path` at the end unless something goes wrong."""
    temporary = path.with_name(f".{path.name}.{new_id()}")
    try:
        descriptor = _open(path, temporary)
    except OSError as error:
        raise ConfigurationError(f"no key can be kept in {path}: {error.strerror}") from error
    try:
        yield descriptor
        _place(temporary, path)
    finally:
        os.close(descriptor)
        temporary.unlink(missing_ok=True)


def _open(path: Path, temporary: Path) -> int:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.path.lexists(path):
        raise _taken(path)
    return os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)


def _write(descriptor: int, content: bytes) -> None:
    with os.fdopen(descriptor, "wb", closefd=False) as file:
        file.write(content)
    os.fsync(descriptor)


def _place(temporary: Path, path: Path) -> None:
    """Give the file its name: a link does not replace what came there meanwhile."""
    try:
        os.link(temporary, path)
    except FileExistsError as error:
        raise _taken(path) from error
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _taken(path: Path) -> ConfigurationError:
    return ConfigurationError(
        f"there is a key in {path} already: if this device is to have a new one, delete that file "
        "(and revoke the old key in the panel), or name another file with --key-file"
    )
