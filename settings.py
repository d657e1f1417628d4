"""Every setting of Kameng, typed, from the environment.

Names are `KAMENG_` plus the field in capitals; `DATABASE_URL`, `TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`
and `SENDGRID_API_KEY` are also read by these usual names. Settings are built in entry points
(`load_settings`) and handed down: nothing keeps them in a global.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PLACEHOLDER_SECRET = "development-only-secret-change-me-in-production"
NEW_SECRET = "`python -c 'import secrets; print(secrets.token_urlsafe(48))'`"
LOOPBACK_URL = "http://127.0.0.1:8000"
DEVELOPMENT_SENDER = "kameng@localhost.localdomain"

Environment = Literal["development", "production"]
MailTransport = Literal["outbox", "smtp", "sendgrid"]


class SettingsError(Exception):
    """The settings cannot be used. `problems` has one line for each, saying what to set."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def _either(name: str) -> AliasChoices:
    """Accept a setting by Kameng's own name and by the one that hosts usually give it."""
    return AliasChoices(f"KAMENG_{name}", name)


class Settings(BaseSettings):
    """The settings of one process. Durations carry their unit in the name; sizes are bytes."""

    model_config = SettingsConfigDict(
        env_prefix="KAMENG_", env_ignore_empty=True, frozen=True, extra="ignore", populate_by_name=True
    )

    environment: Environment = "development"
    data_dir: Path = Path(".data")
    public_url: str = LOOPBACK_URL
    secret_key: SecretStr = SecretStr(PLACEHOLDER_SECRET)

    database_url: str = Field(default="", validation_alias=_either("DATABASE_URL"))
    database_pool_size: int = Field(default=10, ge=1, le=200)
    allow_sqlite_in_production: bool = False

    temporal_address: str = Field(default="127.0.0.1:7233", validation_alias=_either("TEMPORAL_ADDRESS"))
    temporal_namespace: str = Field(default="default", validation_alias=_either("TEMPORAL_NAMESPACE"))
    temporal_ui_url: str = ""
    temporal_call_seconds: float = Field(default=10.0, gt=0, le=120)
    ready_file: Path | None = None
    task_queue_prefix: str = Field(default="kameng", pattern=r"^[a-z0-9][a-z0-9-]{0,60}$")
    time_machine: bool = True

    http_host: str = "127.0.0.1"
    http_port: int = Field(default=8000, ge=1, le=65535)
    forwarded_allow_ips: str = "127.0.0.1"
    shutdown_seconds: int = Field(default=20, ge=1, le=600)
    metrics_host: str = "127.0.0.1"
    worker_metrics_port: int | None = Field(default=None, ge=1, le=65535)
    temporal_metrics_port: int | None = Field(default=None, ge=1, le=65535)

    mail_transport: MailTransport = "outbox"
    mail_from: str = DEVELOPMENT_SENDER
    mail_from_name: str = "Kameng 卡盟"
    mail_timeout_seconds: float = Field(default=20.0, gt=0, le=300)
    smtp_host: str = ""
    smtp_port: int = Field(default=587, ge=1, le=65535)
    smtp_user: str = ""
    smtp_password: SecretStr = SecretStr("")
    smtp_starttls: bool = True
    sendgrid_api_key: SecretStr = Field(default=SecretStr(""), validation_alias=_either("SENDGRID_API_KEY"))
    sendgrid_host: str = "https://api.sendgrid.com"
    sendgrid_webhook_public_key: str = ""
    sendgrid_sandbox: bool = False

    upload_max_bytes: int = Field(default=10 * 1024 * 1024, ge=1024)
    upload_max_files: int = Field(default=10, ge=1, le=100)
    request_max_bytes: int = Field(default=1024 * 1024, ge=1024)

    magic_link_minutes: int = Field(default=10, ge=1, le=10)
    session_idle_hours: int = Field(default=24 * 14, ge=1)
    session_absolute_hours: int = Field(default=24 * 90, ge=1)
    staff_session_idle_hours: int = Field(default=12, ge=1)
    staff_session_absolute_hours: int = Field(default=24 * 7, ge=1)
    staff_second_factor: bool = True
    open_registration: bool = True
    sign_ins_per_address: int = Field(default=5, ge=1)
    sign_ins_per_client: int = Field(default=100, ge=1)
    writes_per_minute: int = Field(default=600, ge=1)

    log_format: Literal["json", "console"] = "console"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("public_url", "temporal_ui_url", "sendgrid_host")
    @classmethod
    def _without_trailing_slash(cls, value: str) -> str:
        if value and urlsplit(value).scheme not in {"http", "https"}:
            raise ValueError("must begin with http:// or https://")
        return value.rstrip("/")

    @field_validator("mail_from", "mail_from_name")
    @classmethod
    def _in_one_line(cls, value: str) -> str:
        if any(character in value for character in "\r\n\0"):
            raise ValueError("must not contain line breaks")
        return value

    @model_validator(mode="after")
    def _default_database(self) -> Self:
        if not self.database_url:
            # The model is frozen for its users; this is still its construction.
            object.__setattr__(self, "database_url", f"sqlite:///{self.data_dir.absolute() / 'kameng.db'}")
        return self

    @property
    def production(self) -> bool:
        """Whether this process serves real people: no dev calls, no defaults, secure cookies."""
        return self.environment == "production"

    @property
    def uploads_dir(self) -> Path:
        """Where documents are stored, under random names, outside anything that is served."""
        return self.data_dir / "uploads"

    @property
    def rehearsals_dir(self) -> Path:
        """Where workers rehearse campaigns; empty while none is rehearsed."""
        return self.data_dir / "rehearsals"

    @property
    def pictures_dir(self) -> Path:
        """Where pictures of check-ins are stored, likewise."""
        return self.data_dir / "pictures"

    @property
    def time_machine_enabled(self) -> bool:
        """Whether the dev-only calls that skip a process's time exist."""
        return self.time_machine and not self.production

    def problems(self) -> list[str]:
        """Return what keeps these settings from being used: one line each, saying what to set."""
        found = _database_problems(self) + _mail_problems(self)
        if self.production:
            found += _production_problems(self)
        return found


