"""`usher enrol FOLDER`: people from photographs and videos, through the REST API."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

import typer
from pydantic import Field, SecretStr, ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from usher.client import UsherClient
from usher.commands.engine import Engine, load_engine
from usher.commands.people import PeopleFolder, PersonFiles, Refusal, read_people
from usher.domain.errors import (
    ConfigurationError,
    Conflict,
    InvalidInput,
    NotFound,
    SourceError,
    UsherError,
)
from usher.domain.records import PersonKind
from usher.observability import configure_logging
from usher.portraits import choose_portraits
from usher.settings import Settings, load_settings
from usher.wire import Face, Person, PersonBrief, PersonCreate

app = typer.Typer(rich_markup_mode=None)

SUGGESTED_USERNAME = "admin"
"""Who signs in first on a new system."""

_TIMEOUT_S = 60.0
_PAGE = 200

_EXAMPLES = """\b
Examples of what FOLDER may hold:
  Alice Smith.jpg      a photograph of Alice Smith
  bob.mp4              a video of bob alone, who turns the head
  Carol/               any number of photographs and videos of Carol

\b
USHER_USERNAME and USHER_PASSWORD sign in where nobody is there to be asked. The password is never
taken from the command line, which other users of the machine can see.
"""


class EnrolSettings(Settings):
    """The settings, and who signs in."""

    username: str | None = Field(None, min_length=1, max_length=64)
    password: SecretStr | None = Field(None, min_length=1, max_length=256)


@app.command(epilog=_EXAMPLES)
def enrol(
    folder: Annotated[
        Path, typer.Argument(help="Photographs and videos, named as the people are.")
    ],
    api: Annotated[
        str | None,
        typer.Option(help="The API's address.  [USHER_API_URL; default: http://127.0.0.1:8000]"),
    ] = None,
    username: Annotated[
        str | None, typer.Option(help="An admin or manager.  [USHER_USERNAME; default: asks]")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the summary as one JSON object, and nothing else.")
    ] = False,
) -> None:
    """Add people from a folder of photographs and videos.

    Somebody who is known by name already gets the photographs added; one that they have is left
    out. Each that cannot be used is listed with the reason, and the exit status is then 1.
    """
    settings = load_settings(EnrolSettings, api_url=api, username=username)
    configure_logging("enrol", settings.log_level)
    people = read_people(folder)
    console = Console(stderr=True, highlight=False)
    with (
        UsherClient(settings.api_url, timeout_s=_TIMEOUT_S, ca_file=settings.ca_file) as client,
        _signed_in(client, settings),
    ):
        summary = enrol_people(client, people, Portraits(settings), console)
    _print_summary(summary, folder, as_json=as_json)
    raise typer.Exit(0 if summary.is_complete else 1)


@dataclass(frozen=True, slots=True)
class PersonOutcome:
    """What became of one person's files.

    Attributes
    ----------
    id
        The person's; None where nothing of them could be used.
    is_new
        Whether they were not known before.
    added, present
        Photographs that were added, and those that the person had already.
    looks_like
        Somebody known whom their first photograph shows too: the same under another name?
    """

    name: str
    id: str | None
    is_new: bool
    added: int
    present: int
    looks_like: PersonBrief | None = None


@dataclass(slots=True)
class Summary:
    """What became of a folder."""

    people: list[PersonOutcome] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Whether all of it was used."""
        return not self.refusals

    def __str__(self) -> str:
        there = [person for person in self.people if person.id is not None]
        return (
            f"{_count(len(there), 'person', 'people')} "
            f"({sum(person.is_new for person in there)} new): "
            f"{_count(sum(person.added for person in self.people), 'photograph')} added, "
            f"{sum(person.present for person in self.people)} there already, "
            f"{len(self.refusals)} refused"
        )


