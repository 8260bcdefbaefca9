"""Keras 3 on torch as its guide to transfer learning writes it: a new head on a frozen network, then all, gently.

``keras.applications`` has no EfficientNet-Lite0, so ``TorchModuleWrapper`` holds timm's. Its documentation feeds
torch's own loaders to ``fit``; ``image_dataset_from_directory`` would need TensorFlow or grain.
"""

import os
from pathlib import Path
from typing import Any

from _modes import main

os.environ["KERAS_BACKEND"] = "torch"


def train(data: str, out: str, frozen_epochs: str, epochs: str) -> None:
    """As many epochs on the frozen network, as many on all of it; nothing is measured on the way."""
    # user code
    import os

    os.environ["KERAS_BACKEND"] = "torch"
    import keras
    import timm
    from torch.utils.data import DataLoader
    from torchvision import datasets, transforms

    augmented = transforms.Compose(
        [
            transforms.Resize((224, 224)),
            transforms.RandomHorizontalFlip(),
            transforms.RandomRotation(36),
            transforms.ToTensor(),
            transforms.Normalize([0.5, 0.5, 0.5], [0.5, 0.5, 0.5]),
        ]
    )
    images = datasets.ImageFolder(Path(data, "train"), augmented)
    loader = DataLoader(images, batch_size=32, shuffle=True, num_workers=2)
    network = timm.create_model("tf_efficientnet_lite0", pretrained=True, num_classes=0)
    base = keras.layers.TorchModuleWrapper(network, output_shape=(None, network.num_features))
    base.trainable = False
    inputs = keras.Input(shape=(3, 224, 224))
    x = base(inputs, training=False)
    x = keras.layers.Dropout(0.2)(x)
    outputs = keras.layers.Dense(len(images.classes))(x)
    model = keras.Model(inputs, outputs)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(), loss=loss, metrics=["accuracy"])
    model.fit(loader, epochs=int(frozen_epochs))
    base.trainable = True
    model.compile(optimizer=keras.optimizers.Adam(1e-5), loss=loss, metrics=["accuracy"])
    model.fit(loader, epochs=int(epochs))
    model.save(Path(out, "model.keras"))
    Path(out, "classes.txt").write_text("\n".join(images.classes))
    # end


def evaluate(out: str, images: list[str]) -> list[str]:
    import numpy as np
    from PIL import Image

    model, classes, preprocess = _loaded(out)
    answers: list[str] = []
    for start in range(0, len(images), 32):
        batch = [preprocess(Image.open(image).convert("RGB")).numpy() for image in images[start : start + 32]]
        answers += [classes[index] for index in model.predict_on_batch(np.stack(batch)).argmax(axis=1)]
    return answers


def predict(out: str, image: str) -> str:
    return evaluate(out, [image])[0]


def _loaded(out: str) -> tuple[Any, list[str], Any]:
    """The network, its classes and what is done to an image."""
    import keras
    from torchvision import transforms

    model = keras.models.load_model(Path(out, "model.keras"), safe_mode=False)
    normalize = transforms.Normalize([0.5, 0.5, 0.5], [0.5, 0.5, 0.5])
    steps = [transforms.Resize((224, 224)), transforms.ToTensor(), normalize]
    return model, Path(out, "classes.txt").read_text().splitlines(), transforms.Compose(steps)


if __name__ == "__main__":
    main(train, evaluate, predict)
