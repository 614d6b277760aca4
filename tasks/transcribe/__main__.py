"""`python -m tasks.transcribe`"""

from tasks.shared.execution.stage import main
from tasks.transcribe.run import run

if __name__ == "__main__":
    main("transcribe", run, components=("ctranslate2", "faster-whisper", "onnxruntime"))
