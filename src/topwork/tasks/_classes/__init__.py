"""What every task with classes shares: what its strategies give, how that is measured and said, how it decides.

In: a strategy's ``Fitted``. Out: a measured ``Classifier``, its words, the figures of its folds. It imports no task
and is opened module by module, since a prediction needs the words alone.
"""
