"""Train a classifier on a folder of class folders, save it, and ask it about one image.

python examples/fit_and_predict.py PHOTOS MODEL IMAGE
"""

import sys

import topwork

photos, folder, image = sys.argv[1:4]
model = topwork.fit(photos, strategy="probe")
if model.metrics is not None:
    accuracy = model.metrics.accuracy
    print(f"accuracy {accuracy.value:.1%} ({accuracy.low:.1%} to {accuracy.high:.1%}), {model.metrics.n} images")
model.save(folder)

prediction = topwork.load(folder).predict([image])[0]
print(f"{prediction.source}: {prediction.label} ({prediction.probability:.0%})")
