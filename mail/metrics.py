"""What becomes of mail, counted: by template and result, never by person."""

from prometheus_client import CollectorRegistry, Counter


class MailMetrics:
    """The counters of mail in one worker process; without a registry they are kept and shown nowhere."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.mails = Counter(
            "kameng_mails",
            "Mails handled, by what the attempt came to",
            ["template", "result"],
            registry=registry,
        )
