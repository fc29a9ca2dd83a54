"""The daily digest: who came, the strangers among them with pictures, and cameras in trouble."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from pathlib import Path
from threading import Event

import structlog

from services.notifier.channels import Channel
from services.notifier.messages import Message, daily_message
from services.notifier.sender import API_TIMEOUT_S
from services.notifier.settings import NotifierSettings
from usher.client import UsherClient
from usher.domain.alerting import qualified
from usher.domain.errors import NotFound, TooManyRequests, Unavailable
from usher.domain.identifiers import new_id
from usher.domain.records import PersonKind
from usher.wire import Channel as ChannelName
from usher.wire import Visit

_LOOK_EVERY_S = 20.0
_PAGE = 200
_MOST_VISITS = 5_000
_PICTURES = 6

_log = structlog.get_logger(__name__)


def _now() -> datetime:
    return datetime.now(UTC).astimezone()


@dataclass
class DailyDigest:
    """Sends the digest of a day to each address once, from its time on until midnight.

    Whom it was sent to is kept in a file, so that a restart sends it to nobody twice.

    Parameters
    ----------
    client
        Of this thread alone.
    channels
        That this process serves; addresses of others are another process's.
    to
        `CHANNEL:ADDRESS`, or accounts of the chat.
    at
        The time of the day, on this machine's clock.
    kept
        The file.
    """

    client: UsherClient
    channels: Mapping[ChannelName, Channel]
    to: Sequence[str]
    at: time
    panel_url: str
    kept: Path
    now: Callable[[], datetime] = field(default=_now)

    def run(self, stop: Event) -> None:
        """Look at the clock until `stop` is set; what could not be sent is tried again."""
        while True:
            try:
                self.send_due()
            except (Unavailable, TooManyRequests) as error:
                _log.warning("api_unavailable", error=str(error))
            if stop.wait(_LOOK_EVERY_S):
                return

    def send_due(self) -> int:
        """Send to whom it is due now; to how many that was."""
        now = self.now()
        sent = self._sent()
        due = [
            to
            for written in self.to
            if (to := qualified(written)).partition(":")[0] in self.channels
            and sent.get(to) != now.date().isoformat()
        ]
        if now.time() < self.at or not due:
            return 0
        message = self._message(now)
        done = 0
        for to in due:
            name, _, address = to.partition(":")
            try:
                self.channels[name].deliver(address, message)  # type: ignore[index]  # as above
            except Exception as error:  # noqa: BLE001  # one address must not stop the others
                _log.warning("digest_not_delivered", channel=name, error=type(error).__name__)
                continue
            self._keep(to, now.date())
            done += 1
        return done

    def _message(self, now: datetime) -> Message:
        visits = self._visits(now)
        strangers = [one for one in visits if one.person and one.person.kind is PersonKind.UNKNOWN]
        newest = {one.person.id: one for one in strangers if one.person}
        shown = list(newest.values())[-_PICTURES:]
        pictures = [
            picture
            for one in shown
            if one.detection_id and (picture := self._picture(one.detection_id))
        ]
        return daily_message(
            visits,
            self.client.cameras(),
            now=now,
            id_=new_id(),
            panel_url=self.panel_url,
            pictures=pictures,
        )

    def _visits(self, now: datetime) -> list[Visit]:
        """Those that began today, in order."""
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        asked = {"from": midnight.astimezone(UTC).isoformat()}
        found: list[Visit] = []
        while len(found) < _MOST_VISITS:
            page = self.client.visits(limit=_PAGE, **asked)
            found += page.items
            if page.next_cursor is None:
                break
            asked["cursor"] = page.next_cursor
        return found[::-1]

    def _picture(self, detection_id: str) -> bytes | None:
        try:
            return self.client.detection_image(detection_id)
        except NotFound:
            return None

    def _sent(self) -> dict[str, str]:
        try:
            found = json.loads(self.kept.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _keep(self, to: str, day: date) -> None:
        self.kept.parent.mkdir(parents=True, exist_ok=True)
        self.kept.write_text(json.dumps({**self._sent(), to: day.isoformat()}), encoding="utf-8")


def send_daily(
    settings: NotifierSettings, channels: Mapping[ChannelName, Channel], stop: Event
) -> None:
    """Send the digest by those channels until `stop` is set; nothing where no time is set."""
    if settings.digest_at is None:
        return
    with UsherClient(
        settings.api_url, settings.key(), timeout_s=API_TIMEOUT_S, ca_file=settings.ca_file
    ) as client:
        DailyDigest(
            client=client,
            channels=channels,
            to=settings.digest_to,
            at=settings.digest_at,
            panel_url=settings.panel(),
            kept=settings.data / "digests.json",
        ).run(stop)
