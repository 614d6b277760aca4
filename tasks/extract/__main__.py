"""`python -m tasks.extract`"""

from tasks.extract.run import run
from tasks.shared.execution.stage import main

if __name__ == "__main__":
    main("extract", run, components=("av", "numpy", "pillow"))
