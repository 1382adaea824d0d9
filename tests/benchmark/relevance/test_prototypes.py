"""The head rules again, from their formulas: one row, one channel, one rival at a time."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from rules_by_hand import contrast_by_hand, neon_by_hand, onto_active_by_hand, prp_by_hand
from sembench.relevance.prototypes import contrast, epsilon_shares, gxi, neon, onto_active, prp
from sembench.seeding import generator
from sembench.similarity import SIMILARITIES

ROWS, CHANNELS, PROTOTYPES = 6, 7, 8


def normal(name, *shape, dtype=torch.float64):
    return torch.randn(*shape, generator=generator(0, name), dtype=dtype)


@pytest.fixture
def embeddings():
    return normal("embeddings", ROWS, CHANNELS)


@pytest.fixture
def others():
    return normal("prototypes", PROTOTYPES, CHANNELS)


@pytest.fixture
def explained():
    """Index of the explained prototype of each row."""
    return torch.tensor([0, 1, 2, 5, 7, 3])


@pytest.fixture
def rivals(explained):
    """Prototypes 0-2, 3-5 and 6-7 are three classes; those of another class than the explained one are rivals."""
    classes = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2])
    return classes[None] != classes[explained][:, None]


# --- prp -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1, 1e-2, 1e-4, 100])
def test_prp_equals_its_formula(embeddings, others, explained, scale):
    z, p = scale * embeddings, scale * others[explained]
    expected = [prp_by_hand(*pair) for pair in zip(z.tolist(), p.tolist(), strict=True)]
    np.testing.assert_allclose(prp(z, p).numpy(), expected, rtol=1e-9)


def test_prp_of_single_precision_equals_its_formula(embeddings, others, explained):
    z, p = embeddings.float(), others[explained].float()
    expected = [prp_by_hand(*pair) for pair in zip(z.tolist(), p.tolist(), strict=True)]
    found = prp(z, p)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [1, 1e-5, 1e4])
def test_prp_shares_are_not_negative_and_sum_to_one(embeddings, others, explained, scale, dtype):
    shares = prp((scale * embeddings).to(dtype), (scale * others[explained]).to(dtype))
    assert bool((shares >= 0).all())
    torch.testing.assert_close(shares.sum(1), torch.ones(ROWS, dtype=dtype))


def test_prp_favours_the_channel_that_agrees_most(embeddings, others, explained):
    closest = (embeddings - others[explained]).abs().argmin(1)
    assert torch.equal(prp(embeddings, others[explained]).argmax(1), closest)


def test_prp_of_the_prototype_itself_is_even(others):
    torch.testing.assert_close(prp(others, others), torch.full_like(others, 1 / CHANNELS))


def test_prp_treats_every_row_alone(embeddings, others, explained):
    together = prp(embeddings, others[explained])
    for row in range(ROWS):
        alone = prp(embeddings[row : row + 1], others[explained][row : row + 1])[0]
        torch.testing.assert_close(together[row], alone)


# --- neon ------------------------------------------------------------------------------------------------------------


def all_by_hand(rule, embeddings, prototypes, others, rivals):
    return [
        rule(z, p, [row for row, rival in zip(others.tolist(), chosen, strict=True) if rival])
        for z, p, chosen in zip(embeddings.tolist(), prototypes.tolist(), rivals.tolist(), strict=True)
    ]


@pytest.mark.parametrize("scale", [1, 1e-3, 1e3])
def test_neon_equals_the_midpoint_formula(embeddings, others, explained, rivals, scale):
    z, r = scale * embeddings, scale * others
    expected = all_by_hand(neon_by_hand, z, r[explained], r, rivals)
    np.testing.assert_allclose(neon(z, r[explained], r, rivals).numpy(), expected, rtol=1e-6, atol=1e-9)


def test_neon_equals_the_midpoint_formula_where_the_prototype_is_the_nearest(others, explained, rivals):
    z = others[explained] + 0.1 * normal("offset", ROWS, CHANNELS)
    expected = all_by_hand(neon_by_hand, z, others[explained], others, rivals)
    np.testing.assert_allclose(neon(z, others[explained], others, rivals).numpy(), expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_neon_shares_sum_to_one(embeddings, others, explained, rivals, dtype):
    z, r = embeddings.to(dtype), others.to(dtype)
    shares = neon(z, r[explained], r, rivals)
    assert shares.dtype == dtype
    torch.testing.assert_close(shares.sum(1), torch.ones(ROWS, dtype=dtype), rtol=1e-5, atol=1e-5)


def test_neon_with_one_rival_is_the_linear_split_between_two_prototypes():
    z, p, rival = (torch.tensor([values], dtype=torch.float64) for values in ([1.0, 0.0], [1.0, 0.0], [0.0, 2.0]))
    # around the midpoint (.5, 1): 2*(1-0)*(1-.5) = 1 and 2*(0-2)*(0-1) = 4, together |p - rival|^2 = 5
    shares = neon(z, p, rival, torch.tensor([[True]]))
    torch.testing.assert_close(shares, torch.tensor([[0.2, 0.8]], dtype=torch.float64))


def test_neon_treats_every_row_alone(embeddings, others, explained, rivals):
    together = neon(embeddings, others[explained], others, rivals)
    for row in range(ROWS):
        one = slice(row, row + 1)
        alone = neon(embeddings[one], others[explained][one], others, rivals[one])[0]
        torch.testing.assert_close(together[row], alone, rtol=1e-9, atol=1e-12)


def test_neon_ignores_prototypes_that_are_no_rivals(embeddings, others, explained, rivals):
    expected = neon(embeddings, others[explained], others, rivals)
    more = torch.cat([others, others[explained], normal("anything", 4, CHANNELS)])
    none = torch.zeros(ROWS, len(more) - PROTOTYPES, dtype=torch.bool)
    found = neon(embeddings, others[explained], more, torch.cat([rivals, none], 1))
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


def test_identical_prototypes_in_the_own_class_do_neon_no_harm(embeddings, others, explained, rivals):
    collapsed = others.clone()
    collapsed[[1, 2]], collapsed[[4, 5]], collapsed[7] = others[0], others[3], others[6]
    expected = all_by_hand(neon_by_hand, embeddings, collapsed[explained], collapsed, rivals)
    shares = neon(embeddings, collapsed[explained], collapsed, rivals)
    assert bool(torch.isfinite(shares).all())
    np.testing.assert_allclose(shares.numpy(), expected, rtol=1e-6, atol=1e-9)


def test_neon_of_the_prototype_itself_is_finite_and_sums_to_one(others, explained, rivals):
    shares = neon(others[explained], others[explained], others, rivals)
    torch.testing.assert_close(shares.sum(1), torch.ones(ROWS, dtype=torch.float64))


# --- contrast --------------------------------------------------------------------------------------------------------


def test_contrast_between_two_prototypes_is_known():
    z, p, rival = (torch.tensor([values]) for values in ([3.0, 1.0, 2.0], [2.0, 1.0, 0.0], [0.0, 2.0, 0.0]))
    # <z, p - rival>: 3 * 2 + 1 * -1 + 2 * 0 = 5
    found = contrast(z.double(), p.double(), rival.double(), torch.tensor([[True]]))
    assert found[0].tolist() == pytest.approx([6 / 5, -1 / 5, 0], rel=1e-12, abs=1e-15)
    # the rival's own shares: the same products with the other sign over a sum with the other sign
    swapped = contrast(z.double(), rival.double(), p.double(), torch.tensor([[True]]))
    assert swapped[0].tolist() == pytest.approx(found[0].tolist(), rel=1e-12, abs=1e-15)


def test_contrast_takes_the_nearest_of_the_rivals_and_the_first_of_equally_near_ones():
    z, p = torch.tensor([[2.0, 2.0]]), torch.tensor([[3.0, 3.0]])
    others = torch.tensor([[2.0, 2.0], [2.0, 0.0], [0.0, 2.0], [2.0, 4.0]])  # at 0, 2, 2 and 2
    shares = contrast(z, p, others, torch.tensor([[False, True, True, True]]))
    assert shares[0].tolist() == pytest.approx([2 / 8, 6 / 8])  # against (2, 0)
    shares = contrast(z, p, others, torch.tensor([[False, False, True, True]]))
    assert shares[0].tolist() == pytest.approx([6 / 8, 2 / 8])  # against (0, 2)
    assert contrast(z, p, others, torch.ones(1, 4, dtype=torch.bool))[0].tolist() == pytest.approx([0.5, 0.5])


def test_contrast_is_even_where_no_channel_tells_the_two_apart():
    z, rival = torch.tensor([[1.0, 2.0, 0.0, 5.0]]), torch.tensor([[3.0, 3.0, 3.0, 3.0]])
    assert contrast(z, rival, rival, torch.tensor([[True]])).tolist() == [[0.25] * 4]
    off = torch.tensor([[3.0, 3.0, 9.0, 3.0]])  # apart in a channel that is off
    assert contrast(z, off, rival, torch.tensor([[True]])).tolist() == [[0.25] * 4]


@pytest.mark.parametrize("scale", [1, 1e-3, 1e3])
def test_contrast_equals_its_formula(embeddings, others, explained, rivals, scale):
    z, r = scale * embeddings, scale * others
    expected = all_by_hand(contrast_by_hand, z, r[explained], r, rivals)
    np.testing.assert_allclose(contrast(z, r[explained], r, rivals).numpy(), expected, rtol=1e-9)


def test_contrast_is_the_part_of_the_margin_that_grows_with_the_embedding(embeddings, others, explained, rivals):
    """The margin ``|z - r|^2 - |z - p|^2`` at ``z`` minus that at the origin, a channel at a time."""
    shares = contrast(embeddings, others[explained], others, rivals)
    for z, p, row, found in zip(embeddings, others[explained], rivals, shares, strict=True):
        own = others[row]
        rival = own[(own - z).norm(dim=1).argmin()]
        grown = (z - rival) ** 2 - (z - p) ** 2 - (rival**2 - p**2)
        torch.testing.assert_close(found, grown / grown.sum())


@settings(max_examples=100, derandomize=True, deadline=None, database=None)
@given(
    npst.arrays(np.float64, (4, 5), elements=st.integers(-6, 6).map(lambda k: k / 2)),
    st.lists(st.booleans(), min_size=2, max_size=2).filter(any),
)
def test_contrast_shares_sum_to_one_whatever_the_vectors(vectors, chosen):
    z, p, others = (torch.from_numpy(part) for part in (vectors[:1], vectors[1:2], vectors[2:]))
    shares = contrast(z, p, others, torch.tensor([chosen]))
    rival = min((r for r, take in zip(others, chosen, strict=True) if take), key=lambda r: (r - z[0]).norm().item())
    parts = z[0] * (p[0] - rival)
    if parts.sum() != 0 or not parts.any():  # parts that cancel to nothing have no shares
        assert shares.sum().item() == pytest.approx(1, abs=1e-9)
    assert bool(torch.isfinite(shares).all())


def test_contrast_keeps_the_type_and_treats_every_row_alone(embeddings, others, explained, rivals):
    single = contrast(embeddings.float(), others[explained].float(), others.float(), rivals)
    assert single.dtype == torch.float32
    together = contrast(embeddings, others[explained], others, rivals)
    torch.testing.assert_close(single.double(), together, rtol=1e-3, atol=1e-3)
    for row in range(ROWS):
        one = slice(row, row + 1)
        assert torch.equal(contrast(embeddings[one], others[explained][one], others, rivals[one])[0], together[row])


# --- epsilon ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_parts_of_nothing_have_no_share_and_others_share_their_sum(dtype):
    found = epsilon_shares(torch.tensor([[0.0, 0.0], [1.0, 3.0], [-1.0, 3.0]], dtype=dtype))
    assert found.tolist() == [[0, 0], [0.25, 0.75], [-0.5, 1.5]]
    assert found.dtype == dtype


# --- gxi -------------------------------------------------------------------------------------------------------------


def distance_by_hand(z, p):
    return math.sqrt(sum((a - b) ** 2 for a, b in zip(z, p, strict=True)))


def dot_by_hand(z, p):
    return sum(a * b for a, b in zip(z, p, strict=True))


def variance(values):
    mean = sum(values) / len(values)
    return sum((value - mean) ** 2 for value in values) / len(values)


def ned_by_hand(z, p):
    return -variance([a - b for a, b in zip(z, p, strict=True)]) / (2 * (variance(z) + variance(p)))


SIMILARITIES_BY_HAND = {
    "distance": lambda z, p: -distance_by_hand(z, p),
    "squared": lambda z, p: -(distance_by_hand(z, p) ** 2),
    "l1": lambda z, p: -sum(abs(a - b) for a, b in zip(z, p, strict=True)),
    "exp": lambda z, p: math.exp(-distance_by_hand(z, p)),
    "log": lambda z, p: math.log((distance_by_hand(z, p) + 1) / (distance_by_hand(z, p) + 1e-4)),
    "log2": lambda z, p: math.log((distance_by_hand(z, p) ** 2 + 1) / (distance_by_hand(z, p) ** 2 + 1e-4)),
    "dot": dot_by_hand,
    "cosine": lambda z, p: dot_by_hand(z, p) / math.sqrt(dot_by_hand(z, z) * dot_by_hand(p, p)),
    "ned": ned_by_hand,
}
WITH_A_SHARE = [name for name in SIMILARITIES_BY_HAND if name != "cosine"]


def gxi_by_hand(z, p, function, step=1e-5):
    """Central differences instead of automatic ones."""
    products = []
    for channel, value in enumerate(z):
        above, below = list(z), list(z)
        above[channel], below[channel] = value + step, value - step
        products.append(value * (function(above, p) - function(below, p)) / (2 * step))
    return [product / sum(products) for product in products]


def rowwise(name):
    """The library's similarity as a function of matching rows."""
    return lambda z, p: SIMILARITIES[name](z[:, None], p[:, None])[:, 0, 0]


