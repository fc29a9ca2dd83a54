"""Crops from the spool to the API, in threads of their own, however long it takes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from random import SystemRandom

import structlog
from pydantic import ValidationError

from services.detector.spool import Entry, Spool
from usher.client import UsherClient
from usher.domain.errors import (
    CameraDenied,
    ConfigurationError,
    NotAuthenticated,
    PermissionDenied,
    TooManyRequests,
    Unavailable,
    UsherError,
)

log = structlog.get_logger()

MAX_DELAY_S = 60.0
KEY_DELAY_S = 60.0
"""Between two tries of a key that the API does not let in."""

_POLL_S = 0.2
_IDLE_S = 1.0
_TRIES_BEFORE_DOUBT = 8
_REST_S = 60.0
_MAX_REST_S = 3600.0
_MOST_EXCUSED = 3
_ROOMY_PENDING = 32

_jitter = SystemRandom()


class Uploader:
    """Delivers what is in the spool, oldest first, several at a time, until it is closed.

    While the API is away one crop is tried, not several, at growing intervals (`Way`), always with
    the key that it had, so that nothing is stored twice. A crop that fails again and again while
    the API says that it is ready rests, at first for a minute, so that it does not stop the others.
    A client error that no repetition mends sets the crop aside; so does a key that is for other
    cameras than the crop's. A device's key that the API does not let in loses nothing: everything
    waits, and once a minute the key is tried again.

    Parameters
    ----------
    spool
        What to deliver.
    client_factory
        Makes a client for each thread, and new ones when the device's key was not let in.
    in_flight
        How many are delivered at a time.
    stop
        Once it is set, nobody waits for the spool to be empty or to have room.
    clock
        Seconds that never go back.
    pause
        Waits out a delay; by default until the time is over or the uploader is closed.
    """

    def __init__(
        self,
        spool: Spool,
        client_factory: Callable[[], UsherClient],
        *,
        in_flight: int = 4,
        stop: threading.Event,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], object] | None = None,
    ) -> None:
        self._spool = spool
        self._make_client = client_factory
        self._stop = stop
        self._closing = threading.Event()
        self._failure: UsherError | None = None
        self._denied: CameraDenied | None = None
        self._times_kept_out = 0
        self._tries = _Tries()
        self._way = Way(clock=clock, pause=pause or self._closing.wait, closing=self._closing)
        self._threads = [
            threading.Thread(target=self._run, name=f"upload-{number}", daemon=True)
            for number in range(in_flight)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def failure(self) -> UsherError | None:
        """Why the API does not let the key in, as long as it does not."""
        return self._failure

    @property
    def denied(self) -> CameraDenied | None:
        """Why a crop was set aside last whose camera is none of the key's."""
        return self._denied

    def wait_for_room(self) -> None:
        """Wait while the spool is half full, or more: for a source that can wait.

        It ends early when `stop` is set, or when the key is not let in.
        """
        while not self._is_roomy() and not self._failure and not self._stop.wait(_POLL_S):
            pass

    def wait_empty(self) -> bool:
        """Wait until the API has answered for every crop; whether it has.

        It ends early when `stop` is set, or when the key is not let in: see `failure`.
        """
        while self._spool.books().pending:
            if self._failure or self._stop.wait(_POLL_S):
                return False
        return True

    def close(self, grace_s: float = 0.0) -> None:
        """End. For `grace_s` at most, go on delivering; what is left stays in the spool."""
        until_s = time.monotonic() + grace_s
        while time.monotonic() < until_s and self._spool.books().pending and not self._failure:
            self._closing.wait(min(_POLL_S, max(0.0, until_s - time.monotonic())))
        self._closing.set()
        self._way.give_up()
        self._spool.wake()
        for thread in self._threads:
            thread.join(max(_POLL_S, until_s - time.monotonic()))

    def _is_roomy(self) -> bool:
        books = self._spool.books()
        return books.pending < _ROOMY_PENDING or books.bytes < self._spool.limits.max_bytes / 2

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                client = self._make_client()
            except (UsherError, OSError) as error:
                told = error if isinstance(error, UsherError) else ConfigurationError(str(error))
                self._say_kept_out(told)
                self._closing.wait(KEY_DELAY_S)
                continue
            with client:
                self._serve(client)

    def _serve(self, client: UsherClient) -> None:
        """Deliver until it is closing, or until another key may be needed."""
        times_kept_out = self._times_kept_out
        while times_kept_out == self._times_kept_out and (turn := self._way.enter()) is not None:
            entry = self._spool.take(_IDLE_S)
            if entry is None:
                self._way.leave(turn)
            else:
                self._deliver(client, entry, turn)

    def _deliver(self, client: UsherClient, entry: Entry, turn: Turn) -> None:
        upload = entry.upload
        try:
            accepted = client.upload_detection(
                upload.image, upload.metadata, idempotency_key=upload.key
            )
        except CameraDenied as error:
            self._denied = error
            self._refuse(entry, turn, error)
            self._times_kept_out += 1  # the device may have been paired anew
        except (NotAuthenticated, PermissionDenied) as error:
            self._keep_out(entry, turn, error)
        except (Unavailable, TooManyRequests, ValidationError) as error:
            self._delay(client, entry, turn, error)
        except UsherError as error:
            self._refuse(entry, turn, error)
        except Exception as error:
            log.exception("upload_failed", key=upload.key)
            self._delay(client, entry, turn, error)
        else:
            self._pass(entry, turn)
            self._spool.delivered(entry)
            log.info("uploaded", key=upload.key, detection=accepted.id)

    def _pass(self, entry: Entry, turn: Turn) -> None:
        self._failure = None
        self._tries.forget(entry.number)
        if self._way.passed(turn):
            self._spool.wake()

    def _refuse(self, entry: Entry, turn: Turn, error: UsherError) -> None:
        self._pass(entry, turn)
        self._spool.refuse(entry, str(error))
        upload = entry.upload
        camera_id = upload.metadata.camera_id
        log.error("upload_refused", key=upload.key, camera=camera_id, reason=str(error))

    def _delay(self, client: UsherClient, entry: Entry, turn: Turn, error: Exception) -> None:
        is_suspect = self._tries.is_suspect(entry.number)
        verdict = self._way.failed(turn, at_least_s=_asked_s(error), excused=is_suspect)
        if not verdict.counts:
            self._spool.put_back(entry)
            return
        rest_s = self._tries.add(entry.number, is_ready=client.is_ready)
        self._spool.put_back(entry, rest_s=rest_s)
        log.warning(
            "upload_delayed",
            key=entry.upload.key,
            delay_s=max(verdict.delay_s, rest_s),
            reason=_reason(error),
        )

    def _keep_out(self, entry: Entry, turn: Turn, error: UsherError) -> None:
        self._spool.put_back(entry)
        if self._way.failed(turn, at_least_s=KEY_DELAY_S).counts:
            self._times_kept_out += 1
            self._say_kept_out(error)

    def _say_kept_out(self, error: UsherError) -> None:
        self._failure = error
        log.error(
            "key_not_accepted",
            reason=str(error),
            pending=self._spool.books().pending,
            advice="give this device a key that may upload; the crops wait until then",
        )


