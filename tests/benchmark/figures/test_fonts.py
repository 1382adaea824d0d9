"""Class names in any script are drawn with a font that has them, or it is said which characters are boxes."""

import inspect
import warnings

import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.text import Text

from sembench.figures import fonts
from sembench.figures.picture import Picture, rendered


@pytest.fixture
def cat_font(tmp_path, monkeypatch):
    """An installed font that has one Chinese character, a black square."""
    pen = TTGlyphPen(None)
    for place, draw in (((0, 0), pen.moveTo), ((0, 800), pen.lineTo), ((800, 800), pen.lineTo), ((800, 0), pen.lineTo)):
        draw(place)
    pen.closePath()
    made = FontBuilder(1000, isTTF=True)
    made.setupGlyphOrder([".notdef", "cat"])
    made.setupCharacterMap({ord("猫"): "cat"})
    made.setupGlyf({".notdef": TTGlyphPen(None).glyph(), "cat": pen.glyph()})
    made.setupHorizontalMetrics({".notdef": (1000, 0), "cat": (1000, 0)})
    made.setupHorizontalHeader(ascent=800, descent=-200)
    made.setupNameTable({"familyName": "Only Cats", "styleName": "Regular"})
    made.setupOS2()
    made.setupPost()
    made.save(tmp_path / "cats.ttf")
    monkeypatch.setattr(font_manager.fontManager, "ttflist", list(font_manager.fontManager.ttflist))
    font_manager.fontManager.addfont(tmp_path / "cats.ttf")


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch):
    monkeypatch.setattr(fonts, "_said", set())


def families(figure):
    return {family for text in figure.findobj(Text) if text.get_text() for family in text.get_fontfamily()}


@pytest.mark.usefixtures("cat_font")
@pytest.mark.parametrize("form", ["png", "svg"])
def test_a_character_is_drawn_with_a_font_that_has_it(form):
    picture = Picture(3, 1, "猫 and cat", [])  # warnings are errors here
    first = picture.rendered(form)
    assert "Only Cats" in families(picture)
    assert picture.rendered(form) == first
    assert first != Picture(3, 1, "X and cat", []).rendered(form)


@pytest.mark.usefixtures("cat_font")
def test_every_figure_that_this_module_renders_has_them():
    figure = Figure()
    figure.add_axes((0, 0, 1, 1)).set_title("猫")
    rendered(figure, "png")
    assert "Only Cats" in families(figure)


@pytest.mark.parametrize("name", ["\N{LINEAR B SYLLABLE B008 A}", "\N{EGYPTIAN HIEROGLYPH A001}"])
def test_what_no_font_has_is_said_once_by_name(name, monkeypatch):
    monkeypatch.setattr(fonts, "_family_with", lambda letter: None)
    with pytest.warns(UserWarning, match="no installed font has .* figures show boxes there") as said:
        Picture(3, 1, f"{name}{name}", [name]).rendered("png")
    assert len(said) == 1
    assert "font_manager._load_fontmanager(try_read_cache=False)" in str(said[0].message)
    assert "try_read_cache" in inspect.signature(font_manager._load_fontmanager).parameters
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Picture(3, 1, name, []).rendered("svg")


def test_latin_greek_and_cyrillic_need_no_other_font():
    picture = Picture(3, 1, "Größe, 10 µm, кошка, γάτα, a\u200bb\ufe0f", [])
    picture.rendered("png")
    assert families(picture) <= {"DejaVu Sans", "sans-serif"}


def test_a_font_that_has_a_box_for_everything_is_none():
    assert not str(fonts._family_with("\N{CJK UNIFIED IDEOGRAPH-732B}")).startswith("Last Resort")