def test_every_similarity_has_a_second_implementation_here(embeddings, others, explained):
    assert SIMILARITIES_BY_HAND.keys() == SIMILARITIES.keys()
    for name, function in SIMILARITIES_BY_HAND.items():
        expected = [function(*pair) for pair in zip(embeddings.tolist(), others[explained].tolist(), strict=True)]
        np.testing.assert_allclose(rowwise(name)(embeddings, others[explained]).numpy(), expected, rtol=1e-9)


@pytest.mark.parametrize("name", WITH_A_SHARE)
def test_gxi_equals_gradient_times_input_by_differences(embeddings, others, explained, name):
    p = others[explained]
    function = SIMILARITIES_BY_HAND[name]
    expected = [gxi_by_hand(*pair, function) for pair in zip(embeddings.tolist(), p.tolist(), strict=True)]
    np.testing.assert_allclose(gxi(embeddings, p, rowwise(name)).numpy(), expected, rtol=1e-4, atol=1e-5)


def test_gxi_of_the_dot_product_is_the_share_of_each_product(embeddings, others, explained):
    products = embeddings * others[explained]
    expected = products / products.sum(1, keepdim=True)
    torch.testing.assert_close(gxi(embeddings, others[explained], rowwise("dot")), expected)


@pytest.mark.parametrize("name", WITH_A_SHARE)
def test_gxi_shares_sum_to_one(embeddings, others, explained, name):
    shares = gxi(embeddings, others[explained], rowwise(name))
    torch.testing.assert_close(shares.sum(1), torch.ones(ROWS, dtype=torch.float64))