class Portraits:
    """Makes photographs of videos. It loads its networks with the first one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._engine: Engine | None = None

    def of(self, video: Path, on_share: Callable[[float], None]) -> list[bytes]:
        """JPEG files that show the video's person from different sides.

        Parameters
        ----------
        on_share
            Called with the share of the video that was looked at, 0 to 1.

        Raises
        ------
        SourceError
            If the video cannot be read.
        InvalidInput
            If it does not show one person.
        """
        engine = self._engine = self._engine or load_engine(self._settings)
        chosen = choose_portraits(video, engine.pipeline, engine.rule, on_frame=on_share)
        return [portrait.jpeg for portrait in chosen]


def enrol_people(
    client: UsherClient, folder: PeopleFolder, portraits: Portraits, console: Console
) -> Summary:
    """Add the people of a folder, one after another, behind a bar.

    Parameters
    ----------
    client
        Signed in as an admin or manager.
    console
        Takes the bar, if it is a terminal.

    Raises
    ------
    Unavailable, NotAuthenticated, PermissionDenied
        If the API does not let it go on. What was added until then stays, and another run leaves
        it out.
    """
    summary = Summary(refusals=list(folder.refusals))
    files = sum(len(person.photographs) + len(person.videos) for person in folder.people)
    with _bars(console) as bars:
        task = bars.add_task("Enrolling", total=files)
        for person in folder.people:
            bars.update(task, description=_short(person.name))
            enrolment = _Enrolment(
                client, person, portraits, lambda share: bars.advance(task, share)
            )
            summary.people.append(enrolment.run())
            summary.refusals += enrolment.refusals
    return summary


class _Enrolment:
    """One person's files, on their way to the API."""

    def __init__(
        self,
        client: UsherClient,
        files: PersonFiles,
        portraits: Portraits,
        advance: Callable[[float], object],
    ) -> None:
        self._client = client
        self._files = files
        self._portraits = portraits
        self._advance = advance
        self._added = 0
        self._present = 0
        self._pictures: set[bytes] = set()
        self._is_new = False
        self._looks_like: PersonBrief | None = None
        self.refusals: list[Refusal] = []

    def run(self) -> PersonOutcome:
        try:
            found = _person_named(self._client, self._files.name)
        except Conflict as error:
            self._refuse_all(str(error))
            return self._outcome(None)
        self._is_new = found is None
        person = found or self._client.create_person(PersonCreate(name=self._files.name))
        if found is not None:
            self._pictures = {self._client.face_image(face) for face in self._enrolled(person)}
        try:
            self._add_all(person)
        finally:
            kept = not self._is_new or not self._remove_if_bare(person)
        return self._outcome(person if kept else None)

    def _add_all(self, person: Person) -> None:
        for path in self._files.photographs:
            self._add_photograph(person, path)
            self._advance(1.0)
        for path in self._files.videos:
            self._add_video(person, path)

    def _add_photograph(self, person: Person, path: Path) -> None:
        try:
            photograph = path.read_bytes()
        except OSError as error:
            self.refusals.append(Refusal(path, f"the file cannot be read: {error.strerror}"))
            return
        self._add(person, path, photograph)

    def _add_video(self, person: Person, path: Path) -> None:
        done = 0.0

        def on_share(share: float) -> None:
            nonlocal done
            self._advance(share - done)
            done = share

        try:
            photographs = self._portraits.of(path, on_share)
        except (SourceError, InvalidInput) as error:
            self.refusals.append(Refusal(path, str(error)))
            photographs = []
        for jpeg in photographs:
            self._add(person, path, jpeg)
        on_share(1.0)

    def _add(self, person: Person, path: Path, photograph: bytes) -> None:
        """Add one photograph; where that fails for its content, note why."""
        try:
            if self._is_new and not self._added:
                self._looks_like = self._known_in(photograph)
            face = self._client.enrol_face(person.id, photograph)
        except (InvalidInput, NotFound) as error:
            self.refusals.append(Refusal(path, str(error)))
        else:
            self._keep_once(face)

    def _known_in(self, photograph: bytes) -> PersonBrief | None:
        """Whom Usher takes the photograph for, of those it knows by name."""
        for face in self._client.identify(photograph).faces:
            if face.person is not None and face.person.kind is PersonKind.KNOWN:
                return face.person
        return None

    def _keep_once(self, face: Face) -> None:
        """Take a face back whose picture the person has already.

        Nobody but the API knows what it keeps of a photograph, so it is asked afterwards: the same
        photograph gives the same picture.
        """
        picture = self._client.face_image(face)
        if picture in self._pictures:
            self._client.remove_face(face)
            self._present += 1
        else:
            self._pictures.add(picture)
            self._added += 1

    def _enrolled(self, person: Person) -> list[Face]:
        return [face for face in self._client.faces(person.id) if face.origin == "enrolment"]

    def _remove_if_bare(self, person: Person) -> bool:
        """Somebody new of whom nothing could be used shall not stay behind."""
        if self._added or self._client.faces(person.id):
            return False
        self._client.delete_person(person.id)
        return True

    def _refuse_all(self, reason: str) -> None:
        for path in (*self._files.photographs, *self._files.videos):
            self.refusals.append(Refusal(path, reason))
            self._advance(1.0)

    def _outcome(self, person: Person | None) -> PersonOutcome:
        return PersonOutcome(
            name=self._files.name,
            id=person.id if person else None,
            is_new=self._is_new and person is not None,
            added=self._added,
            present=self._present,
            looks_like=self._looks_like if person else None,
        )


