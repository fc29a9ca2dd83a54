"""Ten minutes of a clip: two strangers and two who are enrolled come again and again.

The detector's own crops of the clip are uploaded as a camera would that sees it in a loop; all else
is as it runs: the API, the classifier, the bot, a chat.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from bench.alerts import SINGER, enrol, frames_of_clip
from services.detector.camera import Camera
from services.detector.config import CameraConfig
from services.detector.crops import Upload
from services.detector.sources import Frame
from tests.running import RunningSystem
from usher.client import UsherClient
from usher.domain.records import AlertStatus, CameraState, PersonKind
from usher.vision.align import FaceAligner
from usher.vision.detectors import make_detector
from usher.wire import Alert, CameraReport, CameraUpdate

from .conftest import eventually
from .irc import ANSWERS_WITHIN_S, BEGINS_WITHIN_S, Speaker, bot, irc_server, link, settings
from .suite import SUITE, run_suite
from .test_channels import free_port

LASTS = timedelta(minutes=10)
FPS = 12
CLASSIFIED_WITHIN_S = 240.0
NAMED_WITHIN_S = 2.0
QUIET_S = 3.0

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Clip:
    """What the detector uploads of the clip, and how long that lasts."""

    uploads: Sequence[Upload]
    lasts: timedelta


class Frames:
    """The clip, as a source of the detector."""

    length = None
    state = CameraState.LIVE
    reason = None
    skipped = 0
    is_live = False

    def __init__(self, videos: Path, started_at: datetime) -> None:
        self._frames = frames_of_clip(videos)
        self._started_at = started_at
        self.lasts = timedelta(seconds=len(self._frames) / FPS)

    def __iter__(self) -> Iterator[Frame]:
        for index, image in enumerate(self._frames):
            at = self._started_at + timedelta(seconds=index / FPS)
            yield Frame(np.ascontiguousarray(image[..., ::-1]), index, at, "the clip")

    def close(self) -> None: ...


@pytest.fixture(scope="module")
def clip(test_data: Path) -> Clip:
    uploads: list[Upload] = []
    frames = Frames(test_data / "videos", datetime.now(UTC) - LASTS - timedelta(seconds=10))
    config = CameraConfig(camera_id="stage", source="clip.mp4")
    detector = make_detector(config.detector, min_face_px=config.min_face_px)
    camera = Camera(config, frames, detector, FaceAligner(), uploads.append)
    for frame in camera.frames():
        camera.look(frame)
    camera.finish()
    return Clip(uploads, frames.lasts)


@pytest.fixture(scope="module", autouse=True)
def enrolled(api: RunningSystem, test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with UsherClient(api.url, timeout_s=60) as admin:
        admin.sign_in(api.admin_username, api.admin_password)
        enrol(admin, test_data, tmp_path_factory.mktemp("enrolment"))


def add_camera(api: RunningSystem, camera_id: str, manager: str) -> None:
    """A camera that has seen nobody yet, with its manager."""
    report = CameraReport(state=CameraState.LIVE, since=datetime.now(UTC))
    with UsherClient(api.url, api.device_key) as device:
        device.report_camera(camera_id, report)
    with UsherClient(api.url) as admin:
        admin.sign_in(api.admin_username, api.admin_password)
        admin.update_camera(camera_id, CameraUpdate(managers=[manager]))


def play(api: RunningSystem, clip: Clip, camera_id: str) -> list[Alert]:
    """Let a camera have seen the clip for ten minutes; the alerts that came of it."""
    with UsherClient(api.url, api.device_key, timeout_s=60) as device:
        for loop in range(LASTS // clip.lasts):
            for upload in clip.uploads:
                given = upload.metadata
                metadata = given.model_copy(
                    update={
                        "camera_id": camera_id,
                        "captured_at": given.captured_at + loop * clip.lasts,
                        "track_id": f"{camera_id}-{loop}-{given.track_id}",
                    }
                )
                device.upload_detection(upload.image, metadata, idempotency_key=uuid.uuid4().hex)
    eventually(lambda: api.admin.stats().queue == 0 or None, within_s=CLASSIFIED_WITHIN_S)
    return [one for one in api.admin.alerts(limit=200).items if one.camera.id == camera_id]


def check_alerts(api: RunningSystem, camera_id: str, alerts: Sequence[Alert]) -> None:
    """One of each visit of somebody unknown, and no other."""
    visits = [one for one in api.admin.visits(limit=200).items if one.camera_id == camera_id]
    strange = [one for one in visits if one.person and one.person.kind is PersonKind.UNKNOWN]
    known = {one.person.name for one in visits if one.person and one.person.name}
    assert sorted(one.visit_id for one in alerts) == sorted(one.id for one in strange)
    assert SINGER in known
    assert {one.person.id for one in alerts if one.person} == {
        one.person.id for one in strange if one.person
    }
    assert len(visits) < 10


def check_named(api: RunningSystem, alert: Alert, name: str, begun: float) -> None:
    """Everywhere, within two seconds."""
    assert alert.person is not None
    person_id = alert.person.id

    def names() -> set[str | None]:
        of_person = {"person_id": person_id}
        (told,) = [one for one in api.admin.alerts(limit=200).items if one.id == alert.id]
        return {
            api.admin.person(person_id).name,
            *(one.person.name for one in api.admin.detections(**of_person).items if one.person),
            *(one.person.name for one in api.admin.visits(**of_person).items if one.person),
            told.person.name if told.person else None,
        }

    eventually(lambda: names() == {name} or None, within_s=ANSWERS_WITHIN_S)
    assert time.monotonic() - begun < NAMED_WITHIN_S


def test_clip_is_one_alert_a_visit_through_errbots_test_backend(
    bot_python: Path, api: RunningSystem, clip: Clip, tmp_path: Path
) -> None:
    add_camera(api, "stage", "@ann")
    add_camera(api, "gate", "@bob")
    alerts = play(api, clip, "stage")
    check_alerts(api, "stage", alerts)
    assert len(alerts) >= 2
    assert {one.to for alert in alerts for one in alert.deliveries} == {"chat:@ann"}
    people = ",".join(one.person.id for one in alerts if one.person)
    run_suite(
        bot_python, SUITE / "clip.py", api, tmp_path, recipients="@carl", USHER_TEST_PERSONS=people
    )


def test_clip_is_one_alert_a_visit_in_a_real_chat(
    bot_python: Path, api: RunningSystem, clip: Clip, tmp_path: Path
) -> None:
    add_camera(api, "hall", "ann")
    add_camera(api, "yard", "bob")
    port = free_port()
    with irc_server(bot_python, port), bot(tmp_path, **settings(api, tmp_path, port)):
        ann, bob = Speaker(port, "ann"), Speaker(port, "bob")
        eventually(lambda: ann.is_there("usher") or None, within_s=BEGINS_WITHIN_S)
        alerts = play(api, clip, "hall")
        check_alerts(api, "hall", alerts)
        assert alerts
        eventually(lambda: all_sent(api, alerts) or None, within_s=ANSWERS_WITHIN_S)
        said = ann.heard(for_s=QUIET_S)
        for alert in alerts:
            assert alert.person is not None
            told = f"Unknown face {alert.person.id}"
            assert len([line for line in said if told in line]) == 1
        assert len([line for line in said if "Unknown face" in line]) == len(alerts)
        assert bob.heard(for_s=QUIET_S) == []

        link(api, ann)
        assert alerts[0].person is not None
        begun = time.monotonic()
        ann.say("usher", f"!name {alerts[0].person.id} Bruno")
        check_named(api, alerts[0], "Bruno", begun)
        ann.close()
        bob.close()


def all_sent(api: RunningSystem, alerts: Sequence[Alert]) -> bool:
    ids = {one.id for one in alerts}
    found = [one for one in api.admin.alerts(limit=200).items if one.id in ids]
    return all(one.status is AlertStatus.SENT for one in found)
