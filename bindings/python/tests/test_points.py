"""Writing, reading, deleting; keys and payloads of every kind; what is refused, and how."""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np
import pytest

import roxanne

ROWS = np.arange(40, dtype=np.float32).reshape(10, 4)


@pytest.fixture
def points(db: roxanne.Database) -> roxanne.Collection:
    return db.create_collection(dim=4)


@pytest.mark.parametrize("keys", [
    np.arange(10, dtype=np.uint64), np.arange(10), np.arange(10, dtype=np.int16),
    np.arange(20, dtype=np.uint64)[::2] // 2, list(range(10)), range(10), tuple(range(10)),
    [np.int32(i) for i in range(10)]])
def test_number_keys_of_every_kind(points: roxanne.Collection, keys: Any) -> None:
    assert points.upsert(keys, ROWS) == (10, 0, 0)
    assert [point.key for point in points.scan("key")] == list(range(10))
    assert points.delete(keys) == 10 and len(points) == 0


@pytest.mark.parametrize("keys", [
    ["a", "b", "ü"], np.array(["a", "b", "ü"]), np.array(["a", "b", "ü"], dtype=object)])
def test_string_keys_of_every_kind(db: roxanne.Database, keys: Any) -> None:
    names = db.create_collection("names", dim=4, key_type="string")
    names.upsert(keys, ROWS[:3])
    assert [point.key for point in names.scan("key")] == ["a", "b", "ü"]
    assert "ü" in names and "x" not in names
    assert names.delete("ü") == 1 and names.delete(["ü", "a"]) == 1


@pytest.mark.parametrize("keys, error, part", [
    (np.arange(-1, 9), roxanne.InvalidArgument, "below 0"),
    ([-1] * 10, roxanne.InvalidArgument, "within 0"),
    ([2**64] * 10, roxanne.InvalidArgument, "within 0"),
    (np.arange(10.0), roxanne.InvalidArgument, "float64"),
    ([1.5] * 10, TypeError, "int"),
    ([1, "a"] * 5, TypeError, "int"),
    (["a", 1] * 5, TypeError, "str"),
    (np.arange(10).reshape(2, 5), roxanne.InvalidArgument, "1-D"),
    ([7] * 10, roxanne.InvalidArgument, "7"),
    (list(range(9)), roxanne.InvalidArgument, "9"),
    (["a"] * 10, roxanne.InvalidArgument, "u64"),
    (["\ud800"] * 10, roxanne.InvalidArgument, "keys: .*surrogate"),
])
def test_wrong_keys_are_refused_and_nothing_is_written(points: roxanne.Collection, keys: Any,
                                                       error: type[Exception], part: str) -> None:
    with pytest.raises(error, match=part):
        points.upsert(keys, ROWS)
    assert len(points) == 0


@pytest.mark.parametrize("vectors, error, part", [
    (ROWS.astype(np.float64), roxanne.InvalidArgument, r"float64.*astype\(numpy.float32\)"),
    (ROWS.astype(np.int32), roxanne.InvalidArgument, "int32"),
    (ROWS.astype(">f4"), roxanne.InvalidArgument, "f4"),
    (ROWS.astype(complex), roxanne.InvalidArgument, "complex"),
    (ROWS.astype(object), roxanne.InvalidArgument, "object"),
    (ROWS.tolist(), TypeError, "numpy array of float32, not list"),
    (None, TypeError, "NoneType"),
    (ROWS.T, roxanne.InvalidArgument, "ascontiguousarray"),
    (ROWS[:, :3].copy(), roxanne.InvalidArgument, "3"),
    (ROWS.reshape(10, 2, 2), roxanne.InvalidArgument, "3 dimensions"),
    (np.array(1, np.float32), roxanne.InvalidArgument, "0 dimensions"),
    (np.full((10, 4), np.nan, np.float32), roxanne.InvalidArgument, "row 0"),
])
def test_wrong_vectors_are_refused(points: roxanne.Collection, vectors: Any,
                                   error: type[Exception], part: str) -> None:
    with pytest.raises(error, match=part):
        points.upsert(range(10), vectors)
    assert len(points) == 0


