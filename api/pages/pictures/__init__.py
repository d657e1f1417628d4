"""Pictures with text for social apps: text set in the machine's fonts, drawn one at a time, kept a while."""

from api.pages.pictures.drawing import Drawings
from api.pages.pictures.fonts import Face, face
from api.pages.pictures.text import ELLIPSIS, balanced, fitted, wrapped

__all__ = ["ELLIPSIS", "Drawings", "Face", "balanced", "face", "fitted", "wrapped"]
