#!/usr/bin/env python3
"""Training tokens per second: Ondol's networks against the same in PyTorch on the CPU.

    python3 bench/train_torch.py [--rounds 5] [--steps 20] [--threads 2] [--width 128] [--items 3416] [--no-compile]

Same sizes, data, batches, loss (full softmax over all items, weights tied), dropout, optimiser
(Adam, clipped at 1) and threads; the random numbers differ, so losses agree only about. Measured
for a plain GRU of one layer, and for the network of the v2 recipes (src/recipes/seq_net.c) without
questions. PyTorch runs eagerly, the recurrence of the second once as a loop over steps and once by
doubling (the better of them counts), and compiled where a compiler is found. Everyone is measured
once in each of several rounds, one after the other, and the ratio printed is the median of the
rounds': a shared machine's pace may double or halve within a minute. `make bench-programs` builds
ours; PyTorch comes from tools/requirements-bench.txt. Prints a table and the ratios.
"""
import argparse
import array
import json
import os
import pathlib
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
WARM = 2
DROPOUT = 0.2


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--items", type=int, default=3416)
    parser.add_argument("--sequences", type=int, default=400)
    parser.add_argument("--length", type=int, default=101, help="events of a sequence")
    parser.add_argument("--batch", type=int, default=32, help="sequences of a step")
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20, help="of a round")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--no-compile", action="store_true", help="leave out torch.compile")
    return parser.parse_args()


def make_data(args, path):
    """Sequences of items, popular ones more likely, every item at least once."""
    rng = random.Random(1)
    count = args.sequences * args.length
    items = [int(args.items * rng.random() ** 2) for _ in range(count)]
    items[: args.items] = range(min(args.items, count))
    rng.shuffle(items)
    array.array("I", items).tofile(open(path, "wb"))
    return items


def ours(args, data, net):
    program = ROOT / os.environ.get("BUILD", "build") / "bench" / "peer_train"
    sizes = [args.items, args.sequences, args.length, args.batch, args.width, args.steps, args.threads]
    out = subprocess.run([str(program), data, net, *map(str, sizes)], check=True, capture_output=True, text=True)
    return json.loads(out.stdout)


