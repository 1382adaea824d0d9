import importlib.util
from pathlib import Path

import pytest
import torch


@pytest.fixture(scope="session")
def script():
    """The module `scripted`: evaluations that are told what they find."""
    spec = importlib.util.spec_from_file_location("scripted", Path(__file__).with_name("scripted.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def _one_thread():
    """A handful of numbers is slower on many threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
