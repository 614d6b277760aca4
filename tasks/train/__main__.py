"""`python -m tasks.train`."""

from tasks.shared.stage import main
from tasks.train.run import COMPONENTS, run

if __name__ == "__main__":
    main("train", run, components=COMPONENTS)
