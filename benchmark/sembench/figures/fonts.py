"""Fonts for class names in any script: where the figures' own font lacks a character, an installed one that has it."""

from __future__ import annotations

import functools
import unicodedata
import warnings
from collections.abc import Iterable

from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, fontManager, get_font
from matplotlib.text import Text

_INVISIBLE = {"Cc", "Cf", "Mn", "Zl", "Zp", "Zs"}
_LAST_RESORT = "Last Resort"  # Matplotlib's own: it has a box for every character

_said: set[str] = set()


def choose_fonts(figure: Figure) -> None:
    """Gives every text of a figure the fonts that its characters need.

    Warns once, by name, of the characters that no installed font has: they are drawn as boxes.
    """
    absent: set[str] = set()
    for text in figure.findobj(Text):
        own = text.get_fontproperties()
        known = _characters(str(findfont(own)))
        missing = {letter for letter in text.get_text() if ord(letter) not in known and _visible(letter)}
        if missing:
            found = {letter: _family_with(letter) for letter in sorted(missing)}
            absent |= {letter for letter, family in found.items() if family is None}
            others = dict.fromkeys(family for family in found.values() if family is not None)
            text.set_fontfamily(list(dict.fromkeys([*own.get_family(), *others])))
    _say(absent - _said)


def _say(letters: Iterable[str]) -> None:
    listed = sorted(letters)
    if listed:
        _said.update(listed)
        names = ", ".join(f"{letter} ({unicodedata.name(letter, f'U+{ord(letter):04X}')})" for letter in listed[:5])
        more = f" and {len(listed) - 5} more" if len(listed) > 5 else ""
        warnings.warn(
            f"no installed font has {names}{more}: figures show boxes there. Install one that has, e.g. Noto Sans CJK "
            "for Chinese, Japanese and Korean, and let Matplotlib list its fonts once more: python -c "
            '"from matplotlib import font_manager; font_manager._load_fontmanager(try_read_cache=False)".',
            UserWarning,
            stacklevel=2,
        )


def _visible(letter: str) -> bool:
    return unicodedata.category(letter) not in _INVISIBLE


@functools.cache
def _characters(path: str) -> frozenset[int]:
    return frozenset(get_font(path).get_charmap())


def _family_with(letter: str) -> str | None:
    """The installed family, the first by name, whose regular font has a character and can be drawn at any size."""
    for name, path in sorted({(entry.name, entry.fname) for entry in fontManager.ttflist}):
        if not name.startswith(_LAST_RESORT) and ord(letter) in _drawable(path):
            return name
    return None


@functools.cache
def _drawable(path: str) -> frozenset[int]:
    """The characters of a font file; none where Matplotlib cannot read or scale it, as those of colour bitmaps."""
    try:
        return _characters(path) if get_font(path).scalable else frozenset()
    except (OSError, RuntimeError):
        return frozenset()
