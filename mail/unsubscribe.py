"""Leaving the list: a signed token in every list mail, good without signing in and good for nothing else."""

from itsdangerous import BadSignature, URLSafeSerializer

UNSUBSCRIBE_PATH = "/api/v1/mail/unsubscribe"


class UnsubscribeTokens:
    """Makes and reads the tokens. They do not expire: an old mail's link must still work."""

    def __init__(self, secret_key: str) -> None:
        self._serializer = URLSafeSerializer(secret_key, salt="kameng/unsubscribe/1")

    def make(self, person_id: str) -> str:
        """Return the token of a person."""
        return str(self._serializer.dumps(person_id))

    def read(self, token: str) -> str | None:
        """Return the id of the person whom ``token`` was made for; None for anything else."""
        try:
            person_id = self._serializer.loads(token)
        except BadSignature:
            return None
        return person_id if isinstance(person_id, str) else None

    def url(self, base_url: str, person_id: str | None) -> str | None:
        """Return the address that takes a person off the list; None for nobody."""
        return None if person_id is None else f"{base_url}{UNSUBSCRIBE_PATH}/{self.make(person_id)}"
