"""AutoGluon as its quick start to image classification writes it: a table of files and labels, a time limit."""

from pathlib import Path

from _modes import main


def train(data: str, out: str, seconds: str) -> None:
    """AutoGluon holds out a part of the training images itself; it bounds its own time."""
    # user code
    import pandas as pd
    from autogluon.multimodal import MultiModalPredictor

    files = [path for path in Path(data, "train").glob("*/*") if path.suffix != ".gif"]
    train_data = pd.DataFrame({"image": [str(path) for path in files], "label": [path.parent.name for path in files]})
    predictor = MultiModalPredictor(label="label", path=out)
    hyperparameters = {
        "model.names": ["timm_image"],
        "model.timm_image.checkpoint_name": "tf_efficientnet_lite0",
    }
    predictor.fit(train_data=train_data, time_limit=int(seconds), hyperparameters=hyperparameters)
    # end


def evaluate(out: str, images: list[str]) -> list[str]:
    from autogluon.multimodal import MultiModalPredictor

    answers = MultiModalPredictor.load(out).predict({"image": images})
    return [str(answer) for answer in answers]


def predict(out: str, image: str) -> str:
    return evaluate(out, [image])[0]


if __name__ == "__main__":
    main(train, evaluate, predict)
