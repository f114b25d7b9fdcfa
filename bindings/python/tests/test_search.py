"""Answers against brute force in numpy, for every dtype, metric and kind of key."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import numpy as np
import pytest

import roxanne

DIM = 24
DTYPES = {"f32": np.float32, "f16": np.float16, "u8": np.uint8, "i8": np.int8}


def random_rows(rng: np.random.Generator, rows: int, dtype: str, dim: int = DIM) -> Any:
    if dtype == "u8":
        return rng.integers(0, 256, (rows, dim), dtype=np.uint8)
    if dtype == "i8":
        return rng.integers(-128, 128, (rows, dim), dtype=np.int8)
    return rng.standard_normal((rows, dim)).astype(DTYPES[dtype])


def brute_force(rows: Any, queries: Any, metric: str) -> Any:
    """Distances, queries x rows."""
    a, b = queries.astype(np.float64), rows.astype(np.float64)
    if metric == "l2":
        return ((a[:, None, :] - b[None, :, :]) ** 2).sum(axis=2)
    if metric == "cosine":
        a = a / np.linalg.norm(a, axis=1, keepdims=True)
        b = b / np.linalg.norm(b, axis=1, keepdims=True)
        return 1 - a @ b.T
    return -(a @ b.T)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("metric", ["l2", "ip", "cosine"])
def test_answers_are_those_of_brute_force(db: roxanne.Database, dtype: str, metric: Any) -> None:
    rng = np.random.default_rng(1)
    rows, queries = random_rows(rng, 700, dtype), random_rows(rng, 30, dtype)
    keys = rng.permutation(700).astype(np.uint64) * np.uint64(2**50)
    points = db.create_collection(dim=DIM, dtype=dtype, metric=metric)
    points.upsert(keys, rows)
    found, distances = points.search(queries, k=10)
    assert found.shape == distances.shape == (30, 10)
    assert found.dtype == np.uint64 and distances.dtype == np.float32
    truth = brute_force(rows, queries, metric)
    np.testing.assert_allclose(distances, np.sort(truth, axis=1)[:, :10], rtol=2e-3, atol=2e-3)
    row_of = {int(key): row for row, key in enumerate(keys)}
    for query in range(30):
        own = [truth[query, row_of[int(key)]] for key in found[query]]
        np.testing.assert_allclose(distances[query], own, rtol=2e-3, atol=2e-3)
        one, its_distances = points.search(queries[query], k=10)
        assert one.shape == (10,)
        np.testing.assert_array_equal(its_distances, distances[query])


def test_a_graph_finds_nearly_all_and_new_and_deleted_points_count(db: roxanne.Database) -> None:
    rng = np.random.default_rng(2)
    rows = random_rows(rng, 15000, "u8", 16)
    queries = random_rows(rng, 200, "u8", 16)
    points = db.create_collection(dim=16, dtype=np.uint8)
    points.upsert(np.arange(15000), rows)
    points.build_index()
    assert points.info()["regime"] in ("resident", "disk")
    points.upsert(np.arange(15000, 15200), queries)
    points.delete(np.arange(0, 1000))
    found, distances = points.search(queries, k=10)
    np.testing.assert_array_equal(found[:, 0], np.arange(15000, 15200))
    assert not np.isin(found, np.arange(0, 1000)).any()
    exact, true_distances = points.search(queries, k=10, exact=True)
    recall = (distances <= true_distances[:, 9:]).mean()
    assert recall > 0.9
    assert exact.shape == (200, 10)


def test_places_without_an_answer_say_so(db: roxanne.Database) -> None:
    few = db.create_collection("few", dim=2)
    rows = np.eye(2, dtype=np.float32)
    empty_keys, empty_distances = few.search(rows[0])
    assert len(empty_keys) == len(empty_distances) == 0
    few.upsert([5, 6], rows)
    keys, distances = few.search(rows[0], k=10)
    assert keys.tolist() == [5, 6] and distances.tolist() == [0, 2]
    keys, distances = few.search(rows, k=4)
    assert keys.tolist() == [[5, 6, 2**64 - 1, 2**64 - 1], [6, 5, 2**64 - 1, 2**64 - 1]]
    assert np.isinf(distances[:, 2:]).all() and np.isfinite(distances[:, :2]).all()
    names = db.create_collection("names", dim=2, key_type="string")
    names.upsert(["é", "b"], rows)
    keys, distances = names.search(rows, k=3)
    assert keys.tolist() == [["é", "b", None], ["b", "é", None]]
    assert names.search(rows[0], k=3)[0].tolist() == ["é", "b"]


def test_no_queries_give_no_answers(db: roxanne.Database) -> None:
    points = db.create_collection(dim=4)
    points.upsert([1], np.ones((1, 4), np.float32))
    keys, distances = points.search(np.empty((0, 4), np.float32), k=3)
    assert keys.shape == distances.shape == (0, 3)


@pytest.mark.parametrize("options, part", [
    ({"k": -1}, "k -1: is below 0"), ({"k": 2**70}, "k .*above"), ({"k": 0}, "k"),
    ({"k": 10_001}, "10,?000"), ({"threads": -1}, "threads -1"),
    ({"search_list_size": -1}, "search_list_size -1")])
def test_wrong_options_are_refused(db: roxanne.Database, options: dict[str, Any],
                                   part: str) -> None:
    points = db.create_collection(dim=4)
    row = np.ones(4, np.float32)
    for search in (points.search, points.search_points):
        with pytest.raises(roxanne.InvalidArgument, match=part):
            search(row, **options)
    with pytest.raises(TypeError, match="k: expected int, not float"):
        points.search(row, k=1.5)  # type: ignore[arg-type]


def test_batches_larger_than_a_block_are_answered_whole(db: roxanne.Database) -> None:
    rng = np.random.default_rng(3)
    rows = random_rows(rng, 300, "i8", 8)
    points = db.create_collection(dim=8, dtype="i8")
    points.upsert(range(300), rows)
    queries = random_rows(rng, 9000, "i8", 8)
    truth = brute_force(rows, queries, "l2").min(axis=1)
    for exact in (False, True):
        _, distances = points.search(queries, k=1, exact=exact)
        np.testing.assert_array_equal(distances[:, 0], truth)


def test_search_points_brings_payloads_and_vectors(db: roxanne.Database) -> None:
    points = db.create_collection(dim=2)
    rows = np.array([[0, 0], [1, 0], [5, 5]], np.float32)
    points.upsert([1, 2, 3], rows, [{"title": "Häfen"}, None, '{"n": 3}'])
    first, second, third = points.search_points(rows[0], k=3, with_vector=True)
    assert first.key == 1 and first.distance == 0 and first.payload == {"title": "Häfen"}
    assert second.payload is None and third.payload == {"n": 3}
    assert second.vector is not None
    np.testing.assert_array_equal(second.vector, rows[1])
    assert points.search_points(rows[0], k=1, with_payload=False)[0][2:] == (None, None)
    for batch in (rows, rows[:1], rows[:0]):
        with pytest.raises(roxanne.InvalidArgument, match="one query"):
            points.search_points(batch)


def test_search_like_leaves_its_own_point_out(db: roxanne.Database) -> None:
    points = db.create_collection(dim=1, dtype="u8", key_type="string")
    rows = np.array([[0], [1], [3], [7]], np.uint8)
    points.upsert(["a", "b", "c", "d"], rows, payloads=[{"n": n} for n in range(4)])
    found = points.search_like("b", k=2, with_vector=True)
    assert [(one.key, one.distance, one.payload) for one in found] == [("a", 1, {"n": 0}), ("c", 4, {"n": 2})]
    assert found[0].vector is not None and found[0].vector.tolist() == [0]
    assert points.search_like("b", k=1, exact=True, with_payload=False)[0][2:] == (None, None)
    with pytest.raises(KeyError):
        points.search_like("nobody")
    with pytest.raises(roxanne.InvalidArgument):
        points.search_like(1)


def test_async_searches_begun_at_once_each_get_their_answer(db: roxanne.Database) -> None:
    rng = np.random.default_rng(4)
    rows = random_rows(rng, 500, "f32")
    points = db.create_collection(dim=DIM)
    points.upsert(range(500), rows)

    async def search_all() -> list[roxanne._collection.Found]:
        return await asyncio.gather(*(points.search_async(row, k=1) for row in rows[:100]))

    answers = asyncio.run(search_all())
    assert [int(keys[0]) for keys, _ in answers] == list(range(100))


def test_threads_write_and_search_at_once(db: roxanne.Database) -> None:
    points = db.create_collection(dim=DIM, dtype="u8")
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            rng = np.random.default_rng(number)
            for i in range(20):
                row = random_rows(rng, 1, "u8")
                key = 1000 * number + i
                assert points.upsert(key, row).inserted == 1
                assert points.search(row[0], k=1)[1][0] == 0
                np.testing.assert_array_equal(points.get(key).vector, row[0])
        except BaseException as failure:  # to be raised by the test itself
            failures.append(failure)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures and len(points) == 120


def test_a_view_into_a_larger_buffer_will_do_and_a_strided_one_is_refused(
        db: roxanne.Database) -> None:
    points = db.create_collection(dim=4, dtype="u8")
    buffer = np.arange(80, dtype=np.uint8)
    rows = buffer[8:48].reshape(10, 4)
    rows.flags.writeable = False
    points.upsert(np.arange(10, dtype=np.uint64), rows)
    assert points.search(rows[3], k=1)[0][0] == 3
    with pytest.raises(roxanne.InvalidArgument, match="ascontiguousarray"):
        points.search(buffer.reshape(20, 4)[:, ::-1])
    with pytest.raises(roxanne.InvalidArgument, match="ascontiguousarray"):
        points.search(buffer[:8:2])
