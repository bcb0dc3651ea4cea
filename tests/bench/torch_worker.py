"""The PyTorch side of forward.py, in a process of its own; forward.py starts it.

Requests: `isa`; `golden` writes a golden folder (ids, hidden state, pooled vector in float32 and
float64) and says how far the port with kept spectra is from the one that recomputes; `time` a peer.
"""

import copy
import shutil
import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from common import serve, timed
from m2_bert_torch import M2Bert

FOLDER, THREADS, LONGEST = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(THREADS)
torch.set_num_interop_threads(1)
models = {}


def ids(length):
    return (torch.arange(length) * 7919 % 29000 + 1000)[None]


def port():
    if "port" not in models:
        models["port"] = M2Bert(FOLDER)
    return models["port"]


def cached(length):
    """The same weights with the spectra of this length kept."""
    if models.get("length") != length:
        models["length"], models["cached"] = length, copy.copy(port())
        models["cached"].keep_spectra(length)
    return models["cached"]


def bert():
    """Hugging Face's BERT-base with random weights and a position for every token."""
    if "bert" not in models:
        from transformers import BertConfig, BertModel

        config = BertConfig(max_position_embeddings=LONGEST, attn_implementation="sdpa")
        models["bert"] = BertModel(config, add_pooling_layer=False).eval()
    return models["bert"]


def isa():
    """What PyTorch and its MKL say they use."""
    line = "import torch; torch.ones(64, 64) @ torch.ones(64, 64)"
    run = subprocess.run(
        ["env", "MKL_VERBOSE=1", sys.executable, "-c", line], capture_output=True, text=True
    )
    mkl = next((l for l in run.stdout.splitlines() if "MKL" in l), "no MKL")
    return f"torch {torch.__version__} {torch.backends.cpu.get_cpu_capability()}; {mkl}"


def outputs(model, length):
    hidden = model.encode(ids(length))
    return {f"layer.{len(model.layers) - 1}.hidden": hidden, "pooled_cls": model.pool(hidden)}


def golden(length, folder):
    folder = Path(folder)
    folder.mkdir(parents=True)
    shutil.copy(FOLDER / "config.json", folder)
    (folder / "model.safetensors").symlink_to((FOLDER / "model.safetensors").resolve())
    single, kept = outputs(port(), length), outputs(cached(length), length)
    double = outputs(M2Bert(FOLDER, torch.float64), length)
    tokens = {
        "input_ids": ids(length),
        "attention_mask": torch.ones(1, length, dtype=torch.int64),
        "token_type_ids": torch.zeros(1, length, dtype=torch.int64),
    }
    save_file({**tokens, **{k: v.contiguous() for k, v in single.items()}}, folder / "io.safetensors")
    save_file({k: v.contiguous() for k, v in double.items()}, folder / "io_f64.safetensors")
    relative = lambda a, b: max(((a[k] - b[k]).abs().max() / b[k].abs().max()).item() for k in b)
    return {"kept": relative(kept, single), "f64": relative(single, double)}


@torch.inference_mode()
def clock(peer, length, runs, warm):
    tokens = ids(length)
    if peer == "bert":
        model = bert()
        return timed(lambda: model(tokens), runs, warm)
    model = cached(length) if peer == "cached" else port()
    return timed(lambda: model.encode(tokens), runs, warm)


def answer(do, **more):
    return {"isa": isa, "golden": golden, "time": clock}[do](**more)


serve(answer)
