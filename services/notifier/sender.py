"""The outbox's sender: takes due alerts from the API and sees each one delivered.

At least once: an alert that was delivered and could not be settled is sent again when its lease
ends. The API counts attempts and chooses the pauses between them.
"""

from __future__ import annotations

from dataclasses import dataclass
from threading import Event

import structlog

from services.notifier.channels import Channel
from services.notifier.messages import alert_message
from usher.client import UsherClient
from usher.domain.errors import (
    Conflict,
    LeaseLost,
    NotFound,
    TooManyRequests,
    Unavailable,
    UsherError,
)
from usher.wire import AlertClaim, AlertSettlement, ClaimedAlert

API_TIMEOUT_S = 3.0
"""For the sender's client: fetching a picture and settling fit into the ten seconds of a stop."""
_LEASE_S = 60
_LONGEST_PAUSE_S = 30.0
_SETTLE_PAUSES_S = (0.0, 1.0, 2.0, 4.0)
_LONGEST_REASON = 1000

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Sender:
    """Sends what is due, one alert at a time, until told to stop.

    One at a time so that a stop leaves at most one alert in hand, and a slow chat lets no lease of
    a waiting one run out.

    Parameters
    ----------
    client
        Of this thread alone; best with `API_TIMEOUT_S`.
    channel
        Where alerts go.
    panel_url
        For the links in them.
    stop
        Ends `run` once the alert in hand is settled.
    recipients
        Who hears about cameras that have no managers of their own.
    poll_s
        Between two looks at an outbox with nothing due.
    """

    client: UsherClient
    channel: Channel
    panel_url: str
    stop: Event
    recipients: tuple[str, ...] = ()
    poll_s: float = 1.0

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
        """Send the alert that has been due for longest. False where none is due."""
        claimed = self.client.claim_alerts(AlertClaim(limit=1, lease_s=_LEASE_S))
        for alert in claimed:
            self._settle(alert, self._deliver(alert))
        return bool(claimed)

    def _pause_after(self, error: UsherError, failures: int) -> float:
        asked_s = error.retry_after_s if isinstance(error, TooManyRequests) else 0
        return max(asked_s, min(_LONGEST_PAUSE_S, self.poll_s * 2.0 ** min(failures, 10)))

    def _deliver(self, alert: ClaimedAlert) -> str | None:
        """Deliver one alert. Returns why that failed, or none."""
        log = _log.bind(alert=alert.id, detection=alert.detection_id, attempt=alert.attempts)
        try:
            self.channel.deliver(
                alert_message(alert, panel_url=self.panel_url),
                self._picture(alert),
                alert.camera.managers or self.recipients,
            )
        except (Unavailable, TooManyRequests):
            raise  # The API's trouble, not the alert's: its lease runs out and it comes again.
        except Exception as error:  # noqa: BLE001  # one alert must not stop the others
            log.warning("alert_not_delivered", error=type(error).__name__)
            return _reason(error)
        log.info("alert_delivered")
        return None

    def _picture(self, alert: ClaimedAlert) -> bytes | None:
        try:
            return self.client.detection_image(alert.detection_id)
        except NotFound:
            return None

    def _settle(self, alert: ClaimedAlert, error: str | None) -> None:
        """Tell the API how it went, for a while: an alert it does not hear of is sent twice."""
        log = _log.bind(alert=alert.id, detection=alert.detection_id)
        settlement = AlertSettlement(claim_token=alert.claim_token, error=error)
        for pause_s in _SETTLE_PAUSES_S:
            if pause_s and self.stop.wait(pause_s):
                break
            try:
                self.client.settle_alert(alert.id, settlement)
                return
            except (LeaseLost, Conflict, NotFound):
                log.warning("alert_not_held")
                return
            except (Unavailable, TooManyRequests):
                continue
        log.warning("alert_not_settled")


def _reason(error: Exception) -> str:
    """Why an attempt failed, for the panel. Of an error that is not ours only its kind."""
    text = str(error) if isinstance(error, UsherError) else type(error).__name__
    return text[:_LONGEST_REASON]
