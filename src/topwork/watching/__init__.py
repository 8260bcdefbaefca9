"""A folder that is watched: what appears in it is predicted, each file once, into a table that survives any end.

In: a model's folder, a folder, a table's name. Out: a prediction for each file that has come and is whole, once it is
safe in the table. The folder is looked at again and again, which works on every file system, a network's too.
"""

from topwork.watching._watch import Watched, watch

__all__ = ["Watched", "watch"]
