"""A populated community on the real server, for the paths of vetting."""

from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client

from tests.support.community import Community
from tests.support.vetting import Case, community, new_case

# Their assertions should say what differs, as those of tests do.
pytest.register_assert_rewrite("tests.workflows.whole_invitations", "tests.workflows.whole_story")


@pytest.fixture
async def here(sqlite_url: str, temporal_client: Client, task_queue: str) -> AsyncIterator[Community]:
    """The community."""
    async with community(sqlite_url, temporal_client, task_queue) as people_here:
        yield people_here


@pytest.fixture
async def case(here: Community) -> Case:
    """A complete draft of the applicant."""
    return await new_case(here)
