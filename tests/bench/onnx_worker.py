"""MiniLM through onnxruntime: tokenising, running, pooled and normalised vectors.

    python tests/bench/onnx_worker.py MODEL.onnx MODEL_FOLDER THREADS            serves minilm.py
    python tests/bench/onnx_worker.py MODEL.onnx MODEL_FOLDER THREADS "A text"   one vector, at once
"""

import json
import sys

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from common import serve, timed

path, folder, threads, *text = sys.argv[1:]
settings = onnxruntime.SessionOptions()
settings.intra_op_num_threads, settings.inter_op_num_threads = int(threads), 1
session = onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
tokenizer = Tokenizer.from_file(folder + "/tokenizer.json")
tokenizer.enable_truncation(256)
tokenizer.enable_padding()


def embed(texts):
    encoded = tokenizer.encode_batch(texts)
    ids = np.array([e.ids for e in encoded], dtype=np.int64)
    mask = np.array([e.attention_mask for e in encoded], dtype=np.int64)
    return session.run(None, {"input_ids": ids, "attention_mask": mask})[0]


def answer(texts, runs, warm):
    vectors = embed(texts)
    return {"ms": timed(lambda: embed(texts), runs, warm), "vectors": vectors.tolist()}


if text:
    print(json.dumps(embed(text)[0].tolist()))
else:
    serve(answer)
