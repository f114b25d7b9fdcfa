"""Every route: what it answers, and what it refuses of a body."""
import json
import pathlib
import re
import shutil
import struct
import subprocess
import tempfile
import urllib.parse

import serve_api
from serve_api import BINARY, SAMPLE, Api, equal, put_points, search
from serve_fixture import JSON


def test_every_route():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="roxanne_snapshots_"))
    with Api("--snapshot-folder", folder) as api:
        equal(api.call("GET", "/").json()["name"], "roxanne")
        equal(api.call("GET", "/livez").json(), {"status": "ok"})
        equal(api.call("GET", "/readyz").json(), {"status": "ready"})
        equal(api.call("GET", "/v1/collections").json(), {"collections": []})
        equal(api.create(dim=2, type="u8")["regime"], "exact")
        api.call("PUT", "/v1/collections/default", {"dim": 2, "type": "u8"}, status=200)
        api.problem("PUT", "/v1/collections/default", {"dim": 3, "type": "u8"}, 409, "already_exists")
        equal(put_points(api, [{"key": i, "vector": [i, i + 1], "payload": {"i": i}}
                               for i in range(9)]), {"inserted": 9, "replaced": 0, "skipped": 0})
        equal(put_points(api, [{"key": 8, "vector": [8, 9]}])["replaced"], 1)
        equal(api.call("GET", "/v1/collections/default").json()["points"], 9)
        equal(api.call("GET", "/v1/collections/default/points/3").json(),
              {"key": 3, "vector": [3, 4], "payload": {"i": 3}})
        equal(api.call("GET", "/v1/collections/default/points/8?with=payload").json(),
              {"key": 8, "payload": None})
        equal(search(api, vector=[2, 3], k=2, **{"with": ["payload", "vector"]})["neighbors"][0],
              {"key": 2, "distance": 0, "payload": {"i": 2}, "vector": [2, 3]})
        equal([n["key"] for n in search(api, key=0, k=2)["neighbors"]], [1, 2])
        equal(len(search(api, vectors=[[0, 0], [9, 9]], k=3, exact=True)["results"]), 2)
        told = search(api, vectors=[[0, 0], [9, 9]], k=3, explain=True)["explain"]
        equal((told["regime"], told["hops"]), ("exact", 0))
        assert told["distance_computations"] >= 18 and told["latency_us"] > 0, told
        equal(search(api, key=0, k=2, explain=True)["explain"]["regime"], "exact")
        api.problem("POST", "/v1/collections/default/search", {"vector": [0, 0], "explain": True}, 406,
                    "not_acceptable", headers={**JSON, "Accept": "application/octet-stream"})
        equal(api.call("POST", "/v1/collections/default/points/get", {"keys": [1, 99]}).json(),
              {"points": [{"key": 1}], "missing": [99]})
        equal(api.call("POST", "/v1/collections/default/points/delete", {"keys": [1, 99]}).json(),
              {"deleted": 1})
        api.call("DELETE", "/v1/collections/default/points/0", status=204)
        api.problem("DELETE", "/v1/collections/default/points/0", status=404, code="not_found")
        # An option in the wrong place is not left out silently.
        points = "/v1/collections/default/points"
        api.problem("PUT", points + "?on_duplicate=error", {"points": []}, says="members of the body")
        api.problem("POST", "/v1/collections/default/search?k=1", {"vector": [0, 0]},
                    says="members of the body")
        for path in ("/v1/collections?x=1", "/v1/collections/default?with=vector"):
            api.problem("GET", path, says="no parameters")
        api.problem("GET", "/v1/collections/default/points/0", status=404, code="not_found")
        equal(api.call("POST", "/v1/collections/default/count").json(), {"count": 7})
        made = api.call("POST", "/v1/snapshots", {"name": "one"}, status=201).json()
        equal(made["points"], 7)
        api.problem("POST", "/v1/snapshots", {"name": "one"}, 409, "already_exists")
        api.problem("POST", "/v1/snapshots", {"name": "../one"}, says="name: expected")
        text = api.call("GET", "/metrics").body.decode()
        for name in ('roxanne_points{collection="default"} 7', "roxanne_search_queries_total 7",
                     "roxanne_redo_bytes", 'part="vectors"', "roxanne_http_request_seconds_bucket",
                     "roxanne_unindexed_points", "roxanne_ready 1", "roxanne_read_only 0"):
            assert name in text, f"{name} is not in\n{text}"
        # This one at least; the server may not have seen yet that the one before it has ended.
        assert int(re.search(r"^roxanne_connections (\d+)$", text, re.M)[1]) >= 1, text
        equal(api.call("HEAD", "/healthz").body, b"")
        api.call("DELETE", "/v1/collections/default", status=204)
        api.problem("GET", "/v1/collections/default", status=404, code="not_found")
        equal(api.stop(), 0)
    equal(subprocess.run([serve_api.binary, "verify", folder / "one"], check=False).returncode, 0)
    shutil.rmtree(folder)


