#!/usr/bin/env python3
"""Writes the fuzzers' seed files to fuzz/corpus/, one folder a fuzzer.

    fuzz/make_corpus.py

The hdf5 seeds are not made here (Python's library has no HDF5): they are small files that libhdf5
wrote, and stay as they are.
"""
import json
import pathlib
import struct

CORPUS = pathlib.Path(__file__).resolve().parent / "corpus"
FLOATS = struct.pack("<6f", 0.5, -1.25, 3e38, 1e-45, 0.0, -0.0)
BYTES = bytes([0, 1, 127, 128, 254, 255])


def npy(descr, shape, rows, version=1, order="False"):
    text = f"{{'descr': {descr!r}, 'fortran_order': {order}, 'shape': {shape}, }}\n".encode()
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + length + text + rows


def zstd_frame(data):
    """One frame of one raw block: what the format allows without compressing (RFC 8878)."""
    assert len(data) < 256
    block_header = (len(data) << 3 | 1).to_bytes(3, "little")
    return b"\x28\xb5\x2f\xfd" + bytes([0x20, len(data)]) + block_header + data


def zstd_run(byte, count):
    """One frame of one run-length block: small here, `count` bytes when read."""
    block_header = (count << 3 | 1 << 1 | 1).to_bytes(3, "little")
    return b"\x28\xb5\x2f\xfd\xa0" + struct.pack("<I", count) + block_header + bytes([byte])


