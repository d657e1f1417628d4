"""The brief run leaves out what is slow, and no test that is not."""

from hypothesis import given
from hypothesis import strategies as st

from tests.support.brief import DATABASES, left_out

names = st.from_regex(r"tests/[a-z]+/test_[a-z]+\.py::test_[a-z_]+", fullmatch=True)


@given(name=names, parameter=st.text(max_size=10))
def test_on_one_database_each(name: str, parameter: str) -> None:
    kept = [
        kind
        for kind in DATABASES
        if not left_out(f"{name}[{kind}-{parameter}]", {"database_url": kind, "other": parameter}, slow=False)
    ]
    assert len(kept) == 1


@given(name=names)
def test_what_is_slow_is_left_out_and_nothing_else(name: str) -> None:
    assert left_out(name, {}, slow=True)
    assert left_out(f"{name}[sqlite]", {"database_url": "sqlite"}, slow=True)
    assert not left_out(name, {}, slow=False)


def test_about_half_on_each() -> None:
    kept = [
        kind
        for number in range(400)
        for kind in DATABASES
        if not left_out(f"tests/db/test_x.py::test_{number}[{kind}]", {"database_url": kind}, slow=False)
    ]
    assert 150 < kept.count("sqlite") < 250
