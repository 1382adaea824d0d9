from sembench_leaderboard.board.contents import cost_table


def cell_of(table, label, title, unit):
    place = [(column.title, column.unit) for column in table.columns].index((title, unit))
    return next(row.cells[place].text for row in table.rows if row.label == label)


def test_costs_are_means_over_seeds_in_readable_units(build):
    spent = (
        {"fit_seconds": 1.0, "fit_images": 1437, "predict_seconds_per_image": 0.0021, "predict_seconds_single": 0.0085},
        {"fit_seconds": 2.5, "fit_images": 1438, "predict_seconds_per_image": 0.0022, "predict_seconds_single": 0.0085},
    )
    table = cost_table([build.result({}, seed=seed, spent=build.cost(**own)) for seed, own in enumerate(spent)])
    assert cell_of(table, "kmex", "Fit", "s") == "1.75"
    assert cell_of(table, "kmex", "Fit", "images") == "1,438"
    assert cell_of(table, "kmex", "Classify", "ms") == "8.5 (2.15)"
    assert cell_of(table, "kmex", "Memory", "MiB") == "512"
    assert cell_of(table, "kmex", "Own parameters", "") == "25,600"


def test_what_is_not_explained_costs_no_number(build):
    spent = build.cost(explain_seconds_per_image=None, explain_seconds_single=None, explain_images=None)
    table = cost_table([build.result({}, spent=spent)])
    assert cell_of(table, "kmex", "Explain", "ms") == cell_of(table, "kmex", "Explain", "images") == "—"


def test_an_older_result_has_no_time_of_a_single_image(build):
    spent = build.cost(predict_seconds_single=None, explain_seconds_single=0.0412)
    table = cost_table([build.result({}, spent=spent)])
    assert cell_of(table, "kmex", "Classify", "ms") == "— (2.1)"
    assert cell_of(table, "kmex", "Explain", "ms") == "41.2 (15.3)"


def test_rows_stand_in_the_order_of_the_board(build):
    kinds = {"z": "explainer", "a": "control", "m": "reference", "b": "explainer"}
    table = cost_table([build.result({}, explainer=name, kind=kind) for name, kind in kinds.items()])
    assert [row.label for row in table.rows] == ["m (reference)", "b", "z", "a"]
