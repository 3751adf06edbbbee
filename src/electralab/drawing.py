"""What all pictures share: their fonts, and how they are written without a screen."""

from __future__ import annotations

import io
import logging
import warnings
from pathlib import Path
from typing import Any

# DejaVu Sans, which comes with matplotlib, has no Hangul, Kana or Hanzi.
_CJK = ("Noto Sans CJK KR", "Noto Sans KR", "NanumGothic", "Malgun Gothic", "Apple SD Gothic Neo")


def save(figure: Any, path: Path) -> None:
    """Writes a picture, with a font for Korean names where the machine has one."""
    path.write_bytes(png(figure))


def png(figure: Any) -> bytes:
    """Returns a picture as the bytes of a PNG file, which are the same for the same picture."""
    stream = io.BytesIO()
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(stream, format="png", dpi=110, metadata={"Software": None})
    return stream.getvalue()


def fonts() -> dict[str, Any]:
    """Returns the settings of matplotlib that every picture is drawn with."""
    from matplotlib import font_manager

    known = {font.name for font in font_manager.fontManager.ttflist}
    families = ["DejaVu Sans", *(name for name in _CJK if name in known)]
    return {"font.family": families, "font.size": 9, "axes.spines.top": False} | {
        "axes.spines.right": False,
        "axes.titlesize": 10,
        "axes.titlelocation": "left",
        "legend.fontsize": 8,
        "legend.edgecolor": "none",
    }
