"""PyTorch as its tutorial on transfer learning for computer vision writes it, either of its two scenarios.

The network comes from timm instead of torchvision, and two workers read instead of four, as the loader's own warning
recommends on two cores.
"""

from pathlib import Path
from typing import Any

from _modes import main


def train(data: str, out: str, scenario: str, epochs: str) -> None:
    """The best epoch *on the test images* is kept, as the tutorial does it."""
    # user code
    import timm
    import torch
    from torch import nn, optim
    from torch.optim import lr_scheduler
    from torchvision import datasets, transforms

    mean, std = [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]  # what timm says of these weights
    train_transforms = transforms.Compose(
        [
            transforms.RandomResizedCrop(224),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(mean, std),
        ]
    )
    test_transforms = transforms.Compose(
        [transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(), transforms.Normalize(mean, std)]
    )
    sets = {
        "train": datasets.ImageFolder(Path(data, "train"), train_transforms),
        "test": datasets.ImageFolder(Path(data, "test"), test_transforms),
    }
    loaders = {x: torch.utils.data.DataLoader(sets[x], batch_size=4, shuffle=True, num_workers=2) for x in sets}
    model = timm.create_model("tf_efficientnet_lite0", pretrained=True)
    if scenario == "frozen":
        for parameter in model.parameters():
            parameter.requires_grad = False
    model.classifier = nn.Linear(model.classifier.in_features, len(sets["train"].classes))
    criterion = nn.CrossEntropyLoss()
    trained = model.classifier if scenario == "frozen" else model
    optimizer = optim.SGD(trained.parameters(), lr=0.001, momentum=0.9)
    scheduler = lr_scheduler.StepLR(optimizer, step_size=7, gamma=0.1)
    best = 0.0
    torch.save({"classes": sets["train"].classes, "state": model.state_dict()}, Path(out, "model.pt"))
    for epoch in range(int(epochs)):
        for phase in ("train", "test"):
            model.train(phase == "train")
            running_loss, running_right = 0.0, 0
            for inputs, labels in loaders[phase]:
                optimizer.zero_grad()
                with torch.set_grad_enabled(phase == "train"):
                    outputs = model(inputs)
                    loss = criterion(outputs, labels)
                    if phase == "train":
                        loss.backward()
                        optimizer.step()
                running_loss += loss.item() * inputs.size(0)
                running_right += int((outputs.argmax(dim=1) == labels).sum())
            if phase == "train":
                scheduler.step()
            accuracy = running_right / len(sets[phase])
            print(f"epoch {epoch} {phase} loss {running_loss / len(sets[phase]):.4f} accuracy {accuracy:.4f}")
            if phase == "test" and accuracy > best:
                best = accuracy
                torch.save({"classes": sets["train"].classes, "state": model.state_dict()}, Path(out, "model.pt"))
    # end


def evaluate(out: str, images: list[str]) -> list[str]:
    import torch
    from PIL import Image

    model, classes, preprocess = _loaded(out)
    answers: list[str] = []
    with torch.inference_mode():
        for start in range(0, len(images), 32):
            batch = [preprocess(Image.open(image).convert("RGB")) for image in images[start : start + 32]]
            answers += [classes[index] for index in model(torch.stack(batch)).argmax(dim=1)]
    return answers


def predict(out: str, image: str) -> str:
    return evaluate(out, [image])[0]


def _loaded(out: str) -> tuple[Any, list[str], Any]:
    """The network, its classes and what is done to an image."""
    import timm
    import torch
    from torchvision import transforms

    saved = torch.load(Path(out, "model.pt"), weights_only=True)
    model = timm.create_model("tf_efficientnet_lite0", num_classes=len(saved["classes"]))
    model.load_state_dict(saved["state"])
    normalize = transforms.Normalize([0.5, 0.5, 0.5], [0.5, 0.5, 0.5])
    steps = [transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(), normalize]
    return model.eval(), saved["classes"], transforms.Compose(steps)


if __name__ == "__main__":
    main(train, evaluate, predict)
