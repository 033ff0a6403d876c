"""A run on a local cluster as a program of its own, for tests that kill it: python -m tests.bulk.runs …"""

import sys
from pathlib import Path

from agn_helpers.bulk import classify_many, open_client
from agn_helpers.classifier import load_model


def main(source, model, output, size):
    with open_client(workers=2) as client:
        classify_many(Path(source), load_model(model), output, client=client, partition_size=int(size))


if __name__ == "__main__":
    main(*sys.argv[1:])
