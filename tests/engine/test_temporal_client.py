import pytest
from temporalio.api.operatorservice.v1 import RemoveSearchAttributesRequest
from temporalio.client import Client
from temporalio.envconfig import ClientConfigProfile, ClientConfigTLS

from engine.temporal_client import connect, connection_options
from engine.temporal_server import ensure_search_attributes, missing_search_attributes
from settings import Settings

CLOUD = ClientConfigProfile(address="cloud.example:7233", namespace="theirs", api_key="key")


def test_a_profile_is_used_where_kameng_names_nothing() -> None:
    options = connection_options(Settings(), CLOUD)
    assert options["target_host"] == "cloud.example:7233"
    assert (options["namespace"], options["api_key"], options["tls"]) == ("theirs", "key", True)


def test_credentials_are_not_offered_to_another_server() -> None:
    options = connection_options(Settings(temporal_address="127.0.0.1:7233"), CLOUD)
    assert options == {"target_host": "127.0.0.1:7233", "namespace": "default"}


def test_the_address_of_the_profile_itself_takes_its_credentials() -> None:
    profile = ClientConfigProfile(address="a:1", tls=ClientConfigTLS(disabled=False), grpc_meta={"x": "y"})
    options = connection_options(Settings(temporal_address="a:1", temporal_namespace="ours"), profile)
    assert (options["namespace"], options["rpc_metadata"]) == ("ours", {"x": "y"})
    assert options["tls"]


async def test_a_lazy_client_needs_no_server() -> None:
    client = await connect(Settings(temporal_address="127.0.0.1:1"), lazy=True)
    assert client.namespace == "default"
    with pytest.raises(RuntimeError):
        await connect(Settings(temporal_address="127.0.0.1:1"))


async def test_search_attributes_are_registered_once(temporal_client: Client) -> None:
    problems: list[str] = []
    assert await missing_search_attributes(temporal_client) == []
    await temporal_client.operator_service.remove_search_attributes(
        RemoveSearchAttributesRequest(
            namespace=temporal_client.namespace, search_attributes=["KamengStage", "KamengDeadline"]
        )
    )
    assert await missing_search_attributes(temporal_client) == ["KamengStage", "KamengDeadline"]
    assert await ensure_search_attributes(temporal_client, problems.append)
    assert await missing_search_attributes(temporal_client) == []
    assert await ensure_search_attributes(temporal_client, problems.append)
    assert problems == []


async def test_where_they_may_not_be_registered_the_names_are_said(temporal_address: str) -> None:
    client = await connect(Settings(temporal_address=temporal_address, temporal_namespace="nowhere"))
    problems: list[str] = []
    assert not await ensure_search_attributes(client, problems.append)
    assert "KamengDeadline (Datetime)" in problems[0]
