from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from usher.commands.doctor import (
    Finding,
    State,
    describe_settings,
    examine,
    examine_data,
    read_processor,
    try_networks,
)
from usher.settings import Settings
from usher.vision import selftest


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.name: finding for finding in findings}


def test_secrets_are_never_shown() -> None:
    uri = SecretStr("mongodb://usher:hunter2@db/")
    settings = Settings(mongodb_uri=uri, api_key=SecretStr("key-hunter2"))
    shown = by_name(list(describe_settings(settings)))
    assert not [finding for finding in shown.values() if "hunter2" in finding.value]
    assert shown["USHER_MONGODB_URI"].value == "set, not shown"
    assert shown["USHER_API_KEY"].value == "set, not shown"


def test_every_setting_is_described() -> None:
    shown = by_name(list(describe_settings(Settings(api_key=None, threads=3))))
    assert set(shown) == {f"USHER_{name.upper()}" for name in Settings.model_fields}
    assert shown["USHER_API_KEY"].value == "not set"
    assert shown["USHER_THREADS"].value == "3"


def test_data_directory_that_will_be_made_is_fine(tmp_path: Path) -> None:
    found = by_name(list(examine_data(tmp_path / "new" / "data")))
    assert found["directory"].state is State.OK
    assert found["directory"].value.endswith("new/data, new")
    assert found["free"].value.endswith(" GB")
    assert not (tmp_path / "new").exists()


def test_data_directory_that_cannot_be_made_fails(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    found = by_name(list(examine_data(tmp_path / "file" / "data")))
    assert found["directory"].state is State.FAILED
    assert "USHER_DATA" in found["directory"].remedy


def test_processor_is_read_from_what_linux_writes(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(
        "processor\t: 0\nmodel name\t: First\nflags\t\t: fpu sse4_1 avx avx2\n\n"
        "processor\t: 1\nmodel name\t: Second\nflags\t\t: fpu\n"
    )
    assert read_processor(cpuinfo) == ("First", ["sse4_1", "avx", "avx2"])


def test_processor_of_another_kind_is_read(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nFeatures\t: fp asimd asimddp\nCPU part\t: 0xd0c\n")
    assert read_processor(cpuinfo) == ("", ["asimd", "asimddp"])


def test_processor_is_unknown_without_a_file(tmp_path: Path) -> None:
    assert read_processor(tmp_path / "missing") == ("", [])


def test_every_network_is_tried_and_right() -> None:
    found = by_name(list(try_networks(Settings())))
    assert set(found) == {network.name for network in selftest.NETWORKS}
    assert {finding.state for finding in found.values()} == {State.OK}, found


def test_network_that_differs_fails_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = selftest.NetworkCheck("rnet", 1e-5, lambda _: selftest.expected_values("rnet") + 1e-3)
    monkeypatch.setattr(selftest, "NETWORKS", (wrong,))
    (found,) = try_networks(Settings())
    assert found.state is State.FAILED
    assert "1.0e-03" in found.value
    assert found.remedy


def test_provider_that_is_not_installed_fails_with_a_remedy() -> None:
    found = list(try_networks(Settings(provider="coreml")))
    assert {finding.state for finding in found} == {State.FAILED}
    assert all("coreml is not installed" in finding.remedy for finding in found)


def test_network_whose_weights_are_missing_fails_with_a_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def without(*_: object) -> Path:
        return Path("missing.dat")

    monkeypatch.setattr(selftest, "model_path", without)
    found = by_name(list(try_networks(Settings())))
    assert found["descriptor"].state is State.FAILED
    assert "missing.dat" in found["descriptor"].value


def test_report_covers_each_section(tmp_path: Path) -> None:
    sections = [finding.section for finding in examine(Settings(data=tmp_path))]
    assert list(dict.fromkeys(sections)) == [
        *("usher", "packages", "programs", "processor"),
        *("onnxruntime", "settings", "data", "networks"),
    ]
