#!/usr/bin/env python3
"""Factors and item neighbours beside the package `implicit`: same pairs, same run, equal threads.

    python3 bench/implicit.py [--users 30000] [--items 10000] [--factors 128] [--iterations 10]
                              [--threads 2] [--repeat 3] [--pairs FILE]

The pairs are made by BUILD/bench/bench_als (BUILD is `build` unless the environment says otherwise;
`make bench-programs` builds it), or read from FILE (USER_ID,ITEM_ID,TIMESTAMP; ids whose byte order
is that of their numbers). Each figure is the best of the repetitions; reading and sorting the pairs
is in none. The CPU seconds of all threads tell when something else was using the machine.

  als       factors, iterations, regularisation and confidence equal; implicit in its default way,
            by conjugate gradients of three steps. Fewer seconds count only at an equal or lower
            loss, so the loss of both is computed here, by one formula.
  item-kNN  cosine of the items' users, the same number of neighbours kept of each
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # implicit's own threads divide the work
REGULARISATION, CONFIDENCE, NEIGHBOURS = 1.0, 40.0, 100


def run(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"bench/implicit.py: {command[0]} exited with {done.returncode}")
    return json.loads(done.stdout)


def fastest(figures):
    return min(figures, key=lambda f: f["seconds"])


def read_pairs(path):
    import numpy
    import scipy.sparse
    users, items = numpy.loadtxt(path, delimiter=",", skiprows=1, usecols=(0, 1), dtype=numpy.int64, unpack=True)
    rows, users = numpy.unique(users, return_inverse=True)
    columns, items = numpy.unique(items, return_inverse=True)
    ones = numpy.ones(len(users), dtype=numpy.float32)
    matrix = scipy.sparse.csr_matrix((ones, (users, items)), shape=(len(rows), len(columns)))
    matrix.data[:] = 1
    return matrix


def loss(matrix, users, items):
    """Squared errors of the pairs, all squares by 1 / confidence, ridge likewise, in double."""
    import numpy
    users, items = users.astype(numpy.float64), items.astype(numpy.float64)
    total = 0.0
    for first in range(0, matrix.shape[0], 1000):
        part = matrix[first:first + 1000].tocoo()
        predicted = numpy.einsum("ij,ij->i", users[first + part.row], items[part.col])
        total += ((predicted - 1) ** 2).sum()
    both = ((users.T @ users) * (items.T @ items)).sum()
    return total + (both + REGULARISATION * ((users ** 2).sum() + (items ** 2).sum())) / CONFIDENCE


def our_als(program, pairs, shape, args, folder):
    import numpy
    out = folder / "factors"
    command = [program, "run", pairs, str(args.factors), str(args.iterations), str(REGULARISATION), str(CONFIDENCE),
               str(args.threads), str(out)]
    best = fastest([run(command) for _ in range(args.repeat)])
    factors = numpy.fromfile(out, dtype=numpy.float32).reshape(-1, args.factors)
    return best, factors[:shape[0]], factors[shape[0]:]


def timed(work):
    began, cpu = time.perf_counter(), time.process_time()
    work()
    return {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - cpu}


def their_als(matrix, args):
    from implicit.cpu.als import AlternatingLeastSquares
    best = None
    for _ in range(args.repeat):
        model = AlternatingLeastSquares(factors=args.factors, regularization=REGULARISATION, alpha=CONFIDENCE,
                                        iterations=args.iterations, num_threads=args.threads, random_state=1)
        figures = timed(lambda: model.fit(matrix, show_progress=False))
        if best is None or figures["seconds"] < best[0]["seconds"]:
            best = (figures, model.user_factors, model.item_factors)
    return best


def their_neighbours(matrix, args):
    from implicit.nearest_neighbours import CosineRecommender

    def once():
        model = CosineRecommender(K=NEIGHBOURS, num_threads=args.threads)
        return timed(lambda: model.fit(matrix, show_progress=False))
    return fastest([once() for _ in range(args.repeat)])


def show(lines):
    for name, f, note in lines:
        print(f"  {name:9s} {f['seconds']:8.2f} s {f['cpu_seconds']:8.2f} cpu s{note}")
    ours, theirs = lines[0][1], lines[1][1]
    print(f"  implicit / ondol: {theirs['seconds'] / ours['seconds']:.2f}, "
          f"by cpu seconds {theirs['cpu_seconds'] / ours['cpu_seconds']:.2f}")


def compare(pairs, folder, args, build):
    matrix = read_pairs(pairs)
    print(f"{matrix.nnz:,} pairs of {matrix.shape[0]:,} users and {matrix.shape[1]:,} items, {args.threads} threads")
    ours, theirs = our_als(str(build / "bench_als"), pairs, matrix.shape, args, folder), their_als(matrix, args)
    print(f"als, {args.factors} factors, {args.iterations} iterations")
    show([(name, f[0], f"   loss {loss(matrix, *f[1:]):14.1f}") for name, f in (("ondol", ours), ("implicit", theirs))])
    print(f"item-kNN, {NEIGHBOURS} neighbours")
    sims = [str(build / "bench_knn"), "sims", pairs, str(NEIGHBOURS), str(args.threads)]
    mine = fastest([run(sims) for _ in range(args.repeat)])
    show([("ondol", mine, ""), ("implicit", their_neighbours(matrix, args), "")])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=30000)
    parser.add_argument("--items", type=int, default=10000)
    parser.add_argument("--factors", type=int, default=128, help="a multiple of 32")
    parser.add_argument("--iterations", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--pairs", help="a file of pairs instead of generated ones")
    args = parser.parse_args()
    build = pathlib.Path(os.environ.get("BUILD") or "build") / "bench"
    for name in ("bench_als", "bench_knn"):
        if not (build / name).exists():
            sys.exit(f"bench/implicit.py: {build / name} is missing; run `make bench-programs`")
    # This file has the package's name: its folder must not be searched for it.
    sys.path[:] = [p for p in sys.path if pathlib.Path(p or ".").resolve() != pathlib.Path(__file__).resolve().parent]
    try:
        import implicit.cpu.als  # noqa: F401
    except ImportError as error:
        sys.exit(f"bench/implicit.py: there is no peer: {error}; tools/deps.sh bench installs it")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="ondol-bench-"))
    try:
        pairs = args.pairs or str(folder / "pairs.csv")
        if not args.pairs:
            subprocess.run([str(build / "bench_als"), "generate", pairs, str(args.users), str(args.items)], check=True)
        compare(pairs, folder, args, build)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
