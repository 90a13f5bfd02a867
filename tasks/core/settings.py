"""Where this installation keeps its things, read from `XTENDFLOW_…` variables and `xtendflow.toml`."""

import os
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)


def _usable_cores() -> int:
    """Cores that this process may use (macOS does not tell, so all of them there)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _absolute(place: str) -> str:
    """A path that means the same in every working directory; an address stays as it is."""
    return place if "://" in place else str(Path(place).expanduser().absolute())


class Settings(BaseSettings):
    """Settings of an installation; a recipe says what to make, this says where and how much.

    Every field can be given as an environment variable (`XTENDFLOW_STORE=…`) or in `xtendflow.toml` in
    the current directory. Secrets never stand here: they come from the environment or Prefect blocks.
    """

    model_config = SettingsConfigDict(
        env_prefix="XTENDFLOW_",
        env_ignore_empty=True,
        toml_file="xtendflow.toml",
        extra="forbid",
        frozen=True,
    )

    data: Annotated[Path, Field(description="Directory for everything this installation writes.")] = Path(
        "sweep-data"
    )
    store: Annotated[
        str | None, Field(description="Where products live: a directory or s3://…; default DATA/store.")
    ] = None
    ledger: Annotated[
        str | None,
        Field(description="Database of attempts and leases (SQLAlchemy URL); default DATA/ledger.sqlite."),
    ] = None
    archive: Annotated[
        str, Field(description="Where observations are: s3://…, https://… or a directory.")
    ] = "s3://nasa-heasarc/xrism/data/obs"
    catalogue: Annotated[
        str, Field(description="`heasarc` (the xrismmastr table over the network) or a local table's path.")
    ] = "heasarc"
    cores: Annotated[int, Field(ge=1, description="How many child processes run at once.")] = Field(
        default_factory=_usable_cores
    )
    lease_seconds: Annotated[
        int, Field(ge=5, description="How long a silent worker keeps its claim on an observation.")
    ] = 120
    dispatch: Annotated[
        Literal["here", "deployment"],
        Field(description="Where a sweep's observations run: in its own process, or on workers."),
    ] = "here"
    in_flight: Annotated[
        int, Field(ge=1, description="How many observations a sweep has with workers at once.")
    ] = 32
    downloads_gb: Annotated[
        float, Field(gt=0, description="Size in GB at which the oldest downloads are removed.")
    ] = 200.0
    scratch_gb: Annotated[
        float, Field(gt=0, description="Size in GB at which the oldest abandoned scratch is removed.")
    ] = 100.0
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Field(description="From which level on lines are logged."),
    ] = "info"
    log_format: Annotated[
        Literal["text", "json"], Field(description="How commands log: lines to read, or an object a line.")
    ] = "text"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments first, then the environment, then the file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @cached_property
    def root(self) -> Path:
        """The data directory as an absolute path."""
        return self.data.absolute()

    @cached_property
    def archive_url(self) -> str:
        """Where observations are; a directory as an absolute path."""
        return _absolute(self.archive)

    @cached_property
    def store_url(self) -> str:
        """Where products live; a directory as an absolute path."""
        return _absolute(self.store or str(self.root / "store"))

    @cached_property
    def ledger_url(self) -> str:
        """The ledger's SQLAlchemy URL."""
        return self.ledger or f"sqlite:///{self.root / 'ledger.sqlite'}"

    @cached_property
    def downloads(self) -> Path:
        """Where verified archive files are kept."""
        return self.root / "downloads"

    @cached_property
    def scratch(self) -> Path:
        """Where steps work before they publish."""
        return self.root / "scratch"

    @cached_property
    def prefect_home(self) -> Path:
        """Home of the embedded Prefect server."""
        return self.root / "prefect"
