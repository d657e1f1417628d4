import asyncio
import os
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink

from engine import doctor, doctor_machine, processes
from engine.doctor_mail import check_mail
from engine.findings import Finding, Level
from settings import Settings


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.what: finding for finding in findings}


async def test_a_database_that_is_migrated(database_url: str, tmp_path: Path) -> None:
    (finding,) = await doctor.check_database(Settings(data_dir=tmp_path, database_url=database_url))
    assert finding.level is Level.OK


async def test_a_database_that_is_not_migrated_or_not_there(tmp_path: Path) -> None:
    (absent,) = await doctor.check_database(Settings(data_dir=tmp_path))
    assert (absent.level, absent.advice) == (Level.FAIL, "run: kameng migrate (make run does it too)")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "kameng.db").touch()
    (empty,) = await doctor.check_database(Settings(data_dir=tmp_path))
    assert (empty.level, empty.advice) == (Level.FAIL, "run: kameng migrate (make run does it too)")
    serious = Settings(data_dir=tmp_path, environment="production")
    assert [finding.advice for finding in await doctor.check_database(serious)] == ["run: kameng migrate"]
    nobody = f"postgresql://someone:secret@127.0.0.1:{processes.free_port()}/none"
    (away,) = await doctor.check_database(Settings(data_dir=tmp_path, database_url=nobody))
    assert away.level is Level.FAIL
    assert "secret" not in str(away)


async def test_a_server_without_a_worker(
    temporal_client: object, temporal_address: str, temporal_namespace: str, tmp_path: Path
) -> None:
    settings = Settings(
        data_dir=tmp_path, temporal_address=temporal_address, temporal_namespace=temporal_namespace
    )
    found = by_name(await doctor.check_temporal(settings))
    assert found["Temporal"].level is Level.OK
    assert found["search attributes"].level is Level.OK
    assert found["time machine"] == Finding(Level.OK, "time machine", "on")
    assert found["worker"].level is Level.FAIL
    production = settings.model_copy(update={"environment": "production"})
    assert by_name(await doctor.check_temporal(production))["time machine"].level is Level.WARN


async def test_no_server(tmp_path: Path) -> None:
    nobody = f"127.0.0.1:{processes.free_port()}"
    (finding,) = await doctor.check_temporal(Settings(data_dir=tmp_path, temporal_address=nobody))
    assert (finding.level, finding.advice) == (Level.FAIL, doctor.START_IT)


async def test_the_address_that_dev_chose_is_found(tmp_path: Path, temporal_address: str) -> None:
    (tmp_path / "running.json").write_text(f'{{"temporal": "{temporal_address}"}}')
    found = by_name(await doctor.check_temporal(Settings(data_dir=tmp_path)))
    assert temporal_address in found["Temporal"].text


async def test_mail_by_smtp(tmp_path: Path) -> None:
    server = Controller(Sink(), hostname="127.0.0.1", port=processes.free_port())
    server.start()
    settings = Settings(
        data_dir=tmp_path,
        mail_transport="smtp",
        smtp_host="127.0.0.1",
        smtp_port=server.port,
        smtp_starttls=False,
    )
    try:
        (there,) = await check_mail(settings)
    finally:
        server.stop()
    (gone,) = await check_mail(settings)
    assert (there.level, gone.level) == (Level.OK, Level.FAIL)


@pytest.mark.parametrize(
    ("status", "body", "level"),
    [
        ("200 OK", '{"scopes": ["mail.send"]}', Level.OK),
        ("200 OK", '{"scopes": ["stats.read"]}', Level.FAIL),
        ("401 Unauthorized", "{}", Level.FAIL),
        ("503 Service Unavailable", "", Level.WARN),
    ],
)
async def test_mail_by_sendgrid(status: str, body: str, level: Level, tmp_path: Path) -> None:
    asked: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
        head = f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        writer.write((head + body).encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        settings = Settings(
            data_dir=tmp_path,
            mail_transport="sendgrid",
            sendgrid_api_key="SG.key",
            sendgrid_host=f"http://127.0.0.1:{port}",
        )
        (finding,) = await check_mail(settings)
    assert finding.level is level
    assert "authorization: bearer sg.key" in asked[0].lower()
    assert "SG.key" not in str(finding)


def test_the_machine(tmp_path: Path) -> None:
    assert doctor_machine.check_python((3, 10)).level is Level.FAIL
    assert doctor_machine.check_python((3, 14)).level is Level.OK
    assert doctor_machine.check_packages().level is Level.OK
    lock = tmp_path / "lock.txt"
    lock.write_text(
        "fastapi==0.0.1 \\\n    --hash=sha256:00\nonly-elsewhere==1 ; sys_platform == 'win32' \\\n"
    )
    assert doctor_machine.check_packages(lock).text == "not as locked: fastapi"
    bare = {"PATH": "", "XDG_CACHE_HOME": str(tmp_path)}
    assert doctor_machine.check_rehearsals(bare).level is Level.WARN
    assert doctor_machine.check_rehearsals(os.environ).level is Level.OK
    (tmp_path / "file").touch()
    assert doctor_machine.check_data_dir(tmp_path / "file" / "data")[0].level is Level.FAIL


def test_production_settings_name_each_default(tmp_path: Path) -> None:
    findings = doctor.check_settings(Settings(data_dir=tmp_path, environment="production"))
    assert {finding.level for finding in findings} == {Level.FAIL}
    assert {"KAMENG_SECRET_KEY", "KAMENG_PUBLIC_URL", "DATABASE_URL"} <= {
        finding.text for finding in findings
    }


def test_the_command_ends_with_one_if_anything_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAMENG_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("TEMPORAL_ADDRESS", f"127.0.0.1:{processes.free_port()}")
    lines: list[str] = []
    assert doctor.doctor_command(lines.append) == 1
    assert lines[-1] == "2 to put right"
    monkeypatch.setenv("KAMENG_HTTP_PORT", "many")
    assert doctor.doctor_command(lines.append) == 1
    assert lines[-1].startswith("fail  settings: KAMENG_HTTP_PORT")
