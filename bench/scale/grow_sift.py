#!/usr/bin/env python3
"""Makes up to 16 times as many SIFT vectors of the same local geometry.

    bench/scale/grow_sift.py DATA/sift-1m/base.u8bin 10000000 OUT/base.u8bin

A SIFT descriptor is 4 x 4 places x 8 directions of gradients. Mirroring or turning a photo by quarters, and
inverting its brightness, permutes these 128 numbers: 16 permutations that are again descriptors of possible
photos. Each permuted copy of the set has exactly the distances of the original (so the same local intrinsic
dimension inside a copy); copies lie among each other. Rows are shuffled block by block, deterministically.
With --lid the maximum likelihood estimate of the local intrinsic dimension (Levina and Bickel 2004; 100
neighbours, 500 points) of the result is printed beside that of the input.
"""
import argparse
import itertools
import pathlib

import numpy as np

DIM = 128
BLOCK_ROWS = 100_000


def permutations():
    """The 16 permutations: (mirror, quarter turns, inversion) -> index array of 128."""
    grid = np.arange(DIM).reshape(4, 4, 8)
    directions = np.arange(8)
    for mirror, turns, inverted in itertools.product((0, 1), range(4), (0, 1)):
        places = np.rot90(grid, turns, axes=(0, 1))
        order = (directions + 2 * turns + 4 * inverted) % 8
        if mirror:
            places = places[:, ::-1]
            order = (-order) % 8
        yield places[:, :, order].reshape(-1)


def read_rows(path):
    with open(path, "rb") as file:
        rows, dim = np.fromfile(file, dtype="<i4", count=2)
    assert dim == DIM, f"{path} is not of SIFT vectors"
    return np.memmap(path, dtype=np.uint8, mode="r", offset=8, shape=(int(rows), DIM))


def local_dimension(rows, seed=1, points=500, neighbours=100):
    """Median over points of the maximum likelihood estimate."""
    rng = np.random.default_rng(seed)
    queries = rows[np.sort(rng.choice(len(rows), points, replace=False))].astype(np.float32)
    query_norms = (queries * queries).sum(1)
    nearest = np.full((points, neighbours + 1), np.inf, dtype=np.float32)
    for first in range(0, len(rows), BLOCK_ROWS):
        block = np.asarray(rows[first:first + BLOCK_ROWS], dtype=np.float32)
        distances = query_norms[:, None] + (block * block).sum(1)[None] - 2 * queries @ block.T
        both = np.concatenate([nearest, distances], axis=1)
        nearest = np.partition(both, neighbours, axis=1)[:, :neighbours + 1]
    radii = np.sqrt(np.maximum(np.sort(nearest, axis=1)[:, 1:], 0.25))  # without the point itself
    return float(np.median(1 / np.log(radii[:, -1:] / radii[:, :-1]).mean(axis=1)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", type=pathlib.Path)
    parser.add_argument("rows", type=int)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--lid", action="store_true", help="print local intrinsic dimensions too (minutes)")
    args = parser.parse_args()
    base = read_rows(args.base)
    kinds = list(permutations())
    if not 0 < args.rows <= len(kinds) * len(base):
        parser.error(f"rows: at most {len(kinds) * len(base)}")
    rng = np.random.default_rng(7)
    kinds_used = -(-args.rows // len(base))
    pieces = [(first, kind) for first in range(0, len(base), BLOCK_ROWS) for kind in range(kinds_used)]
    rng.shuffle(pieces)
    written = 0
    with open(args.out, "wb") as out:
        np.array([args.rows, DIM], dtype="<i4").tofile(out)
        for first, kind in pieces:
            block = np.asarray(base[first:first + BLOCK_ROWS])[:, kinds[kind]]
            block = block[rng.permutation(len(block))][: args.rows - written]
            np.ascontiguousarray(block).tofile(out)
            written += len(block)
    assert written == args.rows
    print(f"{args.out}: {written} rows, {kinds_used} of 16 copies")
    if args.lid:
        print(f"local intrinsic dimension: {local_dimension(base):.1f} of the input, "
              f"{local_dimension(read_rows(args.out)):.1f} of the result")


if __name__ == "__main__":
    main()
