"""A server over time: its log, its end, and another beside it."""
import http.client
import json
import signal
import subprocess
import tempfile
import threading
import time
import urllib.request

import serve_api
from serve_api import Api, equal, put_points, search
from serve_fixture import JSON


def test_request_ids_and_traces_are_logged():
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with Api("--log-level", "debug") as api:
        reply = api.call("GET", "/healthz", headers={"X-Request-Id": "abc-1", "traceparent": trace})
        equal(reply.headers["x-request-id"], "abc-1")
        other = api.call("GET", "/healthz", headers={"X-Request-Id": "a\"b"})
        assert other.headers["x-request-id"] not in ('a"b', ""), other
        lines = [json.loads(line) for line in api.log().splitlines() if line.startswith("{")]
        line, = [line for line in lines if line.get("request_id") == "abc-1"]
        equal((line["traceparent"], line["route"], line["status"]), (trace, "/healthz", 200))


def test_nobody_reads_the_log():
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen([serve_api.binary, "serve", f"{folder}/x.rox", "--create", "--listen",
                                    "127.0.0.1:0", "--log-level", "debug"], stderr=subprocess.PIPE)
        for line in process.stderr:
            if b'"event":"ready"' in line:
                address = json.loads(line)["address"]
                break
        process.stderr.close()
        for _ in range(3):
            with urllib.request.urlopen(f"http://{address}/healthz", timeout=60) as reply:
                equal(reply.status, 200)
        process.send_signal(signal.SIGTERM)
        equal(process.wait(60), 0)


def test_sigterm_answers_what_is_under_way():
    with Api("--shutdown-delay-ms", 500) as api:
        api.create(dim=64)
        acknowledged, errors = [], []

        def write(first):
            connection = http.client.HTTPConnection(*api.address, timeout=30)
            try:
                for key in range(first, first + 10**6):
                    body = json.dumps({"points": [{"key": key, "vector": [1] * 64}]})
                    connection.request("PUT", "/v1/collections/default/points", body, JSON)
                    reply = connection.getresponse()
                    reply.read()
                    if reply.status != 200:
                        errors.append(reply.status)
                        return
                    acknowledged.append(key)
                    if reply.headers["Connection"] == "close":
                        return
            except (ConnectionError, http.client.HTTPException):
                pass  # between two requests
            finally:
                connection.close()

        threads = [threading.Thread(target=write, args=(i * 10**6,)) for i in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        idle = api.connect()
        api.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        equal(api.problem("GET", "/readyz", None, 503, "shutting_down").headers["retry-after"], "1")
        equal(api.call("GET", "/livez").status, 200)
        equal(api.process.wait(30), 0)
        idle.close()
        for thread in threads:
            thread.join()
        equal(errors, [])
        assert len(acknowledged) > 20, acknowledged
        told = subprocess.run([serve_api.binary, "info", api.path, "--json"], check=True, capture_output=True)
        info = json.loads(told.stdout)
        equal(info["redo_bytes"], 0)
        points = info["collections"][0]["points"]
        assert len(acknowledged) <= points <= len(acknowledged) + 4, (len(acknowledged), points)


def test_a_second_signal_hastens():
    with Api("--shutdown-delay-ms", 60000) as api:
        api.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        api.alive()
        begin = time.monotonic()
        equal(api.stop(), 0)
        assert time.monotonic() - begin < 20


def test_read_only_serves_beside_a_writer():
    with Api() as writer:
        writer.create(dim=1)
        put_points(writer, [{"key": 1, "vector": [1]}])
        second = subprocess.run([serve_api.binary, "serve", writer.path, "--listen", "127.0.0.1:0"],
                                capture_output=True, text=True, timeout=60, check=False)
        equal(second.returncode, 4)
        reader = Api("--read-only", folder=writer.folder, create=False)
        reader.log_path = writer.folder / "reader.log"
        with reader as api:
            equal(search(api, vector=[1])["neighbors"][0]["key"], 1)
            api.problem("PUT", "/v1/collections/default/points",
                        {"points": [{"key": 2, "vector": [1]}]}, 403, "read_only")
