"""Draws one page of a PDF to PNG on standard output. Run as a process of its own, which may die of the file.

Arguments: path, number of the page (from 1; 0 prints how many pages there are), width in pixels.
Knows nothing of Kameng: it is given a file to read, and is killed when it takes too long.
"""

import io
import resource
import sys

import pypdfium2

MEMORY_BYTES = 1 << 30
CPU_SECONDS = 10
MOST_PIXELS = 16_000_000


def _bound() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def _png(document: pypdfium2.PdfDocument, number: int, width: int) -> bytes:
    page = document[number - 1]
    across, down = page.get_size()
    scale = min(width / across, (MOST_PIXELS / (across * down)) ** 0.5)
    # Forms and annotations are not drawn by code of the file: pdfium is built without scripts here.
    image = page.render(scale=scale).to_pil().convert("RGB")
    written = io.BytesIO()
    image.save(written, format="PNG")
    return written.getvalue()


def main() -> None:
    """Draw what the arguments name. Any failure ends the process with a status that is not 0."""
    path, number, width = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    _bound()
    document = pypdfium2.PdfDocument(path)
    if number == 0:
        sys.stdout.write(str(len(document)))
    else:
        sys.stdout.buffer.write(_png(document, number, width))


if __name__ == "__main__":
    main()
