"""What most tutorials write, to be measured beside ``topwork serve``: FastAPI, eager torch, one image a request.

Pillow decodes, timm's own transforms prepare, and FastAPI's thread pool runs it. Network and weights are the same.

    python bench/_serve_plain.py PORT [--threads 1]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import torch
import uvicorn
from fastapi import FastAPI, UploadFile
from PIL import Image


def network() -> tuple[Any, Callable[[Any], Any]]:
    """Lite0 as timm knows it, and timm's transforms for it."""
    import timm.data

    from topwork import load_backbone

    module = load_backbone("lite0").module().eval()
    return module, timm.data.create_transform(**timm.data.resolve_data_config({}, model=module))


def top(probabilities: Any) -> dict[str, Any]:
    values, classes = probabilities.topk(5)
    return {"probabilities": values.tolist(), "classes": classes.tolist()}


def app() -> FastAPI:
    module, transform = network()
    app = FastAPI()

    @app.post("/predict")
    def predict(image: UploadFile) -> dict[str, Any]:
        pixels = transform(Image.open(image.file).convert("RGB"))
        with torch.inference_mode():
            return top(module(pixels[None]).softmax(-1)[0])

    return app


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=int)
    parser.add_argument("--threads", type=int, help="of torch; as many as it takes by itself otherwise")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    uvicorn.run(app(), host="127.0.0.1", port=options.port, log_level="warning")


if __name__ == "__main__":
    main()
