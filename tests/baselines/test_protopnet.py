"""ProtoPNet: every loss against its formula, who moves when, and prototypes that are training data."""

import math

import pytest
import torch

from sembench.backbones.backbone import built, freeze
from sembench.backbones.resnet import resnet10_narrow
from sembench.errors import FitImpossible, SuiteInvalid
from sembench.seeding import generator, isolated
from sembench.similarity import log_similarity
from sembench.training.stages import Session, train_in_stages
from sembench_baselines.protopnet import (
    ProtoPNet,
    ProtoPNetModel,
    ProtoPNetParts,
    cluster_cost,
    separation_cost,
    sparsity_cost,
)

SHORT = {"warm_epochs": 1, "joint_epochs": 2, "project_every": 1, "last_epochs": 1, "dimension": 16}
RECIPES = {"images": ProtoPNet(**SHORT), "parts": ProtoPNetParts(**SHORT)}


@pytest.fixture(scope="module")
def backbone():
    with isolated(0):
        return freeze(built(lambda: resnet10_narrow(10)))


@pytest.fixture(scope="module")
def fitted(backbone, data):
    return {name: recipe.resume(backbone, data.train, Session(0)) for name, recipe in RECIPES.items()}


def random_case():
    source = generator(0, "case")
    squared = torch.rand(6, 7, generator=source, dtype=torch.float64) * 5
    return squared, torch.tensor([0, 1, 2, 2, 1, 0]), torch.tensor([0, 0, 0, 1, 2, 2, 1])


def naive_least(squared, labels, classes, same):
    """Least squared distance to a prototype of the own (or another) class, image by image."""
    total = 0.0
    for i in range(len(labels)):
        wanted = [float(squared[i, j]) for j in range(len(classes)) if (classes[j] == labels[i]) == same]
        total += min(wanted)
    return total / len(labels)


def test_cluster_and_separation_are_least_squared_distances_to_own_and_other_prototypes():
    squared, labels, classes = random_case()
    assert float(cluster_cost(squared, labels, classes)) == pytest.approx(naive_least(squared, labels, classes, True))
    assert float(separation_cost(squared, labels, classes)) == pytest.approx(
        naive_least(squared, labels, classes, False)
    )


