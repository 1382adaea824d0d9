from leaderboard.setting import facts


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
