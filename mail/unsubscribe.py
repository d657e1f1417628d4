"""Leaving the list: a signed token in every list mail, good without signing in and good for nothing else."""

from itsdangerous import BadSignature, URLSafeSerializer

UNSUBSCRIBE_PATH = "/api/v1/mail/unsubscribe"


class UnsubscribeTokens:
    """Makes and reads the tokens. They do not expire: an old mail's link must still work.

    A token is made for a person, or for a mailbox that may have no account and wants no invitation again.
    """

    def __init__(self, secret_key: str) -> None:
        self._serializer = URLSafeSerializer(secret_key, salt="kameng/unsubscribe/1")
        self._mailboxes = URLSafeSerializer(secret_key, salt="kameng/uninvite/1")

    def make(self, person_id: str) -> str:
        """Return the token of a person."""
        return str(self._serializer.dumps(person_id))

    def read(self, token: str) -> str | None:
        """Return the id of the person whom ``token`` was made for; None for anything else."""
        return _read(self._serializer, token)

    def make_for_mailbox(self, address_hash: str) -> str:
        """Return the token of a mailbox, by the hash of its address."""
        return str(self._mailboxes.dumps(address_hash))

    def read_mailbox(self, token: str) -> str | None:
        """Return the hash of the mailbox that ``token`` was made for; None for anything else."""
        return _read(self._mailboxes, token)

    def mailbox_url(self, base_url: str, address_hash: str) -> str:
        """Return the address behind which a mailbox asks never to be invited again."""
        return f"{base_url}{UNSUBSCRIBE_PATH}/{self.make_for_mailbox(address_hash)}"

    def url(self, base_url: str, person_id: str | None) -> str | None:
        """Return the address that takes a person off the list; None for nobody."""
        return None if person_id is None else f"{base_url}{UNSUBSCRIBE_PATH}/{self.make(person_id)}"


def _read(serializer: URLSafeSerializer, token: str) -> str | None:
    try:
        value = serializer.loads(token)
    except BadSignature:
        return None
    return value if isinstance(value, str) else None
