"""The records that Usher keeps, and the words for their states."""

from __future__ import annotations

from enum import StrEnum


class DetectionStatus(StrEnum):
    """Where a detection stands on its way.

    pending → embedded → classified | unidentifiable; any → failed after five attempts.
    """

    PENDING = "pending"
    EMBEDDED = "embedded"
    CLASSIFIED = "classified"
    UNIDENTIFIABLE = "unidentifiable"
    FAILED = "failed"
    NOT_A_FACE = "not_a_face"


class PersonKind(StrEnum):
    """What a person is to the place: named, a stranger, or of no interest."""

    KNOWN = "known"
    UNKNOWN = "unknown"
    IGNORED = "ignored"


class Confidence(StrEnum):
    """How sure a match is, in bands. Raw distances never leave the API."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class AlertStatus(StrEnum):
    """pending → sending (leased to a sender) → sent; failed after too many attempts."""

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"


class Role(StrEnum):
    """What an account or key may do.

    `device` uploads detections and nothing else; `notifier` takes alerts from the outbox and
    answers them for managers.
    """

    ADMIN = "admin"
    MANAGER = "manager"
    VIEWER = "viewer"
    DEVICE = "device"
    NOTIFIER = "notifier"
