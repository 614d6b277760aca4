"""`python -m tasks.mine`"""

from tasks.mine.run import run
from tasks.shared.execution.stage import main

if __name__ == "__main__":
    main("mine", run, components=("av", "bm25s", "numpy", "pillow", "sentence-transformers", "torch", "transformers"))
