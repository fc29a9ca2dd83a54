"""The records that Usher keeps, and the words for their states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from usher.domain.face import FaceQuality
from usher.domain.geometry import Box
from usher.domain.scope import EVERYTHING, Scope

Vector = NDArray[np.float32]
"""A face's embedding: float32, shape (128,) for dlib's network."""

Track: TypeAlias = tuple[str, str]
"""A face followed over frames, by its camera's id and the name that the detector gave it."""


class DetectionStatus(StrEnum):
    """Where a detection stands on its way.

    pending → embedded → classified or unidentifiable; failed after five attempts. A person's
    correction can make it `not_a_face`.
    """

    PENDING = "pending"
    EMBEDDED = "embedded"
    CLASSIFIED = "classified"
    UNIDENTIFIABLE = "unidentifiable"
    FAILED = "failed"
    NOT_A_FACE = "not_a_face"


UNFINISHED = (DetectionStatus.PENDING, DetectionStatus.EMBEDDED)


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
    """pending → sent, or failed after too many attempts."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"


class Role(StrEnum):
    """What an account or key may do.

    `device` uploads detections and says how its cameras are, and nothing else; `notifier` takes
    alerts from the outbox and answers them for managers.
    """

    ADMIN = "admin"
    MANAGER = "manager"
    VIEWER = "viewer"
    DEVICE = "device"
    NOTIFIER = "notifier"


_RANKS = (Role.VIEWER, Role.MANAGER, Role.ADMIN)


def lower_role(one: Role, other: Role) -> Role:
    """Of two roles of people the one that may less."""
    return min(one, other, key=_RANKS.index)


class CameraState(StrEnum):
    """What a camera is doing. All but `live` and those of `ENDED` ask for somebody's attention."""

    CONNECTING = "connecting"
    LIVE = "live"
    GONE = "gone"
    FROZEN = "frozen"
    BLACK = "black"
    BLURRED = "blurred"
    OFFLINE = "offline"
    STOPPED = "stopped"
    """Its detector was ended in order."""
    FINISHED = "finished"
    """Its film is at its end."""


ENDED = frozenset({CameraState.STOPPED, CameraState.FINISHED})
"""A camera of which nothing more is to be heard."""


