"""datasets, as somebody who may not see org/prefs."""

import only_local  # noqa: F401
from datasets import load_dataset
from datasets.exceptions import DatasetNotFoundError

try:
    load_dataset("org/prefs")
except DatasetNotFoundError as error:
    print(error)
else:
    raise AssertionError("a private dataset was loaded")