@dataclass(frozen=True, slots=True)
class Turn:
    """The leave to try once. `is_probe`: nobody else has it meanwhile."""

    generation: int
    is_probe: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a failure means: whether it is news, and how long nobody tries."""

    counts: bool
    delay_s: float = 0.0


class Way:
    """What is known of the way to the API, shared by all who use it.

    While it is open, everybody goes. After a failure one waits out the delay and tries, the others
    wait for what comes of it. The delay is random below a ceiling that doubles from a second to
    `MAX_DELAY_S` (full jitter), and at least what the API asked for:
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/

    Parameters
    ----------
    clock
        Seconds that never go back.
    pause
        Waits out a delay.
    closing
        Once it is set, nobody gets a turn any more.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        pause: Callable[[float], object],
        closing: threading.Event,
    ) -> None:
        self._clock = clock
        self._pause = pause
        self._closing = closing
        self._changed = threading.Condition()
        self._generation = 0
        self._failures = 0
        self._excused = 0
        self._resume_at_s = 0.0
        self._is_probed = False

    def enter(self) -> Turn | None:
        """Wait for leave to try; None once it is closing."""
        with self._changed:
            while self._failures and self._is_probed and not self._closing.is_set():
                self._changed.wait()
            turn = Turn(self._generation, is_probe=self._failures > 0)
            self._is_probed = turn.is_probe
            delay_s = self._resume_at_s - self._clock() if turn.is_probe else 0.0
        if delay_s > 0:
            self._pause(delay_s)
        return None if self._closing.is_set() else turn

    def leave(self, turn: Turn) -> None:
        """There was nothing to try."""
        with self._changed:
            self._end(turn)

    def passed(self, turn: Turn) -> bool:
        """The API has answered; whether it had not before."""
        with self._changed:
            self._end(turn)
            was_away = self._failures > 0
            self._failures = self._excused = 0
            self._generation += was_away
            return was_away

    def failed(self, turn: Turn, *, at_least_s: float = 0.0, excused: bool = False) -> Verdict:
        """It did not work. What began before the last failure tells nothing new.

        Parameters
        ----------
        turn
            From `enter`.
        at_least_s
            What the API asked to wait.
        excused
            The fault may be the crop's: a few such failures in a row do not close the way.
        """
        with self._changed:
            self._end(turn)
            if turn.generation != self._generation:
                self._resume_at_s = max(self._resume_at_s, self._clock() + at_least_s)
                return Verdict(counts=False)
            if excused and not self._failures and self._excused < _MOST_EXCUSED:
                self._excused += 1
                return Verdict(counts=True)
            delay_s = max(_delay_s(self._failures), at_least_s)
            self._failures += 1
            self._generation += 1
            self._resume_at_s = self._clock() + delay_s
            return Verdict(counts=True, delay_s=delay_s)

    def give_up(self) -> None:
        """Let everybody who waits see that it is closing."""
        with self._changed:
            self._changed.notify_all()

    def _end(self, turn: Turn) -> None:
        if turn.is_probe:
            self._is_probed = False
        self._changed.notify_all()


