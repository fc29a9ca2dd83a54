"""Settings of every service: read once in `main`, from `USHER_*` variables and the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from usher.domain.errors import ConfigurationError


class Settings(BaseSettings):
    """What the services need to know. `.env.example` lists each with its unit."""

    model_config = SettingsConfigDict(env_prefix="USHER_", env_file=".env", extra="ignore")

    data: Path = Field(Path("data"), description="Data directory: database, crops, keys, logs.")
    log_level: str = "INFO"

    # API
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    admin_dist: Path = Field(
        Path(__file__).resolve().parent.parent / "admin" / "dist",
        description="The built admin panel.",
    )
    secure_cookies: bool = Field(False, description="Set it where the panel is served over HTTPS.")

    # MongoDB
    mongodb_uri: SecretStr | None = Field(
        None, description="A replica set of MongoDB 6 or later; without it the embedded server."
    )
    mongodb_database: str = "usher"
    mongodb_port: int = Field(0, ge=0, le=65535, description="Embedded server; 0: any free one.")

    # Networks
    threads: int = Field(0, ge=0, description="Cores that a service's networks use; 0: all.")
    provider: str = Field("cpu", pattern="^(cpu|cuda|openvino|coreml)$")
    model_cache: Path | None = Field(
        None, description="Folder of built networks; without it the account's own cache."
    )

    # Description of faces
    embedder: str | None = Field(
        None,
        pattern=r"^(dlib-crops|dlib-mirrored|dlib|.+\.toml)$",
        description="How a face becomes a vector, or a model card; not set: dlib-crops, or dlib "
        "where the identity rule is fixed. Counts at the first start; `usher models` changes it.",
    )

    # Services that talk to the API
    api_url: str = "http://127.0.0.1:8000"
    api_key: SecretStr | None = Field(None, description="A device's or the notifier's key.")
    ca_file: Path | None = Field(
        None, description="PEM file of the CAs to trust the API by, instead of the machine's own."
    )

    # Identity
    identity_rule: str = Field("budget", pattern="^(budget|fixed)$")
    identity_budget: float = Field(
        0.01, gt=0, lt=0.5, description="Share of strangers that may be called by a name (FPIR)."
    )
    identity_fixed_distance: float | None = Field(
        None,
        gt=0,
        lt=2,
        description="Not set: 0.6, or with another embedder than dlib what accepts as many.",
    )
    visit_gap_s: float = Field(300.0, gt=0, description="Quiet seconds that end a visit.")

    @property
    def embedder_name(self) -> str:
        """The embedder to use: the classic distance of the fixed rule belongs to raw descriptors.

        One that was chosen is kept, whatever the rule. The path of a model card is made absolute.
        """
        if self.embedder is None:
            return "dlib" if self.identity_rule == "fixed" else "dlib-crops"
        return str(Path(self.embedder).absolute()) if "." in self.embedder else self.embedder


Kind = TypeVar("Kind", bound=Settings)


def load_settings(kind: type[Kind], **given: Any) -> Kind:
    """Settings from the environment and `.env`; what is given and not None goes first.

    Parameters
    ----------
    kind
        `Settings`, or a service's own settings beside them.

    Raises
    ------
    ConfigurationError
        If a value cannot be right; the message names its variable.
    """
    try:
        return kind(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        wrong = "; ".join(
            f"USHER_{'_'.join(str(part) for part in item['loc']).upper()}: {item['msg']}"
            for item in error.errors()
        )
        raise ConfigurationError(f"the settings cannot work: {wrong}") from error
