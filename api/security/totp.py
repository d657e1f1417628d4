"""Time-based one-time codes (RFC 6238: SHA-1, six digits, steps of 30 seconds), and recovery codes."""

import base64
import hashlib
import hmac
import secrets
import struct
from typing import Final
from urllib.parse import quote

STEP_SECONDS: Final = 30
DIGITS: Final = 6
DRIFT_STEPS: Final = 1
RECOVERY_CODES: Final = 10


def new_seed() -> str:
    """Return a fresh secret of 160 bits in Base32, as authenticators take it."""
    return base64.b32encode(secrets.token_bytes(20)).decode()


def code_at(seed: str, step: int) -> str:
    """Return the six digits of one step (seconds since 1970, divided by 30)."""
    digest = hmac.new(base64.b32decode(seed), struct.pack(">Q", step), hashlib.sha1).digest()
    offset = digest[-1] & 0x0F
    number: int = struct.unpack(">I", digest[offset : offset + 4])[0] & 0x7FFFFFFF
    return f"{number % 10**DIGITS:0{DIGITS}d}"


def matching_step(seed: str, code: str, seconds: float, last_step: int) -> int | None:
    """Return the step that ``code`` belongs to, at ``seconds`` since 1970, or None.

    One step of drift is allowed either way; a step up to ``last_step`` was used before and counts no
    more. Every candidate is compared, so that the time taken tells nothing.
    """
    now = int(seconds // STEP_SECONDS)
    found = None
    for step in range(now - DRIFT_STEPS, now + DRIFT_STEPS + 1):
        right = hmac.compare_digest(code_at(seed, step).encode(), code.encode())
        if right and step > last_step:
            found = step
    return found


def uri(seed: str, email: str, issuer: str = "Kameng") -> str:
    """Return the ``otpauth:`` address that an authenticator reads from a QR code."""
    label = quote(f"{issuer}:{email}", safe="")
    return (
        f"otpauth://totp/{label}?secret={seed}&issuer={quote(issuer)}&digits={DIGITS}&period={STEP_SECONDS}"
    )


def new_recovery_codes() -> list[str]:
    """Return ten codes of 50 random bits each, in two groups for reading."""
    codes = (base64.b32encode(secrets.token_bytes(7)).decode()[:10].casefold() for _ in range(RECOVERY_CODES))
    return [f"{code[:5]}-{code[5:]}" for code in codes]


def recovery_hash(person_id: str, code: str) -> str:
    """Return what is stored of a recovery code, however it is typed."""
    plain = "".join(char for char in code.casefold() if char.isalnum())
    return hashlib.sha256(f"{person_id}:{plain}".encode()).hexdigest()