def test_keys_of_both_types_pass_unchanged():
    with Api() as api:
        api.create("n", dim=1)
        api.create("s", dim=1, key_type="string")
        big = 2**64 - 1
        put_points(api, [{"key": big, "vector": [1]}, {"key": 2**53 + 1, "vector": [2]}], "n")
        equal([n["key"] for n in search(api, "n", vector=[1], k=2)["neighbors"]], [big, 2**53 + 1])
        api.call("GET", f"/v1/collections/n/points/{big}")
        odd = ["a/b", "ä€😀", "..", "\"\\\n", "%2F", "x" * 512]
        put_points(api, [{"key": key, "vector": [i]} for i, key in enumerate(odd)], "s")
        for key in odd:
            quoted = urllib.parse.quote(key, safe="")
            equal(api.call("GET", f"/v1/collections/s/points/{quoted}").json()["key"], key)
        found = api.call("POST", "/v1/collections/s/points/get", {"keys": odd}).json()
        equal([p["key"] for p in found["points"]], odd)
        for key, where in ((2**64, "n"), (-1, "n"), (1.5, "n"), ("1", "n"), (1, "s"), ("", "s"),
                           ("x" * 513, "s"), (None, "n"), (True, "n"), ([1], "n")):
            api.problem("PUT", f"/v1/collections/{where}/points",
                        {"points": [{"key": key, "vector": [1]}]})
        api.problem("GET", "/v1/collections/n/points/abc", says="u64")


def test_scroll_walks_in_key_order():
    with Api() as api:
        api.create(dim=1, key_type="string")
        names = sorted(f"k{i % 7}{i}" for i in range(25))
        put_points(api, [{"key": name, "vector": [1], "payload": {"n": name}} for name in names])
        seen, after = [], {}
        while True:
            page = api.call("POST", "/v1/collections/default/scroll",
                            {"limit": 5, "with": ["payload", "vector"], **after}).json()
            seen += [point["payload"]["n"] for point in page["points"]]
            if page["next"] is None:
                break
            after = {"after": page["next"]}
        equal(seen, names)
        api.problem("POST", "/v1/collections/default/scroll", {"limit": 0}, says="limit")
        api.problem("POST", "/v1/collections/default/scroll", {"after": 1}, says="after: expected")


