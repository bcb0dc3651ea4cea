"""all-MiniLM-L6-v2 against the peers a user would pick: onnxruntime and candle.

Two tables. Speed: texts of 16, 128 and 256 tokens, 1 and 32 at a time, from strings to normalised
vectors, each peer in its own process, in turn within every round; ours is the library through
crates/m2/examples/time_embed.rs. Start: from a process's start to the first vector of one sentence
(`m2 embed`), with its peak memory. Vectors are compared before anything is timed.

Set up once with tests/bench/setup.sh and `cargo build --release -p m2-cli`, then:

    ~/.cache/m2/bench/venv/bin/python tests/bench/minilm.py

It exports the ONNX file with torch.onnx and builds candle's peer from crates.io on its first run.
"""

import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from common import HERE, HOME, PAUSE, ROOT, Worker, call, interleave, machine, options, parse, show, table

SENTENCE = "A man is eating food."
# One token each.
WORDS = "time year people way day man thing woman life child world school state family".split()
# How fast ours has to be beside onnxruntime.
TARGETS = {16: 1.0, 128: 0.95, 256: 0.95}
CANDLE = """[package]
name = "candle-peer"
version = "0.0.0"
edition = "2024"

[workspace]

[dependencies]
anyhow = "1"
candle-core = "0.11"
candle-nn = "0.11"
candle-transformers = "0.11"
serde_json = "1"
tokenizers = { version = "0.22", default-features = false, features = ["onig"] }

[profile.release]
lto = "thin"
strip = true
"""


class Program(Worker):
    """A peer that is a program rather than a Python script."""

    def __init__(self, *command, threads):
        own = dict(os.environ, RAYON_NUM_THREADS=str(threads))
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(list(map(str, command)), stdin=pipe, stdout=pipe, text=True, env=own)


def export(folder):
    path = HOME / "minilm.onnx"
    if not path.exists():
        line = [sys.executable, HERE / "onnx_export.py", folder, path.with_suffix(".part")]
        subprocess.run(line, check=True, capture_output=True)
        path.with_suffix(".part").rename(path)
    return path


def candle():
    """The program of candle's peer, built outside the repository."""
    crate = HOME / "candle"
    (crate / "src").mkdir(parents=True, exist_ok=True)
    (crate / "Cargo.toml").write_text(CANDLE)
    shutil.copy(HERE / "candle.rs", crate / "src/main.rs")
    line = ["cargo", "build", "--release", "--quiet", "--target-dir", "target"]
    subprocess.run(line, cwd=crate, check=True)
    return crate / "target/release/candle-peer"


def example(args):
    """Our side of the speed table."""
    line = ["cargo", "build", "--release", "--quiet", "-p", "m2", "--example", "time_embed"]
    line += ["--target-dir", str(args.m2.parent.parent)]
    subprocess.run(line, cwd=ROOT, check=True)
    return args.m2.parent / "examples/time_embed"


def text(tokens, seed):
    """A text of so many tokens, [CLS] and [SEP] included."""
    return " ".join(WORDS[(seed + i * (seed + 1)) % len(WORDS)] for i in range(tokens - 2))


def cosine(a, b):
    dot = sum(x * y for x, y in zip(a, b))
    return dot / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


