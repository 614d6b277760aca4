"""Speech through espeak-ng: the same words give the same samples, in any process and after any other words.

espeak-ng keeps oscillator phases and flutter between utterances, which no call resets, not even terminating it;
so the library is loaded afresh for each utterance (about 10 ms). It is not thread-safe: use processes.
"""

from __future__ import annotations

import _ctypes
import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

VOICES = {"en": "en-us", "es": "es", "ru": "ru", "ar": "ar", "zh": "cmn", "ko": "ko"}

# espeak-ng/speak_lib.h
_SYNCHRONOUS, _DONT_EXIT, _UTF8 = 2, 0x8000, 1
_RATE, _PITCH, _WORDGAP = 1, 3, 7
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
_SYNTH_ARGUMENTS = (
    ctypes.c_char_p, ctypes.c_size_t,  # text and its bytes
    ctypes.c_uint, ctypes.c_int, ctypes.c_uint,  # position, position type, end position
    ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p,  # flags, identifier, user data
)  # fmt: skip


def speak(text: str, language: str, *, rate: int = 155, pitch: int = 35) -> NDArray[np.float32]:
    """Speech as float32 mono at 16 kHz, peak 0.9.

    `rate` is in words a minute (80 to 450), `pitch` in 0 to 99. Raises RuntimeError where espeak-ng refuses.
    """
    pieces: list[NDArray[np.int16]] = []

    def collect(samples: ctypes._Pointer[ctypes.c_short], count: int, _events: int) -> int:
        if count > 0:
            pieces.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    callback = _CALLBACK(collect)
    data = text.encode() + b"\0"
    with _fresh_library() as library:
        _check(library.espeak_SetVoiceByName(VOICES[language].encode()), f"no voice for {language}")
        for parameter, value in ((_RATE, rate), (_PITCH, pitch), (_WORDGAP, 2)):
            _check(library.espeak_SetParameter(parameter, value, 0), f"parameter {parameter}")
        library.espeak_SetSynthCallback(callback)
        _check(library.espeak_Synth(data, len(data), 0, 0, 0, _UTF8, None, None), f"cannot say {text!r}")
    return _at_16_khz(np.concatenate(pieces))


def _at_16_khz(samples: NDArray[np.int16]) -> NDArray[np.float32]:
    """Resample from 22,050 Hz, the rate of all espeak-ng's own voices, by cutting the spectrum at 8 kHz."""
    blocks = -(-len(samples) // 441)  # 441 samples become 320
    spectrum = np.fft.rfft(samples, 441 * blocks)[: 160 * blocks + 1]
    wave = np.fft.irfft(spectrum, 320 * blocks)
    return (wave * (0.9 / max(1e-9, float(np.abs(wave).max())))).astype(np.float32)


@contextmanager
def _fresh_library() -> Iterator[ctypes.CDLL]:
    import espeakng_loader

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    try:
        library.espeak_Synth.argtypes = _SYNTH_ARGUMENTS
        folder = str(Path(espeakng_loader.get_data_path()).parent).encode()
        rate = library.espeak_Initialize(_SYNCHRONOUS, 500, folder, _DONT_EXIT)
        if rate != 22_050:
            raise RuntimeError(f"espeak-ng did not start (sample rate {rate}); reinstall espeakng-loader")
        library.espeak_ng_SetRandSeed(ctypes.c_long(1))
        ctypes.CDLL(None).srand(1)  # the breath noise of some voices comes from the C library's generator
        yield library
        library.espeak_Terminate()
    finally:
        _ctypes.dlclose(library._handle)


def _check(status: int, what: str) -> None:
    if status != 0:
        raise RuntimeError(f"espeak-ng: {what} (status {status})")