def test_sparsity_is_the_l1_norm_of_the_weights_to_other_classes():
    weight, classes = torch.randn(3, 7, generator=generator(0, "weight")), random_case()[2]
    expected = sum(abs(float(weight[k, j])) for k in range(3) for j in range(7) if classes[j] != k)
    assert float(sparsity_cost(weight, classes)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("squared", [0.0, 1e-4, 0.3, 7.0, 1e4])
def test_similarity_is_the_logarithm_of_the_papers(squared):
    expected = math.log((squared + 1) / (squared + 1e-4))
    assert float(log_similarity(torch.tensor(squared, dtype=torch.float64))) == pytest.approx(expected, rel=1e-9)


def test_gradients_agree_with_finite_differences():
    squared, labels, classes = random_case()
    squared.requires_grad_()
    assert torch.autograd.gradcheck(lambda d: cluster_cost(d, labels, classes), squared)
    assert torch.autograd.gradcheck(lambda d: separation_cost(d, labels, classes), squared)
    assert torch.autograd.gradcheck(log_similarity, squared)
    weight = torch.randn(3, 7, generator=generator(0, "w"), dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda w: sparsity_cost(w, classes), weight)


def test_the_whole_loss_is_the_weighted_sum_of_the_paper(fitted, data):
    """Cross-entropy + .8 cluster - .08 separation, from distances computed one by one."""
    recipe, model = RECIPES["parts"], fitted["parts"]
    batch = data.train.batch(torch.arange(7))
    features = model.feature_map(batch.images)
    least = torch.zeros(7, len(model.classes))
    for i in range(7):
        for j in range(len(model.classes)):
            cells = features[i].flatten(1).T
            least[i, j] = min(float((cell - model.vectors[j]).square().sum()) for cell in cells)
    logits = ((least + 1) / (least + 1e-4)).log() @ model.last.weight.T
    terms = recipe.losses(model, batch.images, batch.labels)
    entropy = -sum(float(logits[i].log_softmax(0)[batch.labels[i]]) for i in range(7)) / 7
    assert float(terms["cross-entropy"]) == pytest.approx(entropy, rel=1e-3)
    assert float(terms["cluster"]) == pytest.approx(
        0.8 * naive_least(least, batch.labels, model.classes, True), rel=1e-3
    )
    expected = -0.08 * naive_least(least, batch.labels, model.classes, False)
    assert float(terms["separation"]) == pytest.approx(expected, rel=1e-3)


def moved_by(stage_name, backbone, data):
    """Which parts of the model a stage moves, and the names of its loss terms."""
    recipe = ProtoPNet(**SHORT)
    with isolated(0):
        classes = torch.arange(10).repeat_interleave(5)
        model = ProtoPNetModel(backbone.renewed(), classes, recipe)
    stage = next(stage for stage in recipe.stages(model, data.train) if stage.name == stage_name)
    before = {name: value.clone() for name, value in model.named_parameters()}
    named = []
    seen = stage.loss

    def spy(step):
        terms = seen(step)
        named.append(set(terms))
        return terms

    object.__setattr__(stage, "loss", spy)
    object.__setattr__(stage, "finish", None)
    train_in_stages(model, data.train, [stage], Session(0))
    moved = {name.split(".")[0] for name, value in model.named_parameters() if not torch.equal(value, before[name])}
    return moved, named[0]


@pytest.mark.parametrize(
    ("stage", "parts", "terms"),
    [
        ("warm-up", {"add_on", "vectors"}, {"cross-entropy", "cluster", "separation"}),
        ("joint", {"blocks", "add_on", "vectors"}, {"cross-entropy", "cluster", "separation"}),
        ("last layer", {"last"}, {"cross-entropy", "sparsity"}),
    ],
)
def test_a_stage_moves_what_the_paper_says_and_nothing_else(stage, parts, terms, backbone, data):
    assert moved_by(stage, backbone, data) == (parts, terms)


def test_the_order_of_stages_follows_the_recipe(backbone, data):
    recipe = ProtoPNet(warm_epochs=5, joint_epochs=15, project_every=10, last_epochs=5)
    with isolated(0):
        model = ProtoPNetModel(backbone.renewed(), torch.arange(10), recipe)
    stages = [(stage.name, stage.epochs) for stage in recipe.stages(model, data.train)]
    assert stages == [("warm-up", 5), ("joint", 10), ("last layer", 5), ("joint", 5), ("last layer", 5)]


@pytest.mark.parametrize("name", RECIPES)
def test_every_prototype_is_the_nearest_training_patch_of_its_class_by_brute_force(name, fitted, data):
    model = fitted[name]
    with torch.no_grad():
        features = torch.cat([model.feature_map(batch.images) for batch in data.train.batches(7)])
    for j, label in enumerate(model.classes.tolist()):
        image, row, column = model.origins[j].tolist()
        assert data.train.labels[image] == label
        assert (features[image, :, row, column] - model.vectors[j]).abs().max() <= 1e-6
        mine = features[data.train.labels == label]
        least = min(float((cell - model.vectors[j]).square().sum()) for z in mine for cell in z.flatten(1).T)
        assert least <= 1e-10


def test_the_projection_takes_the_nearest_one_and_not_just_any(backbone, data):
    recipe = ProtoPNetParts(**SHORT)
    with isolated(1):
        model = ProtoPNetModel(backbone.renewed(), torch.arange(10).repeat_interleave(2), recipe).eval()
    before = model.vectors.detach().clone()
    with torch.no_grad():
        features = torch.cat([model.feature_map(batch.images) for batch in data.train.batches(50)])
    model.project(data.train)
    for j, label in enumerate(model.classes.tolist()):
        patches = features[data.train.labels == label].permute(0, 2, 3, 1).flatten(0, 2)
        best = patches[(patches - before[j]).double().square().sum(1).argmin()]
        assert torch.allclose(model.vectors[j], best, atol=1e-6)


@pytest.mark.parametrize("explained", ["score", "nearest", "mean"])
@pytest.mark.parametrize("parts", [False, True])
def test_relevance_is_conserved_by_the_head_and_down_to_the_pixels(parts, explained, backbone, data):
    recipe = ProtoPNet(**SHORT, parts=parts, explained=explained, bias="zero")
    model = recipe.resume(backbone, data.train, Session(0))
    images = data.test.batch(torch.arange(6)).images
    with torch.no_grad():
        features, probabilities = model.feature_map(images), model.probabilities(images)
    seed = probabilities.amax(1)
    assert torch.allclose(model.head_relevance(features).sum((1, 2, 3)), seed, rtol=1e-4)
    assert torch.allclose(model.attribute(images).sum((1, 2)), seed, rtol=0.02)


def test_relevance_goes_to_the_cell_that_was_most_similar_and_differs_between_targets(fitted, data):
    model = fitted["parts"]
    images = data.test.batch(torch.arange(4)).images
    with torch.no_grad():
        features = model.feature_map(images)
        maps = log_similarity(model.squared_distances(features))
    own = {label: (model.classes == label).nonzero()[:, 0] for label in (0, 1)}
    for label, prototypes in own.items():
        relevance = model.head_relevance(features, torch.full((4,), label)).abs().sum(1).flatten(1)
        for i in range(4):
            cells = {int(maps[i, j].flatten().argmax()) for j in prototypes}
            assert set(relevance[i].nonzero()[:, 0].tolist()) == cells
    zero, one = (model.attribute(images, torch.full((4,), label)) for label in (0, 1))
    assert not torch.allclose(zero, one)


def finished(recipe, backbone, split, checkpoint, stop_after=None):
    lines = []

    def report(line):
        lines.append(line)
        if len(lines) == stop_after:
            raise KeyboardInterrupt

    try:
        model = recipe.resume(backbone, split, Session(0, checkpoint, report))
    except KeyboardInterrupt:
        return None
    return model.fitted_state()


@pytest.mark.parametrize("epochs", [1, 2, 3, 4, 5])
def test_a_training_killed_in_any_stage_ends_with_the_same_model(epochs, backbone, data, fitted, checkpoint):
    recipe, expected = RECIPES["images"], fitted["images"].fitted_state()
    assert finished(recipe, backbone, data.train, checkpoint, epochs) is None
    found = finished(recipe, backbone, data.train, checkpoint)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_the_paper_preset_is_table_10(backbone):
    recipe = ProtoPNet.configured("cifar10", preset="paper", prototypes_per_class=7)
    stages = recipe.warm_epochs, recipe.joint_epochs, recipe.project_every, recipe.last_epochs
    assert stages == (5, 30, 10, 5)
    assert (recipe.prototypes_per_class, recipe.feature_rate, recipe.batch_size) == (7, 1e-3, 128)
    assert recipe.dimension == 512
    for data_set, epochs, prototypes in [("mnist", 15, 5), ("stl10", 35, 5), ("celeba", 15, 20), ("cub", 35, 10)]:
        found = ProtoPNet.configured(data_set, preset="paper")
        assert found.warm_epochs + found.joint_epochs == epochs  # those of the table
        assert found.prototypes_per_class == prototypes
    assert ProtoPNet.configured("digits", preset="quick") == ProtoPNet()
    with pytest.raises(SuiteInvalid, match=r"says nothing of data set 'digits', only of mnist"):
        ProtoPNet.configured("digits", preset="paper")
    with pytest.raises(SuiteInvalid, match="no preset 'fast'; its presets are: quick, scratch, paper"):
        ProtoPNet.configured("digits", preset="fast")


@pytest.mark.parametrize(
    "wrong", [{"explained": "all"}, {"dimension": 0}, {"warm_epochs": -1}, {"batch_size": 1}, {"bias": "none"}]
)
def test_impossible_recipes_are_refused(wrong):
    with pytest.raises(FitImpossible):
        ProtoPNet(**wrong)
