"""Documents of an application: what may be handed in, how its type is told, and how its name is kept."""

import re
import unicodedata
from enum import StrEnum


class DocumentKind(StrEnum):
    """What a document is meant to show."""

    IDENTITY = "identity"
    CREDENTIAL = "credential"
    SAMPLE = "sample"
    OTHER = "other"


class MediaType(StrEnum):
    """The file types that are taken."""

    PDF = "application/pdf"
    PNG = "image/png"
    JPEG = "image/jpeg"
    WEBP = "image/webp"


HEAD_BYTES = 32
"""How much of a file's beginning ``sniff`` looks at."""

MAX_PIXELS = 40_000_000
"""Above this an image is refused unread: decoded, it would take more than about 160 MB of memory."""

MAX_SIDE = 16_383
"""Longest side of an image in pixels: what WebP can hold, and more than any camera or scanner gives."""

MAX_NAME = 120
FALLBACK_NAME = "document"

_PDF_HEADER = re.compile(rb"%PDF-(1\.[0-7]|2\.0)[\r\n \t]")
_PDF_OBJECT = re.compile(rb"\d[\r\n\t ]{1,8}\d{1,5}[\r\n\t ]{1,8}obj\b")
_PDF_END = b"%%EOF"
_PDF_TAIL = 1024

# Direction marks and other format characters can make "exe.fdp" read as "pdf.exe" to staff.
_UNFIT_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


class UnfitDocument(Exception):
    """The file is not what may be handed in; ``code`` is stable and says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def sniff(head: bytes) -> MediaType | None:
    """Return the type that the first ``HEAD_BYTES`` claim, None for any that is not taken.

    A claim only: whoever stores the file proves it by decoding.
    """
    if head.startswith(b"%PDF-"):
        return MediaType.PDF
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return MediaType.PNG
    if head.startswith(b"\xff\xd8\xff"):
        return MediaType.JPEG
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return MediaType.WEBP
    return None


def check_pdf(content: bytes) -> None:
    """Refuse what is not built as a PDF: a version first, objects, its end mark in the last 1,024 bytes.

    Raises ``UnfitDocument``. A file that was cut off has no end, and one without an object has nothing to
    show. What else is amiss is for viewers, which mend much: scanners and signing programs write files that
    are not quite as they should be.
    """
    begun, ended = _PDF_HEADER.match(content), _PDF_END in content[-_PDF_TAIL:]
    if not (begun and ended and _PDF_OBJECT.search(content)):
        raise UnfitDocument("document_damaged")


def check_pixels(width: int, height: int) -> None:
    """Refuse an image whose header promises more pixels than anyone hands in. Raises ``UnfitDocument``."""
    if width < 1 or height < 1:
        raise UnfitDocument("document_damaged")
    if width > MAX_SIDE or height > MAX_SIDE or width * height > MAX_PIXELS:
        raise UnfitDocument("image_too_large")


def clean_name(name: str) -> str:
    """Return a file's name as text that is safe to show: no directories, no control or direction marks.

    It never becomes a path. At most ``MAX_NAME`` characters, the ending kept; never empty.
    """
    last = unicodedata.normalize("NFC", name).replace("\\", "/").rsplit("/", 1)[-1]
    kept = "".join(c for c in last if unicodedata.category(c) not in _UNFIT_CATEGORIES)
    kept = " ".join(kept.split()).strip(". ")
    if not kept:
        return FALLBACK_NAME
    if len(kept) <= MAX_NAME:
        return kept
    stem, dot, ending = kept.rpartition(".")
    if not dot or len(ending) > 10:
        return kept[:MAX_NAME]
    return f"{stem[: MAX_NAME - len(ending) - 1]}.{ending}"
