"""The words that templates use: times, numbers and codes in the reader's language and time zone."""

from collections.abc import Iterable
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_time, get_timezone_name
from babel.numbers import format_decimal, format_percent

from domain.credentials import REGULATED_SCOPES
from domain.people import DEFAULT_LOCALE
from domain.probation import Target
from locales import translate, word

_DEFAULT_ZONE = {"zh-CN": "Asia/Shanghai", "en": "UTC"}


def zone_of(name: str, language: str = DEFAULT_LOCALE) -> tzinfo:
    """Return the time zone of that IANA name; of an unknown one, the usual zone of the language."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return ZoneInfo(_DEFAULT_ZONE[language])


class Phrases:
    """Formats values for one reader; templates know it as ``say``."""

    def __init__(self, language: str, zone: tzinfo) -> None:
        self.language = language
        self._zone = zone
        self._locale = Locale.parse(language, sep="-")

    def t(self, msgid: str, **values: Any) -> str:
        """Return a message of the catalogue."""
        return translate(self.language, msgid, **values)

    def moment(self, iso: str) -> str:
        """Return an instant with date, time and the name of the zone."""
        local = self._local(iso)
        date = format_date(local.date(), "full", locale=self._locale)
        # Some clients show a box for the narrow space that CLDR puts before AM and PM.
        time = format_time(local, "short", tzinfo=self._zone, locale=self._locale).replace("\u202f", " ")
        zone = get_timezone_name(local, "long", locale=self._locale)
        return self.t("mail.moment", date=date, time=time, zone=zone)

    def day(self, iso: str) -> str:
        """Return the date of an instant, as it is where the reader lives."""
        return format_date(self._local(iso).date(), "long", locale=self._locale)

    def _local(self, iso: str) -> datetime:
        instant = datetime.fromisoformat(iso)
        return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(self._zone)

    def reason(self, code: str) -> str:
        """Return a reason code in words."""
        return word(self.language, "reason", code)

    def campaign_reason(self, code: str) -> str:
        """Return a reason code of a campaign in words."""
        return word(self.language, "campaign_reason", code)

    def stage(self, code: str) -> str:
        """Return a stage in words."""
        return word(self.language, "stage", code)

    def status(self, code: str) -> str:
        """Return a status in words."""
        return word(self.language, "status", code)

    def advice(self, code: str) -> str:
        """Return a probation decision in words."""
        return word(self.language, "probation_decision", code)

    def target_name(self, code: str) -> str:
        """Return a target of probation in words."""
        return word(self.language, "target", code)

    def number(self, value: int) -> str:
        """Return a whole number with its digits grouped."""
        return format_decimal(value, locale=self._locale)

    def counted(self, what: str, count: int) -> str:
        """Return so many ``what`` (days, members, minutes, points) in words."""
        return self.t(f"mail.counted.{what}", count=count, number=self.number(count))

    def topics(self, scopes: Iterable[str]) -> str:
        """Return topics as a list in words: known fields translated, others as they were typed."""
        return self.joined(
            self.t(f"topic.{s.casefold()}") if s.casefold() in REGULATED_SCOPES else s for s in scopes
        )

    def joined(self, parts: Iterable[str]) -> str:
        """Return ``parts`` as an enumeration."""
        return self.t("mail.list_separator").join(parts)

    def target_line(self, result: dict[str, Any]) -> str:
        """Return where one target of probation stands: value reached, value asked for, met or not."""
        target = Target(result["target"])
        name = self.target_name(target)
        state = self.t("mail.target.met" if result["met"] else "mail.target.not_met")
        if target is Target.CONDUCT:
            return self.t("mail.target.conduct", name=name, count=int(result["value"] or 0), state=state)
        value = self._measure(target, result["value"])
        needed = self._measure(target, result["needed"])
        line = self.t("mail.target.line", name=name, value=value, needed=needed, state=state)
        if result.get("ratings", 0) >= result.get("ratings_needed", 0):
            return line
        # A mean that is high enough does not count before there are enough ratings behind it.
        return self.t(
            "mail.target.ratings",
            line=line,
            given=result["ratings"],
            needed=result["ratings_needed"],
            count=result["ratings_needed"],
        )

    def _measure(self, target: Target, value: float | None) -> str:
        if value is None:
            return self.t("mail.target.none")
        if target is Target.RATING:
            return format_decimal(round(value, 2), format="0.0#", locale=self._locale)
        return format_percent(value, locale=self._locale)