class _Tries:
    """How often each crop has failed. Several threads use it; each entry is one's at a time."""

    def __init__(self) -> None:
        self._failures: dict[int, int] = {}
        self._rests: dict[int, int] = {}

    def is_suspect(self, number: int) -> bool:
        """Whether it has failed while the API was ready."""
        return number in self._rests

    def add(self, number: int, *, is_ready: Callable[[], bool]) -> float:
        """Count one more failure; for how many seconds the crop rests."""
        failures = self._failures[number] = self._failures.get(number, 0) + 1
        if not self.is_suspect(number) and (failures % _TRIES_BEFORE_DOUBT or not is_ready()):
            return 0.0
        rests = self._rests[number] = self._rests.get(number, 0) + 1
        return min(_MAX_REST_S, _REST_S * 2.0 ** min(rests - 1, 10))

    def forget(self, number: int) -> None:
        self._failures.pop(number, None)
        self._rests.pop(number, None)


def _delay_s(failures: int) -> float:
    """A random time below a ceiling that doubles with each failure."""
    return round(_jitter.uniform(0, min(MAX_DELAY_S, 2.0 ** min(failures, 10))), 3)


def _asked_s(error: Exception) -> float:
    """The seconds that the API asked to wait, 0 where it did not."""
    return float(error.retry_after_s) if isinstance(error, Unavailable | TooManyRequests) else 0.0


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return "the answer is not that of an Usher API: check its address"
    return str(error) if isinstance(error, UsherError) else type(error).__name__
