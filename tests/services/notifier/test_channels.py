"""E-mail, webhooks, MQTT and Apprise, each to a real server on this machine."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from aiosmtpd.controller import Controller
from paho.mqtt.enums import CallbackAPIVersion

from services.notifier.channels import Channel, DeliveryFailed, Missing
from services.notifier.channels.apprise import AppriseChannel
from services.notifier.channels.mail import MailChannel
from services.notifier.channels.mqtt import DISCOVERY, MqttChannel
from services.notifier.channels.webhooks import (
    DELIVERY_HEADER,
    SIGNATURE_HEADER,
    Webhook,
    WebhookChannel,
    signature,
)
from services.notifier.settings import NotifierSettings
from usher.domain.errors import ConfigurationError

from .conftest import JPEG, a_message, eventually


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


# ---- E-mail --------------------------------------------------------------------------------------


class Sink:
    """Keeps what it is sent."""

    def __init__(self) -> None:
        self.mails: list[Any] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.mails.append((envelope.rcpt_tos, message_from_bytes(envelope.content)))
        return "250 taken"


@pytest.fixture
def sink() -> Iterator[tuple[Sink, int]]:
    handler, port = Sink(), free_port()
    server = Controller(handler, hostname="127.0.0.1", port=port)
    server.start()
    yield handler, port
    server.stop()


def test_mail_arrives_with_its_picture(sink: tuple[Sink, int]) -> None:
    handler, port = sink
    message = a_message()
    MailChannel(f"smtp://127.0.0.1:{port}", "usher@example.org").deliver("ann@example.org", message)
    ((to, mail),) = handler.mails
    assert to == ["ann@example.org"]
    assert mail["Subject"] == message.title
    assert mail["Message-ID"] == f"<{message.id}@usher.invalid>"
    text, picture = mail.get_payload()
    assert "!name p-7k3qxz NAME" in text.get_payload(decode=True).decode()
    assert picture.get_payload(decode=True) == JPEG
    assert picture.get_content_type() == "image/jpeg"


def test_mail_fails_when_the_server_is_away_or_offers_no_encryption(
    sink: tuple[Sink, int],
) -> None:
    _, port = sink
    for url in (f"smtp://127.0.0.1:{free_port()}", f"submission://127.0.0.1:{port}"):
        with pytest.raises(DeliveryFailed, match="the mail server"):
            MailChannel(url, "usher@example.org").deliver("ann@example.org", a_message())


def test_address_cannot_add_a_header(sink: tuple[Sink, int]) -> None:
    handler, port = sink
    channel = MailChannel(f"smtp://127.0.0.1:{port}", "usher@example.org")
    with pytest.raises(ValueError, match=r"newline|linefeed"):
        channel.deliver("ann@example.org\nBcc: eve@example.org", a_message())
    assert handler.mails == []


# ---- Webhooks ------------------------------------------------------------------------------------


class Receiver:
    """Answers a webhook, and keeps what came."""

    def __init__(self) -> None:
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.status = 204
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.requests.append((dict(self.headers), body))
                self.send_response(receiver.status)
                self.send_header("Location", "http://127.0.0.1:1/")
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"

    def __enter__(self) -> Receiver:
        Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def test_webhook_is_signed_and_carries_the_facts() -> None:
    with Receiver() as receiver:
        channel = WebhookChannel({"ops": Webhook(receiver.url, "a secret")})
        channel.deliver("ops", message := a_message())
    ((headers, body),) = receiver.requests
    found = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", headers[SIGNATURE_HEADER])
    assert found is not None
    assert abs(int(found[1]) - time.time()) < 60
    assert signature("a secret", body, at=int(found[1])) == headers[SIGNATURE_HEADER]
    assert signature("another", body, at=int(found[1])) != headers[SIGNATURE_HEADER]
    assert headers[DELIVERY_HEADER] == message.id
    facts = json.loads(body)
    assert (facts["event_type"], facts["person"]["id"]) == ("alert", "p-7k3qxz")
    assert base64.b64decode(facts["pictures"][0]) == JPEG


@pytest.mark.parametrize("status", [302, 404, 500])
def test_webhook_fails_when_the_answer_is_not_good(status: int) -> None:
    with Receiver() as receiver:
        receiver.status = status
        with pytest.raises(DeliveryFailed, match=str(status)):
            WebhookChannel({"ops": Webhook(receiver.url, "s")}).deliver("ops", a_message())
    assert len(receiver.requests) == 1


def test_webhook_without_a_name_fails() -> None:
    with pytest.raises(DeliveryFailed, match="USHER_WEBHOOKS"):
        WebhookChannel({}).deliver("ops", a_message())


# ---- Apprise -------------------------------------------------------------------------------------


def test_apprise_sends_to_all_of_a_name() -> None:
    with Receiver() as receiver:
        receiver.status = 200
        url = receiver.url.replace("http://", "json://")
        AppriseChannel({"family": [url, url]}).deliver("family", message := a_message())
    assert len(receiver.requests) == 2
    body = json.loads(receiver.requests[0][1])
    assert body["title"] == message.title
    assert base64.b64decode(body["attachments"][0]["base64"]) == JPEG


def test_apprise_fails_when_a_service_does_and_says_no_secret() -> None:
    gone = f"json://user:secret@127.0.0.1:{free_port()}/"
    for urls, says in (([gone], "did not take it"), (["nonsense"], "does not understand")):
        with pytest.raises(DeliveryFailed, match=says) as caught:
            AppriseChannel({"family": urls}).deliver("family", a_message())
        assert "secret" not in str(caught.value)
    with pytest.raises(DeliveryFailed, match="USHER_APPRISE"):
        AppriseChannel({}).deliver("family", a_message())


# ---- MQTT ----------------------------------------------------------------------------------------


@contextmanager
def mosquitto(directory: Path, port: int) -> Iterator[None]:
    found = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        reason = "there is no Mosquitto: apt-get install mosquitto"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    config = directory / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    broker = subprocess.Popen([found, "-c", str(config)], stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: listens(port) or None, within_s=10)
        yield
    finally:
        broker.terminate()
        broker.wait(10)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def subscribed(port: int, topic: str) -> Iterator[Queue[Any]]:
    messages: Queue[Any] = Queue()
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.on_message = lambda _client, _data, message: messages.put(message)
    client.on_connect = lambda client, *_: client.subscribe(topic, qos=1)
    ready: Queue[bool] = Queue()
    client.on_subscribe = lambda *_: ready.put(True)
    client.connect("127.0.0.1", port)
    client.loop_start()
    ready.get(timeout=10)
    try:
        yield messages
    finally:
        client.disconnect()
        client.loop_stop()


def test_mqtt_publishes_event_and_picture_and_home_assistant_finds_them(tmp_path: Path) -> None:
    port = free_port()
    with mosquitto(tmp_path, port), subscribed(port, "#") as messages:
        channel = MqttChannel(f"mqtt://127.0.0.1:{port}")
        channel.deliver("", message := a_message())
        found = {}
        while "usher/event" not in found:
            got = messages.get(timeout=10)
            found[got.topic] = got.payload
        channel.close()
        while (got := messages.get(timeout=10)).topic != "usher/status":
            pass
    assert got.payload == b"offline"
    assert found["usher/status"] == b"online"
    assert found["usher/picture"] == JPEG
    event = json.loads(found["usher/event"])
    assert (event["id"], event["event_type"]) == (message.id, "alert")
    config = json.loads(found[f"{DISCOVERY}/event/usher_usher/config"])
    assert config["state_topic"] == "usher/event"
    assert event["event_type"] in config["event_types"]
    image = json.loads(found[f"{DISCOVERY}/image/usher_usher/config"])
    assert (image["image_topic"], image["content_type"]) == ("usher/picture", "image/jpeg")
    assert config["device"] == image["device"]


def test_mqtt_fails_while_there_is_no_broker_and_goes_on_when_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.notifier.channels.mqtt._TIMEOUT_S", 0.5)
    port = free_port()
    channel = MqttChannel(f"mqtt://127.0.0.1:{port}")
    with pytest.raises(DeliveryFailed, match="broker"):
        channel.deliver("", a_message())
    with mosquitto(tmp_path, port):
        eventually(lambda: delivers(channel), within_s=20)
    channel.close()


def delivers(channel: Channel) -> bool | None:
    try:
        channel.deliver("", a_message())
    except DeliveryFailed:
        return None
    return True


# ---- Settings ------------------------------------------------------------------------------------


class Console:
    def deliver(self, address: str, message: Any) -> None: ...


def test_channels_that_are_not_set_up_say_what_to_set() -> None:
    channels = NotifierSettings().channels(console=Console())
    for name, variable in (("mail", "SMTP_URL"), ("mqtt", "MQTT_URL"), ("apprise", "APPRISE")):
        assert isinstance(channels[name], Missing)  # type: ignore[index]
        with pytest.raises(DeliveryFailed, match=variable):
            channels[name].deliver("x", a_message())  # type: ignore[index]
    assert isinstance(channels["chat"], Console)


def test_chat_is_the_bots_where_there_is_one() -> None:
    channels = NotifierSettings(chat_backend="IRC").channels(console=Console())
    assert not {"chat", "default"} & channels.keys()


@pytest.mark.parametrize(
    "wrong",
    [
        {"smtp_url": "imap://host"},
        {"mqtt_url": "http://host"},
        {"webhooks": "[]"},
        {"webhooks": '{"ops": {"url": "x"}}'},
        {"webhooks": '{"ops": "x"}'},
        {"apprise": "no"},
        {"apprise": '{"family": 3}'},
    ],
)
def test_channel_that_is_written_wrongly_is_refused(wrong: dict[str, str]) -> None:
    (name,) = wrong
    with pytest.raises(ConfigurationError, match=f"USHER_{name.upper()}"):
        NotifierSettings(**wrong).channels(console=Console())  # type: ignore[arg-type]
