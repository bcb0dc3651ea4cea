"""What the benchmarks share: options, the machine's name, peers in processes of their own, tables.

Not a program; see forward.py, minilm.py, minilm_gpu.py, retrieval.py, long.py and kill_resume.py.

Every peer runs in its own process and waits while another is timed: OpenMP's threads keep spinning
after their work is done, so two engines in one process on two cores slow each other down. For the
same reason each turn starts with a pause. Numbers are medians over rounds in which every peer had
its turn, so that a machine that slows down does so for all of them.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
HOME = Path(os.environ.get("M2_BENCH_HOME") or Path.home() / ".cache/m2/bench")
PAUSE = 0.05


def options(doc):
    """A parser with the options that all benchmarks have."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=doc, formatter_class=form)
    binary = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release/m2"
    parser.add_argument("--m2", type=Path, default=binary, help="the m2 binary (default %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="threads of every peer (default 2)")
    return parser


def parse(parser):
    """The options as typed, once the binary is known to be there."""
    args = parser.parse_args()
    args.m2 = args.m2.resolve()
    if not args.m2.exists():
        sys.exit(f"{args.m2} does not exist: cargo build --release -p m2-cli, or name it with --m2")
    return args


def call(args, *command, allow=(0,)):
    """Standard output of an m2 command; stops with its message when it fails."""
    line = [str(args.m2), "--threads", str(args.threads), *map(str, command)]
    done = subprocess.run(line, capture_output=True, text=True)
    if done.returncode not in allow:
        sys.exit(f"{' '.join(line)}\nexit code {done.returncode}: {done.stderr.strip()}\n{done.stdout.strip()}")
    return done.stdout


def seeded(args, name):
    """A folder with fresh weights of this configuration, made once."""
    folder = HOME / "models" / name
    if not (folder / "model.safetensors").exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        call(args, "init", name, "--seed", 1, "-o", folder)
    return folder


class Worker:
    """A Python peer in a process of its own, which answers JSON lines with JSON lines."""

    def __init__(self, script, *arguments, threads):
        own = dict(os.environ, OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads))
        own.update(TOKENIZERS_PARALLELISM="false", HF_HUB_OFFLINE="1")
        command = [sys.executable, str(HERE / script), *map(str, arguments)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=own)

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.process.args[1]} ended with exit code {self.process.wait()}")
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def serve(answer):
    """The other end of a Worker: answers each request with what `answer` returns."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is not an answer
    for line in sys.stdin:
        out.write(json.dumps(answer(**json.loads(line))) + "\n")
        out.flush()


def timed(f, runs, warm=1):
    """Median in milliseconds of `runs` calls after `warm` calls."""
    for _ in range(warm):
        f()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        f()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e3


def interleave(peers, rounds):
    """{name: times} of `rounds` rounds; `peers` maps names to functions that return a time."""
    times = {name: [] for name in peers}
    for round in range(rounds):
        order = list(peers) if round % 2 == 0 else list(peers)[::-1]
        for name in order:
            time.sleep(PAUSE)
            times[name].append(peers[name]())
    return times


def show(times, digits=1):
    """`median (minimum)`."""
    return f"{statistics.median(times):.{digits}f} ({min(times):.{digits}f})"


def table(head, rows):
    """Prints a Markdown table."""
    rows = [[str(cell) for cell in row] for row in [head, *rows]]
    widths = [max(map(len, column)) for column in zip(*rows)]
    for i, row in enumerate(rows):
        print("| " + " | ".join(cell.rjust(w) for cell, w in zip(row, widths)) + " |")
        if i == 0:
            print("|" + "|".join("-" * (w + 1) + ":" for w in widths) + "|")
    sys.stdout.flush()


def machine():
    """One line: processor, cores, memory, load, date."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    flags = ""
    if info.exists():
        lines = info.read_text().splitlines()
        name = next((l.split(":")[1].strip() for l in lines if l.startswith("model name")), name)
        have = next((l.split() for l in lines if l.startswith("flags")), [])
        flags = " ".join(f for f in ("avx2", "fma", "avx512f", "avx512_vnni", "amx_tile") if f in have)
    load = ", ".join(f"{x:.2f}" for x in os.getloadavg())
    return f"{name}, {os.cpu_count()} cores ({flags}), load {load}, {time.strftime('%Y-%m-%d %H:%M')}"
