"""Checks requests and responses against openapi.json; needs openapi-spec-validator from PyPI."""
import json
import re

try:
    from openapi_schema_validator import OAS30Validator
    from openapi_spec_validator import validate
    from referencing import Registry, Resource
    from referencing.jsonschema import DRAFT4
    MISSING = None
except ImportError as error:  # said by the test, not hidden
    MISSING = f"pip install openapi-spec-validator ({error})"


class Contract:
    def __init__(self, document):
        self.document = document
        validate(document)
        resource = Resource(contents=document, specification=DRAFT4)
        self.registry = Registry().with_resource("urn:api", resource)
        self.seen = set()  # (path, method, status)
        self.patterns = [(re.compile(re.sub(r"\{[a-z]+\}", "[^/]+", path)), path)
                         for path in sorted(document["paths"], key=lambda p: p.count("{"))]

    def operation(self, method, target):
        path = target.split("?")[0]
        for pattern, name in self.patterns:
            found = self.document["paths"][name].get(method.lower())
            if found and pattern.fullmatch(path):
                return name, found
        return None, None

    def check(self, schema_at, value):
        """`schema_at`: where the schema is in the document, "/paths/..."."""
        validator = OAS30Validator({"$ref": "urn:api#" + schema_at}, registry=self.registry)
        problems = [f"{list(e.path)}: {e.message[:300]}" for e in validator.iter_errors(value)]
        assert not problems, (schema_at, problems[:3], str(value)[:300])

    def check_reply(self, method, target, reply):
        name, operation = self.operation(method, target)
        if operation is None:
            assert reply.status in (404, 405, 400, 401, 414, 421), (method, target, reply)
            self.check("/components/schemas/Problem", reply.json())
            return
        status = str(reply.status)
        self.seen.add((name, method.upper(), status))
        listed = operation["responses"]
        assert status in listed or status[0] in "45" and "default" in listed, \
            f"{method} {target}: {status} is not in openapi.json"
        if status.startswith(("4", "5")):
            self.check("/components/schemas/Problem", reply.json())
            return
        content = operation["responses"][status].get("content")
        if content is None:
            assert reply.body == b"", reply
            return
        kind = reply.headers["content-type"].split(";")[0]
        assert kind in content, (kind, list(content))
        if kind == "application/json":
            part = [name, method.lower(), "responses", status, "content", kind, "schema"]
            pointer = "".join("/" + p.replace("~", "~0").replace("/", "~1") for p in part)
            self.check("/paths" + pointer.replace("{", "%7B").replace("}", "%7D"), reply.json())

    def unseen(self):
        """Successful responses that the document has and no test has seen."""
        missing = []
        for name, methods in self.document["paths"].items():
            for method, operation in methods.items():
                if method == "parameters":
                    continue
                missing += [(name, method.upper(), status) for status in operation["responses"]
                            if status.startswith("2") and
                            (name, method.upper(), status) not in self.seen]
        return missing
