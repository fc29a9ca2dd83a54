from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from usher.commands.people import read_people
from usher.domain.errors import InvalidInput


def put(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return folder


def test_people_are_named_by_photograph_video_and_folder(tmp_path: Path) -> None:
    put(tmp_path, "Alice Smith.png", "bob.MP4", "Carol/2.jpg", "Carol/1.JPEG", "Carol/turn.gif")
    found = read_people(tmp_path)
    alice, carol, bob = found.people
    assert (alice.name, alice.photographs, alice.videos) == (
        "Alice Smith",
        (tmp_path / "Alice Smith.png",),
        (),
    )
    assert (bob.name, bob.photographs, bob.videos) == ("bob", (), (tmp_path / "bob.MP4",))
    assert [path.name for path in carol.photographs] == ["1.JPEG", "2.jpg"]
    assert [path.name for path in carol.videos] == ["turn.gif"]
    assert found.refusals == ()


def test_files_of_one_name_are_one_persons(tmp_path: Path) -> None:
    put(tmp_path, "Ann.jpg", "Ann.mp4", "Ann/1.webp")
    (ann,) = read_people(tmp_path).people
    assert (len(ann.photographs), len(ann.videos)) == (2, 1)


def test_accents_are_spelt_one_way(tmp_path: Path) -> None:
    put(tmp_path, unicodedata.normalize("NFD", "José") + ".jpg", "José/1.jpg")
    (jose,) = read_people(tmp_path).people
    assert jose.name == unicodedata.normalize("NFC", "José")
    assert len(jose.photographs) == 2


def test_hidden_files_are_left_out(tmp_path: Path) -> None:
    put(tmp_path, "Ann.jpg", ".DS_Store", ".trash/Bob.jpg", "Ann/.hidden.jpg", "Ann/1.jpg")
    found = read_people(tmp_path)
    assert [len(person.photographs) for person in found.people] == [2]
    assert found.refusals == ()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Ann.heic", "neither a photograph"),
        ("README", "neither a photograph"),
        ("Ann/notes.txt", "neither a photograph"),
        ("0001.jpg", "nobody's name"),
        ("7/1.jpg", "nobody's name"),
        ("Ann/old/1.jpg", "a folder within a person's folder"),
        (f"{'a' * 121}.jpg", "longer than 120"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_reason(
    tmp_path: Path, name: str, reason: str
) -> None:
    put(tmp_path, name)
    found = read_people(tmp_path)
    (refusal,) = found.refusals
    assert reason in refusal.reason
    assert found.people == ()


def test_white_space_in_a_name_counts_as_one_space(tmp_path: Path) -> None:
    put(tmp_path, "Ann  B\n.jpg")
    assert [person.name for person in read_people(tmp_path).people] == ["Ann B"]


def test_longest_name_is_accepted(tmp_path: Path) -> None:
    put(tmp_path, f"{'a' * 120}.jpg")
    assert len(read_people(tmp_path).people) == 1


def test_person_whose_folder_is_empty_is_refused(tmp_path: Path) -> None:
    (tmp_path / "Ann").mkdir()
    (refusal,) = read_people(tmp_path).refusals
    assert "holds no photograph" in refusal.reason


@pytest.mark.parametrize("name", ["missing", "file.jpg", "empty"])
def test_folder_that_gives_nothing_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.jpg").write_bytes(b"x")
    with pytest.raises(InvalidInput, match=name):
        read_people(tmp_path / name)
