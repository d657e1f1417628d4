"""What comes at the wrong stage is told which stage it is, in the reader's words."""

import pytest
from temporalio.client import Client

from api.problems import Problem
from domain.vetting import Refusal, Stage
from settings import Settings
from tests.support.vetting_api import complete_draft, problem, running_api


async def test_the_refusal_names_the_stage(
    sqlite_url: str, settings: Settings, temporal_client: Client
) -> None:
    here = settings.model_copy(
        update={
            "database_url": sqlite_url,
            "temporal_address": temporal_client.service_client.config.target_host,
            "temporal_namespace": temporal_client.namespace,
        }
    )
    async with running_api(here, temporal_client) as api:
        lin = await api.user("lin")
        path = f"/applications/{(await complete_draft(lin))['id']}"
        assert (await lin.post(f"{path}/submit")).status_code == 200
        refused = problem(await lin.post(f"{path}/resubmit"), 409, "wrong_stage")
        assert refused["stage"] == "first_review"
        assert "first review" in refused["detail"]


@pytest.mark.parametrize("stage", Stage)
def test_every_stage_has_words_in_it(stage: Stage) -> None:
    refused = Problem(Refusal.WRONG_STAGE.value, stage=stage.value)
    assert "{" not in refused.document("en").detail + refused.document("zh-CN").detail
