"""Photographs from a video that somebody sends."""

from __future__ import annotations

from pathlib import Path

import httpx2
import numpy as np
import pytest

from services.api import films
from services.api.limits import VIDEO_MAX_BYTES
from tests.admin.acting import photograph_of
from tests.filming import film, frames_in
from tests.services.api.conftest import Api, check_problem
from usher.storage import registry
from usher.wire import IDEMPOTENCY_HEADER

MAN = "head-pose-face-detection-male.gif"


@pytest.fixture
def videos(test_data: Path) -> Path:
    return test_data / "videos"


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the API puts videos meanwhile."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


async def send(
    api: Api, video: bytes, *, to: str | None = None, key: str | None = None
) -> httpx2.Response:
    person = to or await api.person("Ada")
    files = {"video": ("video.mp4", video)}
    headers = {IDEMPOTENCY_HEADER: key} if key else {}
    return await api.manager.post(f"/persons/{person}/videos", files=files, headers=headers)


async def test_video_gives_different_photographs_of_its_person_and_is_not_kept(
    api: Api, videos: Path, tmp_path: Path, scratch: Path
) -> None:
    man = await api.person("Man Who Turns")
    answer = await send(api, film(tmp_path / "man.mp4", frames_in(videos / MAN)), to=man)

    assert answer.status_code == 201, answer.text
    faces = answer.json()["items"]
    assert 2 <= len(faces) <= 8
    assert {face["origin"] for face in faces} == {"enrolment"}
    person = (await api.viewer.get(f"/persons/{man}")).json()
    assert person["faces"] == len(faces) == len(api.crop_files())
    assert list(scratch.iterdir()) == []
    (entry, *_) = (await api.admin.get("/audit")).json()["items"]
    assert entry["action"] == f"face.enrol:{len(faces)} from a video"


async def test_video_adds_nothing_twice_when_a_request_is_repeated(
    api: Api, videos: Path, tmp_path: Path
) -> None:
    man = await api.person("Man Who Turns")
    video = film(tmp_path / "man.mp4", frames_in(videos / MAN))
    first, again = [await send(api, video, to=man, key="made-once") for _ in range(2)]

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    faces = first.json()["items"]
    assert (await api.counts())["faces"] == len(faces) == len(api.crop_files())
    other = film(tmp_path / "other.mp4", frames_in(videos / MAN)[:20])
    check_problem(await send(api, other, to=man, key="made-once"), 422, "IdempotencyConflict")

    await api.manager.delete(f"/persons/{man}/faces/{faces[0]['id']}")
    assert (await send(api, video, to=man, key="made-once")).json()["items"] == faces[1:]


async def test_video_adds_nothing_when_there_is_no_room_for_all(
    api: Api, videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "MAX_REFERENCES", 1)
    answer = await send(api, film(tmp_path / "man.mp4", frames_in(videos / MAN)))
    assert "remove one" in check_problem(answer, 409, "Conflict")
    assert (await api.counts())["faces"] == len(api.crop_files()) == 0


async def test_video_of_two_people_in_turn_is_refused(
    api: Api, test_data: Path, tmp_path: Path
) -> None:
    people = [photograph_of(test_data, name) for name in ("Ann_Veneman", "Winona_Ryder")]
    frames = [frame for person in people for frame in frames_in(person) * 20]
    answer = await send(api, film(tmp_path / "both.mp4", frames))
    assert "several people" in check_problem(answer, 422)
    assert (await api.counts())["faces"] == 0


async def test_video_without_a_face_or_too_long_is_refused(api: Api, tmp_path: Path) -> None:
    black = np.zeros((120, 160, 3), np.uint8)
    nobody = await send(api, film(tmp_path / "black.mp4", [black] * 20))
    assert "no frame shows one clear face" in check_problem(nobody, 422)
    long = await send(api, film(tmp_path / "long.mp4", [black] * 70, fps=1))
    assert "longer than 60 s" in check_problem(long, 422)


@pytest.mark.parametrize(
    ("damage", "status"),
    [
        (lambda video: b"", 415),
        (lambda video: b"no video at all", 415),
        (lambda video: video[:12] + b"\0" * 4000, 422),
        (lambda video: video[: len(video) // 2], 422),
        (lambda video: b"\x1a\x45\xdf\xa3" + bytes(range(256)) * 20, 422),
    ],
)
async def test_rubbish_is_refused_and_leaves_nothing(
    api: Api, videos: Path, tmp_path: Path, scratch: Path, damage: object, status: int
) -> None:
    video = film(tmp_path / "man.mp4", frames_in(videos / MAN)[:20])
    assert callable(damage)
    answer = await send(api, damage(video))
    detail = check_problem(answer, status)
    assert str(scratch) not in detail
    assert list(scratch.iterdir()) == []


async def test_decoder_that_takes_too_long_is_ended(
    api: Api, videos: Path, tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(films, "_WITHIN_S", 0.01)
    answer = await send(api, film(tmp_path / "man.mp4", frames_in(videos / MAN)[:20]))
    assert "too long to decode" in check_problem(answer, 422)
    assert list(scratch.iterdir()) == []


async def test_video_over_the_cap_is_refused_before_it_is_read(api: Api) -> None:
    headers = {"content-length": str(VIDEO_MAX_BYTES + 10**6)}
    form = {**headers, "content-type": "multipart/form-data; boundary=x"}
    answer = await api.manager.post("/persons/p-1/videos", headers=form, content=b"--x")
    check_problem(answer, 413)
