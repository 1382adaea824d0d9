"""Which figures apply to whom: a third-party explainer with attributions only among others."""

import pytest

from sembench.errors import SembenchError, UnknownName
from sembench.figures.catalogue import draw
from sembench.figures.figure import ModelFigure
from sembench.plugins.registry import FIGURES
from units import own

OF_MODELS = [name for name in own(FIGURES) if isinstance(FIGURES.get(name), ModelFigure)]


def test_the_figures_of_models_are_registered():
    assert {"prototypes", "looks-like", "relevance", "concepts", "embedding"} <= set(OF_MODELS)


@pytest.mark.parametrize("figure", OF_MODELS)
def test_attributions_alone_give_the_figures_that_apply_and_a_sentence_for_the_others(third_party, figure):
    drawn = draw(figure, [third_party])
    kind = FIGURES.get(figure)
    if not kind.requires and not kind.maps:
        assert set(drawn.pictures) == {("third party",)}
        assert drawn.reasons == {}
    else:
        assert drawn.pictures == {}
        (sentence,) = drawn.reasons.values()
        lacking = sorted(kind.requires)[0].value
        assert sentence == f"no figure '{figure}' of third party: it does not offer {lacking}."


def test_a_methods_own_reason_is_told(subject, models):
    from sembench.types import Capability

    lacks = {Capability.SIMILARITIES: "it is a decision tree"}
    supports = frozenset({Capability.PROBABILITIES})
    tree = subject(models["attributions"], "tree", supports, lacks)
    assert draw("prototypes", [tree]).reasons == {"tree": "no figure 'prototypes' of tree: it is a decision tree."}


def test_those_that_can_are_drawn_without_those_that_cannot(subject, third_party):
    drawn = draw("prototypes", [subject(name="a"), third_party, subject(name="b")])
    assert set(drawn.pictures) == {("a", "b")}
    assert set(drawn.reasons) == {"third party"}


def test_figures_of_one_explainer_are_drawn_for_each(subject, models):
    drawn = draw("concepts", [subject(models["cell"], "a"), subject(), subject(models["cell"], "b")])
    assert set(drawn.pictures) == {("a",), ("b",)}
    assert "compares whole images" in drawn.reasons["quarters"]


def test_relevance_without_attributions_is_a_sentence_in_its_row(subject, models):
    from matplotlib.text import Text

    from sembench.types import Capability

    mute = subject(models["attributions"], "mute", frozenset({Capability.PROBABILITIES}))
    (picture,) = draw("relevance", [subject(), mute]).pictures.values()
    said = [text.get_text() for text in picture.findobj(Text)]
    assert "no relevance maps. mute: it does not offer relevance of pixels." in said


def test_unknown_figures_and_options_are_refused(subject):
    with pytest.raises(UnknownName, match=r"unknown figure 'prototype'. Did you mean 'prototypes'"):
        draw("prototype", [subject()])
    with pytest.raises(SembenchError, match=r"'curves' is drawn from results, not from models: sembench show curves"):
        draw("curves", [subject()])
    with pytest.raises(SembenchError, match=r"'concepts' does not take nearest; it takes images, count"):
        draw("concepts", [subject()], nearest=1)
    with pytest.raises(SembenchError, match=r"figure 'looks-like' cannot be drawn: .*numbered 0 to 3"):
        draw("looks-like", [subject()], images=[11])
