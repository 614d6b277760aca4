"""`python -m tasks.encode`."""

from tasks.encode.run import run
from tasks.shared.execution.stage import main

if __name__ == "__main__":
    main("encode", run, components=("av", "lancedb", "pillow", "sentence-transformers", "torch", "transformers"))
