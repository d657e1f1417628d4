"""Derived ids are UUIDv5 by the standard, so that nobody's stored ids change; fresh ones sort by age."""

import uuid

from hypothesis import given
from hypothesis import strategies as st

from domain.ids import derived_id, new_id

NAMESPACE = uuid.UUID("6f0c3d1e-5b1e-5c59-9f0b-0a4f0c9a7b11")


@given(parts=st.lists(st.text(), min_size=1, max_size=4))
def test_a_derived_id_is_that_of_the_standard(parts: list[str]) -> None:
    assert derived_id(*parts) == str(uuid.uuid5(NAMESPACE, "\x1f".join(parts)))


def test_fresh_ids_sort_by_age() -> None:
    ids = [new_id() for _ in range(1_000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)
    assert all(uuid.UUID(one).version == 7 for one in ids)
