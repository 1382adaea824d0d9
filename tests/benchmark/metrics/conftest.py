import importlib.util
from pathlib import Path

import pytest
import torch


@pytest.fixture(scope="session")
def world():
    """The module `tiny_world`: a data set, a backbone and models of a few channels."""
    spec = importlib.util.spec_from_file_location("tiny_world", Path(__file__).with_name("tiny_world.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def _one_thread():
    """Networks of four channels are slower on many threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
