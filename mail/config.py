"""What mail needs to know of the settings, under the names that the settings have."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, SecretStr


class MailConfig(BaseModel):
    """Built by entry points: ``MailConfig.model_validate(settings, from_attributes=True)``.

    ``mail_timeout_seconds`` bounds each exchange with a mail server or provider.
    """

    model_config = ConfigDict(frozen=True, from_attributes=True)

    public_url: str
    secret_key: SecretStr
    mail_transport: Literal["outbox", "smtp", "sendgrid"] = "outbox"
    mail_from: str
    mail_from_name: str
    mail_timeout_seconds: float = 20.0
    smtp_host: str = ""
    smtp_port: int = 587
    smtp_user: str = ""
    smtp_password: SecretStr = SecretStr("")
    smtp_starttls: bool = True
    sendgrid_api_key: SecretStr = SecretStr("")
    sendgrid_host: str = "https://api.sendgrid.com"
    sendgrid_webhook_public_key: str = ""
    sendgrid_sandbox: bool = False
