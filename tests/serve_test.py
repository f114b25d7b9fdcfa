#!/usr/bin/env python3
"""Runs the HTTP server end to end: every route, its limits, and clients that mean harm.

    tests/serve_test.py BUILD/roxanne [NAME ...]

NAME: only the tests whose names contain it. Responses are checked against openapi.json where
openapi-spec-validator is installed; a warning says where it is not. Exits 1 where a test fails.
"""
import argparse
import os
import sys

import serve_access
import serve_api
import serve_documents
import serve_http
import serve_life
import serve_limits
import serve_routes
from test_runner import run_tests

# The documents last: they want to have been seen whole.
PARTS = (serve_routes, serve_http, serve_limits, serve_access, serve_life, serve_documents)


def main():
    parser = argparse.ArgumentParser(description="Tests the HTTP server end to end.")
    parser.add_argument("binary")
    parser.add_argument("names", nargs="*", help="only tests whose names contain one of these")
    arguments = parser.parse_args()
    serve_api.binary = os.path.abspath(arguments.binary)
    serve_api.seen.all_tests_run = not arguments.names
    tests = {name: test for part in PARTS for name, test in vars(part).items()}
    return run_tests(tests, arguments.names)


if __name__ == "__main__":
    sys.exit(main())
