"""How many rows there are for this user, or the name of the error."""

import sys

from datasets import load_dataset

try:
    print(load_dataset(sys.argv[1], split="train").num_rows)
except Exception as error:
    print(type(error).__name__)
