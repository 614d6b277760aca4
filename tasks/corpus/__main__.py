from tasks.corpus.run import run
from tasks.shared.execution.stage import main

if __name__ == "__main__":
    main("corpus", run, components=("av", "pyarrow"))
