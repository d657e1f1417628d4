"""The `kameng` command. Each command imports what it needs when it runs: `--help` costs little."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.errors import EngineError
from engine.private_files import keep_private
from settings import SettingsError, load_settings

USAGE_ERROR = 2
KEEP_ALIVE_SECONDS = 75
"""How long an idle connection is kept: longer than proxies and programs keep theirs, so that they close it
and no request meets one that is being closed."""

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
imports = typer.Typer(no_args_is_help=True, help="Read data from files.")
admin = typer.Typer(no_args_is_help=True, help="Look after people and access.")
ledger = typer.Typer(no_args_is_help=True, help="Look after the points.")
app.add_typer(imports, name="import")
app.add_typer(admin, name="admin")
app.add_typer(ledger, name="ledger")

DataDir = Annotated[Path, typer.Option(help="Where everything is kept.", envvar="KAMENG_DATA_DIR")]
Port = Annotated[int, typer.Option(help="Where the API listens, on 127.0.0.1.", min=1, max=65535)]


def say(line: str) -> None:
    """Print one line at once, also into a pipe."""
    print(line, flush=True)


@app.command()
def dev(
    data_dir: DataDir = Path(".data"),
    port: Port = 8000,
    seed: Annotated[str, typer.Option(help="demo: a small community; none: nothing.")] = "demo",
    temporal_port: Annotated[int | None, typer.Option(help="Of the Temporal server; 7233 if free.")] = None,
) -> None:
    """Start the whole of Kameng on this machine."""
    from engine.dev import DevOptions, run

    if seed not in {"demo", "none"}:
        raise EngineError(f"--seed is demo or none, not {seed}")
    run(DevOptions(data_dir, port, seed, temporal_port), say)


@app.command()
def api(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    processes: Annotated[int, typer.Option(help="How many processes serve.", min=1)] = 1,
) -> None:
    """Serve the API and the pages."""
    import uvicorn

    from api.outgoing import JoinedWrites

    settings = load_settings()
    uvicorn.run(
        "api.app:create_app",
        factory=True,
        http=JoinedWrites,
        host=host or settings.http_host,
        port=port or settings.http_port,
        workers=processes,
        log_config=None,
        access_log=False,
        server_header=False,
        forwarded_allow_ips=settings.forwarded_allow_ips,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=settings.shutdown_seconds,
    )


@app.command()
def worker() -> None:
    """Do the work that processes order: workflows and activities."""
    from worker import main as work

    raise typer.Exit(work())


@app.command()
def seed(kind: Annotated[str, typer.Argument(help="demo: a small lively community.")] = "demo") -> None:
    """Put a small community into an empty Kameng; what is there already is left alone."""
    from engine.seed import seed_command

    seed_command(kind)


@app.command()
def demo(
    lang: Annotated[str | None, typer.Option(help="zh or en; by LANG if left out.")] = None,
    members: Annotated[int, typer.Option(min=1, max=2000, help="How many take part in the campaign.")] = 200,
    days: Annotated[int, typer.Option(min=1, max=90, help="How long the campaign lasts.")] = 30,
) -> None:
    """Tell the story of an application and of a campaign, in skipped time."""
    from engine.demo import demo_command

    demo_command(lang, members, days)


@app.command()
def doctor() -> None:
    """Check the whole set-up and say what to do."""
    from engine.doctor import doctor_command
    from engine.processes import leave

    leave(doctor_command(say))


def _add_data_commands() -> None:
    """Add the commands on the database, whose module declares their options itself."""
    from engine import data_commands
    from engine.ledger import verify_command

    app.command("migrate")(data_commands.migrate_command)
    imports.command("members")(data_commands.import_members_command)
    imports.command("contributions")(data_commands.import_contributions_command)
    admin.command("create")(data_commands.create_admin_command)
    admin.command("reset-second-factor")(data_commands.reset_second_factor_command)
    ledger.command("verify")(verify_command)


def main(arguments: list[str] | None = None) -> Any:
    """Run the command; a mistake of the person or the machine is one line on stderr and exit code 2."""
    _add_data_commands()
    keep_private()
    try:
        return app(args=arguments, standalone_mode=True)
    except (EngineError, SettingsError) as error:
        for line in str(error).splitlines():
            print(f"kameng: {line}", file=sys.stderr)
        sys.exit(USAGE_ERROR)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
