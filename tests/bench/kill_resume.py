"""`m2 embed` killed ten times and resumed writes the same file as one that ran through.

Kills the process (SIGKILL) each time it has made more rows safe than the run before, at a moment
drawn by chance, goes on with --resume, and compares the files byte by byte, for each of the three
formats. Needs only Python and the m2 binary:

    python tests/bench/kill_resume.py
"""

import json
import random
import subprocess
import tempfile
import time
from pathlib import Path

from common import call, machine, options, parse

KILLS = 10
WORDS = "the sea was calm and a small boat left the harbour before light with three men on board".split()


def texts(count):
    """Lines of 5 to 30 words, the same at every run."""
    draw = random.Random(1)
    return "".join(" ".join(draw.choices(WORDS, k=draw.randint(5, 30))) + "\n" for _ in range(count))


def safe(output):
    """Rows of FILE.part that the journal's last whole line covers."""
    journal = output.with_name(output.name + ".part.journal")
    lines = journal.read_bytes().split(b"\n")[:-1] if journal.exists() else []
    return max((json.loads(line).get("rows", 0) for line in lines), default=0)


def killed(args, line, output, draw):
    """Whether the resumed file equals the whole one, and the rows that were safe at each kill."""
    whole = output.with_name("whole" + output.suffix)
    call(args, *line, "--output", whole)
    rows = []
    while len(rows) < KILLS:
        command = [args.m2, "--threads", args.threads, *line, "--output", output, "--resume"]
        process = subprocess.Popen(list(map(str, command)), stderr=subprocess.DEVNULL)
        # Wait for rows that this run made safe, else resuming would have nothing to show; then kill
        # anywhere: between rows, inside one, or inside the journal.
        while process.poll() is None and safe(output) <= (rows[-1] if rows else 0):
            time.sleep(0.01)
        time.sleep(draw.uniform(0, 0.5))
        if process.poll() is not None:
            raise SystemExit(f"{output.name}: ended with {len(rows)} of {KILLS} kills, take more --texts")
        process.kill()
        process.wait()
        rows.append(safe(output))
    call(args, *line, "--output", output, "--resume")
    return whole.read_bytes() == output.read_bytes(), rows


def main():
    parser = options(__doc__)
    model = Path.home() / ".cache/m2/models/all-MiniLM-L6-v2"
    parser.add_argument("--model", type=Path, default=model, help="a model's folder (default MiniLM)")
    parser.add_argument("--texts", type=int, default=12000, help="texts to embed (default 12000)")
    args = parse(parser)
    print(machine())
    failed = False
    for kind in ("npy", "jsonl", "safetensors"):
        with tempfile.TemporaryDirectory() as scratch:
            source = Path(scratch) / "texts.txt"
            source.write_text(texts(args.texts))
            line = ["embed", "--model", args.model, "--input", source]
            same, rows = killed(args, line, Path(scratch) / f"vectors.{kind}", random.Random(2))
        failed |= not same
        print(f"{kind}: {'equal' if same else 'DIFFERENT'} after {KILLS} kills; rows safe at each: {rows}", flush=True)
    raise SystemExit(failed)


if __name__ == "__main__":
    main()