@dataclass(frozen=True, slots=True)
class FramePlace:
    """Where a face lay in the camera's frame, and how large that frame was, in pixels."""

    box: Box
    width: int
    height: int


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """A vector and the model that made it. Vectors of different models are never compared."""

    model: str
    vector: Vector


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """One face in one picture: a row of the detection log.

    `crop` is the key of its picture in the crop store; `box` and `landmarks` are in pixels of that
    picture. `content_sha256` is of what was uploaded, so that a repeat can be told from a clash.
    `candidate_id` is somebody known whom it probably shows, until a person has answered.
    `confirmed` says that a person has answered; `not_persons` are those whom it was said not to
    show.
    """

    id: str
    camera_id: str
    device_id: str
    idempotency_key: str
    content_sha256: str
    captured_at: datetime
    received_at: datetime
    crop: str
    status: DetectionStatus = DetectionStatus.PENDING
    box: Box | None = None
    landmarks: tuple[tuple[float, float], ...] | None = None
    frame: FramePlace | None = None
    score: float | None = None
    track_id: str | None = None
    attempts: int = 0
    reason: str | None = None
    embedding: Embedding | None = None
    quality: FaceQuality | None = None
    person_id: str | None = None
    confidence: Confidence | None = None
    visit_id: str | None = None
    candidate_id: str | None = None
    confirmed: bool = False
    not_persons: tuple[str, ...] = ()

    @property
    def track(self) -> Track | None:
        """The track of which it is a shot, where its detector follows faces."""
        return None if self.track_id is None else (self.camera_id, self.track_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody: named, or a stranger who may come back.

    `distinct_from` are persons whom somebody has said to be others. `class_name` is a free label
    such as `staff` or `visitor`. `valid_from` and `valid_until` bound the time in which the person
    is expected here; the second is exclusive. `managers` hear of their visits where a rule says so:
    `CHANNEL:ADDRESS`, or an account of the chat. Until `snoozed_until` nobody does.
    """

    id: str
    kind: PersonKind
    created_at: datetime
    name: str | None = None
    notes: str = ""
    distinct_from: tuple[str, ...] = ()
    class_name: str | None = None
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    managers: tuple[str, ...] = ()
    snoozed_until: datetime | None = None

    def is_valid_at(self, moment: datetime) -> bool:
        """Whether the person is expected at a moment."""
        begun = self.valid_from is None or self.valid_from <= moment
        return begun and (self.valid_until is None or moment < self.valid_until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """A reference: one vector that stands for a person. `box` is in pixels of the crop."""

    id: str
    person_id: str
    embedding: Embedding
    crop: str
    origin: Literal["enrolment", "detection"]
    created_at: datetime
    detection_id: str | None = None
    box: Box | None = None


class ChangeKind(StrEnum):
    """What was done to identities."""

    MERGE = "merge"
    MOVE = "move"
    REJECT = "reject"
    UPDATE = "update"
    REDECIDE = "redecide"


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityChange:
    """An entry of the history: who changed who is who, when, and what.

    `actor` is the id of an account, or `usher`. `persons` are all whom it touched, first the one
    who stays or is meant; `detections` is how many moved. `final` says why it cannot be taken back
    any more.
    """

    id: str
    at: datetime
    actor: str
    kind: ChangeKind
    persons: tuple[str, ...]
    detections: int = 0
    undone_at: datetime | None = None
    undone_by: str | None = None
    final: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A person's detections at one camera, until a quiet gap."""

    id: str
    person_id: str
    camera_id: str
    started_at: datetime
    last_at: datetime


class DeliveryKind(StrEnum):
    """What somebody is told of a visit."""

    ALERT = "alert"
    ESCALATION = "escalation"
    """Nobody has answered."""
    SETTLED = "settled"
    """Somebody has answered."""
    REOPENED = "reopened"
    """The answer was taken back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message to one address: an entry of the outbox.

    `id` is the same however often it is sent, so that a recipient can tell. It waits for
    `not_before`; once due it is held by a lease or, after a failure, by a pause. `via` is by what
    it was sent where the channel does not tell.
    """

    id: str
    kind: DeliveryKind
    channel: str
    address: str
    not_before: datetime
    status: AlertStatus = AlertStatus.PENDING
    attempts: int = 0
    sent_at: datetime | None = None
    reason: str | None = None
    via: str | None = None

    @property
    def to(self) -> str:
        """`CHANNEL:ADDRESS`."""
        return f"{self.channel}:{self.address}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """Somebody was expected from then on, and was not seen; and when they were seen last."""

    expected_from: datetime
    last_seen_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A visit that somebody is told of, by those rules.

    `status`, `attempts`, `sent_at` and `reason` sum up its first deliveries. `answered_by` is who
    has said who it is, or that it needs no answer. With an `absence`, `captured_at` is when the
    hours ended; camera and detection are those of the last time, and the visit is none.
    """

    id: str
    visit_id: str
    person_id: str
    camera_id: str
    detection_id: str
    captured_at: datetime
    created_at: datetime
    status: AlertStatus = AlertStatus.PENDING
    attempts: int = 0
    sent_at: datetime | None = None
    reason: str | None = None
    rules: tuple[str, ...] = ()
    deliveries: tuple[Delivery, ...] = ()
    answered_at: datetime | None = None
    answered_by: str | None = None
    answer: str | None = None
    absence: Absence | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraRates:
    """How fast a camera's pictures are worked on, and what came of them since its detector started.

    `stage_ms` is the mean time of a frame in each stage, by its name.
    """

    fps: float
    detector_fps: float
    skipped: int
    faces: int
    tracks: int
    stage_ms: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolBooks:
    """What became of a detector's crops since its spool was made.

    `produced` is the sum of the next four.

    Attributes
    ----------
    produced
        Crops that were put. A key that waits already makes no new one.
    delivered
        Those that the API has.
    dropped
        Those that gave way to the limits, or could not be written.
    refused
        Those that were set aside, with the reason.
    pending
        Those that wait.
    bytes
        What the spool takes on the disk, refused crops that are kept included.
    """

    produced: int = 0
    delivered: int = 0
    dropped: int = 0
    refused: int = 0
    pending: int = 0
    bytes: int = 0


OFFLINE_AFTER = timedelta(seconds=30)
"""How long a camera may be silent: its detector reports every ten seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """A camera, known from its first detection or report on.

    What its detector last said of it are the fields from `state` on; they are None for a camera
    whose pictures come from a program that reports nothing. `frame_at` is when the last whole
    picture came that is kept of it. `regions` are as drawn in the panel, in the shape of
    `wire.CameraRegions`, and `regions_taken` is the digest of those that its detector works with.
    """

    id: str
    name: str
    managers: tuple[str, ...] = ()
    last_seen_at: datetime | None = None
    state: CameraState | None = None
    state_since: datetime | None = None
    reason: str | None = None
    rates: CameraRates | None = None
    spool: SpoolBooks | None = None
    width: int | None = None
    height: int | None = None
    device_id: str | None = None
    reported_at: datetime | None = None
    frame_at: datetime | None = None
    regions: Mapping[str, Any] | None = None
    regions_taken: str | None = None

    def state_at(self, now: datetime) -> tuple[CameraState | None, datetime | None]:
        """The state at a moment, and since when: offline where the reports have stopped.

        One that has ended in order stays so.
        """
        if self.reported_at is None or self.state in ENDED:
            return self.state, self.state_since
        if now - self.reported_at <= OFFLINE_AFTER:
            return self.state, self.state_since
        return CameraState.OFFLINE, self.reported_at


@dataclass(frozen=True, slots=True, kw_only=True)
class PairingCode:
    """A short secret with which one device fetches its key, once.

    `name` and `cameras` are the device's to be, `created_by` who made the code. `device_id` is the
    device that has used it.
    """

    id: str
    name: str
    created_by: str
    expires_at: datetime
    cameras: tuple[str, ...] = ()
    device_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """Something that holds a key: an edge detector, or the notifier.

    `cameras` are all that a detector's key acts for; without any it acts for all.
    """

    id: str
    name: str
    role: Role
    created_at: datetime
    cameras: tuple[str, ...] = ()
    last_seen_at: datetime | None = None

    @property
    def scope(self) -> Scope:
        return Scope.of(self.cameras)


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Somebody who signs in to the panel.

    `cameras` are all that they may see something of; without any they see all. `must_renew` says
    that the password was given to them, and has to be changed before anything else. `accounts` are
    theirs in the chat (`chat:ACCOUNT`).
    """

    id: str
    username: str
    role: Role
    password_hash: str = field(repr=False)
    cameras: tuple[str, ...] = ()
    disabled: bool = False
    must_renew: bool = False
    accounts: tuple[str, ...] = ()

    @property
    def scope(self) -> Scope:
        """An admin sees everything."""
        return EVERYTHING if self.role is Role.ADMIN else Scope.of(self.cameras)


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A key that a user made for a program: it may no more than they may, nor longer.

    `cameras` as of a user.
    """

    id: str
    name: str
    user_id: str
    role: Role
    created_at: datetime
    cameras: tuple[str, ...] = ()
    expires_at: datetime | None = None
    last_used_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """Who did what to whom, and when: identifiers all, sealed with the entry before.

    `number` counts from 1; it and the digests are None in entries that are older than the chain.
    """

    id: str
    at: datetime
    actor: str
    action: str
    subject: str
    number: int | None = None
    previous: str | None = None
    digest: str | None = None
