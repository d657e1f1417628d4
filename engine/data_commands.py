"""Commands that work on the database: ``kameng migrate``, ``kameng import …``, ``kameng admin …``."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from db import migrate
from db.database import Database
from db.errors import DatabaseUnavailable
from db.urls import sqlite_file_of
from domain.people import DEFAULT_LOCALE
from engine.admin import Granted, create_admin, reset_second_factor
from engine.cache import writable
from engine.csv_files import BadLine
from engine.errors import EngineError
from engine.imports import Import, import_contributions, import_members
from engine.logs import configure_logging
from engine.on_database import not_available, on_database
from settings import Settings, load_settings

T = TypeVar("T")
Importer = Callable[[Database, Path, datetime, Import], Awaitable[Import]]

File = Annotated[Path, typer.Argument(help="CSV in UTF-8; the first line names the columns.")]


def migrate_command() -> None:
    """Bring the database to the newest schema."""
    settings = load_settings()
    _make_room(settings)
    try:
        revision = migrate.upgrade(settings.database_url)
    except DatabaseUnavailable as error:
        raise not_available(settings.database_url, error) from error
    typer.echo(f"The database is at revision {revision}.")


def _make_room(settings: Settings) -> None:
    """Make the data directory for a database in it. Raises ``EngineError`` if another is missing."""
    file = sqlite_file_of(settings.database_url)
    if file is None or file.parent.is_dir():
        return
    if file.parent.absolute() != settings.data_dir.absolute():
        raise EngineError(f"there is no directory {file.parent}; make it, or set DATABASE_URL")
    writable(settings.data_dir, "set KAMENG_DATA_DIR to a directory of your own")


def import_members_command(file: File) -> None:
    """Import members: email, name[, locale, time_zone, joined_at, circles, invited_by, roles]."""
    _import(file, import_members)


def import_contributions_command(file: File) -> None:
    """Import contributions: source, reference, kind, occurred_at, person_id or email[, …]."""
    _import(file, import_contributions)


def create_admin_command(
    email: Annotated[str, typer.Argument(help="The mail address to sign in with.")],
    role: Annotated[list[str], typer.Option(help="A role to give; may be repeated.")],
    name: Annotated[str, typer.Option(help="The name to show, if the person is new.")] = "",
    locale: Annotated[str, typer.Option(help="zh-CN or en, if the person is new.")] = DEFAULT_LOCALE,
) -> None:
    """Create a person if need be, and give roles."""
    granted: Granted = _run(
        lambda db: create_admin(db, email, role, datetime.now(UTC), name=name, locale=locale)
    )
    given = ", ".join(role.value for role in granted.roles) or "nothing new"
    typer.echo(f"{granted.person.email} ({'new' if granted.created else 'already there'}): {given}")


def reset_second_factor_command(
    email: Annotated[str, typer.Argument(help="The address of the account whose second factor was lost.")],
) -> None:
    """Remove a lost second factor and end every session of the account; its next sign-in enrols anew."""
    configure_logging(load_settings())
    ended = _run(lambda db: reset_second_factor(db, email, datetime.now(UTC)))
    typer.echo(f"The second factor is gone; {ended} sessions ended. The next sign-in asks to set one up.")


def _import(file: Path, importer: Importer) -> None:
    """Run one import with progress on standard error; exits with 1 if rows were bad or incomplete."""
    console = Console(stderr=True)
    with _progress(console) as progress:
        task = progress.add_task(file.name, total=file.stat().st_size if file.is_file() else None)

        def name(line: BadLine) -> None:
            console.print(
                f"{file}:{line.number}: {line.reason}", markup=False, highlight=False, soft_wrap=True
            )

        run = Import(on_bad=name, on_progress=lambda position: progress.update(task, completed=position))
        _run(lambda db: importer(db, file, datetime.now(UTC), run))
        progress.update(task, completed=progress.tasks[task].total)
    lacking = f", {run.incomplete} of those in without all they named" if run.incomplete else ""
    typer.echo(f"{run.added} added, {run.already_there} already there, {run.bad} bad rows{lacking}")
    if run.bad or run.incomplete:
        raise typer.Exit(1)


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )


def _run(work: Callable[[Database], Awaitable[T]]) -> T:
    """Run ``work`` on the database of the settings."""
    return on_database(load_settings().database_url, work)