def _database_problems(settings: Settings) -> list[str]:
    # Imported here because it costs what `kameng --help` does not need.
    from db.urls import normalise_url

    try:
        normalise_url(settings.database_url)
    except ValueError as error:
        return [str(error)]
    return []


def _mail_problems(settings: Settings) -> list[str]:
    found = []
    if settings.mail_transport == "smtp" and not settings.smtp_host:
        found.append("KAMENG_SMTP_HOST: set the mail server, because KAMENG_MAIL_TRANSPORT is smtp")
    if settings.mail_transport == "sendgrid" and not settings.sendgrid_api_key.get_secret_value():
        found.append("SENDGRID_API_KEY: set the key, because KAMENG_MAIL_TRANSPORT is sendgrid")
    return found


def _production_problems(settings: Settings) -> list[str]:
    """Return what production refuses: every default that would be unsafe or would reach nobody."""
    secret = settings.secret_key.get_secret_value()
    unsafe_secret = secret == PLACEHOLDER_SECRET or len(secret) < 32
    unverified = settings.mail_transport == "sendgrid" and not settings.sendgrid_webhook_public_key
    one_file = settings.database_url.startswith("sqlite") and not settings.allow_sqlite_in_production
    checks = [
        (
            unsafe_secret,
            f"KAMENG_SECRET_KEY: set at least 32 random characters, for example from {NEW_SECRET}",
        ),
        (
            not settings.public_url.startswith("https://"),
            "KAMENG_PUBLIC_URL: set the https:// address of Kameng",
        ),
        (
            settings.mail_transport == "outbox",
            "KAMENG_MAIL_TRANSPORT: set smtp or sendgrid; outbox reaches nobody",
        ),
        (settings.mail_from == DEVELOPMENT_SENDER, "KAMENG_MAIL_FROM: set the address that mail comes from"),
        ("@" not in settings.mail_from, "KAMENG_MAIL_FROM: set a mail address, name@domain"),
        (
            settings.mail_transport == "sendgrid" and settings.sendgrid_sandbox,
            "KAMENG_SENDGRID_SANDBOX: leave it off; SendGrid would deliver nothing",
        ),
        (unverified, "KAMENG_SENDGRID_WEBHOOK_PUBLIC_KEY: set it, or no delivery event can be trusted"),
        (
            not settings.staff_second_factor,
            "KAMENG_STAFF_SECOND_FACTOR: leave it on; staff sign in with a second factor",
        ),
        (one_file, "DATABASE_URL: set PostgreSQL's address, or KAMENG_ALLOW_SQLITE_IN_PRODUCTION=true"),
    ]
    return [line for wrong, line in checks if wrong]


def _variable(location: tuple[int | str, ...]) -> str:
    """Return the name that a person sets for the field at `location` of a validation error."""
    name = str(location[0]) if location else "settings"
    return name if name.isupper() else f"KAMENG_{name.upper()}"


def _readable(error: ValidationError) -> list[str]:
    """Turn pydantic's errors into one line each, without the value: it may be a secret."""
    details = error.errors(include_input=False, include_url=False)
    return [f"{_variable(item['loc'])}: {item['msg']}" for item in details]


def load_settings(overrides: Mapping[str, Any] | None = None, *, check: bool = True) -> Settings:
    """Build the settings of this process from the environment.

    `overrides` (field name → value) win over the environment. Raises SettingsError for values that
    are not valid and, with `check`, for those that `Settings.problems` names.
    """
    try:
        settings = Settings(**dict(overrides or {}))
    except ValidationError as error:
        raise SettingsError(_readable(error)) from error
    if check and (problems := settings.problems()):
        raise SettingsError(problems)
    return settings
