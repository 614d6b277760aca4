"""The form of sound everywhere in the pipeline: one channel, float32 samples between about -1 and 1, at one rate."""

SAMPLE_RATE = 16_000  # samples a second
