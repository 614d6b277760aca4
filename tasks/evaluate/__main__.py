"""`python -m tasks.evaluate`"""

from tasks.evaluate.run import run
from tasks.shared.execution.stage import main

if __name__ == "__main__":
    main(
        "evaluate",
        run,
        components=(
            "bm25s", "ir-measures", "numpy", "pytrec-eval-terrier", "sentence-transformers", "torch", "transformers",
        ),
    )  # fmt: skip
