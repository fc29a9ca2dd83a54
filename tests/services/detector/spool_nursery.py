"""Makes processes that use a spool until they are killed, without loading everything each time.

Told `FILE NUMBER` on standard input, it forks a child that puts uploads from that number on, two
for each that it delivers. Lines on standard output: `born PID`, `put KEY` when `put` has returned,
`sends KEY` before an entry is delivered, `dead`.
"""

from __future__ import annotations

import os
import sys
from itertools import count
from pathlib import Path

from services.detector.crops import Upload
from services.detector.spool import Spool, SpoolLimits
from usher.wire import DetectionMetadata


def make_upload(number: int) -> Upload:
    """The same one for the same number, so that whoever gets it can tell whether it is whole."""
    captured_at = f"2026-03-01T12:00:00.{number:06}Z"
    metadata = DetectionMetadata.model_validate({"camera_id": "door", "captured_at": captured_at})
    image = (b"%d," % number) * (500 + number % 4000)
    return Upload(image, metadata, f"key-{number}")


def number_of(upload: Upload) -> int:
    return int(upload.key.removeprefix("key-"))


def _say(line: str) -> None:
    os.write(1, line.encode() + b"\n")  # at once, and whole


def _live(file: Path, first: int) -> None:
    spool = Spool(file, SpoolLimits())
    for number in count(first):
        spool.put(make_upload(number))
        _say(f"put key-{number}")
        if number % 2:
            entry = spool.take()
            assert entry and entry.upload == make_upload(number_of(entry.upload))
            _say(f"sends {entry.upload.key}")
            spool.delivered(entry)


def main() -> None:
    for line in sys.stdin:
        file, first = line.split()
        if (child := os.fork()) == 0:
            _live(Path(file), int(first))
        _say(f"born {child}")
        os.waitpid(child, 0)
        _say("dead")


if __name__ == "__main__":
    main()
