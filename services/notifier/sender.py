"""The outbox's sender: takes what is due from the API and sees it delivered.

At least once, with an identifier that stays: what was delivered and could not be settled is settled
when it comes again, and not sent again by the same process. The API counts attempts.
"""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Event
from typing import Literal

import structlog

from services.notifier.channels import Channel, Missing
from services.notifier.messages import Message, alert_message, digest_message
from usher.client import UsherClient
from usher.domain.errors import (
    Conflict,
    LeaseLost,
    NotFound,
    TooManyRequests,
    Unavailable,
    UsherError,
)
from usher.wire import Channel as ChannelName
from usher.wire import ClaimedDelivery, DeliveryClaim, DeliverySettlement

API_TIMEOUT_S = 3.0
"""For the sender's client: fetching a picture and settling fit into the ten seconds of a stop."""
AT_ONCE = 5
"""Messages an address gets in a minute; what is more comes together, in one."""
_WINDOW_S = 60.0
_LEASE_S = 60
_WAIT_S = 2
_MOST = 500
_DIGEST_PICTURES = 6
_LONGEST_PAUSE_S = 30.0
_LONGEST_HOLD_S = 60.0
_SETTLE_PAUSES_S = (0.0, 1.0, 2.0, 4.0)
_LONGEST_REASON = 1000
_REMEMBERED = 10_000

_log = structlog.get_logger(__name__)