def test_keys_that_are_not_utf8():
    """They come by binary bodies; in JSON they are their bytes, and lead on like others."""
    names = sorted([b"a", b"\x80a", b"\xc3\xa9", b"\xff", b"\xff\xfe"])
    told = ["a", {"hex": "8061"}, "é", {"hex": "ff"}, {"hex": "fffe"}]
    with Api() as api:
        api.create(dim=1, key_type="string")
        body = struct.pack("<Q", len(names)) + b"".join(
            struct.pack("<H", len(name)) + name for name in names) + struct.pack("<5f", *range(5))
        api.call("PUT", "/v1/collections/default/points", body, BINARY)
        seen, after = [], {}
        while len(seen) <= len(names):
            page = api.call("POST", "/v1/collections/default/scroll", {"limit": 1, **after}).json()
            seen += [point["key"] for point in page["points"]]
            if page["next"] is None:
                break
            after = {"after": page["next"]}
        equal(seen, told)
        equal([n["key"] for n in search(api, vector=[4], k=2)["neighbors"]], [{"hex": "fffe"}, {"hex": "ff"}])
        equal([n["key"] for n in search(api, key={"hex": "ff"}, k=1)["neighbors"]], ["é"])
        found = api.call("POST", "/v1/collections/default/points/get",
                         {"keys": [{"hex": "80"}, {"hex": "8061"}, {"hex": "61"}]}).json()
        equal(found, {"points": [{"key": {"hex": "8061"}}, {"key": "a"}], "missing": [{"hex": "80"}]})
        put_points(api, [{"key": {"hex": "feff"}, "vector": [9]}])
        equal(api.call("GET", "/v1/collections/default/points/%FE%FF").json()["vector"], [9])
        for wrong in ({}, {"hex": "8"}, {"hex": "zz"}, {"hex": 80}, {"base64": "gGE="}, {"hex": ""},
                      {"hex": "00" * 513}):
            api.problem("POST", "/v1/collections/default/points/get", {"keys": [wrong]}, says="keys[0]")
        api.create("numbers", dim=1)
        api.problem("POST", "/v1/collections/numbers/points/get", {"keys": [{"hex": "80"}]}, says="keys[0]")


def test_what_is_missing_is_said():
    with Api() as api:
        api.create(dim=1)
        for method, path, name in (("PUT", "points", "points"), ("POST", "points/get", "keys"),
                                   ("POST", "points/delete", "keys")):
            api.problem(method, f"/v1/collections/default/{path}", {}, says=f"{name}: is missing")
        equal(put_points(api, []), {"inserted": 0, "replaced": 0, "skipped": 0})


def test_a_damaged_collection_is_listed():
    with Api() as api:
        for name in ("fine", "hurt"):
            api.create(name, dim=1)
            put_points(api, [{"key": 1, "vector": [1]}], name)
        api.process.kill()
        api.process.wait()
        hurt = sorted(api.path.glob("**/vectors.dat"))[1]
        header = bytearray(hurt.read_bytes())
        header[0] ^= 1
        hurt.write_bytes(header)
        api.start()
        listed = api.call("GET", "/v1/collections").json()["collections"]
        equal({one["name"]: one["regime"] for one in listed}, {"fine": "exact", "hurt": "damaged"})
        api.call("GET", "/v1/collections/hurt", status=500)