def speed(args, workers):
    rows, notes = [], []
    for length in args.lengths:
        for batch in args.batches:
            texts = [text(length, seed) for seed in range(batch)]
            runs = max(1, min(9, 4096 // (length * batch)))
            ask = lambda name: workers[name].ask(texts=texts, runs=runs, warm=1)
            vectors = {name: ask(name)["vectors"] for name in workers}
            for name in workers:
                worst = min(map(cosine, vectors[name], vectors["ours"]))
                if worst < 0.99999:
                    sys.exit(f"{length} tokens: {name}'s vectors differ from ours, cosine {worst}")
            peers = {name: (lambda name=name: ask(name)["ms"]) for name in workers}
            times = interleave(peers, args.rounds)
            middle = {name: statistics.median(t) for name, t in times.items()}
            ratio = middle["onnxruntime"] / middle["ours"]
            cells = [f"{middle[n] / middle['ours']:.2f}×" for n in workers if n != "ours"]
            rows.append([length, batch, *(show(times[n], 2) for n in workers), *cells])
            want = TARGETS.get(length, 0)
            said = "reached" if ratio >= want else "MISSED"
            notes.append(f"{length} tokens × {batch}: {ratio:.2f}× onnxruntime's speed, target {want}×: {said}")
    print("\nStrings to vectors, ms, median (minimum); × = how much longer the peer takes\n")
    table(["tokens", "texts", *workers, *(n for n in workers if n != "ours")], rows)
    print("\n" + "\n".join(notes))


def started(line, stdin, env):
    """(seconds to the first line of output, peak megabytes) of a fresh process."""
    start = time.perf_counter()
    pipe = subprocess.PIPE
    process = subprocess.Popen(line, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env=env)
    process.stdin.write(stdin)
    process.stdin.close()
    first = process.stdout.readline()
    took = time.perf_counter() - start
    process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode or not first.strip():
        sys.exit(f"{line[0]} failed with exit code {process.returncode}")
    return took, used.ru_maxrss / 1024, json.loads(first)


def parts(args, folder, whole):
    """Prints what ours spends its start on: medians of fresh processes."""
    runs = [json.loads(call(args, "bench", "start", "--model", folder, "--json", SENTENCE)) for _ in range(args.starts)]
    ms = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
    alone = ", ".join(f"{name} {ms[name + '_ms']:.1f}" for name in ("tokenizer", "read", "check"))
    print(f"\nours, ms: process and output {1e3 * whole - ms['total_ms']:.1f}, open {ms['open_ms']:.1f} "
          f"(alone: {alone}), tokenise {ms['tokenise_ms']:.1f}, plan and pack {ms['pack_ms']:.1f}, "
          f"first forward {ms['forward_ms']:.1f}")


def start(args, folder, onnx, peer):
    threads = str(args.threads)
    sentence = (SENTENCE + "\n").encode()
    transformers = (
        "import json, sys; from sentence_transformers import SentenceTransformer as S\n"
        f"print(json.dumps(S({str(folder)!r}, device='cpu').encode({SENTENCE!r}).tolist()))"
    )
    lines = {
        "ours": ([args.m2, "--threads", threads, "embed", "--model", folder], sentence),
        "candle": ([peer, folder, SENTENCE], b""),
        "onnxruntime": ([sys.executable, HERE / "onnx_worker.py", onnx, folder, threads, SENTENCE], b""),
        "sentence-transformers": ([sys.executable, "-c", transformers], b""),
    }
    env = dict(os.environ, RAYON_NUM_THREADS=threads, OMP_NUM_THREADS=threads, HF_HUB_OFFLINE="1")
    seconds, memory, vectors = ({name: [] for name in lines} for _ in range(3))
    for round in range(args.starts + 1):
        for name, (line, stdin) in lines.items():
            if name == "sentence-transformers" and round > 3:
                continue
            time.sleep(PAUSE)
            took, peak, vector = started(list(map(str, line)), stdin, env)
            if round:  # the first one fills the file cache
                seconds[name].append(took)
                memory[name].append(peak)
            vectors[name] = vector["embedding"] if name == "ours" else vector
    for name, vector in vectors.items():
        if cosine(vector, vectors["ours"]) < 0.99999:
            sys.exit(f"{name}'s vector of {SENTENCE!r} differs from ours")
    print("\nProcess start to the first vector, warm file cache\n")
    sizes = {"ours": args.m2.stat().st_size, "candle": peer.stat().st_size}
    rows = [
        [name, show(seconds[name], 3), f"{max(memory[name]):.0f}", f"{sizes[name] / 1e6:.1f}" if name in sizes else "-"]
        for name in lines
    ]
    table(["", "seconds, median (minimum)", "peak MB", "binary MB"], rows)
    ours, theirs = (statistics.median(seconds[name]) for name in ("ours", "candle"))
    parts(args, folder, ours)
    print(f"\nstart: {ours / theirs:.2f} of candle's, target ≤ 1: {'reached' if ours <= theirs else 'MISSED'}")


def main():
    parser = options(__doc__)
    numbers = lambda text: [int(x) for x in text.split(",")]
    model = Path.home() / ".cache/m2/models/all-MiniLM-L6-v2"
    parser.add_argument("--model", type=Path, default=model, help="its folder (default: where `m2 pull` puts it)")
    parser.add_argument("--lengths", type=numbers, default=list(TARGETS), help="tokens, such as 16,128")
    parser.add_argument("--batches", type=numbers, default=[1, 32], help="texts at a time")
    parser.add_argument("--rounds", type=int, default=11, help="rounds of the speed table, 0 for none")
    parser.add_argument("--starts", type=int, default=11, help="rounds of the start table, 0 for none")
    args = parse(parser)
    onnx, peer = export(args.model), candle()
    print(machine())
    if args.rounds:
        threads = args.threads
        workers = {
            "ours": Program(example(args), args.model, threads, threads=threads),
            "onnxruntime": Worker("onnx_worker.py", onnx, args.model, threads, threads=threads),
            "candle": Program(peer, args.model, threads=threads),
        }
        speed(args, workers)
        for worker in workers.values():
            worker.close()
    if args.starts:
        start(args, args.model, onnx, peer)
    print(f"\n{machine()}")


if __name__ == "__main__":
    main()
