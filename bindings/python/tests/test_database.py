"""Opening, closing, copying, checking; forks and Ctrl-C."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import textwrap
import threading
import time
from typing import Any

import numpy as np
import pytest

import roxanne


def fill(db: roxanne.Database, rows: int = 200, name: str = "default") -> roxanne.Collection:
    points = db.create_collection(name, dim=8, dtype="u8")
    points.upsert(range(rows), np.random.default_rng(5).integers(0, 256, (rows, 8), np.uint8))
    return points


def run_script(text: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", textwrap.dedent(text), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_what_was_written_is_there_after_reopening(path: pathlib.Path) -> None:
    with roxanne.open(path) as db:
        fill(db)
        db.create_collection("names", dim=3, dtype=np.dtype("float16"), metric="ip",
                             key_type="string")
        assert db.collections == ["default", "names"] == list(db) and len(db) == 2
    with roxanne.open(str(path), create=False, durability="grouped") as db:
        assert len(db["default"]) == 200
        names = db["names"]
        assert (names.name, names.dim, names.dtype, names.metric, names.key_type) == (
            "names", 3, "f16", "ip", "string")
        assert "names" in db and "other" not in db and db.get("other") is None
        with pytest.raises(roxanne.AlreadyExists):
            db.create_collection("names", dim=3)
        db.drop_collection("names")
        with pytest.raises(KeyError):
            db["names"]
        with pytest.raises(roxanne.NotFound):
            db.drop_collection("names")
        with pytest.raises(roxanne.NotFound):
            names.get("a")


@pytest.mark.parametrize("options, part", [
    ({"memory_limit": "4 GiBB"}, "4GiB"), ({"memory_limit": -1}, "below"),
    ({"memory_limit": "1KiB"}, "32"), ({"durability": "some"}, "grouped"),
    ({"threads": -1}, "threads -1"), ({"threads": 2**70}, "threads"),
    ({"index_points_min": -1}, "index_points_min -1")])
def test_wrong_options_are_refused(path: pathlib.Path, options: dict[str, Any], part: str) -> None:
    with pytest.raises(roxanne.InvalidArgument, match=part):
        roxanne.open(path, **options)
    assert not path.exists()


@pytest.mark.parametrize("options, part", [
    ({"dim": 0}, "dim"), ({"dim": 4, "dtype": "f64"}, "f64"), ({"dim": 4, "dtype": float}, "f32"),
    ({"dim": 4, "metric": "l1"}, "cosine"), ({"dim": 4, "key_type": "int"}, "string"),
    ({"dim": 4, "name": "a/b"}, "name"), ({"dim": 4, "name": "\ud800"}, "name: .*surrogate"),
    ({"dim": -1}, "dim -1"), ({"dim": 2**70}, "dim")])
def test_wrong_collections_are_refused(db: roxanne.Database, options: dict[str, Any],
                                       part: str) -> None:
    with pytest.raises(roxanne.InvalidArgument, match=part):
        db.create_collection(**options)
    assert db.collections == []


@pytest.mark.parametrize("wrong", ["", "a\0b", "\ud800", b"a\0b"])
def test_wrong_paths_are_refused(db: roxanne.Database, wrong: Any, tmp_path: pathlib.Path,
                                 monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = list(tmp_path.iterdir())
    for call in (roxanne.open, db.snapshot):
        with pytest.raises(roxanne.InvalidArgument, match="path"):
            call(wrong)
    assert list(tmp_path.iterdir()) == before


def test_a_path_need_not_be_text(tmp_path: pathlib.Path) -> None:
    odd = os.fsencode(tmp_path) + b"/\xff.rox"
    with roxanne.open(odd) as db:
        fill(db)
        db.snapshot(odd + b"2")
    assert sorted(os.listdir(os.fsencode(tmp_path))) == [b"\xff.rox", b"\xff.rox2"]
    for path in (odd + b"2", pathlib.Path(os.fsdecode(odd))):
        with roxanne.open(path, create=False) as db:
            assert len(db["default"]) == 200 and os.fsencode(db.info()["path"]) == os.fsencode(path)


def test_sizes() -> None:
    from roxanne._values import byte_count
    assert byte_count("4GiB") == 4 * 2**30 and byte_count(" 1.5 mib ") == 3 * 2**19
    assert byte_count("2GB") == 2 * 10**9 == byte_count("2g") and byte_count(77) == 77


def test_missing_existing_and_locked(path: pathlib.Path) -> None:
    with pytest.raises(roxanne.NotFound):
        roxanne.open(path, create=False)
    with pytest.raises(roxanne.NotFound):
        roxanne.open(path, read_only=True)
    with roxanne.open(path) as db:
        points = fill(db)
        with pytest.raises(roxanne.Locked, match=str(os.getpid())):
            roxanne.open(path)
        with roxanne.open(path, read_only=True) as reader:
            copy = reader["default"]
            points.delete(range(100))
            assert len(copy) == 200 and reader.info()["read_only"] is True
            with pytest.raises(roxanne.ReadOnly):
                copy.delete([1])
    with pytest.raises(roxanne.AlreadyExists):
        roxanne.open(path, error_if_exists=True)


def test_a_closed_database_says_so(path: pathlib.Path) -> None:
    db = roxanne.open(path)
    points = fill(db)
    scan = points.scan()
    next(scan)
    rest = points.scan(batch=2)
    db.close()
    db.close()
    for call in (db.flush, db.info, points.info, lambda: next(rest), lambda: len(points),
                 lambda: points.search(np.zeros(8, np.uint8)), lambda: db["default"]):
        with pytest.raises(roxanne.Error, match="closed"):
            call()


def test_closing_waits_for_running_calls(path: pathlib.Path) -> None:
    db = roxanne.open(path)
    points = fill(db, 20000)
    failures: list[BaseException] = []
    answers = []

    def search() -> None:
        try:
            while True:
                answers.append(points.search(np.zeros((50, 8), np.uint8), k=1)[1])
        except roxanne.Error as closed:
            if "closed" not in str(closed):
                failures.append(closed)
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    while not answers:
        time.sleep(0.01)
    db.close()
    for thread in threads:
        thread.join(60)
    assert not failures and not any(thread.is_alive() for thread in threads)


def test_closing_is_not_put_off_by_calls_that_keep_coming(path: pathlib.Path) -> None:
    """Some thread is always within a call: close() shall be next, not the last. A script, so that
    one that waits for ever can be ended."""
    done = run_script("""
        import sys, threading
        import numpy as np, roxanne
        db = roxanne.open(sys.argv[1], automatic_index=False)
        points = db.create_collection(dim=64, dtype="u8")
        points.upsert(range(20000), np.ones((20000, 64), np.uint8))
        begun = threading.Barrier(33)

        def search():
            queries = np.ones((500, 64), np.uint8)
            begun.wait()
            try:
                while True:
                    points.search(queries, k=1, exact=True, threads=1)
            except roxanne.Error as closed:
                assert "closed" in str(closed), closed

        threads = [threading.Thread(target=search) for _ in range(32)]
        for thread in threads:
            thread.start()
        begun.wait()
        db.close()
        for thread in threads:
            thread.join()
        print("closed")
        """, path)
    assert done.returncode == 0 and done.stdout == "closed\n", done.stderr


def test_info_snapshot_and_verify(db: roxanne.Database, tmp_path: pathlib.Path) -> None:
    points = fill(db)
    info = db.info()
    assert info["collections"][0]["points"] == 200 == points.info()["points"]
    assert info["memory_limit_bytes"] == 512 * 2**20 and info["version"] == roxanne.__version__
    assert info["read_only"] is False and info["write_error"] == ""
    told: list[float] = []
    copied = db.snapshot(tmp_path / "copy.rox", progress=lambda _, done: told.append(done))
    assert copied.points == 200 and copied.collections == 1
    assert told and told == sorted(told) and 0 <= told[0] and told[-1] <= 1
    report = db.verify()
    assert report.problems == [] and report.points_checked == 200
    with roxanne.open(tmp_path / "copy.rox", read_only=True) as copy:
        assert len(copy["default"]) == 200
    with pytest.raises(roxanne.AlreadyExists):
        db.snapshot(tmp_path / "copy.rox")


def test_damage_is_found(path: pathlib.Path) -> None:
    with roxanne.open(path) as db:
        fill(db, 3000)
    vectors = max((file for file in path.rglob("*") if file.is_file()
                   and "vectors" in file.name), key=lambda file: file.stat().st_size)
    with vectors.open("r+b") as file:
        file.seek(4096 + 100)
        byte = file.read(1)
        file.seek(4096 + 100)
        file.write(bytes([byte[0] ^ 0xFF]))
    with roxanne.open(path) as db:
        assert db.verify().problems
        with pytest.raises(roxanne.Corruption):
            db["default"].search(np.zeros(8, np.uint8), k=3000)


def test_progress_is_told_and_can_stop(path: pathlib.Path) -> None:
    # Nothing is built but by these calls.
    with roxanne.open(path, automatic_index=False) as db:
        check_progress(db)


def check_progress(db: roxanne.Database) -> None:
    points = fill(db, 60000)
    phases: list[str] = []

    def stop(phase: str, fraction: float) -> bool:
        phases.append(phase)
        return False

    with pytest.raises(roxanne.Cancelled):
        points.build_index(progress=stop)
    assert phases and points.info()["regime"] == "exact"

    def fail(phase: str, fraction: float) -> None:
        raise ZeroDivisionError(phase)

    with pytest.raises(ZeroDivisionError):
        points.build_index(progress=fail)

    def close(phase: str, fraction: float) -> None:
        db.close()

    with pytest.raises(roxanne.Error, match="callback|running"):
        points.build_index(progress=close)
    points.build_index()
    assert points.info()["regime"] in ("resident", "disk")


INTERRUPTED = """
    import os, signal, sys, threading
    import numpy as np, roxanne
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where a shell started us so
    db = roxanne.open(sys.argv[1], memory_limit="1GiB", automatic_index=False)
    points = db.create_collection(dim=64, dtype="u8")
    rows = np.random.default_rng(6).integers(0, 256, (150000, 64), np.uint8)
    points.upsert(np.arange(len(rows)), rows)
    calls = {
        "build_index": lambda: points.build_index(),
        "search": lambda: points.search(rows, k=10, exact=True),
    }
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    try:
        calls[sys.argv[2]]()
    except KeyboardInterrupt:
        print("interrupted")
    assert len(points) == len(rows) and points.search(rows[7], k=1)[0][0] == 7
    db.close()
