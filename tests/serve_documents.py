"""docs/http_api.md and openapi.json: all that they say is so."""
import json
import re
import subprocess
import sys

import serve_contract
import serve_api
from serve_api import SAMPLE, Api, equal, need
from test_runner import Skipped


def rounded(answer):
    """Kernels of other instruction sets add in another order."""
    return [(n["key"], round(n["distance"], 5), n["payload"]) for n in answer["neighbors"]]


def contract_check_problem(problem):
    if serve_api.seen.contract is not None:
        serve_api.seen.contract.check("/components/schemas/Problem", problem)
    equal(problem["code"], "invalid_argument")


def test_the_documents_examples():
    """Every sh and python block of docs/http_api.md, in their order, against one server."""
    try:
        import numpy  # noqa: F401
        import requests  # noqa: F401
    except ImportError as error:
        raise Skipped(f"pip install numpy requests ({error})") from error
    need("curl")
    document = SAMPLE.parent / "docs" / "http_api.md"
    blocks = re.findall(r"^```(sh|python|json)\n(.*?)^```", document.read_text(), re.M | re.S)
    assert len(blocks) > 8, blocks
    outputs = []
    with Api() as api:
        for language, text in blocks:
            if language == "json":
                # What the block before it answered, or an example of a problem.
                if "neighbors" in json.loads(text):
                    equal(rounded(json.loads(outputs[-1])), rounded(json.loads(text)))
                else:
                    contract_check_problem(json.loads(text))
                continue
            text = text.replace("127.0.0.1:8642", f"127.0.0.1:{api.address[1]}")
            command = ["bash", "-ec", text] if language == "sh" else [sys.executable, "-c", text]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
            assert done.returncode == 0, (text, done)
            outputs.append(done.stdout.strip())
        assert "alien 0.006" in outputs[-2], outputs


def test_openapi_has_been_seen_whole():
    """Last: all that the document promises was answered by some test before it."""
    if serve_contract.MISSING is not None:
        raise Skipped(serve_contract.MISSING)
    if not serve_api.seen.all_tests_run:
        raise Skipped("not all other tests ran")
    equal(serve_api.seen.contract.unseen(), [])
