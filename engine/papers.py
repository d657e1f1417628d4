"""Small documents for trying Kameng out: real PDF files that say plainly that they are fiction."""

from collections.abc import Sequence

_FONT = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"


def paper(title: str, lines: Sequence[str]) -> bytes:
    """Return a one-page PDF with ``title`` and ``lines``; what is not ASCII is left out."""
    shown = [_escaped(line) for line in (title, *lines, "", "This document is fictional.")]
    text = "BT /F1 16 Tf 60 780 Td 24 TL " + " ".join(f"({line}) Tj T*" for line in shown) + " ET"
    stream = text.encode("ascii")
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>\nstream\n%s\nendstream" % (len(stream), stream),
        _FONT,
    ]
    return _file(objects)


def _escaped(line: str) -> str:
    plain = line.encode("ascii", "ignore").decode()
    return plain.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")


def _file(objects: Sequence[bytes]) -> bytes:
    """Put PDF objects together, with the table of where each begins."""
    content, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        places.append(len(content))
        content += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(objects) + 1
    head = b"xref\n0 %d\n0000000000 65535 f \n%s" % (size, table)
    tail = b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (size, len(content))
    return content + head + tail