"""


@pytest.mark.parametrize("call", ["build_index", "search"])
def test_ctrl_c_stops_long_calls(path: pathlib.Path, call: str) -> None:
    done = run_script(INTERRUPTED, path, call)
    assert done.returncode == 0 and done.stdout == "interrupted\n", done.stderr


FORKED = """
    import asyncio, os, sys
    import numpy as np, roxanne
    db = roxanne.open(sys.argv[1])
    points = db.create_collection(dim=4)
    row = np.ones(4, np.float32)
    points.upsert(1, row)
    scan = points.scan()
    search_async = lambda: asyncio.run(asyncio.wait_for(points.search_async(row), 60))
    assert search_async()[0].tolist() == [1]
    child = os.fork()
    if child == 0:
        for call in (search_async, lambda: points.search(row), lambda: len(points),
                     lambda: db.info(), lambda: db.close(), lambda: next(scan), lambda: points.build_index(),
                     lambda: roxanne.open(sys.argv[1], read_only=True)):
            try:
                call()
            except roxanne.Error as error:
                assert "fork" in str(error), error
            else:
                os._exit(3)
        del points, db, scan
        import gc
        gc.collect()
        sys.exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert points.search(row)[0].tolist() == [1] == search_async()[0].tolist()
    db.close()
    print("well")
