"""`python -m tasks.base`."""

from tasks.base.run import run
from tasks.shared.execution.stage import main

if __name__ == "__main__":
    main("base", run, components=("sentence-transformers", "torch", "transformers"))
