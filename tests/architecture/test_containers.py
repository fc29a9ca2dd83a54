"""The container files and `docker-compose.yml`, read as text: no Docker is needed to run this."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.notifier.settings import NotifierSettings

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
SAME_IMAGE = {"chat": "notifier"}
"""Services that run another command of another one's image."""
OWN = sorted(name for name, service in DOCUMENT["services"].items() if "build" in service)

# Read by `usher api` beside its settings, and by the database's own scripts.
NOT_SETTINGS = {"USHER_NOTIFIER_KEY", "USHER_DETECTOR_KEY", "USHER_MONGODB_PASSWORD"}
SECRET = re.compile(r"PASSWORD|KEY|SECRET|TOKEN|CREDENTIALS|URI")
# `${NAME}`, `${NAME:?message}` and `${NAME:-}`, which all hold no value of their own.
SUBSTITUTED = re.compile(r"\$\{[A-Z_]+(:?\?[^}]*|:?-)?\}")


def container_file(service: dict[str, Any]) -> str:
    return (ROOT / service["build"]["dockerfile"]).read_text("utf-8")


# ---- Rules: each returns the services that break it ----------------------------------------------

Rule = Callable[[dict[str, Any]], list[str]]


def without_health_check(document: dict[str, Any]) -> list[str]:
    return [
        name
        for name, service in document["services"].items()
        if "healthcheck" not in service
        and not ("build" in service and "\nHEALTHCHECK " in container_file(service))
    ]


def root_user(document: dict[str, Any]) -> list[str]:
    return [
        name
        for name, service in document["services"].items()
        if str(service.get("user", "0")).partition(":")[0] in ("0", "root")
    ]


def writable_or_privileged(document: dict[str, Any]) -> list[str]:
    return [
        name
        for name, service in document["services"].items()
        if not service.get("read_only")
        or service.get("cap_drop") != ["ALL"]
        or "no-new-privileges:true" not in service.get("security_opt", [])
        or service.get("privileged")
    ]


def literal_secret(document: dict[str, Any]) -> list[str]:
    return [
        name
        for name, service in document["services"].items()
        for variable, value in service.get("environment", {}).items()
        if SECRET.search(variable) and _holds_secret(str(value))
    ]


def _holds_secret(value: str) -> bool:
    account = re.match(r"[a-z+]+://[^:@/]+:(?P<password>.+)@", value)
    secret = account["password"] if account else value
    return SUBSTITUTED.sub("", secret) != ""


def open_to_the_network(document: dict[str, Any]) -> list[str]:
    return [
        name
        for name, service in document["services"].items()
        if not all(str(port).startswith("127.0.0.1:") for port in service.get("ports", []))
    ]


def misspelt_setting(document: dict[str, Any]) -> list[str]:
    """Services given a `USHER_` variable that nothing reads: settings ignore unknown ones."""
    known = {f"USHER_{name.upper()}" for name in NotifierSettings.model_fields} | NOT_SETTINGS
    return [
        name
        for name, service in document["services"].items()
        if {key for key in service.get("environment", {}) if key.startswith("USHER_")} - known
    ]


def unscalable_classifier(document: dict[str, Any]) -> list[str]:
    classifier = document["services"]["classifier"]
    return ["classifier"] if {"container_name", "ports", "hostname"} & classifier.keys() else []


RULES: tuple[Rule, ...] = (
    without_health_check,
    root_user,
    writable_or_privileged,
    literal_secret,
    open_to_the_network,
    misspelt_setting,
    unscalable_classifier,
)


@pytest.mark.parametrize("rule", RULES)
def test_no_service_breaks_the_rule(rule: Rule) -> None:
    assert rule(DOCUMENT) == []


