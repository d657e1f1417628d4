"""How a Temporal dev server is started. Nothing of the SDK here: `kameng dev` starts it before all else."""

from collections.abc import Mapping
from pathlib import Path

SEARCH_ATTRIBUTES: Mapping[str, str] = {
    "KamengProcess": "Keyword",
    "KamengStage": "Keyword",
    "KamengWaitingOn": "Keyword",
    "KamengDeadline": "Datetime",
}


def command_line(
    binary: Path, port: int, ui_port: int | None, db_file: Path | None, namespace: str = "default"
) -> list[str]:
    """Return the command of a dev server: loopback only, time skipping on, search attributes registered.

    Without `db_file` it keeps nothing. The timer shift makes a skipped timer cost 0.2 s instead of 1 s.
    """
    command = [str(binary), "server", "start-dev", "--ip", "127.0.0.1", "--port", str(port)]
    command += ["--namespace", namespace, "--log-level", "warn"]
    command += ["--ui-port", str(ui_port), "--ui-ip", "127.0.0.1"] if ui_port else ["--headless"]
    command += ["--db-filename", str(db_file)] if db_file else []
    for setting in (
        "frontend.WorkflowTimeSkippingEnabled=true",
        'history.timerProcessorMaxTimeShift="1ms"',
        # A whole community acts through one worker here: the defaults are made for shared clusters.
        "frontend.namespaceRPS=20000",
    ):
        command += ["--dynamic-config-value", setting]
    for name, kind in SEARCH_ATTRIBUTES.items():
        command += ["--search-attribute", f"{name}={kind}"]
    return command