@pytest.mark.parametrize("name", ["distance", "squared", "exp", "log", "log2"])
def test_gxi_shares_are_the_same_for_every_function_of_the_distance(embeddings, others, explained, name):
    expected = gxi(embeddings, others[explained], rowwise("distance"))
    torch.testing.assert_close(gxi(embeddings, others[explained], rowwise(name)), expected)


@pytest.mark.parametrize("name", WITH_A_SHARE)
def test_gxi_shares_sum_to_one_even_where_the_embedding_is_the_prototype(others, name):
    shares = gxi(others, others, rowwise(name))
    assert bool(torch.isfinite(shares).all())
    torch.testing.assert_close(shares.sum(1), torch.ones(PROTOTYPES, dtype=torch.float64))


def test_gxi_keeps_the_type_of_the_embeddings_and_leaves_no_gradient(embeddings, others, explained):
    z, p = embeddings.float(), others[explained].float()
    shares = gxi(z, p, rowwise("distance"))
    assert shares.dtype == torch.float32
    assert not shares.requires_grad
    assert z.grad is None


def test_gxi_works_inside_inference_mode(embeddings, others, explained):
    expected = gxi(embeddings, others[explained], rowwise("distance"))
    with torch.inference_mode():
        found = gxi(embeddings.clone(), others[explained].clone(), rowwise("distance"))
    assert torch.equal(found, expected)


