"""The catalogue: both languages say the same things, and everything that is said is used."""

import re
from pathlib import Path
from string import Formatter

import pytest
from babel.messages.pofile import read_po

from domain.people import DEFAULT_LOCALE, LOCALES
from locales import FAMILIES, MissingMessage, load, translate, word
from locales.catalogue import language_of
from mail.audiences import Audience

ROOT = Path(__file__).parents[2]
CODE = (
    "domain",
    "contracts",
    "db",
    "activities",
    "workflows",
    "mail",
    "api",
    "engine",
    "locales",
    "templates",
)


def _sources() -> str:
    files = [
        path
        for name in CODE
        for path in (ROOT / name).rglob("*")
        if path.suffix in {".py", ".j2", ".html", ".js"}
    ]
    return "\n".join(path.read_text() for path in [*files, *ROOT.glob("*.py")])


def texts_of(language: str) -> dict[str, tuple[str, ...]]:
    """Every text by its id, from all files of a language; an id stands in one of them only."""
    found: dict[str, tuple[str, ...]] = {}
    for path in sorted((ROOT / "locales" / language.replace("-", "_") / "LC_MESSAGES").glob("*.po")):
        with path.open("rb") as file:
            messages = [message for message in read_po(file) if message.id]
        for message in messages:
            msgid = message.id if isinstance(message.id, str) else message.id[0]
            assert msgid not in found, f"{path.name}: {msgid}"
            text = message.string or ""
            found[msgid] = (text,) if isinstance(text, str) else tuple(text)
    return found


@pytest.mark.parametrize("language", LOCALES)
def test_every_value_of_every_family_has_a_text(language: str) -> None:
    for family, enum in FAMILIES.items():
        for value in enum:
            assert word(language, family, value.value).strip()


def test_both_languages_have_the_same_ids_and_no_empty_text() -> None:
    texts = [texts_of(language) for language in LOCALES]
    assert texts[0].keys() == texts[1].keys()
    assert all(text.strip() for one in texts for forms in one.values() for text in forms)


def test_placeholders_agree_in_every_form() -> None:
    chinese, english = (texts_of(language) for language in LOCALES)
    for msgid, forms in chinese.items():
        names = {
            frozenset(name for _, name, _, _ in Formatter().parse(text) if name is not None)
            for text in (*forms, *english[msgid])
        }
        assert len(names) == 1, msgid


# Ids that are put together in code: the prefix, and what can follow it.
COMPOSED = {
    "mail.why.": {audience.value for audience in Audience},
    "mail.counted.": {"days", "members", "minutes", "points"},
    "topic.": {"finance", "education", "medicine", "law"},
}


def _composed() -> set[str]:
    ids = {f"{family}.{value.value}" for family, enum in FAMILIES.items() for value in enum}
    return ids | {prefix + rest for prefix, names in COMPOSED.items() for rest in names}


def test_nothing_is_said_that_nobody_uses() -> None:
    sources = _sources()
    used = _composed() | set(re.findall(r"""["']([a-z_]+(?:\.[a-z_]+)+)["']""", sources))
    # Ids that are put together: f"problem.{code}" in Python, 'page.actor.' ~ actor in templates.
    prefixes = tuple(
        re.findall(r"""f["']([a-z_.]+[._])\{""", sources)
        + re.findall(r"""["']([a-z_.]+[._])["'] *~""", sources)
    )
    unused = {msgid for msgid in texts_of("en") if msgid not in used and not msgid.startswith(prefixes)}
    assert not unused


def test_every_composed_id_exists() -> None:
    assert _composed() <= load("en").ids


def test_an_unknown_id_or_a_missing_value_is_an_error() -> None:
    with pytest.raises(MissingMessage):
        translate("en", "no.such.message")
    with pytest.raises(KeyError):
        translate("en", "mail.greeting", wrong="x")
    with pytest.raises(ValueError, match="nonsense"):
        word("en", "reason", "nonsense")


@pytest.mark.parametrize(("count", "expected"), [(0, "violations"), (1, "violation "), (2, "violations")])
def test_english_has_two_forms(count: int, expected: str) -> None:
    assert expected in translate("en", "mail.target.conduct", name="Conduct", count=count, state="met")


_SEVERAL = re.compile(
    r"\{(?P<number>\w+)\} (\w+ )?(addresses|characters|check-ins|days|files|friends|hours|invitations|items"
    r"|mails|members|minutes|opinions|pages|participants|people|pictures|places|points|prizes|ratings|seats"
    r"|seconds|times|tokens|tries|visits|visitors|votes|weeks)\b"
)
# Numbers that are never one: what is shown of them, what the code says, or the least that can be chosen.
NEVER_ONE = {
    "page.campaign.reward.streak",
    "page.staff.paper.more",
    "problem.too_many_pictures.detail",
    "problem.too_many_tokens.detail",
    "rehearsal.assumes.invites",
    "rehearsal.assumes.participants",
    "rehearsal.finding.many_mails",
    "rehearsal.finding.reserve_unused",
    "rehearsal.finding.prizes_split",
    "rehearsal.finding.streak_unreached",
}


def test_where_there_can_be_one_of_a_thing_there_is_a_singular() -> None:
    found = {msgid for msgid, forms in texts_of("en").items() if _SEVERAL.search(forms[0])}
    assert found == NEVER_ONE


def test_values_are_never_formats() -> None:
    assert translate("en", "mail.greeting", name="{0.__class__} {x}") == "Hello {0.__class__} {x},"


@pytest.mark.parametrize(
    ("locale", "language"),
    [("zh-CN", "zh-CN"), ("zh_TW", "zh-CN"), ("en-GB", "en"), ("EN", "en"), ("fr", DEFAULT_LOCALE)],
)
def test_every_locale_is_served(locale: str, language: str) -> None:
    assert language_of(locale) == language
