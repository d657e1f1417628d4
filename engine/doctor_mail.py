"""The doctor's look at the mail transport. Nothing is sent."""

import asyncio
import smtplib

import httpx2

from engine.findings import Finding, fail, ok, warn
from settings import Settings

SECONDS = 10.0


async def check_mail(settings: Settings) -> list[Finding]:
    """Reach the mail transport and sign in to it."""
    if settings.mail_transport == "smtp":
        return [await asyncio.to_thread(_check_smtp, settings)]
    if settings.mail_transport == "sendgrid":
        return [await asyncio.to_thread(_check_sendgrid, settings)]
    return [ok("mail", "stays in the outbox")]


def _check_smtp(settings: Settings) -> Finding:
    place = f"{settings.smtp_host}:{settings.smtp_port}"
    try:
        with smtplib.SMTP(settings.smtp_host, settings.smtp_port, timeout=SECONDS) as server:
            if settings.smtp_starttls:
                server.starttls()
            if settings.smtp_user:
                server.login(settings.smtp_user, settings.smtp_password.get_secret_value())
    except (OSError, smtplib.SMTPException) as error:
        advice = "check KAMENG_SMTP_HOST, _PORT, _USER, _PASSWORD and _STARTTLS"
        return fail("mail", f"{place}: {error}", advice)
    return ok("mail", f"{place} answers")


def _check_sendgrid(settings: Settings) -> Finding:
    headers = {"Authorization": f"Bearer {settings.sendgrid_api_key.get_secret_value()}"}
    try:
        answer = httpx2.get(f"{settings.sendgrid_host}/v3/scopes", headers=headers, timeout=SECONDS)
    except httpx2.HTTPError as error:
        return fail("mail", f"SendGrid: {error}", "check the network and KAMENG_SENDGRID_HOST")
    if answer.status_code in (401, 403):
        return fail("mail", f"SendGrid refuses the key ({answer.status_code})", "set SENDGRID_API_KEY")
    if answer.is_error:
        return warn("mail", f"SendGrid answers {answer.status_code}", "try again later")
    if "mail.send" not in answer.json().get("scopes", []):
        return fail("mail", "the SendGrid key may not send mail", "give it the scope mail.send")
    return ok("mail", "SendGrid accepts the key")
