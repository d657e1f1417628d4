"""The order of a run on several processes loses no test and lets none wait for the end with a long one."""

from hypothesis import given
from hypothesis import strategies as st

from tests.support.dealing import LONG, TOGETHER, dealt

names = st.lists(st.sampled_from([*LONG, TOGETHER, "tests/unit/test_x.py"]), max_size=60).map(
    lambda starts: [f"{start}{number}" for number, start in enumerate(starts)]
)


@given(names=names, workers=st.integers(1, 6))
def test_nothing_is_lost_and_everybody_agrees(names: list[str], workers: int) -> None:
    order = dealt(names, workers, str)
    assert sorted(order) == sorted(names)
    assert order == dealt(names, workers, str)


def test_every_process_begins_with_what_takes_long() -> None:
    names = [f"tests/unit/test_{number}.py" for number in range(91)]
    names += [f"{TOGETHER}{number}" for number in range(5)] + [f"{start}::x" for start in LONG]
    order, piece = dealt(names, 4, str), len(names) // 4
    assert order[:5] == names[91:96]
    assert [order[worker * piece] for worker in (1, 2, 3)] == [f"{start}::x" for start in LONG[:3]]
    assert dealt(names, 1, str) == names
