"""The CPU engine against PyTorch: encoder forward of M2-BERT-80M, one text, float32.

Peers, each in its own process, in turn within every round:
  ours    `m2 bench forward`
  port    M2-BERT in plain PyTorch, filters computed at every forward as the reference does
  cached  the same with the filters' spectra kept
  bert    Hugging Face's BERT-base (110M) with SDPA: says whether the port is a fair peer

Before a length is timed, hidden state and pooled vector of the same weights and ids are compared
(`m2 verify` against the port's float32 values; the port's float64 run says what rounding costs);
nothing is timed when they disagree. Set up once with tests/bench/setup.sh, then:

    ~/.cache/m2/bench/venv/bin/python tests/bench/forward.py
    ~/.cache/m2/bench/venv/bin/python tests/bench/forward.py --lengths 128 --rounds 3
"""

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from common import Worker, call, interleave, machine, options, parse, seeded, show, table

MODEL = "m2-bert-80m-8k"
# What a length asks for: ours over the port, and at most how slow the port is beside BERT.
TARGETS = {16: 2.5, 128: 2.0, 512: 1.7, 2048: 2.0, 8192: 2.5}
FAIR = {128: 1.05, 512: 1.05, 2048: 1.05, 8192: 0.55}
KEPT = 1.4


def agree(args, worker, length):
    """Compares outputs; stops when they differ by more than rounding explains."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "golden"
        apart = worker.ask(do="golden", length=length, folder=str(folder))
        line = [args.m2, "--threads", str(args.threads), "verify", folder]
        done = subprocess.run(line, capture_output=True, text=True)
    if done.returncode or apart["kept"] > 1e-3:
        sys.exit(
            f"{length} tokens: outputs disagree, nothing timed\n{done.stdout}{done.stderr}"
            f"cached against port: {apart['kept']:.1e} of the maximum"
        )
    print(f"{length} tokens: outputs agree; of the maximum: port against its float64 run "
          f"{apart['f64']:.1e}, cached against port {apart['kept']:.1e}; m2 verify says:")
    print("    " + "\n    ".join(done.stdout.strip().splitlines()), flush=True)


def measure(args, worker, folder, length):
    """{peer: times} and our records."""
    runs = next(runs for most, runs in ((32, 11), (256, 5), (1024, 3), (1 << 30, 1)) if length <= most)
    warm = 1 if length <= 4096 else 0
    records = []

    def ours():
        run = ["--lengths", length, "--batch", 1, "--rounds", runs, "--json"]
        records.extend(json.loads(call(args, "bench", "forward", "--model", folder, *run)))
        return records[-1]["median_ms"]

    def theirs(peer):
        return lambda: worker.ask(do="time", peer=peer, length=length, runs=runs, warm=warm)

    peers = {"ours": ours, "port": theirs("port"), "cached": theirs("cached")}
    if not args.without_bert:
        peers["bert"] = theirs("bert")
    for peer in list(peers)[1:]:
        worker.ask(do="time", peer=peer, length=length, runs=1, warm=0)
    rounds = args.rounds or (9 if length < 8192 else 3)
    return interleave(peers, rounds), records


def row(length, times, records):
    middle = {name: statistics.median(t) for name, t in times.items()}
    over = lambda name: middle[name] / middle["ours"] if name in middle else float("nan")
    # Milliseconds that the work takes at the fastest FMA loop of all rounds.
    work = records[0]["gflops"] * records[0]["median_ms"]
    floor = work / max(r["peak_gflops"] for r in records)
    cells = [length, *(show(times[n]) if n in times else "-" for n in ("ours", "port", "cached", "bert"))]
    cells += [f"{over('port'):.2f}", f"{over('cached'):.2f}", f"{over('bert'):.2f}"]
    fair = over("port") / over("bert")
    cells += [f"{fair:.2f}", f"{floor / middle['ours']:.0%}", f"{floor / middle['port']:.0%}"]
    notes = []
    if fair > FAIR.get(length, float("inf")):
        notes.append(f"{length}: port ÷ BERT {fair:.2f} > {FAIR[length]}, the port does not count")
    for name, want in (("port", TARGETS.get(length, 0)), ("cached", KEPT)):
        said = "reached" if over(name) >= want else "MISSED"
        notes.append(f"{length}: {over(name):.2f}× of {name}, target {want}×: {said}")
    return cells, notes


def main():
    parser = options(__doc__)
    lengths = lambda text: [int(x) for x in text.split(",")]
    parser.add_argument("--lengths", type=lengths, default=list(TARGETS), help="tokens, such as 16,128")
    parser.add_argument("--rounds", type=int, help="rounds (default 9, from 8192 tokens on 3)")
    parser.add_argument("--without-bert", action="store_true", help="leave out BERT-base")
    args = parse(parser)
    folder = seeded(args, MODEL)
    worker = Worker("torch_worker.py", folder, args.threads, max(args.lengths), threads=args.threads)
    print(machine())
    print(worker.ask(do="isa"), flush=True)
    rows, notes, records = [], [], []
    for length in args.lengths:
        agree(args, worker, length)
        times, records = measure(args, worker, folder, length)
        cells, said = row(length, times, records)
        rows.append(cells)
        notes += said
        print(f"{length} tokens: ours {cells[1]}, port {cells[2]}, cached {cells[3]}, BERT {cells[4]} ms", flush=True)
    worker.close()
    print(f"\n{machine()}\nours: {records[0]['isa']}, {args.threads} threads each; ms, median (minimum)\n")
    head = ["tokens", "ours", "port", "cached", "BERT SDPA", "vs port", "vs cached", "vs BERT"]
    table([*head, "port ÷ BERT", "share of FMA peak", "port's"], rows)
    print("\n" + "\n".join(notes))


if __name__ == "__main__":
    main()
