"""What invitations did: the funnel loses nobody, K is i times c, the tree has no circles."""

from collections import Counter
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from domain.campaigns.growth import (
    KFactor,
    Rest,
    Tree,
    Way,
    funnel,
    k_factor,
    rest_of,
    tree,
)
from domain.campaigns.invitation_doubts import JoinStatus
from domain.campaigns.invitations import TRACK, InvitationStatus

S = InvitationStatus
RESTS = [rest.value for rest in Rest]


@st.composite
def ways(draw: st.DrawFn) -> Way:
    join = draw(st.sampled_from([None, None, *JoinStatus]))
    return Way(
        day=draw(st.integers(0, 4)),
        sent=draw(st.booleans()),
        opened=draw(st.booleans()),
        join=join,
        rewarded=join is JoinStatus.ACTIVATED and draw(st.booleans()),
        expired=join is None and draw(st.booleans()),
        new_member=join is not None and draw(st.booleans()),
    )


counted = st.lists(st.tuples(ways(), st.integers(1, 5)), max_size=30)


@given(counted, st.booleans())
def test_every_way_stands_at_one_step_in_one_state(given_ways: list[tuple[Way, int]], over: bool):
    found = funnel(given_ways, over=over)
    total = sum(number for _, number in given_ways)
    assert [step.step for step in found.steps] == list(TRACK)
    assert found.reached(S.CREATED) == total
    reached = [step.reached for step in found.steps]
    assert reached == sorted(reached, reverse=True)
    for step, following in zip(found.steps, [*reached[1:], 0], strict=True):
        assert sum(getattr(step, rest) for rest in RESTS) == step.reached - following
    assert not over or sum(step.in_progress for step in found.steps) == 0


@given(counted, st.booleans())
def test_cohorts_add_up_to_the_funnel(given_ways: list[tuple[Way, int]], over: bool):
    found = funnel(given_ways, over=over)
    for step in TRACK:
        assert sum(getattr(one, step.value) for one in found.cohorts) == found.reached(step)
    lost = sum(step.expired + step.rejected + step.dropped for step in found.steps)
    assert sum(one.lost for one in found.cohorts) == lost
    assert [one.day for one in found.cohorts] == sorted({way.day for way, _ in given_ways})
    for one in found.cohorts:
        assert one.created == sum(number for way, number in given_ways if way.day == one.day)


@given(counted, st.booleans())
def test_friends_are_new_or_known(given_ways: list[tuple[Way, int]], over: bool):
    found = funnel(given_ways, over=over)
    assert found.new.joined + found.known.joined == found.reached(S.JOINED)
    assert found.new.activated + found.known.activated == found.reached(S.ACTIVATED)


def test_what_is_still_in_progress_is_not_lost():
    quiet, friend = Way(opened=True), Way(join=JoinStatus.JOINED)
    assert {rest_of(way, over=False) for way in (quiet, friend, Way())} == {Rest.IN_PROGRESS}
    assert {rest_of(way, over=True) for way in (quiet, friend, Way())} == {Rest.DROPPED}
    assert rest_of(Way(expired=True), over=False) is Rest.EXPIRED
    # The code has expired, the friend had joined: nothing is lost.
    assert rest_of(Way(expired=True, join=JoinStatus.JOINED), over=False) is Rest.IN_PROGRESS
    for status, rest in ((JoinStatus.DOUBTFUL, Rest.DOUBTFUL), (JoinStatus.REJECTED, Rest.REJECTED)):
        assert {rest_of(Way(join=status), over=over) for over in (False, True)} == {rest}
    beyond_the_cap = Way(join=JoinStatus.ACTIVATED)
    assert rest_of(beyond_the_cap, over=False) is Rest.IN_PROGRESS
    assert rest_of(beyond_the_cap, over=True) is Rest.DONE


def test_a_code_that_was_typed_in_reached_the_steps_before():
    found = funnel([(Way(join=JoinStatus.ACTIVATED), 1), (Way(), 2)], over=False)
    assert [step.reached for step in found.steps] == [3, 1, 1, 1, 1, 0]


@given(counted, st.integers(1, 500))
def test_k_is_invitations_each_times_their_conversion(given_ways: list[tuple[Way, int]], participants: int):
    found = k_factor(funnel(given_ways, over=False), participants)
    assert abs(found.invitations_each * found.conversion - found.value) < 1e-9
    active = sum(number for way, number in given_ways if way.join is JoinStatus.ACTIVATED)
    assert found.value == active / participants
    assert 0 <= found.conversion <= 1


def test_k_of_nobody():
    assert KFactor(participants=0, invited=0, activated=0).value == 0
    assert KFactor(participants=4, invited=0, activated=0).invitations_each == 0


def naive(joins: Sequence[tuple[str, str]]) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Who is below whom: the first join of each, without those that close a circle; and each chain up."""
    above: dict[str, str] = {}

    def chain(person: str) -> list[str]:
        up = [person]
        while up[-1] in above:
            up.append(above[up[-1]])
        return up

    for friend, inviter in joins:
        if friend not in above and friend not in chain(inviter):
            above[friend] = inviter
    return above, {person: chain(person) for person in above}


names = st.sampled_from("abcdefghij")
soups = st.lists(st.tuples(names, names), max_size=40)


@given(soups)
def test_whatever_is_recorded_the_tree_is_one(joins: list[tuple[str, str]]):
    above, chains = naive(joins)
    found = tree(joins)
    people = Counter(chain[-1] for chain in chains.values())
    assert (found.roots, found.people) == (len(people), len(above))
    assert found.depth == max((len(chain) - 1 for chain in chains.values()), default=0)
    assert {one.person_id: one.people for one in found.branches} == people
    for one in found.branches:
        deepest = max(len(chain) - 1 for chain in chains.values() if chain[-1] == one.person_id)
        assert one.depth == deepest
    assert all(chain.count(person) == 1 for person, chain in chains.items())


@given(soups)
def test_branches_are_the_largest(joins: list[tuple[str, str]]):
    every = tree(joins, largest=100).branches
    assert tree(joins, largest=2).branches == every[:2]
    sizes = [one.people for one in every]
    assert sizes == sorted(sizes, reverse=True)


def test_a_long_chain_and_a_wide_star():
    chain = [(str(number + 1), str(number)) for number in range(20_000)]
    assert tree(chain) == tree(reversed(chain))
    assert (tree(chain).depth, tree(chain).roots) == (20_000, 1)
    star = tree([(str(number), "sun") for number in range(20_000)])
    assert (star.depth, star.people, star.branches[0].person_id) == (1, 20_000, "sun")
    assert tree([]) == Tree()


def test_nobody_stands_above_oneself():
    joins = [("bob", "ann"), ("cid", "bob"), ("ann", "cid"), ("cid", "dan"), ("ann", "ann")]
    found = tree(joins)
    assert [(one.person_id, one.people, one.depth) for one in found.branches] == [("ann", 2, 2)]