class Pacing:
    """Which addresses have heard enough for now, or do not answer.

    Parameters
    ----------
    clock
        Seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sent: defaultdict[str, deque[float]] = defaultdict(deque)
        self._failures: defaultdict[str, int] = defaultdict(int)
        self._held: dict[str, float] = {}

    def held(self) -> list[str]:
        """Addresses that nothing is to be taken for now."""
        now = self._clock()
        self._held = {to: until for to, until in self._held.items() if until > now}
        return sorted(self._held)

    def room(self, to: str) -> int:
        """How many single messages an address may get now."""
        sent, now = self._sent[to], self._clock()
        while sent and sent[0] <= now - _WINDOW_S:
            sent.popleft()
        return AT_ONCE - len(sent)

    def sent(self, to: str, *, everything: bool = False) -> None:
        """A message went to an address; with `everything`, one for many, which takes all room."""
        room, now = self.room(to), self._clock()
        self._sent[to].extend([now] * (room if everything else 1))
        self._failures.pop(to, None)
        if self.room(to) <= 0:
            self._held[to] = self._sent[to][0] + _WINDOW_S

    def failed(self, to: str) -> None:
        """An address could not be reached: longer pauses from one time to the next."""
        self._failures[to] += 1
        self._held[to] = self._clock() + min(_LONGEST_HOLD_S, 2.0 ** self._failures[to])


@dataclass
class Sender:
    """Sends what is due for one address after the other, until told to stop.

    A stop leaves at most one message in hand.

    Parameters
    ----------
    client
        Of this thread alone; best with `API_TIMEOUT_S`.
    channels
        By the names under which the API knows them.
    panel_url
        For the links in messages.
    stop
        Ends `run` once the message in hand is settled.
    poll_s
        Between two looks where the API does not wait by itself.
    """

    client: UsherClient
    channels: dict[ChannelName, Channel]
    panel_url: str
    stop: Event
    poll_s: float = 0.05
    pacing: Pacing = field(default_factory=Pacing)
    _delivered: dict[str, None] = field(default_factory=dict)

    def run(self) -> None:
        """Send until `stop` is set; while the API does not answer, ask ever less often.

        Raises
        ------
        UsherError
            Where the API refuses: a wrong key gets no better by waiting.
        """
        failures, pause_s = 0, 0.0
        while not self.stop.wait(pause_s):
            try:
                pause_s = 0.0 if self.send_next() else self.poll_s
                failures = 0
            except (Unavailable, TooManyRequests) as error:
                failures += 1
                pause_s = self._pause_after(error, failures)
                _log.warning("api_unavailable", error=str(error), pause_s=pause_s)

    def send_next(self) -> bool:
        """Send what has been due for longest, and what else waits for that address.

        False where nothing is due.
        """
        claimed = self.client.claim_deliveries(
            DeliveryClaim(
                channels=list(self.channels),
                skip=self.pacing.held(),
                limit=_MOST,
                lease_s=_LEASE_S,
                wait_s=_WAIT_S,
                sends_by=self._sends_by(),
            )
        )
        if not claimed.items:
            return False
        self._send(claimed.claim_token, claimed.items)
        return True

    def _sends_by(self) -> list[str]:
        """The channels that are set up, without the one that stands for whichever there is."""
        return sorted(
            {
                getattr(channel, "via", name)
                for name, channel in self.channels.items()
                if name != "default" and not isinstance(channel, Missing)
            }
        )

    def _send(self, token: str, items: Sequence[ClaimedDelivery]) -> None:
        to = items[0].delivery.to
        new = [one for one in items if one.delivery.id not in self._delivered]
        if len(new) < len(items):
            known = [one.delivery.id for one in items if one.delivery.id in self._delivered]
            self._settle(token, known, None)
        if len(new) > self.pacing.room(to):
            self._deliver(token, to, new, self._digest)
            return
        for one in new:
            if self.stop.is_set():
                return  # The rest is due again when the lease ends.
            if not self._deliver(token, to, [one], self._single):
                rest = [other.delivery.id for other in new if other is not one]
                left = [id_ for id_ in rest if id_ not in self._delivered]
                if left:
                    self._settle(token, left, "what came before it could not be delivered")
                return

    def _deliver(
        self,
        token: str,
        to: str,
        items: Sequence[ClaimedDelivery],
        message_of: Callable[[Sequence[ClaimedDelivery]], Message],
    ) -> bool:
        """Deliver these in one message, and say how that went."""
        if not items:
            return True
        ids = [one.delivery.id for one in items]
        name, _, address = to.partition(":")
        first = items[0].alert
        log = _log.bind(
            alert=first.id, detection=first.detection_id, channel=name, deliveries=len(items)
        )
        message = message_of(items)
        try:
            self.channels[name].deliver(address, message)  # type: ignore[index]  # as claimed
        except Exception as error:  # noqa: BLE001  # one message must not stop the others
            log.warning("not_delivered", error=type(error).__name__)
            self.pacing.failed(to)
            self._settle(token, ids, _reason(error))
            return False
        self.pacing.sent(to, everything=len(items) > 1)
        self._remember(ids)
        self._settle(token, ids, None, via=getattr(self.channels[name], "via", None))  # type: ignore[index]
        log.info("delivered")
        return True

    def _single(self, items: Sequence[ClaimedDelivery]) -> Message:
        (one,) = items
        return alert_message(one, panel_url=self.panel_url, picture=self._picture(one))

    def _digest(self, items: Sequence[ClaimedDelivery]) -> Message:
        shown = items[-_DIGEST_PICTURES:]
        pictures = [picture for one in shown if (picture := self._picture(one))]
        return digest_message(items, panel_url=self.panel_url, pictures=pictures)

    def _picture(self, claimed: ClaimedDelivery) -> bytes | None:
        try:
            return self.client.detection_image(claimed.alert.detection_id)
        except NotFound:
            return None

    def _pause_after(self, error: UsherError, failures: int) -> float:
        asked_s = error.retry_after_s if isinstance(error, TooManyRequests) else 0
        return max(asked_s, min(_LONGEST_PAUSE_S, 2.0 ** min(failures - 1, 10)))

    def _remember(self, ids: Sequence[str]) -> None:
        self._delivered.update(dict.fromkeys(ids))
        while len(self._delivered) > _REMEMBERED:
            del self._delivered[next(iter(self._delivered))]

    def _settle(
        self,
        token: str,
        ids: Sequence[str],
        error: str | None,
        *,
        via: Literal["console"] | None = None,
    ) -> None:
        """Tell the API how it went, for a while."""
        settlement = DeliverySettlement(claim_token=token, delivery_ids=list(ids), error=error)
        if via:
            settlement.via = via
        for pause_s in _SETTLE_PAUSES_S:
            if pause_s and self.stop.wait(pause_s):
                break
            try:
                self.client.settle_deliveries(settlement)
                return
            except (LeaseLost, Conflict, NotFound):
                _log.warning("deliveries_not_held", deliveries=len(ids))
                return
            except (Unavailable, TooManyRequests):
                continue
        _log.warning("deliveries_not_settled", deliveries=len(ids))


def _reason(error: Exception) -> str:
    """Why an attempt failed, for the panel. Of an error that is not ours only its kind."""
    text = str(error) if isinstance(error, UsherError) else type(error).__name__
    return text[:_LONGEST_REASON]
