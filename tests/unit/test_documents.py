"""What may be handed in: types, structure, sizes and names."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.documents import (
    FALLBACK_NAME,
    MAX_NAME,
    MAX_SIDE,
    MediaType,
    UnfitDocument,
    check_pdf,
    check_pixels,
    clean_name,
    sniff,
)

PDF = b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\nstartxref\n9\n%%EOF\n"


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"%PDF-1.4\n", MediaType.PDF),
        (b"\x89PNG\r\n\x1a\n\x00", MediaType.PNG),
        (b"\xff\xd8\xff\xe0", MediaType.JPEG),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", MediaType.WEBP),
        (b"RIFF\x00\x00\x00\x00AVI LIST", None),
        (b"GIF89a", None),
        (b"<svg xmlns='http://www.w3.org/2000/svg'>", None),
        (b"MZ\x90\x00", None),
        (b"PK\x03\x04", None),
        (b" %PDF-1.4", None),
        (b"", None),
    ],
)
def test_the_first_bytes_tell_the_type(head: bytes, expected: MediaType | None) -> None:
    assert sniff(head) is expected


@pytest.mark.parametrize(
    "content",
    [PDF, PDF + b"\r\n\x00\x00", PDF + b"signed" * 20, PDF.replace(b"-1.7", b"-2.0")],
)
def test_a_whole_pdf_is_taken(content: bytes) -> None:
    check_pdf(content)


@pytest.mark.parametrize(
    "content",
    [
        PDF[:-20],
        PDF.replace(b"%%EOF", b"%%EOG"),
        PDF.replace(b"%PDF-1.7", b"%PDF-9.9"),
        PDF + b"MZ" + b"\x90" * 2000,
        b"%PDF-1.7\n<script>alert(1)</script>",
        b"%PDF-1.4\n%%EOF",
        b"%PDF-1.4\nnope, no obj here: 1 obj, 12 34 object%%EOF",
        b"%PDF-",
    ],
)
def test_what_only_begins_like_a_pdf_is_refused(content: bytes) -> None:
    with pytest.raises(UnfitDocument) as refused:
        check_pdf(content)
    assert refused.value.code == "document_damaged"


@pytest.mark.parametrize(
    ("size", "code"),
    [
        ((0, 10), "document_damaged"),
        ((MAX_SIDE + 1, 1), "image_too_large"),
        ((8_000, 5_001), "image_too_large"),
        ((8_000, 5_000), None),
        ((1, 1), None),
    ],
)
def test_pixels_are_bounded_at_the_very_limit(size: tuple[int, int], code: str | None) -> None:
    if code is None:
        check_pixels(*size)
        return
    with pytest.raises(UnfitDocument) as refused:
        check_pixels(*size)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("证书.pdf", "证书.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\scan.png", "scan.png"),
        ("a\r\nSet-Cookie: x=1.pdf", "aSet-Cookie: x=1.pdf"),
        ("annual\u202efdp.exe", "annualfdp.exe"),
        ("..", FALLBACK_NAME),
        ("/", FALLBACK_NAME),
        ("", FALLBACK_NAME),
        ("\x00", FALLBACK_NAME),
        (".htaccess", "htaccess"),
        ("x" * 300 + ".pdf", "x" * (MAX_NAME - 4) + ".pdf"),
    ],
)
def test_names_are_kept_as_harmless_text(name: str, expected: str) -> None:
    assert clean_name(name) == expected


@given(st.text(max_size=400))
@example("a/" * 200)
@example("." * 300)
def test_no_name_gets_through_with_a_path_or_a_control_character(name: str) -> None:
    cleaned = clean_name(name)
    assert 1 <= len(cleaned) <= MAX_NAME
    assert not set(cleaned) & set("/\\\r\n\x00")
    assert cleaned not in {".", ".."}
    assert all(unicodedata.category(c) not in {"Cc", "Cf"} for c in cleaned)
