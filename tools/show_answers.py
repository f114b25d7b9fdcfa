#!/usr/bin/env python3
"""Shows `roxanne search --json` answers as people read them: each query's text, the titles found.

    roxanne search DB --query FILE --with payload --json | tools/show_answers.py QUERY_PAYLOADS COUNT
"""
import json
import sys


def fail(message):
    sys.exit(f"show_answers: {message}")


def read_answers(stream):
    """One list of neighbours a query, from a JSON object or array a line, or one for all."""
    text = stream.read()
    if not text.strip():
        fail("no answers to show")
    try:
        found = json.loads(text)
        answers = found if isinstance(found, list) else [found]
    except json.JSONDecodeError:
        answers = [json.loads(line) for line in text.splitlines() if line.strip()]
    return [answer["neighbors"] for answer in answers]


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as file:
        queries = [json.loads(line) for line in file]
    answers = read_answers(sys.stdin)
    count = int(sys.argv[2])
    if min(len(queries), len(answers)) < count:
        fail(f"{len(answers)} answers and {len(queries)} queries for {count} wanted")
    for query, neighbors in zip(queries[:count], answers):
        print(f"\n  {query['text']}")
        for neighbor in neighbors:
            payload = neighbor["payload"]
            source = payload["repo"].split("/")[-1]
            print(f"    {neighbor['distance']:7.3f}  {payload['title']}...  ({source})")


if __name__ == "__main__":
    main()