def networks(torch):
    from torch import nn
    from torch.nn import functional

    def loop_scan(decay, x):
        state, out = torch.zeros_like(x[:, 0]), []
        for step in range(x.shape[1]):
            state = decay[:, step] * state + x[:, step]
            out.append(state)
        return torch.stack(out, 1)

    def doubling_scan(decay, x):
        reach = 1
        while reach < x.shape[1]:
            x = torch.cat([x[:, :reach], x[:, reach:] + decay[:, reach:] * x[:, :-reach]], 1)
            decay = torch.cat([decay[:, :reach], decay[:, reach:] * decay[:, :-reach]], 1)
            reach *= 2
        return x

    class Gru(nn.Module):
        def __init__(self, items, width, _scan):
            super().__init__()
            self.table = nn.Embedding(items, width)
            nn.init.normal_(self.table.weight, std=width ** -0.5)
            self.gru = nn.GRU(width, width, batch_first=True)

        def forward(self, x, target):
            h = self.gru(functional.dropout(self.table(x), DROPOUT))[0]
            logits = functional.dropout(h, DROPOUT) @ self.table.weight.t()
            return functional.cross_entropy(logits.flatten(0, 1), target.flatten())

    class Layer(nn.Module):
        def __init__(self, width, hidden, scan):
            super().__init__()
            self.scan = scan
            self.norm1, self.norm2 = nn.RMSNorm(width, eps=1e-6), nn.RMSNorm(width, eps=1e-6)
            self.into = nn.Linear(width, 3 * width, bias=False)
            self.decay = nn.Parameter(torch.linspace(-1, 4.6, width))
            self.out = nn.Linear(width, width, bias=False)
            self.up = nn.Linear(width, 2 * hidden, bias=False)
            self.down = nn.Linear(hidden, width, bias=False)

        def forward(self, x):
            value, gate, decay = self.into(self.norm1(x)).chunk(3, -1)
            decay = torch.sigmoid(decay + self.decay)
            h = self.scan(decay, (1 - decay) * value) * functional.silu(gate)
            x = x + functional.dropout(self.out(h), DROPOUT)
            gate, up = self.up(self.norm2(x)).chunk(2, -1)
            return x + functional.dropout(self.down(functional.silu(gate) * up), DROPOUT)

    class Sequence(nn.Module):
        def __init__(self, items, width, scan):
            super().__init__()
            self.table = nn.Embedding(items, width)
            nn.init.normal_(self.table.weight, std=width ** -0.5)
            hidden = (width * 8 // 3 + 7) // 8 * 8
            self.layers = nn.Sequential(Layer(width, hidden, scan), Layer(width, hidden, scan))
            self.end = nn.RMSNorm(width, eps=1e-6)
            self.bias = nn.Parameter(torch.zeros(width))

        def forward(self, x, target):
            x = functional.dropout(self.table(x) * self.table.embedding_dim ** 0.5, DROPOUT)
            h = functional.dropout(self.end(self.layers(x)) + self.bias, DROPOUT)
            logits = h @ self.table.weight.t()
            return functional.cross_entropy(logits.flatten(0, 1), target.flatten())

    return {"gru": (Gru, {"": None}), "seq": (Sequence, {" loop": loop_scan, " doubling": doubling_scan})}


class Peer:
    """One of PyTorch's, kept from round to round, as compiling takes longer than a round."""

    def __init__(self, torch, args, items, network, scan, compiled):
        torch.manual_seed(1)
        self.torch, self.args = torch, args
        self.model = network(args.items, args.width, scan)
        self.step = torch.compile(self.model) if compiled else self.model
        self.optimiser = torch.optim.Adam(self.model.parameters(), lr=1e-3, betas=(0.9, 0.98))
        self.rows = torch.tensor(items).view(args.sequences, args.length)
        self.at = 0

    def learn(self):
        """One step: its predictions and their mean loss."""
        args = self.args
        start = self.at * args.batch % (args.sequences - args.batch + 1)
        rows = self.rows[start:start + args.batch]
        self.at += 1
        self.optimiser.zero_grad(set_to_none=True)
        loss = self.step(rows[:, :-1], rows[:, 1:])
        loss.backward()
        self.torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        return rows[:, 1:].numel(), loss.item()

    def round(self):
        """Tokens a second, and the mean loss of the round's steps."""
        for _ in range(WARM):
            self.learn()
        begun = time.monotonic()
        done = [self.learn() for _ in range(self.args.steps)]
        seconds = time.monotonic() - begun
        return sum(tokens for tokens, _ in done) / seconds, statistics.fmean(loss for _, loss in done)


def peers(torch, args, items, name, network, scans, compiler):
    for compiled in (False, True) if compiler else (False,):
        for which, scan in scans.items():
            if compiled and which == " loop":
                continue  # unrolled into thousands of operations, it compiles for many minutes
            how = "compiled" if compiled else "eager"
            yield f"{name} PyTorch {how}{which}", Peer(torch, args, items, network, scan, compiled)


def compare(torch, args, data, items, name, network, scans, compiler):
    """All rounds of one network: Ondol first in each, then every form of PyTorch."""
    others = dict(peers(torch, args, items, name, network, scans, compiler))
    rates, first_loss = {who: [] for who in [f"{name} Ondol", *others]}, {}
    for _ in range(args.rounds):
        mine = ours(args, data, name)
        got = {f"{name} Ondol": (mine["tokens_per_second"], mine["loss"])}
        got |= {who: peer.round() for who, peer in others.items()}
        for who, (rate, loss) in got.items():
            rates[who].append(rate)
            first_loss.setdefault(who, loss)
    mine = rates[f"{name} Ondol"]
    for who, of in rates.items():
        ratio = statistics.median(a / b for a, b in zip(mine, of))
        print(f"{who}: {statistics.median(of):.0f} tokens/s ({min(of):.0f} to {max(of):.0f}), "
              f"loss {first_loss[who]:.3f}" + (f", ratio {ratio:.2f}" if who in others else ""), flush=True)
    best = [max(of) for of in zip(*(rates[who] for who in others))]
    ratios = sorted(a / b for a, b in zip(mine, best))
    print(f"{name}: {statistics.median(ratios):.2f} times the best of PyTorch "
          f"(rounds {', '.join(f'{r:.2f}' for r in ratios)})", flush=True)


def main():
    args = arguments()
    try:
        import torch
    except ImportError:
        sys.exit("train_torch: PyTorch is not installed: pip install -r tools/requirements-bench.txt")
    torch.set_num_threads(args.threads)
    compiler = not args.no_compile and (shutil.which("g++") or shutil.which("clang++"))
    with tempfile.TemporaryDirectory() as folder:
        data = os.path.join(folder, "items")
        items = make_data(args, data)
        print(f"{args.items} items, width {args.width}, {args.batch} sequences of {args.length - 1} predictions "
              f"a step, {args.steps} steps, {args.rounds} rounds, {args.threads} threads, PyTorch {torch.__version__}")
        for name, (network, scans) in networks(torch).items():
            compare(torch, args, data, items, name, network, scans, compiler)


if __name__ == "__main__":
    main()