def lines(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


SEEDS = {
    "fuzz_bin": {
        "two_by_three_bytes": struct.pack("<ii", 2, 3) + BYTES,
        "two_by_three_floats": struct.pack("<ii", 2, 3) + FLOATS,
        "three_by_one_halves": struct.pack("<ii", 3, 1) + BYTES,
        "no_rows": struct.pack("<ii", 0, 3),
        "lying": struct.pack("<ii", 2**31 - 1, 16384) + BYTES,
    },
    "fuzz_vecs": {
        "floats": b"".join(struct.pack("<i", 3) + FLOATS[i:i + 12] for i in (0, 12)),
        "bytes": b"".join(struct.pack("<i", 3) + BYTES[i:i + 3] for i in (0, 3)),
        "second_differs": struct.pack("<i4Bi4B", 4, 1, 2, 3, 4, 3, 1, 2, 3, 4),
    },
    "fuzz_npy": {
        "floats": npy("<f4", (2, 3), FLOATS),
        "halves_version_2": npy("<f2", (3, 1), BYTES, version=2),
        "bytes_version_3": npy("|u1", (2, 3), BYTES, version=3),
        "fortran": npy("|i1", (2, 3), BYTES, order="True"),
        "doubles": npy("<f8", (1, 3), FLOATS),
        "flat": npy("<f4", (6,), FLOATS),
        "huge": npy("<f4", (10**18, 3), FLOATS),
        "other_spelling": b"\x93NUMPY\x01\x00" + struct.pack("<H", 58)
                          + b'{"shape":(2L,3L),"fortran_order":False,"descr":"uint8"}   ' + BYTES,
    },
    "fuzz_jsonl": {
        "numbers": lines({"key": 7, "vector": [0.5, -1, 2e3]}, {"key": 8, "vector": [1, 2, 3]}),
        "strings": lines({"key": "a\"\n\u00e9", "vector": [1], "payload": {"t": "x", "n": [1, {}]}},
                         {"key": "", "vector": [255], "payload": None}),
        "no_keys": b'{"vector":[1,2]}\r\n\n { "vector" : [ 3 , 4.0 ] }',
        "escapes": b'{"v\\u0065ctor":[1],"payload":{"\\ud83d\\ude00":-0.10E+5,"b":[true,false,null]}}',
        "mixed": lines({"key": 7, "vector": [1]}, {"key": "x", "vector": [1]}),
        "extra": lines({"id": 1, "vector": [1]}),
        "marked": b'\xef\xbb\xbf{"vector":[1e39]}',
    },
    "fuzz_ground_truth": {
        "gt_bin": struct.pack("<ii3I3f", 1, 3, 5, 6, 7, 0.5, 1, 2),
        "gt_bin_lying": struct.pack("<ii3I", 2**31 - 1, 2**31 - 1, 5, 6, 7),
        "ivecs": struct.pack("<8i", 3, 5, 6, 7, 3, 0, 1, 2),
        "ivecs_negative": struct.pack("<3i", 2, 5, -1),
    },
    "fuzz_lines": {
        "plain": b"1\n22\r\n\n333",
        "marked": b"\xef\xbb\xbf7\n8\n",
        "compressed": zstd_frame(b"1\n22\r\n\n333\n"),
        "two_frames": zstd_frame(b"1\n2") + zstd_frame(b"2\n"),
        "run": zstd_run(0x41, 100000),
    },
}


# Header of a graph of 3 nodes of 4 bytes, without checksums; and of none that fits.
GRAPH_HEADER = struct.pack("<8sII BBBB 7I", b"ROXGRPH1", 1, 4, 2, 0, 1, 0, 3, 32, 32, 16, 2, 20, 130)
SEEDS["fuzz_graph"] = {
    "header": GRAPH_HEADER.ljust(4096, b"\0"),
    "sections": GRAPH_HEADER.ljust(16384, b"\0"),
    "empty": b"",
}


# Codes of nodes of 4 bytes with 32 neighbours, 28 a page; without checksums and what lies between
# sections. Three nodes in one cell, and forty in two; a page may be free.
PLACES = 28
NOBODY = 2**32 - 1


def codes_file(nodes, page_cells, slot_end, is_of_levels=False):
    pages, cells = len(page_cells), len(set(page_cells) - {NOBODY})
    version, kind, names = (3, 1, 2) if is_of_levels else (2, 0, 4)
    header = struct.pack("<8sII BBBB 9I 5f I", b"RDSKMEM1", version, 4, 2, 0, kind, 0, nodes, pages,
                         32, names, 1, cells, 20, 130, slot_end, 0.01, 0, 0.001, 0, 0.05, 0)
    entries = [entry / 256 - 0.5 for _ in range(4) for entry in range(256)]
    if is_of_levels:
        entries = [0.01] * 4 + [*range(0, 128, 8)] + [60.5]
    slots = [*range(nodes)] + [NOBODY] * (PLACES * pages - nodes)
    return b"".join((
        header.ljust(152, b"\0"),
        struct.pack("<4f", 100, 100, 100, 100),  # origin
        struct.pack(f"<{len(entries)}f", *entries),
        bytes(2 * 4),  # centroid of one group
        bytes(4 * cells), bytes(2 * 4 * cells), bytes(4 * cells),
        struct.pack(f"<{pages}I", *page_cells),
        struct.pack(f"<{len(slots)}I", *slots),
        bytes(8),  # checksum of the codes' only block
        bytes(range(names + 2)) * len(slots),
    ))


SEEDS["fuzz_disk_codes"] = {
    "one_cell": codes_file(3, [0], 3),
    "two_cells": codes_file(40, [0, 1], 50),
    "free_page": codes_file(3, [0, NOBODY, 0], 3),
    "levels": codes_file(3, [0], 3, is_of_levels=True),
    "empty": b"",
}


# Blocks of a log for codes of 3 pages in 2 cells, slots 0, 2, 4 and 6 in places 0, 14, 28 and 42.
def log_numbers(cells, pages, nodes, slot_end):
    return struct.pack("<6I2f", cells, pages, nodes, slot_end, 20, 130, 0, 0.05)


def log_page(page, cell, slots):
    slots = [slots.get(place, NOBODY) for place in range(PLACES)]
    return struct.pack(f"<{2 + PLACES}I", page, cell, *slots) + bytes(range(6)) * PLACES


SEEDS["fuzz_codes_log"] = {
    "numbers": log_numbers(0, 0, 4, 10),
    "moved": log_numbers(0, 2, 4, 12) + log_page(0, 0, {0: 0, 1: 6}) + log_page(1, 1, {0: 4, 5: 2}),
    "new": log_numbers(1, 1, 5, 12) + struct.pack("<IIf4H", 2, 0, 0.5, 0, 0, 0, 0)
           + log_page(3, 2, {7: 11}),
    "two_blocks": log_numbers(0, 1, 4, 10) + log_page(1, NOBODY, {})
                  + log_numbers(1, 1, 4, 10) + struct.pack("<IIf4H", 1, 0, 0, 1, 2, 3, 4)
                  + log_page(2, 1, {3: 4, 4: 6}),
    "empty": b"",
}


# Two pages in a file of 4096-byte pages, without checksums; and an empty one.
def page_header(kind, number):
    return struct.pack("<Q4sIQQ", 0, kind, number, 1, 0)


def page_file(logical, physical, directory):
    header = struct.pack("<8sII QQ IIII", b"ROXPAGE1", 1, 4096, 1, 0, logical, logical, physical,
                         directory)
    return header.ljust(8192, b"\0")


SEEDS["fuzz_page_store"] = {
    "empty": page_file(0, 2, 0),
    "two_pages": page_file(2, 6, 2) + b"".join(page.ljust(4096, b"\0") for page in (
        page_header(b"DIR1", 0) + struct.pack("<I", 3),
        page_header(b"LAF1", 0) + struct.pack("<II", 5, 4),
        page_header(b"PAG1", 1),
        page_header(b"PAG1", 0),
    )),
}


def main():
    for fuzzer, seeds in SEEDS.items():
        folder = CORPUS / fuzzer
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in seeds.items():
            (folder / name).write_bytes(data)


if __name__ == "__main__":
    main()
