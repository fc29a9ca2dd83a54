"""Messages to an MQTT broker, where Home Assistant finds them by itself."""

from __future__ import annotations

import json
from threading import Event
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from services.notifier.channels import DeliveryFailed
from services.notifier.messages import MESSAGE_KINDS, Message
from usher.domain.errors import ConfigurationError

DISCOVERY = "homeassistant"
_TIMEOUT_S = 5.0
_PORTS = {"mqtt": 1883, "mqtts": 8883}
_ONLINE, _OFFLINE = "online", "offline"


class MqttChannel:
    """Publishes below a topic, the address; `usher` where there is none.

    `TOPIC/event` takes the facts as JSON and `TOPIC/picture` the face as JPEG, both once for each
    message, with quality of service 1; `TOPIC/status` says whether Usher is there. For Home
    Assistant, an event and an image entity are announced under `homeassistant/`.

    Parameters
    ----------
    url
        `mqtt://USER:PASSWORD@HOST:PORT`, or `mqtts://` for TLS.

    Raises
    ------
    ConfigurationError
        If the URL is neither.
    """

    def __init__(self, url: str, topic: str = "usher") -> None:
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ConfigurationError("USHER_MQTT_URL is to be mqtt://HOST or mqtts://HOST")
        self._host, self._port = parts.hostname, parts.port or _PORTS[parts.scheme]
        self._topic = topic
        self._connected = Event()
        self._announced = set[str]()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="usher-notifier")
        if parts.username:
            self._client.username_pw_set(unquote(parts.username), unquote(parts.password or ""))
        if parts.scheme == "mqtts":
            self._client.tls_set()
        self._client.will_set(f"{topic}/status", _OFFLINE, qos=1, retain=True)
        self._client.on_connect = lambda *_: self._connected.set()
        self._client.on_disconnect = lambda *_: self._connected.clear()
        self._begun = False

    def deliver(self, address: str, message: Message) -> None:
        """Publish, and wait until the broker has it. Raises DeliveryFailed."""
        self._connect()
        topic = address or self._topic
        if topic not in self._announced:
            self._announce(topic)
            self._announced.add(topic)
        for picture in message.pictures[:1]:
            self._publish(f"{topic}/picture", picture)
        self._publish(f"{topic}/event", json.dumps(message.facts()).encode())

    def close(self) -> None:
        """Say that nothing comes any more, and leave."""
        if self._connected.is_set():
            self._publish(f"{self._topic}/status", _OFFLINE.encode(), retain=True)
        self._client.disconnect()
        self._client.loop_stop()

    def _connect(self) -> None:
        if not self._begun:
            self._client.connect_async(self._host, self._port)
            self._client.loop_start()
            self._begun = True
        if not self._connected.wait(_TIMEOUT_S):
            raise DeliveryFailed("the MQTT broker does not answer, or refuses the account")

    def _announce(self, topic: str) -> None:
        name = topic.replace("/", "_")
        common = {
            "availability_topic": f"{self._topic}/status",
            "device": {"identifiers": [f"usher_{name}"], "name": "Usher", "manufacturer": "Usher"},
        }
        event = {
            **common,
            "name": "Alert",
            "unique_id": f"usher_{name}_alert",
            "state_topic": f"{topic}/event",
            "event_types": list(MESSAGE_KINDS),
            "icon": "mdi:account-question",
        }
        image = {
            **common,
            "name": "Face",
            "unique_id": f"usher_{name}_face",
            "image_topic": f"{topic}/picture",
            "content_type": "image/jpeg",
        }
        for kind, config in {"event": event, "image": image}.items():
            path = f"{DISCOVERY}/{kind}/usher_{name}/config"
            self._publish(path, json.dumps(config).encode(), retain=True)
        self._publish(f"{self._topic}/status", _ONLINE.encode(), retain=True)

    def _publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        sent = self._client.publish(topic, payload, qos=1, retain=retain)
        try:
            sent.wait_for_publish(_TIMEOUT_S)
        except (RuntimeError, ValueError) as error:
            raise DeliveryFailed("the MQTT broker took nothing") from error
        if not sent.is_published():
            raise DeliveryFailed("the MQTT broker did not confirm")