"""


def test_a_forked_child_is_told(path: pathlib.Path) -> None:
    done = run_script(FORKED, path)
    assert done.returncode == 0 and done.stdout == "well\n", done.stderr


def test_a_child_forked_before_anything_was_opened_is_free(path: pathlib.Path) -> None:
    done = run_script("""
        import os, sys
        import numpy as np, roxanne
        child = os.fork()
        if child == 0:
            with roxanne.open(sys.argv[1]) as db:
                db.create_collection(dim=4).upsert(1, np.ones(4, np.float32))
            sys.exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        with roxanne.open(sys.argv[1]) as db:
            print(len(db["default"]))
        """, path)
    assert done.returncode == 0 and done.stdout == "1\n", done.stderr


def test_leaving_without_closing_loses_nothing(path: pathlib.Path) -> None:
    done = run_script("""
        import sys
        import numpy as np, roxanne
        db = roxanne.open(sys.argv[1])
        points = db.create_collection(dim=4)
        points.upsert(range(100), np.ones((100, 4), np.float32))
        scan = points.scan()
        next(scan)
        """, path)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    with roxanne.open(path) as db:
        assert len(db["default"]) == 100 and db.verify().problems == []


def test_errors_are_classes() -> None:
    for name in ("NotFound", "AlreadyExists", "InvalidArgument", "Locked", "Corruption", "DiskFull",
                 "ReadOnly", "IoError", "Cancelled", "Unsupported"):
        assert issubclass(getattr(roxanne, name), roxanne.Error)
    assert issubclass(roxanne.NotFound, KeyError) and issubclass(roxanne.InvalidArgument, ValueError)


@pytest.mark.skipif(not os.path.exists("/dev/full") or os.geteuid() != 0,
                    reason="needs a small file system of its own: mount")
def test_a_full_disk_is_told(tmp_path: pathlib.Path) -> None:
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=80m", "tmpfs", tmp_path], check=False,
                      capture_output=True).returncode != 0:
        pytest.skip("mounting is not allowed here")
    try:
        db = roxanne.open(tmp_path / "full.rox", memory_limit="64MiB", automatic_index=False)
        points = db.create_collection(dim=1024, dtype="u8")
        with pytest.raises(roxanne.DiskFull):
            for first in range(0, 1_000_000, 10_000):
                points.upsert(range(first, first + 10_000), np.ones((10_000, 1024), np.uint8))
        assert len(points) % 10_000 == 0
        db.close()
    finally:
        subprocess.run(["umount", "-l", tmp_path], check=False)
