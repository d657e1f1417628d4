"""Files that people hand in: received in bounded memory, proven by decoding, kept under random names."""

import hashlib
import io
import os
import secrets
import threading
import time
import warnings
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from PIL import Image, ImageOps
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from api.problems import Problem
from domain.documents import HEAD_BYTES, MediaType, UnfitDocument, check_pdf, check_pixels, sniff

_FORM_OVERHEAD: Final = 16 * 1024
_FIELD_BYTES: Final = 1024
_FORMATS: Final = {MediaType.PNG: "PNG", MediaType.JPEG: "JPEG", MediaType.WEBP: "WEBP"}
_QUALITY: Final = {MediaType.PNG: {}, MediaType.JPEG: {"quality": 90}, MediaType.WEBP: {"quality": 90}}
_PARTIAL: Final = ".partial"


@dataclass(frozen=True, slots=True)
class Received:
    """A file as it came, in a temporary place, with the text fields beside it. ``file`` wants closing."""

    file: BinaryIO
    name: str
    size: int
    fields: dict[str, str]


@dataclass(frozen=True, slots=True)
class Proven:
    """A file that is what it claims, without metadata; ``sha256`` is of the bytes that were handed in."""

    content: bytes
    media_type: MediaType
    sha256: str


async def receive(request: Request, max_bytes: int, fields: Iterable[str]) -> Received:
    """Read a form with one ``file`` and the text ``fields``, never more than ``max_bytes`` of it.

    Raises ``Problem``: too large, not a form, a part that is missing or not asked for.
    """
    if not request.headers.get("content-type", "").casefold().startswith("multipart/form-data"):
        raise Problem("unsupported_media_type")
    parser = MultiPartParser(
        request.headers,
        _capped(request, max_bytes),  # type: ignore[arg-type]
        max_files=1,
        max_fields=len(list(fields)),
        max_part_size=_FIELD_BYTES,
    )
    try:
        form = await parser.parse()
    except (MultiPartException, ValueError, LookupError) as error:
        raise Problem("unreadable_body") from error
    except OSError as error:
        raise storage_unavailable() from error
    return _received(form.multi_items(), max_bytes, set(fields))


async def _capped(request: Request, max_bytes: int) -> AsyncIterator[bytes]:
    """Yield the body of a form that holds a file of up to ``max_bytes``, and what a form adds to it."""
    limit = max_bytes + _FORM_OVERHEAD
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit:
        raise _too_large(max_bytes)
    seen = 0
    async for chunk in request.stream():
        seen += len(chunk)
        if seen > limit:
            raise _too_large(max_bytes)
        yield chunk


def storage_unavailable() -> Problem:
    """Return the problem that says that files cannot be kept now: the disk is full or away."""
    return Problem("storage_unavailable", headers={"Retry-After": "60"})


def _too_large(limit: int) -> Problem:
    return Problem("file_too_large", max_bytes=limit, megabytes=f"{limit / 2**20:g}")


def _received(items: list[tuple[str, UploadFile | str]], max_bytes: int, wanted: set[str]) -> Received:
    texts = {name: value for name, value in items if isinstance(value, str)}
    files = [(name, value) for name, value in items if isinstance(value, UploadFile)]
    if len(files) != 1 or files[0][0] != "file" or set(texts) != wanted or len(items) != len(wanted) + 1:
        for _, upload in files:
            upload.file.close()
        raise Problem("form_incomplete", fields=["file", *sorted(wanted)])
    upload = files[0][1]
    if (upload.size or 0) > max_bytes:
        upload.file.close()
        raise _too_large(max_bytes)
    if not upload.size:
        upload.file.close()
        raise Problem("file_empty")
    return Received(upload.file, upload.filename or "", upload.size or 0, texts)


class Prover:
    """Decodes files to prove their type. One image at a time: decoded, one can take 160 MB."""

    def __init__(self) -> None:
        self._one_image = threading.Lock()

    def prove(self, file: BinaryIO) -> Proven:
        """Return the file without metadata. Blocks; raises ``UnfitDocument``."""
        file.seek(0)
        content = file.read()
        media_type = sniff(content[:HEAD_BYTES])
        if media_type is None:
            raise UnfitDocument("document_type_unknown")
        sha256 = hashlib.sha256(content).hexdigest()
        if media_type is MediaType.PDF:
            check_pdf(content)
            return Proven(content, media_type, sha256)
        with self._one_image:
            return Proven(_clean_image(content, media_type), media_type, sha256)


def _clean_image(content: bytes, media_type: MediaType) -> bytes:
    """Decode and encode anew: whatever was hidden beside the pixels is gone."""
    try:
        with warnings.catch_warnings():
            # The size is judged by our own limit; Pillow's only warns, and in words.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=[_FORMATS[media_type]]) as image:
                check_pixels(*image.size)
                if getattr(image, "n_frames", 1) > 1:
                    raise UnfitDocument("image_animated")
                image.load()
                return _encode(ImageOps.exif_transpose(image), media_type)
    except UnfitDocument:
        raise
    except Image.DecompressionBombError as error:
        raise UnfitDocument("image_too_large") from error
    except (
        OSError,
        ValueError,
        SyntaxError,
        TypeError,
        KeyError,
        IndexError,
        EOFError,
        MemoryError,
    ) as error:
        # What a decoder raises on broken input differs from format to format.
        raise UnfitDocument("document_damaged") from error


def _encode(image: Image.Image, media_type: MediaType) -> bytes:
    image.info = {name: value for name, value in image.info.items() if name == "transparency"}
    written = io.BytesIO()
    image.save(written, format=_FORMATS[media_type], **_QUALITY[media_type])
    return written.getvalue()


class FileStore:
    """Files in one directory, each under a random name that says nothing; reached only through the API."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def put(self, content: bytes) -> str:
        """Write a file durably and return its name. Blocks; raises ``OSError``."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = secrets.token_hex(20)
        partial = self._directory / (name + _PARTIAL)
        try:
            with partial.open("xb") as file:
                os.fchmod(file.fileno(), 0o600)
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            partial.rename(self._directory / name)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        self._sync_directory()
        return name

    def _sync_directory(self) -> None:
        descriptor = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def path(self, name: str) -> Path:
        """Return where the file of that name lies, whether or not it does."""
        return self._directory / Path(name).name

    def remove(self, name: str) -> None:
        """Delete a file; one that is gone already is no error."""
        self.path(name).unlink(missing_ok=True)

    def older_than(self, seconds: float) -> list[str]:
        """Return the names of files written longer ago than that, partial ones included."""
        if not self._directory.is_dir():
            return []
        before = time.time() - seconds
        return [entry.name for entry in os.scandir(self._directory) if entry.stat().st_mtime < before]
