"""The crop store."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from usher.domain.errors import NotFound
from usher.storage import crops
from usher.storage.crops import CropStore


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "data" / "crops"


@pytest.fixture
def store(directory: Path) -> CropStore:
    return CropStore(directory)


def files(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


def test_store_gives_back_the_bytes_when_it_is_opened_again(directory: Path) -> None:
    key = CropStore(directory).put(b"jpeg")
    assert CropStore(directory).get(key) == b"jpeg"


def test_store_keeps_two_pictures_when_they_are_the_same(store: CropStore) -> None:
    one, other = store.put(b"same"), store.put(b"same")
    store.delete(one)
    assert one != other
    assert store.get(other) == b"same"


def test_store_is_closed_to_others_when_made(store: CropStore, directory: Path) -> None:
    store.put(b"jpeg")
    assert {path.stat().st_mode & 0o077 for path in (directory, *directory.iterdir())} == {0}


def test_store_syncs_content_name_and_folder_in_this_order_when_it_puts(
    store: CropStore, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []

    def watched(descriptor: int, real=os.fsync) -> None:  # type: ignore[no-untyped-def]
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        synced.append(path.suffix or str(path.relative_to(directory)))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    key = store.put(b"jpeg")
    assert synced == [".part", key[:2], "."]


def test_store_syncs_its_own_folder_once_when_two_pictures_share_a_folder_in_it(
    store: CropStore, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = iter(["ab" + "0" * 22, "ab" + "1" * 22, "cd" + "0" * 22])
    synced: list[Path] = []
    monkeypatch.setattr(crops, "new_id", lambda: next(keys))
    monkeypatch.setattr(crops, "_sync_directory", synced.append)
    for _ in range(3):
        store.put(b"jpeg")
    one, other = directory / "ab", directory / "cd"
    assert synced == [one, directory, one, other, directory]


@pytest.mark.parametrize(
    "key",
    [
        "",
        "../../../../etc/passwd",
        "0" * 23,
        "0" * 25,
        "G" * 24,
        "A" * 24,  # ours are in lower case
        f"{'0' * 24}\n",
        f"{'0' * 23}/",
    ],
)
def test_store_knows_no_picture_when_the_key_is_not_one_of_its_own(
    store: CropStore, key: str
) -> None:
    with pytest.raises(NotFound):
        store.get(key)
    with pytest.raises(NotFound):
        store.delete(key)


def test_store_knows_no_picture_when_it_was_deleted(store: CropStore) -> None:
    key = store.put(b"jpeg")
    store.delete(key)
    store.delete(key)
    with pytest.raises(NotFound):
        store.get(key)


def test_store_leaves_nothing_behind_when_the_disk_is_full(
    store: CropStore, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(crops.os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            store.put(b"jpeg")
    assert files(directory) == []


def test_store_tells_of_what_a_crash_cut_off_when_asked_for_old_keys(
    store: CropStore, directory: Path
) -> None:
    whole, cut = store.put(b"jpeg"), "0" * 24
    (directory / "00").mkdir(exist_ok=True)
    (directory / "00" / f"{cut}.part").write_bytes(b"jp")
    (directory / "00" / "notes.jpg").write_bytes(b"not ours")
    assert set(store.keys_older_than(-1)) == {whole, cut}
    store.delete(cut)
    assert set(store.keys_older_than(-1)) == {whole}


def test_store_tells_of_no_key_when_it_is_young(store: CropStore) -> None:
    store.put(b"jpeg")
    assert list(store.keys_older_than(60)) == []


def test_store_goes_on_telling_keys_when_one_is_deleted_meanwhile(store: CropStore) -> None:
    keys = {store.put(b"jpeg") for _ in range(5)}
    told = store.keys_older_than(-1)
    first = next(told)
    for key in keys - {first}:
        store.delete(key)
    assert list(told) == []


# ---- Thumbnails ----------------------------------------------------------------------------------


def test_thumbnails_go_with_their_picture_when_it_is_deleted(
    store: CropStore, directory: Path
) -> None:
    key, other = store.put(b"jpeg"), store.put(b"another")
    for one in (key, other):
        store.put_thumbnail(one, 160, b"small")
    store.put_thumbnail(key, 320, b"medium")
    assert (store.get_thumbnail(key, 160), store.get_thumbnail(key, 320)) == (b"small", b"medium")
    store.delete(key)
    with pytest.raises(NotFound):
        store.get_thumbnail(key, 160)
    names = {path.name for path in files(directory)}
    assert names == {f"{other}.jpg", f"{other}.160.jpg"}


@pytest.mark.parametrize("was_there", [True, False])
def test_thumbnail_is_not_kept_when_its_picture_is_gone(
    store: CropStore, directory: Path, was_there: bool
) -> None:
    key = store.put(b"jpeg") if was_there else "0" * 24
    store.delete(key)
    with pytest.raises(NotFound):
        store.put_thumbnail(key, 160, b"small")
    assert files(directory) == []


def test_keys_older_than_names_a_picture_once_when_it_has_thumbnails(store: CropStore) -> None:
    key = store.put(b"jpeg")
    store.put_thumbnail(key, 160, b"small")
    assert list(store.keys_older_than(-1)) == [key]


def test_keys_older_than_names_what_has_nothing_but_a_thumbnail(
    store: CropStore, directory: Path
) -> None:
    key = store.put(b"jpeg")
    store.put_thumbnail(key, 160, b"small")
    (directory / key[:2] / f"{key}.jpg").unlink()
    assert list(store.keys_older_than(-1)) == [key]
    store.delete(key)
    assert files(directory) == []
