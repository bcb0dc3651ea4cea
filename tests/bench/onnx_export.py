"""Writes a BERT sentence encoder as ONNX, mean pooling and L2 norm inside; minilm.py calls it.

    python tests/bench/onnx_export.py MODEL_FOLDER OUT.onnx
"""

import sys

import torch
from transformers import AutoModel


class Encoder(torch.nn.Module):
    def __init__(self, folder):
        super().__init__()
        self.bert = AutoModel.from_pretrained(folder, attn_implementation="eager", add_pooling_layer=False)

    def forward(self, input_ids, attention_mask):
        hidden = self.bert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
        mean = (hidden * mask).sum(1) / mask.sum(1)
        return torch.nn.functional.normalize(mean, dim=-1)


def main(folder, out):
    batch, length = torch.export.Dim("batch"), torch.export.Dim("length", max=512)
    # Two tensors: the exporter takes one tensor given twice for one input.
    ids, mask = torch.full((2, 17), 2000), torch.ones(2, 17, dtype=torch.int64)
    torch.onnx.export(
        Encoder(folder).eval(), (ids, mask), out,
        input_names=["input_ids", "attention_mask"], output_names=["vectors"],
        dynamic_shapes=({0: batch, 1: length},) * 2, dynamo=True, external_data=False, verbose=False,
    )


main(*sys.argv[1:])