@pytest.mark.parametrize(
    ("rule", "service", "change"),
    [
        (without_health_check, "mongo", {"healthcheck": None}),
        (root_user, "api", {"user": None}),
        (root_user, "api", {"user": "0:0"}),
        (writable_or_privileged, "notifier", {"read_only": False}),
        (writable_or_privileged, "notifier", {"cap_drop": None}),
        (literal_secret, "mongo", {"environment": {"MONGO_INITDB_ROOT_PASSWORD": "hunter2"}}),
        (literal_secret, "api", {"environment": {"USHER_NOTIFIER_KEY": "${KEY:-hunter2}"}}),
        (literal_secret, "api", {"environment": {"USHER_MONGODB_URI": "mongodb://u:pw@mongo/x"}}),
        (open_to_the_network, "mongo", {"ports": ["27017:27017"]}),
        (misspelt_setting, "classifier", {"environment": {"USHER_IDENTITY_BUGDET": "0.01"}}),
        (unscalable_classifier, "classifier", {"container_name": "classifier"}),
    ],
)
def test_rule_notices_a_service_that_breaks_it(
    rule: Rule, service: str, change: dict[str, Any]
) -> None:
    document = copy.deepcopy(DOCUMENT)
    document["services"][service].update(change)
    for key in [key for key, value in change.items() if value is None]:
        del document["services"][service][key]
    assert rule(document) == [service]


# ---- Container files ----------------------------------------------------------------------------


def test_every_service_has_its_container_file() -> None:
    files = {path.name for path in (ROOT / "deploy").glob("*.Dockerfile")}
    assert files == {f"{name}.Dockerfile" for name in OWN if name not in SAME_IMAGE}


@pytest.mark.parametrize("name", OWN)
def test_container_runs_as_the_user_that_compose_names(name: str) -> None:
    service = DOCUMENT["services"][name]
    users = re.findall(r"^USER (\S+)$", container_file(service), re.MULTILINE)
    assert users == [service["user"]]


@pytest.mark.parametrize("name", OWN)
def test_container_installs_from_its_lock(name: str) -> None:
    text = container_file(DOCUMENT["services"][name]).replace("\\\n", " ")
    installs = [line for line in re.split(r"&&|\n", text) if "pip install" in line]
    lock = f"requirements/{SAME_IMAGE.get(name, name)}.txt"
    assert any(lock in line for line in installs)
    assert all("--require-hashes" in line or "--no-deps" in line for line in installs)


@pytest.mark.parametrize("name", OWN)
def test_container_copies_what_is_there_and_not_ignored(name: str) -> None:
    admitted = re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text("utf-8"), re.MULTILINE)
    copies = re.findall(
        r"^COPY (?!--from)(.+) \S+$", container_file(DOCUMENT["services"][name]), re.MULTILINE
    )
    sources = [source for line in copies for source in line.split()]
    assert sources
    assert [source for source in sources if not (ROOT / source).exists()] == []
    assert [source for source in sources if source.partition("/")[0] not in admitted] == []


def test_pictures_are_shared_by_the_api_and_the_classifier_alone() -> None:
    holders = {
        name
        for name, service in DOCUMENT["services"].items()
        if "crops:/var/lib/usher/crops" in service.get("volumes", [])
    }
    assert holders == {"api", "classifier"}


@pytest.mark.parametrize(
    ("name", "source"),
    [("api", "services/api/state.py"), ("classifier", "services/classifier/worker.py")],
)
def test_every_folder_that_a_service_writes_lies_in_a_volume(name: str, source: str) -> None:
    service = DOCUMENT["services"][name]
    folders = re.findall(r'settings\.data / "(\w+)"', (ROOT / source).read_text("utf-8"))
    assert folders
    for folder in folders:
        # A new volume takes the owner of the folder in the image, which must be there for that.
        assert f"{folder}:/var/lib/usher/{folder}" in service["volumes"]
        assert f"/var/lib/usher/{folder}" in container_file(service)
        assert folder in DOCUMENT["volumes"]


def test_only_the_api_and_the_classifier_reach_the_database() -> None:
    members = {name for name, it in DOCUMENT["services"].items() if "database" in it["networks"]}
    assert members == {"mongo", "api", "classifier"}
    assert DOCUMENT["networks"]["database"]["internal"] is True
