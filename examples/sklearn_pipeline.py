"""Features of a pretrained network in a scikit-learn pipeline, with any classifier after them.

python examples/sklearn_pipeline.py PHOTOS
"""

import sys

import numpy as np
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

import topwork
from topwork.sklearn import FeatureExtractor

dataset = topwork.read(sys.argv[1])
files = [str(dataset.full_path(row)) for row in range(len(dataset))]
names = np.array(dataset.classes)[dataset.labels]
scores = cross_val_score(make_pipeline(FeatureExtractor(), SVC()), files, names, cv=3)
print(f"accuracy {scores.mean():.1%} in {len(scores)} folds of {len(files)} images")
