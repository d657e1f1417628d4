"""Which language an answer is written in."""

from domain.people import DEFAULT_LOCALE, LOCALES

_BASES = {known.split("-")[0].casefold(): known for known in LOCALES}


def preferred_locale(accept_language: str) -> str:
    """Return the language of Kameng that an ``Accept-Language`` header likes best; the default for none."""
    ranked = sorted(
        (_weighted(part) for part in accept_language.split(",")[:20]), key=lambda item: item[0], reverse=True
    )
    for weight, tag in ranked:
        found = _BASES.get(tag.split("-")[0].casefold())
        if weight > 0 and found is not None:
            return found
    return DEFAULT_LOCALE


def _weighted(part: str) -> tuple[float, str]:
    tag, _, parameters = part.strip().partition(";")
    weight = parameters.strip().removeprefix("q=")
    try:
        return (float(weight) if weight else 1.0), tag.strip()
    except ValueError:
        return 0.0, tag.strip()
