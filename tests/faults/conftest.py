"""Fixtures of the fault tests."""

from collections.abc import Iterator

import pytest

from tests.faults.processes import Nursery


@pytest.fixture(scope="session")
def run_nursery() -> Iterator[Nursery]:
    """The run's one nursery: importing everything takes seconds."""
    opened = Nursery()
    yield opened
    opened.close()


@pytest.fixture
def nursery(run_nursery: Nursery) -> Iterator[Nursery]:
    """Starts processes that end with the test."""
    yield run_nursery
    run_nursery.clear()
