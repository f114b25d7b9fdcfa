"""Who may: keys, addresses, hosts; and how options are given."""
import os
import pathlib
import shutil
import tempfile

from serve_api import KEY_RO, KEY_RW, Api, bearer, equal, refused, search, write_keys


def test_keys_say_who_may():
    folder = tempfile.mkdtemp(prefix="roxanne_keys_")
    with Api("--keys", write_keys(folder)) as api:
        for wrong in (None, {"Authorization": "Bearer"}, bearer(KEY_RW + "x"), bearer(KEY_RW[:-1]),
                      {"Authorization": f"Basic {KEY_RW}"}, {"Authorization": KEY_RW}, bearer("")):
            reply = api.problem("GET", "/v1/collections", None, 401, "unauthorized", headers=wrong)
            equal(reply.headers["www-authenticate"], "Bearer")
            api.problem("GET", "/metrics", None, 401, "unauthorized", headers=wrong)
            api.problem("GET", "/nowhere", None, 401, "unauthorized", headers=wrong)
        api.problem("PUT", "/v1/collections/default", {"dim": 1}, 403, "forbidden",
                    headers=bearer(KEY_RO))
        api.call("PUT", "/v1/collections/default", {"dim": 1}, bearer(KEY_RW), 201)
        api.call("GET", "/v1/collections", headers={"Authorization": f"bearer  {KEY_RO} "})
        api.call("POST", "/v1/collections/default/search", {"vector": [1]}, bearer(KEY_RO))
        api.call("GET", "/healthz")
        api.call("GET", "/openapi.json")
        # A body is not taken from who may not send it.
        big = (b"PUT /v1/collections/default/points HTTP/1.1\r\nHost: localhost\r\n"
               b"Content-Type: application/json\r\nContent-Length: 50000000\r\n\r\n")
        for sent in (big, big + 60_000 * b"x"):
            reply, = api.raw(sent)
            equal(reply.status, 401)
        assert KEY_RW not in api.log(), "a key is in the log"
        assert "chmod 600" not in api.log(), api.log()
        pathlib.Path(folder, "keys").chmod(0o644)
        with Api("--keys", pathlib.Path(folder, "keys")) as open_api:
            assert "chmod 600" in open_api.log(), open_api.log()
        equal(api.stop(), 0)
        for text, says in (("read-write short\n", "line 1"), ("", "no key"), ("write x\n", "line 1"),
                           (f"read-only {KEY_RO}\nread-write a b\n", "line 2")):
            path = pathlib.Path(folder) / "wrong"
            path.write_text(text)
            refused(["--keys", path], says)
    shutil.rmtree(folder)


def test_only_the_machine_itself_without_being_told():
    for address in ("0.0.0.0:0", "[::]:0", "192.0.2.1:80"):
        refused(["--listen", address], "--allow-insecure", code=2)
    refused(["--listen", "nowhere"], "listen:", code=2)
    refused(["--listen", "127.0.0.1:99999"], "listen:", code=2)
    refused(["--tls-cert", "x"], "go together", code=2)
    refused(["--tls-cert", "x", "--tls-key", "y"], "tls-cert x")
    refused(["--keys", "/nowhere"], "/nowhere", code=3)
    with Api("--listen", "0.0.0.0:0", "--allow-insecure") as api:
        api.alive()


def test_only_its_own_names_without_keys():
    def status(api, host, path="/v1/collections", key=None):
        headers = {"Host": host, **(bearer(key) if key else {})}
        reply = api.call("GET", path, headers=headers, status=None)
        if reply.status == 421:
            equal(reply.code(), "misdirected")
            assert "--allowed-hosts" in reply.json()["detail"], reply
        return reply.status

    own = ("localhost", "LocalHost:1", "127.0.0.1", "127.9.9.9:8642", "[::1]", "[::1]:80")
    foreign = ("evil.example", "evil.example:8642", "127.0.0.1.evil.example", "localhost.evil.example",
               "10.0.0.1", "[2001:db8::1]", "127.1", "localhost:x", "::1", "127.0.0.1, localhost", "[",
               "\"<b>\"")
    with Api() as api:
        for host in own:
            equal((host, status(api, host)), (host, 200))
        for host in foreign:
            equal((host, status(api, host)), (host, 421))
            equal((host, status(api, host, "/nowhere")), (host, 421))
            equal((host, status(api, host, "/readyz")), (host, 200))
        equal(api.raw(b"GET /v1/collections HTTP/1.0\r\n\r\n")[0].status, 200)
        # Nothing of a body is taken from there.
        reply, = api.raw(b"PUT /v1/collections/x HTTP/1.1\r\nHost: evil.example\r\n"
                         b"Content-Type: application/json\r\nContent-Length: 10000000\r\n\r\n")
        equal((reply.status, reply.headers["connection"]), (421, "close"))
    with Api("--allowed-hosts", "Db.example,proxy,[2001:db8::1]") as api:
        for host in (*own, "db.example", "DB.example:443", "proxy", "[2001:DB8::1]:1"):
            equal((host, status(api, host)), (host, 200))
        equal(status(api, "evil.example"), 421)
    with tempfile.TemporaryDirectory() as folder:
        keys = write_keys(folder)
        with Api("--keys", keys) as api:
            equal(status(api, "evil.example"), 401)
            equal(status(api, "evil.example", key=KEY_RO), 200)
        with Api("--keys", keys, "--allowed-hosts", "db.example") as api:
            equal(status(api, "evil.example", key=KEY_RO), 421)
            equal(status(api, "db.example", key=KEY_RO), 200)
    with Api("--listen", "0.0.0.0:0", "--allow-insecure") as api:
        equal(status(api, "evil.example"), 200)
    for wrong in ("http://x", "x:80", "x, y", ",", "*", "[::g]"):
        refused(["--allowed-hosts", wrong], "allowed-hosts", code=2)


def test_flags_then_environment_then_file():
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "serve.toml"
        path.write_text('scroll-points-max = 1\nsearch-k-max = 11\nwrite-queue-max = 5\n'
                        'log-level = "debug"\nallow-insecure = true\n')
        env = {**os.environ, "ROXANNE_SEARCH_K_MAX": "22", "ROXANNE_SCROLL_POINTS_MAX": "2"}
        with Api("--config", path, "--scroll-points-max", 3, env=env) as api:
            api.create(dim=1)
            api.problem("POST", "/v1/collections/default/scroll", {"limit": 9}, says="1..3")
            api.problem("POST", "/v1/collections/default/search", {"vector": [1], "k": 99}, says="1..22")
            assert '"level":"debug"' in api.log()
        for text, says in (("scrol-points-max = 1\n", "scroll-points-max"), ("io-threads = x\n", "x"),
                           ("search-k-max = 0\n", "search-k-max")):
            path.write_text(text)
            refused(["--config", path], says, code=2)
        refused([], "x", env={"ROXANNE_IO_THREADS": "x"}, code=2)
