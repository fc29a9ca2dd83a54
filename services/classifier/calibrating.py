"""When the threshold moves, and why: written down."""

from __future__ import annotations

from datetime import UTC, datetime

import structlog

from usher.identity.decide import Identifier
from usher.identity.rules import FixedRule
from usher.storage.calibrations import Calibrations, Recalibration

log = structlog.get_logger()

_WORTH_TELLING = 5e-4
"""Of a score; at the tail it moves the share of strangers by some 4%."""


class CalibrationLog:
    """Appends to the calibrations where the threshold has moved since the last entry."""

    def __init__(self, calibrations: Calibrations) -> None:
        self._calibrations = calibrations
        self._last: float | None = None

    async def note(self, identifier: Identifier) -> None:
        """Write down the threshold where it has moved."""
        if isinstance(identifier.rule, FixedRule):
            return
        now = identifier.calibration
        if self._last is None:
            latest = await self._calibrations.latest(1)
            self._last = latest[0].threshold if latest else None
        if self._last is not None and abs(now.threshold - self._last) < _WORTH_TELLING:
            return
        reason = identifier.reason
        moment = datetime.now(UTC)
        await self._calibrations.add(
            Recalibration(at=moment, threshold=now.threshold, persons=now.persons, reason=reason)
        )
        log.info("recalibrated", threshold=now.threshold, persons=now.persons, reason=reason)
        self._last = now.threshold
