"""Documents: taken in only if they are what they claim, kept out of reach, handed out harmlessly."""

import io
import os
import struct
import zlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest
from PIL import Image
from sqlalchemy import func, insert, select, update

from api.parts import Parts
from db.repositories.policies import VETTING
from db.tables.vetting import applications, documents, policies
from domain.documents import MAX_SIDE
from domain.ids import new_id
from domain.people import Role
from domain.policy import IntakePolicy, VettingPolicy
from settings import Settings
from tests.support.vetting_api import (
    BASE,
    PDF,
    Api,
    User,
    complete_draft,
    hand_in,
    problem,
    running_api,
    upload,
)

MIB = 1024 * 1024


@pytest.fixture
async def api(database_url: str, settings: Settings) -> AsyncIterator[Api]:
    async with running_api(settings.model_copy(update={"database_url": database_url})) as running:
        yield running


@pytest.fixture
async def lite(sqlite_url: str, settings: Settings) -> AsyncIterator[Api]:
    async with running_api(settings.model_copy(update={"database_url": sqlite_url})) as running:
        yield running


def picture(kind: str, size: tuple[int, int] = (40, 30), **values: object) -> bytes:
    written = io.BytesIO()
    Image.new("RGB", size, "teal").save(written, kind, **values)
    return written.getvalue()