def _person_named(client: UsherClient, name: str) -> Person | None:
    """The one person of exactly that name, if there is one.

    Raises
    ------
    Conflict
        If several have it.
    """
    named = [person for person in _persons_like(client, name) if person.name == name]
    if len(named) > 1:
        ids = ", ".join(person.id for person in named)
        raise Conflict(
            f"several people are called {name} ({ids}): merge them in the panel, or add the "
            "photographs to the right one there"
        )
    return named[0] if named else None


def _persons_like(client: UsherClient, name: str) -> Iterator[Person]:
    page = client.persons(limit=_PAGE, q=name)
    yield from page.items
    while page.next_cursor is not None:
        page = client.persons(limit=_PAGE, q=name, cursor=page.next_cursor)
        yield from page.items


@contextmanager
def _signed_in(client: UsherClient, settings: EnrolSettings) -> Iterator[None]:
    username, password = ask_credentials(settings)
    try:
        client.sign_in(username, password)
    except ValidationError as error:
        raise ConfigurationError("a name has 1 to 64 characters, a password 1 to 256") from error
    try:
        yield
    finally:
        with suppress(UsherError):  # the session ends by itself
            client.sign_out()


def ask_credentials(settings: EnrolSettings) -> tuple[str, str]:
    """Name and password, of the settings or of whoever sits there.

    Raises
    ------
    ConfigurationError
        If one is missing and there is nobody to ask.
    """
    username, password = settings.username, settings.password
    if (username is None or password is None) and not sys.stdin.isatty():
        raise ConfigurationError(
            "set USHER_USERNAME and USHER_PASSWORD to an admin's or manager's: there is no "
            "terminal to ask on"
        )
    if username is None:
        username = str(typer.prompt("User name", default=SUGGESTED_USERNAME, err=True))
    if password is None:
        return username, str(typer.prompt("Password", hide_input=True, err=True))
    return username, password.get_secret_value()


def _bars(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(
        *columns,
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def _print_summary(summary: Summary, folder: Path, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(_as_object(summary, folder)) + "\n")
        return
    console = Console(highlight=False)
    for person in summary.people:
        console.print(_line(person), markup=False, soft_wrap=True)
    if summary.refusals:
        console.print("\nRefused:", style="bold")
    for refusal in summary.refusals:
        place = _within(refusal.path, folder)
        console.print(f"  {place}: {refusal.reason}", markup=False, soft_wrap=True)
    console.print(f"\n{summary}", markup=False, soft_wrap=True)


def _line(person: PersonOutcome) -> str:
    if person.id is None:
        return f"{person.name}: not enrolled"
    new = ", new" if person.is_new else ""
    present = f", {person.present} there already" if person.present else ""
    line = f"{person.name} ({person.id}{new}): {person.added} added{present}"
    if other := person.looks_like:
        line += (
            f"; looks like {other.name} ({other.id}): where they are one, merge them in the panel"
        )
    return line


def _as_object(summary: Summary, folder: Path) -> dict[str, object]:
    return {
        "persons": sum(person.id is not None for person in summary.people),
        "new_persons": sum(person.is_new for person in summary.people),
        "added": sum(person.added for person in summary.people),
        "present": sum(person.present for person in summary.people),
        "refused": [
            {"file": _within(refusal.path, folder), "reason": refusal.reason}
            for refusal in summary.refusals
        ],
        "people": [_person_as_object(person) for person in summary.people],
    }


def _person_as_object(person: PersonOutcome) -> dict[str, object]:
    other = person.looks_like
    looks_like = {"id": other.id, "name": other.name} if other else None
    return {**asdict(person), "looks_like": looks_like}


def _within(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder))


def _short(name: str) -> str:
    return name if len(name) <= 30 else f"{name[:29]}…"


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or f'{one}s'}"
