#!/usr/bin/env python3
"""Fails where a file includes what its layer may not include.

    tools/check_layers.py [ROOT]         checks the tree at ROOT against ROOT/docs/layers.txt
    tools/check_layers.py --self-test    shows that every kind of wrong include is found

A file's layer is its folder: src/LAYER/..., or LAYER/... at the top. An include "x/y.h" is of layer
x, or of the file's own where x/y.h lies beside it. include/roxanne is open to all and includes only
itself and the standard library.
"""
import pathlib
import re
import sys
import tempfile

SOURCE_SUFFIXES = {".h", ".cc", ".cu", ".cuh", ".c", ".hpp", ".cpp"}
SKIPPED_TOP_FOLDERS = {"build", "third_party"}
C_HEADERS = {"assert.h", "errno.h", "limits.h", "stdbool.h", "stddef.h", "stdint.h", "string.h"}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
PUBLIC = "roxanne"


def read_layers(path):
    """layer -> set of layers it may include; and what is wrong with the file itself."""
    allowed, lines, problems = {}, {}, []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        line = line.split("#", 1)[0].strip()
        if not line:
            continue
        name, _, rest = line.partition(":")
        if not re.fullmatch(r"[a-z_]+: *[a-z_ ]*", line):
            problems.append(f"{path}:{number}: expected 'LAYER: LAYER ...'")
            continue
        if name in allowed:
            problems.append(f"{path}:{number}: layer '{name}' is listed twice")
        allowed[name], lines[name] = set(rest.split()), number
    for name, targets in allowed.items():
        for target in sorted(targets - set(allowed)):
            problems.append(f"{path}:{lines[name]}: '{name}' may include unknown layer '{target}'")
    return allowed, problems + cycles(path, allowed, lines)


def cycles(path, allowed, lines):
    """The arrows go one way: no layer reaches itself."""
    problems = []
    for start in allowed:
        reached, todo = set(), list(allowed[start])
        while todo:
            name = todo.pop()
            if name not in reached:
                reached.add(name)
                todo.extend(allowed.get(name, ()))
        if start in reached:
            problems.append(f"{path}:{lines[start]}: layer '{start}' reaches itself")
    return problems


def source_files(root):
    for top in sorted(root.iterdir()):
        if not top.is_dir() or top.name.startswith(".") or top.name in SKIPPED_TOP_FOLDERS:
            continue
        for path in sorted(top.rglob("*")):
            if path.suffix in SOURCE_SUFFIXES and path.is_file():
                yield path


def layer_of(parts):
    """The layer of a file from the parts of its path within the tree."""
    if parts[0] == "include":
        return PUBLIC if parts[1] == "roxanne" else None
    if parts[0] == "src":
        return parts[1] if len(parts) > 2 else None
    return parts[0]


def include_problem(layer, path, quote, target, allowed):
    """What is wrong with one include, or None."""
    if layer == PUBLIC:
        if target.startswith("roxanne/"):
            return None
        if quote == "<" and (re.fullmatch(r"[a-z_0-9]+", target) or target in C_HEADERS):
            return None
        return f"a public header may include only roxanne/ and the standard library, not {target}"
    first = target.split("/", 1)[0]
    if first in (".", ".."):
        return f"write the path from its layer's folder, not {target}"
    if first == PUBLIC or (quote == "<" and first not in allowed):
        return None
    if quote == '"' and (path.parent / target).is_file():
        return None
    if "/" not in target and quote == '"':
        return f"no {target} beside this file: name its layer"
    if first not in allowed:
        return f"unknown layer '{first}' in {target} (a library's header goes in <>)"
    if first != layer and first not in allowed[layer]:
        return f"layer '{layer}' may not include '{first}' ({target})"
    return None


def check_file(root, path, allowed):
    name = path.relative_to(root)
    layer = layer_of(name.parts)
    if layer != PUBLIC and layer not in allowed:
        return [f"{name}:1: unknown layer '{layer}': list it in docs/layers.txt"]
    problems = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        found = INCLUDE.match(line)
        if not found:
            continue
        problem = include_problem(layer, path, found[1], found[2], allowed)
        if problem:
            problems.append(f"{name}:{number}: {problem}")
    return problems


