from __future__ import annotations

from pathlib import Path

import pytest

from tests.services.api import pictures
from tests.services.api.conftest import Api, check_problem, send_photo


async def test_identify_finds_nobody_when_there_is_no_face(api: Api) -> None:
    response = await send_photo(api.manager, "/identify", pictures.jpeg(side_px=200))
    assert response.json() == {"faces": []}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
async def test_identify_takes_a_photograph_of_any_accepted_format(api: Api, kind: str) -> None:
    photo = pictures.encoded(pictures.noise(), kind)
    assert (await send_photo(api.manager, "/identify", photo)).status_code == 200


@pytest.mark.parametrize("photo", [b"GIF89a", b"<svg/>", b"BM", b"text"])
async def test_identify_refuses_other_formats(api: Api, photo: bytes) -> None:
    check_problem(await send_photo(api.manager, "/identify", photo), 415, "UnsupportedImage")


async def test_identify_refuses_what_decodes_to_too_many_pixels(api: Api) -> None:
    bomb = pictures.one_bit_png(9000)
    check_problem(await send_photo(api.manager, "/identify", bomb), 413, "TooLarge")


async def test_identify_names_the_known_and_leaves_the_strangers(api: Api, test_data: Path) -> None:
    enrol = test_data / "enrol"
    person_id = await api.person("Barack Obama")
    reference = (enrol / "barack-obama" / "1.jpg").read_bytes()
    await send_photo(api.manager, f"/persons/{person_id}/faces", reference)
    before = await api.counts()
    other = (enrol / "barack-obama" / "2.jpg").read_bytes()
    (face,) = (await send_photo(api.manager, "/identify", other)).json()["faces"]
    assert face["person"] == {"id": person_id, "name": "Barack Obama", "kind": "known"}
    assert face["confidence"] in ("high", "medium", "low")
    two = (test_data / "groups" / "two_people.jpg").read_bytes()
    faces = (await send_photo(api.manager, "/identify", two)).json()["faces"]
    assert len(faces) == 2
    assert all(face["box"]["x2"] > face["box"]["x1"] for face in faces)
    assert await api.counts() == before


async def test_identify_sees_at_once_when_a_person_is_renamed_or_unlearnt(
    api: Api, test_data: Path
) -> None:
    person_id = await api.person("Barack Obama")
    photo = (test_data / "enrol" / "barack-obama" / "1.jpg").read_bytes()
    enrolled = (await send_photo(api.manager, f"/persons/{person_id}/faces", photo)).json()

    async def found() -> dict[str, object] | None:
        (face,) = (await send_photo(api.manager, "/identify", photo)).json()["faces"]
        person: dict[str, object] | None = face["person"]
        return person

    await found()
    await api.manager.patch(f"/persons/{person_id}", json={"name": "44"})
    assert (await found() or {})["name"] == "44"
    await api.manager.delete(f"/persons/{person_id}/faces/{enrolled['id']}")
    assert await found() is None