def test_gxi_treats_every_row_alone(embeddings, others, explained):
    together = gxi(embeddings, others[explained], rowwise("log"))
    for row in range(ROWS):
        alone = gxi(embeddings[row : row + 1], others[explained][row : row + 1], rowwise("log"))[0]
        torch.testing.assert_close(together[row], alone)


# --- handing over to active channels ---------------------------------------------------------------------------------


@pytest.fixture
def gated(embeddings):
    """Embeddings as they are behind a ReLU: some channels are off."""
    return embeddings.clamp(min=0)


def test_channels_that_are_off_hand_their_share_to_those_that_are_on_in_proportion(gated, others, explained):
    shares = prp(gated, others[explained])
    found = onto_active(shares, gated)
    for values, row, z in zip(found.tolist(), shares.tolist(), gated.tolist(), strict=True):
        assert 0 in z
        np.testing.assert_allclose(values, onto_active_by_hand(row, z), rtol=1e-9)


def test_shares_still_sum_to_one_after_the_hand_over(gated, others, explained, rivals):
    ones = torch.ones(ROWS, dtype=torch.float64)
    p = others[explained]
    of_rivals = (rule(gated, p, others, rivals) for rule in (neon, contrast))
    for shares in (prp(gated, p), gxi(gated, p, rowwise("distance")), *of_rivals):
        torch.testing.assert_close(onto_active(shares, gated).sum(1), ones)


def test_shares_stay_as_they_are_where_every_channel_is_on(embeddings, others, explained):
    shares = prp(embeddings, others[explained])
    torch.testing.assert_close(onto_active(shares, embeddings), shares)


def test_an_embedding_of_zeros_has_nothing_to_hand_relevance_to(others):
    found = onto_active(prp(torch.zeros_like(others), others), torch.zeros_like(others))
    assert torch.equal(found, torch.zeros_like(others))


def test_the_hand_over_keeps_the_type_of_the_shares(gated, others, explained):
    shares = prp(gated.float(), others[explained].float())
    found = onto_active(shares, gated.float())
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.sum(1), torch.ones(ROWS))
