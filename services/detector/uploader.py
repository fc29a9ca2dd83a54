"""Crops to the API, in a thread of their own, however long it takes."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from dataclasses import dataclass
from random import SystemRandom
from typing import Protocol

import structlog
from pydantic import ValidationError

from services.detector.crops import Upload
from usher.client import UsherClient
from usher.domain.errors import (
    NotAuthenticated,
    PermissionDenied,
    TooManyRequests,
    Unavailable,
    UsherError,
)

log = structlog.get_logger()

MAX_DELAY_S = 30.0
_POLL_S = 0.2

_jitter = SystemRandom()


class Sink(Protocol):
    """Takes crops over. The spool on disk will be another."""

    def put(self, upload: Upload) -> None:
        """Take over one crop.

        Raises
        ------
        NotAuthenticated
            If the API does not know the key.
        PermissionDenied
            If the key may not upload.
        """
        ...


@dataclass(slots=True)
class UploadCounts:
    """What became of the crops. After `UploadQueue.close`, `taken` is the sum of the others.

    `refused`: answered with an error that no repetition mends. `dropped`: never answered for, as
    the queue was full, or the detector stopped before.
    """

    taken: int = 0
    uploaded: int = 0
    refused: int = 0
    dropped: int = 0


class UploadQueue:
    """A bounded queue before the API, and the thread that empties it, oldest first.

    While the API is away the thread tries again, at growing intervals and with the same key, so
    that nothing is stored twice.

    Parameters
    ----------
    client
        Used by the thread alone.
    capacity
        How many crops wait, at most.
    drop_oldest
        What gives way where there are more: the oldest crop (a camera does not wait), or else the
        caller (a file does).
    stop
        Once it is set, `put` no longer waits.
    """

    def __init__(
        self, client: UsherClient, *, capacity: int, drop_oldest: bool, stop: threading.Event
    ) -> None:
        self.counts = UploadCounts()
        self._client = client
        self._capacity = capacity
        self._drop_oldest = drop_oldest
        self._stop = stop
        self._waiting: deque[Upload] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._abandoned = threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="upload", daemon=True)
        self._thread.start()

    def put(self, upload: Upload) -> None:
        """See `Sink.put`."""
        with self._changed:
            self.counts.taken += 1
            while self._must_wait():
                self._changed.wait(_POLL_S)
            self._raise_failure()
            if len(self._waiting) >= self._capacity:
                self._waiting.popleft()
                log.warning("crop_dropped", reason="the queue is full")
            self._waiting.append(upload)
            self._changed.notify_all()

    def close(self, *, grace_s: float) -> None:
        """Wait until every crop is answered for: without end, or `grace_s` once `stop` is set.

        Raises
        ------
        NotAuthenticated, PermissionDenied
            As `Sink.put`.
        """
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        while self._thread.is_alive() and not self._stop.is_set():
            self._thread.join(_POLL_S)
        self._thread.join(grace_s)
        self._abandoned.set()
        counts = self.counts
        counts.dropped = counts.taken - counts.uploaded - counts.refused
        self._raise_failure()

    def _must_wait(self) -> bool:
        full = len(self._waiting) >= self._capacity
        return full and not (self._drop_oldest or self._stop.is_set() or self._failure)

    def _raise_failure(self) -> None:
        if self._failure:
            raise self._failure

    def _run(self) -> None:
        try:
            while upload := self._next():
                self._deliver(upload)
        except Exception as error:  # noqa: BLE001 - whoever puts or closes raises it
            self._failure = error
        finally:
            self._client.close()

    def _next(self) -> Upload | None:
        """The oldest crop, as soon as there is one; None at the end."""
        with self._changed:
            while not (self._waiting or self._closing):
                self._changed.wait()
            if not self._waiting or self._abandoned.is_set():
                return None
            upload = self._waiting.popleft()
            self._changed.notify_all()
            return upload

    def _deliver(self, upload: Upload) -> None:
        """Try until the API has answered for it, or nobody waits for that any more."""
        for attempt in itertools.count():
            try:
                accepted = self._client.upload_detection(
                    upload.image, upload.metadata, idempotency_key=upload.key
                )
            except (NotAuthenticated, PermissionDenied):
                raise
            except (Unavailable, TooManyRequests, ValidationError) as error:
                delay_s = _delay_s(attempt, error)
                log.warning(
                    "upload_delayed", key=upload.key, delay_s=delay_s, reason=_reason(error)
                )
            except UsherError as error:
                self.counts.refused += 1
                log.error("upload_refused", key=upload.key, reason=str(error))  # noqa: TRY400
                return
            else:
                self.counts.uploaded += 1
                log.info("uploaded", key=upload.key, detection=accepted.id)
                return
            if self._abandoned.wait(delay_s):
                return


def _delay_s(attempt: int, error: Exception) -> float:
    """Exponential back-off with full jitter; at least what the API asked for.

    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """
    ceiling_s = min(MAX_DELAY_S, 2.0 ** min(attempt, 10))
    delay_s = round(_jitter.uniform(0, ceiling_s), 3)
    return max(delay_s, error.retry_after_s) if isinstance(error, TooManyRequests) else delay_s


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return "the answer is not that of an Usher API: check its address"
    return str(error)
