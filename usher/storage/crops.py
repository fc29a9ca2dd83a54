"""Where pictures of faces are kept: files on disk, one a record."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from usher.domain.errors import NotFound
from usher.domain.identifiers import new_id

_KEY = re.compile(r"[0-9a-f]{24}")


class CropStore:
    """JPEG files under a directory, named by keys that the store makes itself.

    A crop belongs to one record alone, so deleting the record can delete the crop without asking
    who else holds it. Thumbnails, `KEY.SIZE.jpg` beside it, go with it. Methods block: call them in
    a thread.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._durable: set[Path] = set()
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)

    def put(self, jpeg: bytes) -> str:
        """Keep a picture; when this returns its key, the picture is safely on disk."""
        key = new_id()
        path = self._path(key)
        path.parent.mkdir(exist_ok=True, mode=0o700)
        temporary = path.with_suffix(".part")
        try:
            _write(temporary, jpeg)
            temporary.rename(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync_directory(path.parent)
        if path.parent not in self._durable:
            _sync_directory(self._directory)
            self._durable.add(path.parent)
        return key

    def get(self, key: str) -> bytes:
        """The picture of that key.

        Raises
        ------
        NotFound
            If there is none.
        """
        try:
            return self._path(key).read_bytes()
        except FileNotFoundError as error:
            raise NotFound(f"there is no picture {key}") from error

    def get_thumbnail(self, key: str, size: int) -> bytes:
        """The thumbnail of that size.

        Raises
        ------
        NotFound
            If there is none yet.
        """
        try:
            return self._thumbnail(key, size).read_bytes()
        except FileNotFoundError as error:
            raise NotFound(f"there is no picture {key} of size {size}") from error

    def put_thumbnail(self, key: str, size: int, jpeg: bytes) -> None:
        """Keep a thumbnail beside its picture. It can be made again, so it is not synced.

        Raises
        ------
        NotFound
            If the picture is gone: nothing is kept then.
        """
        path = self._thumbnail(key, size)
        temporary = path.with_name(f"{key}.{new_id()}.part")
        try:
            temporary.write_bytes(jpeg)
            temporary.rename(path)
        except FileNotFoundError as error:
            raise NotFound(f"there is no picture {key}") from error
        finally:
            temporary.unlink(missing_ok=True)
        # After the writing: whoever deletes the picture meanwhile may have looked too early.
        if not self._path(key).exists():
            path.unlink(missing_ok=True)
            raise NotFound(f"there is no picture {key}")

    def delete(self, key: str) -> None:
        """Forget a picture and what was made of it; one that is gone already is fine."""
        path = self._path(key)
        path.unlink(missing_ok=True)
        path.with_suffix(".part").unlink(missing_ok=True)
        for made in path.parent.glob(f"{key}.*"):
            made.unlink(missing_ok=True)

    def keys_older_than(self, age_s: float) -> Iterator[str]:
        """Keys of pictures that were last written longer ago than `age_s` seconds.

        Among them those that a crash cut off in the middle of `put`, and those of which nothing but
        a thumbnail is left. Other files are not looked at.
        """
        limit = time.time() - age_s
        for path in self._directory.glob("*/*"):
            key, _, rest = path.name.partition(".")
            if not rest.endswith(("jpg", "part")) or not _KEY.fullmatch(key):
                continue
            if "." in rest and self._path(key).exists():
                continue
            with suppress(FileNotFoundError):  # deleted meanwhile
                if path.stat().st_mtime < limit:
                    yield key

    def _path(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise NotFound(f"there is no picture {key!r}")
        return self._directory / key[:2] / f"{key}.jpg"

    def _thumbnail(self, key: str, size: int) -> Path:
        return self._path(key).with_name(f"{key}.{size:d}.jpg")


def _write(path: Path, content: bytes) -> None:
    """Write a new file; its content is on disk when this returns."""
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_directory(directory: Path) -> None:
    """Make the names in a directory durable, not only the files' contents."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
