"""`m2 embed` killed ten times and resumed writes the same file as one that ran through.

Kills the process (SIGKILL) at moments spread over its run, goes on with --resume, and compares the
files byte by byte, for each of the three formats. Needs only Python and the m2 binary:

    python tests/bench/kill_resume.py
"""

import random
import subprocess
import tempfile
import time
from pathlib import Path

from common import call, machine, options, parse

KILLS = 10
WORDS = "the sea was calm and a small boat left the harbour before light with three men on board".split()


def texts(count):
    """Lines of 5 to 60 words, the same at every run."""
    draw = random.Random(1)
    return "".join(" ".join(draw.choices(WORDS, k=draw.randint(5, 60))) + "\n" for _ in range(count))


def killed(args, line, output):
    """Runs embed, killing it KILLS times; how many rows it found done at each start."""
    part = output.with_name(output.name + ".part")
    start = time.perf_counter()
    whole = output.with_name("whole" + output.suffix)
    call(args, *line, "--output", whole)
    took = time.perf_counter() - start
    sizes, patience = [], took / (KILLS + 2)
    while len(sizes) < KILLS:
        command = [args.m2, "--threads", args.threads, *line, "--output", output, "--resume"]
        process = subprocess.Popen(list(map(str, command)), stderr=subprocess.DEVNULL)
        try:
            process.wait(patience)
            raise SystemExit(f"ended before kill {len(sizes) + 1} of {KILLS}: take more texts")
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        sizes.append(part.stat().st_size if part.exists() else 0)
        # A kill that left nothing new behind came too early.
        if len(sizes) > 1 and sizes[-1] == sizes[-2]:
            patience *= 1.2
    call(args, *line, "--output", output, "--resume")
    return whole.read_bytes() == output.read_bytes(), sizes


def main():
    parser = options(__doc__)
    model = Path.home() / ".cache/m2/models/all-MiniLM-L6-v2"
    parser.add_argument("--model", type=Path, default=model, help="a model's folder (default MiniLM)")
    parser.add_argument("--texts", type=int, default=4000, help="texts to embed (default 4000)")
    args = parse(parser)
    print(machine())
    failed = False
    for kind in ("npy", "jsonl", "safetensors"):
        with tempfile.TemporaryDirectory() as scratch:
            source = Path(scratch) / "texts.txt"
            source.write_text(texts(args.texts))
            line = ["embed", "--model", args.model, "--input", source]
            same, sizes = killed(args, line, Path(scratch) / f"vectors.{kind}")
        failed |= not same
        print(f"{kind}: {'equal' if same else 'DIFFERENT'} after {KILLS} kills; bytes kept at each: {sizes}", flush=True)
    raise SystemExit(failed)


if __name__ == "__main__":
    main()
