"""English interface strings with their French translations, of an installed language pack.

The extra ``demo`` brings it: ``jupyterlab-language-pack-fr-FR`` (BSD-3). Its catalogues are read as
files; nothing of it is imported.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from electralab.errors import UserError

PACK = "jupyterlab-language-pack-fr-FR"
FORMAT = 1  # goes up when the rules below give other strings from the same catalogues
CONTEXT = "\x04"  # gettext: stands between where a string is used and the string


def iter_strings() -> Iterator[dict[str, str]]:
    """Yields every different English string that is translated, in a fixed order.

    Of a string with a plural, the singular. The same string translated in several places gives its
    first translation alone, so that no text has two references in two splits.

    Yields:
        ``en`` and ``fr``.

    Raises:
        UserError: The language pack is not installed.
    """
    seen: set[str] = set()
    for path in sorted(Path(str(file.locate())) for file in _catalogues()):
        catalogue = json.loads(path.read_text(encoding="utf-8"))
        for message, translations in catalogue.items():
            english = message.rpartition(CONTEXT)[2].strip()
            if not english or english in seen or not isinstance(translations, list):
                continue  # the head of the catalogue is a record
            french = translations[0].strip()
            if french and french != english:  # names and codes are translated by themselves
                seen.add(english)
                yield {"en": english, "fr": french}


def ui_strings_version() -> str:
    """Returns what the strings depend on: the language pack's version.

    Raises:
        UserError: The language pack is not installed.
    """
    return f"ui_strings{FORMAT} {PACK}=={_pack().version}"


def _pack() -> Distribution:
    try:
        return distribution(PACK)
    except PackageNotFoundError:
        raise UserError(
            f"`data.source` ui_strings_enfr must have {PACK} installed, but it is not; install it "
            "with: pip install 'electralab[demo]'."
        ) from None


def _catalogues() -> list:
    files = _pack().files or []
    return [file for file in files if file.suffix == ".json" and "LC_MESSAGES" in file.parts]