def check_tree(root):
    """Problems found, and how many files were looked at."""
    allowed, problems = read_layers(root / "docs" / "layers.txt")
    file_count = 0
    for path in source_files(root):
        file_count += 1
        problems.extend(check_file(root, path, allowed))
    return problems, file_count


GOOD_TREE = {
    "docs/layers.txt": "# A: heading\nbase:\nindex: base\ncli: base\nexamples:\n",
    "include/roxanne/a.h": '#include <vector>\n#include <stdint.h>\n#include "roxanne/b.h"\n',
    "include/roxanne/b.h": "",
    "src/base/base.h": '#include "roxanne/a.h"\n#include <sys/mman.h>\n',
    "src/index/index.cc": '#include "index/index.h"\n#include "base/base.h"\n',
    "src/index/index.h": '#include <rocksdb/db.h>\n',
    "cli/verb.h": "",
    "cli/main.cc": '#include "verb.h"\n#include "base/base.h"\n#include "cli/verb.h"\n',
    "examples/e.cc": '#include "roxanne/a.h"\n',
}
# What is put in which file, and the problem that must then be named.
BAD_FILES = [
    ("src/base/base.h", '\n#include "index/index.h"\n', "src/base/base.h:2: layer 'base' may not"),
    ("src/base/base.h", "#include <index/index.h>\n", "src/base/base.h:1: layer 'base' may not"),
    ("src/base/base.h", '#include "../index/index.h"\n', "src/base/base.h:1: write the path"),
    ("src/base/base.h", '#include "index.h"\n', "src/base/base.h:1: no index.h beside"),
    ("src/base/base.h", '#include "rocksdb/db.h"\n', "src/base/base.h:1: unknown layer 'rocksdb'"),
    ("cli/main.cc", '  #  include "index/index.h"\n', "cli/main.cc:1: layer 'cli' may not"),
    ("examples/e.cc", '#include "base/base.h"\n', "examples/e.cc:1: layer 'examples' may not"),
    ("include/roxanne/b.h", '#include "base/base.h"\n', "include/roxanne/b.h:1: a public header"),
    ("include/roxanne/b.h", "#include <rocksdb/db.h>\n", "include/roxanne/b.h:1: a public header"),
    ("src/graph/new.cc", "", "src/graph/new.cc:1: unknown layer 'graph'"),
    ("server/new.cc", "", "server/new.cc:1: unknown layer 'server'"),
    ("docs/layers.txt", "base:\nindex: bse\ncli:\nexamples:\n", "unknown layer 'bse'"),
    ("docs/layers.txt", "base\nindex:\ncli:\nexamples:\n", "layers.txt:1: expected"),
    ("docs/layers.txt", "base: index\nindex: base\ncli:\nexamples:\n", "'base' reaches itself"),
]


def problems_of_tree(files):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return check_tree(root)[0]


def self_test():
    failures = [f"the good tree: {problem}" for problem in problems_of_tree(GOOD_TREE)]
    for name, text, expected in BAD_FILES:
        problems = problems_of_tree({**GOOD_TREE, name: text})
        if not any(expected in problem for problem in problems):
            failures.append(f"{name} with {text!r}: expected {expected!r}, found {problems}")
    for failure in failures:
        print(failure, file=sys.stderr)
    print(f"{len(BAD_FILES)} wrong includes tried, {len(failures)} surprises")
    return 1 if failures else 0


def main(arguments):
    if arguments == ["--self-test"]:
        return self_test()
    if len(arguments) > 1 or any(argument.startswith("-") for argument in arguments):
        print(__doc__, file=sys.stderr)
        return 2
    root = pathlib.Path(arguments[0] if arguments else pathlib.Path(__file__).parent.parent)
    problems, file_count = check_tree(root.resolve())
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{file_count} files, {len(problems)} wrong")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
