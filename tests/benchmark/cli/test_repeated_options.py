"""No command lets the last of two values of one option win silently."""

import pytest
import typer
from typer.testing import CliRunner

from sembench.cli.main import app

COMMANDS = typer.main.get_command(app).commands
LEAVES = {
    (name, *below): made
    for name, group in COMMANDS.items()
    for below, made in ({(part,): leaf for part, leaf in getattr(group, "commands", {}).items()} or {(): group}).items()
}
SINGLE = [
    (command, option)
    for command, made in LEAVES.items()
    for option in made.params
    if option.param_type_name == "option" and not option.multiple and not option.is_flag
]


@pytest.mark.parametrize(
    ("command", "option"), SINGLE, ids=lambda item: "-".join(item) if isinstance(item, tuple) else item.name
)
def test_an_option_that_takes_one_value_is_refused_when_given_twice(command, option):
    name, values = max(option.opts, key=len), ["1"] * option.nargs
    for words in ([name, *values, name, *values], [f"{name}=1", *values[1:], name, *values]):
        result = CliRunner().invoke(app, [*command, *words])
        assert result.exit_code == 2
        assert f"{name} is given 2 times, but takes one value" in result.output


def test_lists_and_flags_may_be_repeated():
    words = ["--seed", "1", "--seed", "2", "--frozen", "--frozen"]
    context = COMMANDS["run"].make_context("run", words)
    assert context.params["seed"] == [1, 2]
    assert context.params["frozen"] is True
