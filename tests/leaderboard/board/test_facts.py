from sembench_leaderboard.board.facts import facts


def test_facts_of_results_that_share_them(build):
    found = dict(facts([build.result({}, seed=seed, backbone_sha256=str(seed)) for seed in (0, 1)]))
    assert found == {
        "Seeds": "2 (0, 1)",
        "Images": "1,437 to train, 360 to test, 3 of these explained; 10 classes",
        "Black box": "resnet10-narrow (weights: none; epochs: 8; learning rate: 0.05), trained in 61.5 s, mean of 2",
        "Licence of the data": "BSD-3-Clause",
        "Computed with": "sembench 0.1.0, cpu",
    }


def test_a_recipe_may_hold_anything_and_lack_anything(build):
    found = dict(facts([build.result({}, backbone_training={"lr": {"start": 1}, "weights": None, "notes": "a"})]))
    assert found["Black box"] == "not recorded (weights: none; epochs: not recorded; notes: a), trained in 61.5 s"


def test_facts_that_differ_are_all_named(build):
    results = [
        build.result({}, seed=0, device="cpu"),
        build.result({}, seed=1, device="H100", dataset_sizes={"train": 1437}, explained=(1,)),
    ]
    found = dict(facts(results))
    assert found["Images"] == "1,437 to train, 360 / not recorded to test, 3 / 1 of these explained; 10 classes"
    assert found["Computed with"] == "sembench 0.1.0, cpu / sembench 0.1.0, H100"


def test_entries_with_another_black_box_are_named(build):
    usual = [build.result({}, explainer=name) for name in ("blackbox", "kmex")]
    apart = [build.result({}, explainer="a-guest", backbone_sha256="c" * 64, threads=8)]
    text = "a-guest: trained on another machine from the same recipe; these entries are compared with it"
    assert dict(facts(apart + usual))["Another black box"] == text
    assert "Another black box" not in dict(facts(usual))


def test_entries_whose_seeds_come_from_different_code_are_named(build):
    def cell(explainer, seed, digest):
        return build.result({}, explainer=explainer, seed=seed, sources={"explainer": digest, "instrument": str(seed)})

    same = [cell("kmex", seed, "a") for seed in (0, 1)]
    mixed = [cell("flint", seed, str(seed)) for seed in (0, 1)]
    assert "Source code" not in dict(facts(same))
    text = "their seeds were computed by different versions of the method's source code, its documentation included"
    assert dict(facts(same + mixed))["Source code"] == f"flint: {text}"
    assert (
        dict(facts(mixed + [cell("kmex", seed, str(seed)) for seed in (0, 1)]))["Source code"] == f"all entries: {text}"
    )


def test_declared_exceptions_stand_on_the_board(build):
    results = [build.result({}, seed=seed, exceptions={"repetition": "it samples"}) for seed in (0, 1)]
    assert dict(facts(results))["Declared exception"] == "kmex: repetition: it samples"
