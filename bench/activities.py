"""An activity that does nothing."""

from temporalio import activity


@activity.defn
async def nothing() -> None:
    """Do nothing."""