def test_answers_equal_the_command_lines():
    """Over the sample: JSON, binary and by key, exact and through a graph."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="roxanne_serve_"))
    try:
        server = Api(folder=folder, create=False)
        subprocess.run([serve_api.binary, "import", server.path, SAMPLE / "base.f16bin", "--metric", "ip",
                        "--payload", SAMPLE / "payload.jsonl.zst"], check=True, capture_output=True)
        told = subprocess.run([serve_api.binary, "search", server.path, "--query", SAMPLE / "query.f16bin",
                               "--json", "--limit", "20", "--with", "payload"], check=True,
                              capture_output=True, text=True).stdout
        expected = [json.loads(line)["neighbors"] for line in told.splitlines()]
        raw = (SAMPLE / "query.f16bin").read_bytes()
        rows, dim = struct.unpack("<ii", raw[:8])
        row_bytes = 2 * dim
        rows_of = [raw[8 + i * row_bytes:8 + (i + 1) * row_bytes] for i in range(20)]
        floats = [list(struct.unpack(f"<{dim}e", row)) for row in rows_of]
        with server as api:
            for body in (b"".join(rows_of), {"vectors": floats, "k": 10, "with": ["payload"]}):
                if isinstance(body, bytes):
                    answer = api.call("POST", "/v1/collections/default/search?k=10&with=payload",
                                      body, BINARY).json()
                else:
                    answer = search(api, **body)
                equal([a["neighbors"] for a in answer["results"]], expected)
            binary = api.call("POST", "/v1/collections/default/search", b"".join(rows_of),
                              {**BINARY, "Accept": "application/octet-stream"}).body
            queries, k = struct.unpack_from("<II", binary)
            equal((queries, k), (20, 10))
            keys = struct.unpack_from("<200Q", binary, 8)
            distances = struct.unpack_from("<200f", binary, 8 + 1600)
            equal(struct.unpack_from("<20I", binary, 8 + 1600 + 800), (10,) * 20)
            flat = [neighbor for neighbors in expected for neighbor in neighbors]
            equal(list(keys), [n["key"] for n in flat])
            equal([struct.pack("<f", d) for d in distances],
                  [struct.pack("<f", n["distance"]) for n in flat])
            one = subprocess.run([serve_api.binary, "search", server.path, "--key", "17", "--json"],
                                 check=True, capture_output=True, text=True).stdout
            equal(search(api, key=17)["neighbors"], json.loads(one)["neighbors"])
    finally:
        shutil.rmtree(folder)


def test_binary_points_and_answers():
    with Api() as api:
        api.create("n", dim=4, type="i8")
        api.create("s", dim=2, key_type="string")
        body = struct.pack("<QQQ", 2, 7, 2**63) + struct.pack("8b", 1, 2, 3, -4, 5, 6, 7, 8)
        counts = api.call("PUT", "/v1/collections/n/points", body, BINARY).json()
        equal(counts["inserted"], 2)
        equal(api.call("GET", "/v1/collections/n/points/7").json()["vector"], [1, 2, 3, -4])
        api.problem("PUT", "/v1/collections/n/points?on_duplicate=error", body, 409,
                    "already_exists", headers=BINARY)
        names = b"".join(struct.pack("<H", len(name)) + name for name in (b"one", b"t/o"))
        body = struct.pack("<Q", 2) + names + struct.pack("<4f", 1, 2, 3, 4)
        api.call("PUT", "/v1/collections/s/points", body, BINARY)
        answer = api.call("POST", "/v1/collections/s/search?k=3", struct.pack("<2f", 1, 2),
                          {**BINARY, "Accept": "application/octet-stream"}).body
        equal(answer, struct.pack("<II3fI", 1, 3, 0, 8, 0, 2) + names)
        for wrong, says in ((body[:-1], "bytes"), (b"", "ends"), (body[:9], "ends"),
                            (struct.pack("<Q", 2**63), "one request may have"),
                            (struct.pack("<QH", 2, 9) + b"x", "ends"), (body + b"x", "bytes")):
            api.problem("PUT", "/v1/collections/s/points", wrong, says=says, headers=BINARY)
        nan = struct.pack("<QH1s2f", 1, 1, b"x", float("nan"), 1)
        api.problem("PUT", "/v1/collections/s/points", nan, says="NaN", headers=BINARY)
        for path, wrong in (("", b"123"), ("", b""), ("?k=0", b"12345678"), ("?k=x", b"12345678"),
                            ("?q=1", b"12345678"), ("?k=1&k=2", b"12345678")):
            api.problem("POST", f"/v1/collections/s/search{path}", wrong, headers=BINARY)
        api.problem("POST", "/v1/collections/s/search?with=payload", b"12345678", 406,
                    "not_acceptable", headers={**BINARY, "Accept": "application/octet-stream"})


def test_what_is_like_a_point_at_the_greatest_k():
    """In both doors: the point itself takes no neighbour's place."""
    count, k = 10_050, 10_000
    with Api() as api:
        api.create(dim=1)
        body = (struct.pack("<Q", count) + struct.pack(f"<{count}Q", *range(count)) +
                struct.pack(f"<{count}f", *range(count)))
        api.call("PUT", "/v1/collections/default/points", body, BINARY)
        found = [n["key"] for n in search(api, key=7, k=k)["neighbors"]]
        equal((len(found), 7 in found), (k, False))
        told = subprocess.run([serve_api.binary, "search", api.path, "--key", "7", "--k", str(k), "--json"],
                              check=True, capture_output=True).stdout
        equal([n["key"] for n in json.loads(told)["neighbors"]], found)


