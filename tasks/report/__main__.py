"""`python -m tasks.report`"""

from tasks.report.run import run
from tasks.shared.execution.stage import main

if __name__ == "__main__":
    main("report", run, components=("jinja2", "matplotlib", "numpy", "pillow"))
