"""fastai as its quick start writes it: a folder, ``vision_learner`` with a timm network by name, ``fine_tune``."""

from pathlib import Path

from _modes import main


def train(data: str, out: str, epochs: str) -> None:
    """fastai measures on ``test/`` after every epoch, and chooses nothing by it."""
    # user code
    from fastai.vision.all import ImageDataLoaders, Resize, accuracy, vision_learner

    dls = ImageDataLoaders.from_folder(data, train="train", valid="test", item_tfms=Resize(224))
    learn = vision_learner(dls, "tf_efficientnet_lite0", metrics=accuracy)
    learn.fine_tune(int(epochs))
    learn.export(Path(out, "model.pkl").absolute())
    # end


def evaluate(out: str, images: list[str]) -> list[str]:
    from fastai.vision.all import load_learner

    learn = load_learner(Path(out, "model.pkl"))
    probabilities, _ = learn.get_preds(dl=learn.dls.test_dl(images))
    return [learn.dls.vocab[index] for index in probabilities.argmax(dim=1)]


def predict(out: str, image: str) -> str:
    from fastai.vision.all import load_learner

    name, _, _ = load_learner(Path(out, "model.pkl")).predict(image)
    return str(name)


if __name__ == "__main__":
    main(train, evaluate, predict)
