"""A folder of people: a photograph, a video or a folder for each, named as the person is."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

from usher.domain.errors import InvalidInput

PHOTOGRAPHS = frozenset({".jpg", ".jpeg", ".png", ".webp"})
VIDEOS = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".avi", ".webm", ".gif"})
_LONGEST_NAME = 120
_NEITHER = (
    f"neither a photograph ({', '.join(sorted(PHOTOGRAPHS))}) nor a video "
    f"({', '.join(sorted(VIDEOS))}): convert it to one"
)


@dataclass(frozen=True, slots=True)
class PersonFiles:
    """What a folder holds of one person, in the order of the files' names."""

    name: str
    photographs: tuple[Path, ...] = ()
    videos: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """A file that was not used, and why, in words for whoever put it there."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class PeopleFolder:
    """Who a folder shows, in the order of their names, and what in it cannot be used."""

    people: tuple[PersonFiles, ...]
    refusals: tuple[Refusal, ...]


@dataclass(slots=True)
class _Found:
    files: dict[str, list[Path]] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)

    def add(self, name: str, path: Path) -> None:
        if _kind(path) not in PHOTOGRAPHS | VIDEOS:
            self.refuse(path, _NEITHER)
            return
        self.files.setdefault(name, []).append(path)

    def refuse(self, path: Path, reason: str) -> None:
        self.refusals.append(Refusal(path, reason))


def read_people(folder: Path) -> PeopleFolder:
    """Who a folder shows.

    `Alice Smith.png` and `bob.mp4` show whom they are named after, and so do all files of the
    folder `Carol`; files and a folder of one name are one person's. Hidden files are left out.

    Raises
    ------
    InvalidInput
        If there is no such folder, it cannot be read, or it holds nothing.
    """
    if not folder.is_dir():
        raise InvalidInput(f"there is no folder {folder}: check the path")
    found = _Found()
    for path in _visible(folder):
        if path.is_dir():
            _look_into(path, found)
        elif (problem := _problem_of(path.stem)) is None:
            found.add(_name(path.stem), path)
        else:
            found.refuse(path, problem)
    if not found.files and not found.refusals:
        raise InvalidInput(f"{folder} is empty: put in photographs, named as the people are")
    people = tuple(_person(name, files) for name, files in sorted(found.files.items()))
    return PeopleFolder(people, tuple(found.refusals))


def _look_into(folder: Path, found: _Found) -> None:
    """Take the files of one person's folder."""
    problem = _problem_of(folder.name)
    if problem is not None:
        found.refuse(folder, problem)
        return
    paths = _visible(folder)
    if not paths:
        found.refuse(folder, "the folder holds no photograph")
    for path in paths:
        if path.is_dir():
            found.refuse(path, "a folder within a person's folder: move its files one up")
        else:
            found.add(_name(folder.name), path)


def _visible(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise InvalidInput(f"the folder {folder} cannot be read: {error.strerror}") from error


def _person(name: str, files: list[Path]) -> PersonFiles:
    photographs = tuple(path for path in files if _kind(path) in PHOTOGRAPHS)
    return PersonFiles(name, photographs, tuple(path for path in files if _kind(path) in VIDEOS))


def _kind(path: Path) -> str:
    return path.suffix.lower()


def _name(text: str) -> str:
    """One spelling of a name: file systems differ in how they store accents."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def _problem_of(text: str) -> str | None:
    """Why a file's or folder's name cannot be a person's."""
    name = _name(text)
    if not any(character.isalpha() for character in name):
        return (
            f"{name!r} is nobody's name: name the file as the person is called, or put it into a "
            "folder of that name"
        )
    if len(name) > _LONGEST_NAME or not name.isprintable():
        return f"the name is longer than {_LONGEST_NAME} characters or cannot be printed"
    return None
