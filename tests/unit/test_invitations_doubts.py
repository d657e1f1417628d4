"""What makes a friend who joined doubtful."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.campaigns.invitation_doubts import MOST_IN_WINDOW, MOST_OF_CLIENT, Joining, doubts
from domain.campaigns.invitation_doubts import DoubtReason as R


@pytest.mark.parametrize(
    ("joining", "found"),
    [
        (Joining(email="bob@x.example", accounts_alike=["ann@x.example"]), ()),
        (Joining(email="a.nn@x.example", accounts_alike=["ann@x.example"]), (R.LOOKALIKE_ADDRESS,)),
        (Joining(email="ann+2@x.example", accounts_alike=["ann@x.example"]), (R.LOOKALIKE_ADDRESS,)),
        (Joining(email="ann@y.example", accounts_alike=["ann@x.example"]), ()),
        (Joining(email="b@x.example", invited_the_inviter=True), (R.RING,)),
        (Joining(email="b@x.example", of_client=MOST_OF_CLIENT), ()),
        (Joining(email="b@x.example", of_client=MOST_OF_CLIENT + 1), (R.MANY_FROM_ONE_CLIENT,)),
        (Joining(email="b@x.example", in_window=MOST_IN_WINDOW), ()),
        (Joining(email="b@x.example", in_window=MOST_IN_WINDOW + 1), (R.VELOCITY,)),
    ],
)
def test_reasons(joining: Joining, found: tuple[R, ...]):
    assert doubts(joining) == found


@given(st.booleans(), st.integers(1, 50), st.integers(1, 50))
def test_more_never_makes_it_less_doubtful(ring: bool, in_window: int, of_client: int):
    less = Joining(email="b@x.example", invited_the_inviter=ring, in_window=in_window, of_client=of_client)
    more = less.model_copy(update={"in_window": in_window + 1, "of_client": of_client + 1})
    assert set(doubts(less)) <= set(doubts(more))