@pytest.mark.parametrize("payloads, error, part", [
    ([{}] * 9, roxanne.InvalidArgument, "9"),
    ([1] * 10, TypeError, "row 0"),
    ({"a": 1}, TypeError, "list"),
    ("{}", TypeError, "list"),
    ([{}, "{"] + [None] * 8, roxanne.InvalidArgument, "row 1"),
    ([{"a": float("nan")}] * 10, roxanne.InvalidArgument, "row 0"),
    ([{"a": object()}] * 10, roxanne.InvalidArgument, "row 0"),
    ([{"a": "x" * 70000}] * 10, roxanne.InvalidArgument, "payload"),
    ([{}, {"a": "\ud800"}] * 5, roxanne.InvalidArgument, "row 1: .*surrogates"),
    (['{"a": "\ud800"}'] * 10, roxanne.InvalidArgument, "row 0: .*surrogates"),
])
def test_wrong_payloads_are_refused(points: roxanne.Collection, payloads: Any,
                                    error: type[Exception], part: str) -> None:
    with pytest.raises(error, match=part):
        points.upsert(range(10), ROWS, payloads)
    assert len(points) == 0


def test_on_duplicate(points: roxanne.Collection) -> None:
    points.upsert([1, 2], ROWS[:2])
    with pytest.raises(roxanne.AlreadyExists):
        points.upsert([2, 3], ROWS[2:4], on_duplicate="error")
    assert 3 not in points
    assert points.upsert([2, 3], ROWS[2:4], on_duplicate="skip") == (1, 0, 1)
    np.testing.assert_array_equal(points.get(2).vector, ROWS[1])
    assert points.upsert([2, 4], ROWS[2:4]) == (1, 1, 0)
    np.testing.assert_array_equal(points.get(2).vector, ROWS[2])
    with pytest.raises(roxanne.InvalidArgument, match="replace, error or skip"):
        points.upsert([1], ROWS[:1], on_duplicate="maybe")  # type: ignore[arg-type]


def test_one_point_needs_no_lists(points: roxanne.Collection) -> None:
    points.upsert(7, ROWS[0], [{"deep": {"list": [1, None, "x"]}}])
    point = points.get(7)
    assert point.payload == {"deep": {"list": [1, None, "x"]}} and point.key == 7
    assert point.vector.dtype == np.float32
    with pytest.raises(KeyError) as missing:
        points.get(8)
    assert isinstance(missing.value, roxanne.NotFound) and "key 8" in str(missing.value)
    for wrong in (-1, 2**64):
        with pytest.raises(roxanne.InvalidArgument):
            points.get(wrong)
    with pytest.raises(TypeError):
        points.get(1.5)  # type: ignore[arg-type]
    with pytest.raises(roxanne.InvalidArgument):
        points.get("seven")


def test_a_scan_sees_the_moment_it_began(points: roxanne.Collection) -> None:
    points.upsert(range(10), ROWS)
    scan = iter(points.scan("key", batch=3))
    assert next(scan).key == 0
    points.delete(range(5, 10))
    assert [point.key for point in scan] == list(range(1, 10))
    assert len(list(points)) == 5
    for wrong in (0, -1, 2**70):
        with pytest.raises(roxanne.InvalidArgument, match="batch"):
            points.scan(batch=wrong)


def test_key_bytes_that_are_no_text_come_back_as_they_were(db: roxanne.Database) -> None:
    names = db.create_collection("names", dim=4, key_type="string")
    odd = b"\xff\xfe".decode("utf-8", "surrogateescape")
    names.upsert([odd], ROWS[:1])
    assert names.search(ROWS[0], k=1)[0][0] == odd and names.get(odd).key == odd


def test_a_batch_has_a_limit_that_is_told(db: roxanne.Database, path: pathlib.Path) -> None:
    points = db.create_collection(dim=1, dtype="u8")
    too_many = 2**20 + 1
    with pytest.raises(roxanne.InvalidArgument, match="1,?048,?576"):
        points.upsert(np.arange(too_many), np.zeros((too_many, 1), np.uint8))
