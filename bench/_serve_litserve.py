"""LitServe as its documentation writes it, with its own batches, to be measured beside ``topwork serve``.

By itself around the same eager network as the plain handler; with ``--model`` around topwork's own prediction, so that
only the servers differ. Needs an environment with litserve, torch, timm and topwork.

    python bench/_serve_litserve.py PORT [--model MODEL]
"""

import argparse
from typing import Any

import litserve
import torch
from PIL import Image

from _serve_plain import network, top

BATCH, WAIT = 16, 0.01  # images in a batch, and seconds until one that is not full is run


class Eager(litserve.LitAPI):  # type: ignore[misc]
    def setup(self, device: str) -> None:
        self.module, self.transform = network()

    def decode_request(self, request: litserve.Request) -> Any:
        return self.transform(Image.open(request["image"].file).convert("RGB"))

    def batch(self, inputs: Any) -> Any:
        return torch.stack(inputs)

    def predict(self, inputs: Any) -> Any:
        with torch.inference_mode():
            return self.module(inputs).softmax(-1)

    def unbatch(self, output: Any) -> Any:
        return list(output)

    def encode_response(self, output: Any) -> Any:
        return top(output)


class Engine(litserve.LitAPI):  # type: ignore[misc]
    def __init__(self, model: str, **options: Any) -> None:
        super().__init__(**options)
        self.path = model

    def setup(self, device: str) -> None:
        import topwork

        self.model = topwork.load(self.path)

    def decode_request(self, request: litserve.Request) -> Any:
        return request["image"].file.read()

    def batch(self, inputs: Any) -> Any:
        return list(inputs)

    def predict(self, inputs: Any) -> Any:
        return self.model.predict(inputs)

    def unbatch(self, output: Any) -> Any:
        return list(output)

    def encode_response(self, output: Any) -> Any:
        return output.to_dict()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=int)
    parser.add_argument("--model", help="topwork's; eager torch otherwise")
    options = parser.parse_args()
    batches: dict[str, Any] = {"max_batch_size": BATCH, "batch_timeout": WAIT, "api_path": "/predict"}
    api = Engine(options.model, **batches) if options.model else Eager(**batches)
    server = litserve.LitServer(api, accelerator="cpu")
    server.run(port=options.port, host="127.0.0.1", generate_client_file=False, log_level="warning")


if __name__ == "__main__":
    main()
