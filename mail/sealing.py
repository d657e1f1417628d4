"""Sealing: small secrets that must be read again (a sign-in token in a queued mail, a TOTP seed)."""

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken

__all__ = ["BrokenSeal", "Sealer"]


class BrokenSeal(Exception):
    """The sealed text was changed, or sealed under another key."""


class Sealer:
    """Seals text under a key derived from the application's secret key (Fernet: AES-128-CBC and HMAC)."""

    def __init__(self, secret_key: str) -> None:
        derived = hashlib.sha256(b"kameng/sealing/1\x00" + secret_key.encode()).digest()
        self._fernet = Fernet(base64.urlsafe_b64encode(derived))

    def seal(self, secret: str) -> str:
        """Return ``secret`` encrypted and authenticated, as ASCII text."""
        return self._fernet.encrypt(secret.encode()).decode("ascii")

    def open(self, sealed: str | bytes) -> str:
        """Return the secret; raise ``BrokenSeal`` for anything this key did not seal."""
        try:
            return self._fernet.decrypt(sealed).decode()
        except InvalidToken:
            raise BrokenSeal("sealed text is damaged or belongs to another key") from None