def bomb_png(width: int, height: int) -> bytes:
    """A PNG whose header promises ``width`` x ``height`` and whose data could never be read whole."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 100_000))
        + chunk(b"IEND", b"")
    )


async def draft_of(user: User) -> str:
    return str((await user.post("/applications", {})).json()["id"])


def kept_files(api: Api) -> list[Path]:
    parts: Parts = api.app.state.parts
    where = parts.settings.uploads_dir
    return sorted(where.iterdir()) if where.exists() else []


async def stored_rows(api: Api) -> int:
    [row] = await api.rows(select(func.count().label("n")).select_from(documents))
    return int(row["n"])


async def test_a_document_goes_in_and_comes_out(api: Api) -> None:
    lin, staff = await api.user("lin"), await api.user("staff", Role.REVIEWER)
    application_id = await draft_of(lin)
    answer = await upload(lin, application_id, "credential", PDF, "证书 2026.pdf")
    assert answer.status_code == 201
    body = answer.json()
    assert (body["kind"], body["name"], body["media_type"]) == (
        "credential",
        "证书 2026.pdf",
        "application/pdf",
    )
    path = f"/applications/{application_id}/documents/{body['id']}"
    # What was never handed in is nobody's business but the applicant's, identity papers before all.
    for hidden in ("", "/timeline", path.removeprefix(f"/applications/{application_id}")):
        problem(await staff.get(f"/applications/{application_id}{hidden}"), 404, "not_found")
    await api.execute(
        update(applications).where(applications.c.id == application_id).values(submitted_at=datetime.now(UTC))
    )
    for reader in (lin, staff):
        found = await reader.get(path)
        assert found.content == PDF
        assert found.headers["content-disposition"].startswith("attachment")
        assert found.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in found.headers["content-security-policy"]
        assert found.headers["content-type"] == "application/pdf"
        assert "no-store" in found.headers["cache-control"]
    [file] = kept_files(api)
    assert file.stat().st_mode & 0o777 == 0o600
    assert set(file.name) <= set("0123456789abcdef")
    other = await api.user("other")
    problem(await other.get(path), 404, "not_found")
    problem(await api.anyone.get(f"{BASE}{path}"), 401, "sign_in_required")
    problem(await other.http.delete(path), 404, "not_found")
    problem(await staff.http.delete(path), 404, "not_found")


async def test_the_same_file_is_kept_once(api: Api) -> None:
    lin = await api.user("lin")
    application_id = await draft_of(lin)
    first = await hand_in(lin, application_id, "sample", PDF, "a.pdf")
    assert await hand_in(lin, application_id, "sample", PDF, "b.pdf") == first
    assert await hand_in(lin, application_id, "identity", PDF) != first
    assert len(kept_files(api)) == await stored_rows(api) == 2


@pytest.mark.parametrize(
    ("kind", "media_type"), [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("WEBP", "image/webp")]
)
async def test_images_lose_their_metadata(lite: Api, kind: str, media_type: str) -> None:
    lin = await lite.user("lin")
    application_id = await draft_of(lin)
    exif = Image.Exif()
    exif[0x010F] = "Secret Camera"
    exif[0x0112] = 6
    given = picture(kind, exif=exif)
    assert b"Secret Camera" in given
    answer = await upload(lin, application_id, "identity", given, "photo.bin")
    assert answer.json()["media_type"] == media_type
    path = f"/applications/{application_id}/documents/{answer.json()['id']}"
    content = (await lin.get(path)).content
    assert b"Secret Camera" not in content
    with Image.open(io.BytesIO(content)) as image:
        # The turn that the metadata asked for has become part of the picture.
        assert image.size == (30, 40)
        assert not image.getexif()


async def test_what_is_hidden_behind_an_image_is_gone(lite: Api) -> None:
    lin = await lite.user("lin")
    application_id = await draft_of(lin)
    document = await hand_in(
        lin, application_id, "sample", picture("PNG") + b"PK\x03\x04<script>evil</script>"
    )
    content = (await lin.get(f"/applications/{application_id}/documents/{document}")).content
    assert b"evil" not in content


def animated() -> bytes:
    written = io.BytesIO()
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    frames[0].save(written, "WEBP", save_all=True, append_images=frames[1:])
    return written.getvalue()


LIES = {
    "empty": (b"", "file_empty"),
    "gif": (picture("GIF"), "document_type_unknown"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "document_type_unknown"),
    "html": (b"<!doctype html><script>alert(1)</script>", "document_type_unknown"),
    "program": (b"MZ\x90\x00" + b"\0" * 200, "document_type_unknown"),
    "archive": (b"PK\x03\x04" + b"\0" * 200, "document_type_unknown"),
    "html as pdf": (b"%PDF-1.7\n<script>alert(1)</script>", "document_damaged"),
    "half a pdf": (PDF[: len(PDF) // 2], "document_damaged"),
    "png by name only": (b"\x89PNG\r\n\x1a\n" + b"<?php system($_GET[0]);" * 10, "document_damaged"),
    "half a png": (picture("PNG", (300, 300))[:200], "document_damaged"),
    "half a jpeg": (picture("JPEG", (300, 300))[:400], "document_damaged"),
    "webp by name only": (b"RIFF\x10\0\0\0WEBPVP8 " + b"\0" * 40, "document_damaged"),
    "bomb": (bomb_png(16_000, 16_000), "image_too_large"),
    "giant bomb": (bomb_png(200_000, 200_000), "image_too_large"),
    "one long line": (bomb_png(MAX_SIDE + 1, 1), "image_too_large"),
    "less data than promised": (bomb_png(4_000, 4_000), "document_damaged"),
    "animation": (animated(), "image_animated"),
}


async def test_files_that_lie_are_refused_and_nothing_is_kept(lite: Api) -> None:
    lin = await lite.user("lin")
    application_id = await draft_of(lin)
    for name, (content, code) in LIES.items():
        answer = await upload(lin, application_id, "sample", content, "photo.png")
        assert problem(answer, 422, code)["title"], name
    assert (await stored_rows(lite), kept_files(lite)) == (0, [])


async def test_eleven_mebibytes_are_too_many(lite: Api) -> None:
    lin = await lite.user("lin")
    application_id = await draft_of(lin)
    for size in (10 * MIB + 1, 11 * MIB, 120 * MIB):
        answer = await upload(lin, application_id, "sample", PDF + b"\0" * (size - len(PDF)), "big.pdf")
        problem(answer, 413, "file_too_large")
        assert answer.json()["max_bytes"] == 10 * MIB
    exactly = b"%PDF-1.7\n" + b"\0" * (10 * MIB - len(PDF)) + PDF[9:]
    assert len(exactly) == 10 * MIB
    assert (await upload(lin, application_id, "sample", exactly)).status_code == 201


async def test_a_body_without_an_announced_length_is_cut_off_too(lite: Api) -> None:
    lin = await lite.user("lin")
    application_id = await draft_of(lin)
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="x.pdf"\r\n\r\n%PDF-1.7\n'
        while sent < 60 * MIB:
            sent += 64 * 1024
            yield b"\0" * 64 * 1024

    answer = await lin.http.post(
        f"/applications/{application_id}/documents",
        content=endless(),
        headers={"Content-Type": "multipart/form-data; boundary=b"},
    )
    problem(answer, 413, "file_too_large")


async def test_the_policy_says_how_large_and_how_many(lite: Api) -> None:
    small = VettingPolicy(intake=IntakePolicy(max_file_bytes=2048, max_files=2))
    row = {"process": VETTING.process, "version": 2, "body": small.model_dump(mode="json"), "note": "x"}
    await lite.execute(insert(policies).values(**row, created_at=datetime.now(UTC)))
    lin = await lite.user("lin")
    application_id = await draft_of(lin)
    problem(
        await upload(lin, application_id, "sample", PDF[:9] + b"\0" * 2048 + PDF[9:]), 413, "file_too_large"
    )
    for kind in ("sample", "identity"):
        await hand_in(lin, application_id, kind, PDF)
    found = problem(await upload(lin, application_id, "other", PDF), 409, "too_many_documents")
    assert found["max_files"] == 2
    assert len(kept_files(lite)) == 2


NAMES = {
    "../../../etc/passwd": "passwd",
    "..\\..\\windows\\system32\\x.pdf": "x.pdf",
    "/abs/olute.pdf": "olute.pdf",
    "<img src=x onerror=alert(1)>.pdf": "<img src=x onerror=alert(1)>.pdf",
    "{{ 7*7 }}.pdf": "{{ 7*7 }}.pdf",
    "a\u202egpj.pdf": "agpj.pdf",
    "n" * 400 + ".pdf": "n" * 116 + ".pdf",
    "..": "document",
}


async def test_names_never_become_paths(lite: Api) -> None:
    lin = await lite.user("lin")
    application_id = await draft_of(lin)
    for number, (name, kept) in enumerate(NAMES.items()):
        content = PDF.replace(b"/Count 0", b"/Count %d" % number)
        answer = await upload(lin, application_id, "sample", content, name)
        assert answer.status_code == 201, answer.text
        assert answer.json()["name"] == kept
        path = f"/applications/{application_id}/documents/{answer.json()['id']}"
        disposition = (await lin.get(path)).headers["content-disposition"]
        assert disposition.startswith("attachment; filename")
        assert not set(disposition) & set("\r\n")
    assert all(len(file.name) == 40 for file in kept_files(lite))


async def test_line_breaks_in_a_name_reach_no_header(lite: Api) -> None:
    lin = await lite.user("lin")
    application_id = await draft_of(lin)
    body = (
        b'--b\r\nContent-Disposition: form-data; name="kind"\r\n\r\nsample\r\n'
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a\nSet-Cookie: x=1.pdf"\r\n\r\n'
        + PDF
        + b"\r\n--b--\r\n"
    )
    answer = await raw(lin, application_id, body)
    if answer.status_code == 201:
        assert not set(answer.json()["name"]) & set("\r\n")
        found = await lin.get(f"/applications/{application_id}/documents/{answer.json()['id']}")
        assert "set-cookie" not in found.headers
    else:
        problem(answer, 400, "unreadable_body")


async def raw(
    user: User, application_id: str, body: bytes, content_type: str | None = None
) -> httpx2.Response:
    return await user.http.post(
        f"/applications/{application_id}/documents",
        content=body,
        headers={"Content-Type": content_type or "multipart/form-data; boundary=b"},
    )


PART = b'--b\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
FILE = PART % (b"file", b'; filename="a.pdf"', PDF)
KIND = PART % (b"kind", b"", b"sample")
END = b"--b--\r\n"


async def test_forms_of_any_other_shape_are_refused(lite: Api) -> None:
    lin = await lite.user("lin")
    application_id = await draft_of(lin)
    shapes = {
        "no file": KIND + END,
        "no kind": FILE + END,
        "kind twice": KIND + KIND + FILE + END,
        "two files": KIND + FILE + FILE + END,
        "another field": KIND + FILE + PART % (b"storage_name", b"", b"x") + END,
        "file by another name": KIND + PART % (b"paper", b'; filename="a.pdf"', PDF) + END,
        "kind as a file": PART % (b"kind", b'; filename="k"', b"sample") + FILE + END,
        "long kind": PART % (b"kind", b"", b"x" * 5000) + FILE + END,
        "unknown kind": PART % (b"kind", b"", b"passport") + FILE + END,
        "no end": KIND + FILE[:-40],
        "nothing": b"",
        "garbage": b"\0\1\2\3" * 100,
    }
    for name, body in shapes.items():
        answer = await raw(lin, application_id, body)
        assert answer.status_code in {400, 422}, (name, answer.text)
        assert answer.headers["content-type"] == "application/problem+json", name
    for content_type in (
        "application/json",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "text/plain",
    ):
        answer = await raw(lin, application_id, KIND + FILE + END, content_type)
        assert answer.status_code in {400, 415}, (content_type, answer.text)
    for charset in ("hex", "zlib", "idna", "utf-7", "x" * 200):
        answer = await raw(
            lin, application_id, KIND + FILE + END, f"multipart/form-data; boundary=b; charset={charset}"
        )
        assert answer.status_code < 500, (charset, answer.text)
    assert await stored_rows(lite) <= 1


async def test_documents_can_be_taken_back_while_the_application_can_be_edited(api: Api) -> None:
    lin = await api.user("lin")
    draft = await complete_draft(lin)
    paper = next(d for d in draft["documents"] if d["kind"] == "credential")
    path = f"/applications/{draft['id']}"
    await api.execute(
        update(applications)
        .where(applications.c.id == draft["id"])
        .values(status="credential_review", stage="first_review", submitted_at=datetime.now(UTC))
    )
    problem(await lin.http.delete(f"{path}/documents/{paper['id']}"), 409, "not_editable")
    problem(await upload(lin, draft["id"], "other", PDF), 409, "not_editable")
    await api.execute(update(applications).values(stage="changes_requested"))
    answer = await lin.http.delete(f"{path}/documents/{paper['id']}")
    assert answer.status_code == 204
    shown = (await lin.get(path)).json()
    assert [d["kind"] for d in shown["documents"]] == ["identity"]
    assert shown["claims"][0]["document_ids"] == []
    assert len(kept_files(api)) == 1
    problem(await lin.http.delete(f"{path}/documents/{paper['id']}"), 404, "not_found")
    problem(await lin.get(f"{path}/documents/{paper['id']}"), 404, "not_found")


async def test_a_document_belongs_to_its_application(api: Api) -> None:
    lin, other = await api.user("lin"), await api.user("other")
    draft = await complete_draft(lin)
    theirs = await draft_of(other)
    foreign = f"/applications/{theirs}/documents/{draft['documents'][0]['id']}"
    problem(await other.get(foreign), 404, "not_found")
    problem(await other.http.delete(foreign), 404, "not_found")
    problem(await upload(lin, new_id(), "sample", PDF), 404, "not_found")


async def test_orphans_are_swept_and_living_files_stay(lite: Api) -> None:
    lin = await lite.user("lin")
    await complete_draft(lin)
    parts: Parts = lite.app.state.parts
    before = kept_files(lite)
    old = datetime(2024, 1, 1, tzinfo=UTC).timestamp()
    for name in ("ab" * 20, "cd" * 20 + ".partial"):
        (parts.settings.uploads_dir / name).write_bytes(b"x")
        os.utime(parts.settings.uploads_dir / name, (old, old))
    (parts.settings.uploads_dir / ("ef" * 20)).write_bytes(b"fresh: its row may still come")
    for file in before:
        os.utime(file, (old, old))
    assert await parts.documents.sweep() == 2
    assert len(kept_files(lite)) == len(before) + 1


async def test_a_disk_that_fails_leaves_no_row(lite: Api) -> None:
    lin = await lite.user("lin")
    application_id = await draft_of(lin)
    parts: Parts = lite.app.state.parts
    parts.settings.uploads_dir.parent.mkdir(parents=True, exist_ok=True)
    parts.settings.uploads_dir.write_bytes(b"not a directory")
    answer = await upload(lin, application_id, "sample", PDF)
    problem(answer, 503, "storage_unavailable")
    assert await stored_rows(lite) == 0
