import hashlib
import random

import numpy as np
import pytest
import torch

from sembench.seeding import derive, generator, isolated, uniform_per_image


def draw(seed=0, *names, indices, shape=(2, 3)):
    return uniform_per_image(seed, *names, indices=torch.tensor(indices), shape=shape)


def test_a_derived_seed_is_known():
    """Results of different machines and years compare only if these never change."""
    assert derive(0, "digits", "noise") == 7121928707731587733
    assert derive(7) == 4359823973405836615


def test_a_derived_seed_is_the_start_of_a_hash():
    digits = hashlib.sha256(b"3\x1fdigits\x1f4").hexdigest()[:16]
    assert derive(3, "digits", 4) == int(digits, 16) // 2


def test_a_derived_seed_depends_on_the_seed_on_every_name_and_on_their_order():
    seeds = [derive(0, "a", "b"), derive(1, "a", "b"), derive(0, "a"), derive(0, "b", "a"), derive(0, "a", "c")]
    assert len(set(seeds)) == 5
    assert derive(0, "a", "b") == seeds[0]


def test_names_do_not_run_into_each_other():
    assert len({derive(0, "ab", "c"), derive(0, "a", "bc"), derive(0, "abc"), derive(0, "a", "b", "c")}) == 4
    assert derive(1, "2") != derive(12)


def test_a_derived_seed_fits_every_generator():
    for seed in range(200):
        assert 0 <= derive(seed, "x") < 2**63
    torch.Generator().manual_seed(derive(0, "x"))
    np.random.default_rng(derive(0, "x"))


def test_generators_of_the_same_names_draw_the_same():
    first, second = (torch.rand(4, generator=generator(3, "x", 5)) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, torch.rand(4, generator=generator(3, "x", 6)))


def test_noise_is_known():
    expected = [0.16169971227645874, 0.27008056640625, 0.8511922359466553]
    assert draw(0, "digits", "noise", indices=[5], shape=(3,))[0].tolist() == pytest.approx(expected, abs=1e-9)


def test_noise_belongs_to_the_image_and_not_to_its_place_in_a_batch():
    together = draw(0, "noise", indices=[3, 0, 1000, 7])
    for row, index in enumerate([3, 0, 1000, 7]):
        assert torch.equal(together[row], draw(0, "noise", indices=[index])[0])


def test_noise_differs_between_images_names_and_seeds():
    noises = [
        draw(0, "a", indices=[0]), draw(0, "a", indices=[1]), draw(0, "b", indices=[0]), draw(1, "a", indices=[0]),
    ]  # fmt: skip
    for i, first in enumerate(noises):
        for second in noises[:i]:
            assert not bool((first == second).any())


def test_neighbouring_images_share_no_stretch_of_the_stream():
    first, second = draw(0, "a", indices=[0, 1], shape=(5000,))
    assert len(set(first.tolist()) & set(second.tolist())) < 20
    assert abs(float(torch.corrcoef(torch.stack([first, second]))[0, 1])) < 0.05


def test_noise_is_uniform_between_zero_and_one():
    noise = draw(0, "a", indices=[4], shape=(3, 100, 100))
    assert noise.shape == (1, 3, 100, 100)
    assert noise.dtype == torch.float32
    assert float(noise.min()) >= 0
    assert float(noise.max()) < 1
    counts = torch.histc(noise, bins=10, min=0, max=1)
    assert float((counts / 3000 - 1).abs().max()) < 0.08


def test_no_images_have_no_noise():
    assert uniform_per_image(0, "a", indices=torch.zeros(0, dtype=torch.int64), shape=(3, 4)).shape == (0, 3, 4)


def states():
    return torch.get_rng_state().tolist(), repr(np.random.get_state(legacy=False)), random.getstate()


def draws():
    return torch.rand(3).tolist(), np.random.rand(3).tolist(), [random.random() for _ in range(3)]


def test_drawing_leaves_the_global_streams_alone():
    before = states()
    generator(0, "x")
    draw(0, "x", indices=[0, 1])
    assert states() == before


def test_an_isolated_block_leaves_the_global_streams_where_they_were():
    before = states()
    with isolated(5):
        draws()
    assert states() == before


def test_an_isolated_block_leaves_the_global_streams_where_they_were_when_it_fails():
    before = states()

    def fail():
        with isolated(5):
            draws()
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert states() == before


def test_an_isolated_block_draws_by_its_seed_alone():
    seen = []
    for seed in (5, 5, 6):
        torch.rand(2)
        with isolated(seed):
            seen.append(draws())
    assert seen[0] == seen[1]
    assert all(first != other for first, other in zip(seen[0], seen[2], strict=True))


def test_isolated_blocks_nest():
    with isolated(1):
        expected = draws(), draws()
    with isolated(1):
        first = draws()
        with isolated(derive(0, "inner")):
            draws()
        assert (first, draws()) == expected
