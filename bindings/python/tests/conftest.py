"""Fixtures; the package under test is the installed one."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

import roxanne


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "test.rox"


@pytest.fixture
def db(path: pathlib.Path) -> Iterator[roxanne.Database]:
    with roxanne.open(path, memory_limit="512MiB", threads=2) as database:
        yield database
