"""Fetches published files, from the addresses that torchvision knows or from the publisher; only on request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from sembench.data.declaration import Fetch, Options
from sembench.errors import DataMissing


def by_torchvision(name: str, *variants: Mapping[str, Any]) -> Fetch:
    """Fetches with ``torchvision.datasets.<name>(data_root, download=True)``, once for each variant's arguments."""

    def fetch(data_root: Path, options: Options) -> None:
        import torchvision.datasets

        make = getattr(torchvision.datasets, name)
        for arguments in variants or ({},):
            attempt(name, partial(make, str(data_root), download=True, **arguments))

    return fetch


def archive(address: str, md5: str, holds: str) -> Fetch:
    """Fetches an archive, verifies it and unpacks it into the root folder, unless a file that it ``holds`` is there."""

    def fetch(data_root: Path, options: Options) -> None:
        from torchvision.datasets.utils import download_and_extract_archive

        if not (data_root / holds).is_file():
            attempt(address, partial(download_and_extract_archive, address, str(data_root), md5=md5))

    return fetch


def single(address: str, path: Path) -> None:
    """Fetches one file unless it is there. Raises `DataMissing` if that fails."""
    from torchvision.datasets.utils import download_url

    if not path.is_file():
        attempt(address, partial(download_url, address, str(path.parent), path.name))


def attempt(what: str, fetch: Callable[[], object]) -> None:
    """Raises `DataMissing`, with the reason, if a download fails."""
    try:
        fetch()
    except (OSError, RuntimeError, ImportError) as error:  # no network, a wrong checksum, gdown not installed
        raise DataMissing(
            f"{what} could not be fetched: {error}. Fetch the files by hand and put them into the folder of data sets."
        ) from error