def test_wrong_json_is_refused():
    with Api() as api:
        api.create(dim=2, type="u8")
        api.create("f", dim=2)
        put_points(api, [{"key": 1, "vector": [1, 2]}])
        points = "/v1/collections/default/points"
        for text, says in ((b"", "byte 0"), (b"{", "from byte"), (b"[]", "expected an object"),
                           (b"nul", "from byte"), (b'{"points":[]} x', "from byte"),
                           (b'{"points":[{"key":1,"vector":[1]}]}', "1 numbers"),
                           (b'{"points":[{"key":1,"vector":[1,2,3]}]}', "too many"),
                           (b'{"points":[{"key":1,"vector":[1,256]}]}', "points[0].vector[1]"),
                           (b'{"points":[{"key":1,"vector":[1,1.5]}]}', "found 1.5"),
                           (b'{"points":[{"key":1,"vector":[1,-1]}]}', "found -1"),
                           (b'{"points":[{"key":1,"vector":[1,NaN]}]}', "from byte"),
                           (b'{"points":[{"key":1,"vector":[1,"2"]}]}', "found a string"),
                           (b'{"points":[{"key":1,"vector":[1,[2]]}]}', "found an array"),
                           (b'{"points":[{"key":1,"vector":null}]}', "found null"),
                           (b'{"points":[{"key":1}]}', "both key and vector"),
                           (b'{"points":[{"vector":[1,2]}]}', "both key and vector"),
                           (b'{"points":[{"key":1,"key":2,"vector":[1,2]}]}', "twice"),
                           (b'{"points":[{"key":1,"vector":[1,2],"x":1}]}', '"x" is not known'),
                           (b'{"points":[{"key":1,"vector":[1,2],"payload":[]}]}', "payload"),
                           (b'{"points":[],"points":[]}', "twice"), (b'{"point":[]}', "not known"),
                           (b'{"points":{}}', "expected an array of points"),
                           (b'{"points":[{"key":1,"vector":[1,2],"payload":{"a":"\xff"}}]}', "byte"),
                           (b'{"points":[{"key":1,"vector":[1,2]},{"key":1,"vector":[1,2]}]}', "1"),
                           (b'{"on_duplicate":"x","points":[]}', "on_duplicate")):
            api.problem("PUT", points, text, says=says, headers=JSON)
        api.problem("PUT", "/v1/collections/f/points",
                    b'{"points":[{"key":1,"vector":[1,1e39]}]}', says="found 1e39", headers=JSON)
        big = '{"x":"' + "y" * 70_000 + '"}'
        api.problem("PUT", points, f'{{"points":[{{"key":1,"vector":[1,2],"payload":{big}}}]}}',
                    says="payload", headers=JSON)
        deep = b"[" * 1_000_000
        for text in (deep, b'{"points":' + deep, b'{"a":' * 1_000_000,
                     b'{"points":[{"key":1,"vector":[1,2],"payload":' + b'{"a":' * 1_000_000):
            api.problem("PUT", points, text, headers=JSON)
        api.problem("POST", "/v1/collections/default/search", {}, says="one of vector")
        api.problem("POST", "/v1/collections/default/search", {"vector": [1, 2], "key": 1})
        for wrong in ({"k": 0}, {"k": 10**6}, {"k": -1}, {"k": "1"}, {"k": 1e400}, {"k": 2**64},
                      {"exact": 1}, {"with": ["all"]}, {"with": "payload"},
                      {"search_list_size": 10**9}, {"unknown": 1}):
            api.problem("POST", "/v1/collections/default/search",
                        json.dumps({"vector": [1, 2], **wrong}), headers=JSON)
        for wrong in ({}, {"dim": 0}, {"dim": 10**6}, {"dim": 2, "type": "f64"},
                      {"dim": 2, "metric": "x"}, {"dim": 2, "key_type": 1}, {"dim": "2"}):
            api.problem("PUT", "/v1/collections/other", wrong)
        api.problem("PUT", "/v1/collections/a%20b", {"dim": 2})
        api.problem("PUT", points, b"{}", 415, "unsupported_media_type",
                    headers={"Content-Type": "text/plain"})
        api.problem("PUT", points, b"{}", 415, "unsupported_media_type",
                    headers={**JSON, "Content-Encoding": "br"})
        api.problem("GET", "/healthz", b"x", says="takes no body")
        equal(api.call("POST", "/v1/collections/default/count").json(), {"count": 1})
        api.alive()
