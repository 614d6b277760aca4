"""Generated examples: one modality each, of events that the demo does not have, the same for a seed."""

import numpy as np

from tasks.base.examples import (
    PARTS,
    base_events,
    batch_of,
    batches,
    captions,
    speech_example,
    text_example,
    video_example,
)
from tasks.synthetic.events import demo_events, taken_by
from tasks.synthetic.seeding import rng_for

TAKEN = taken_by(demo_events(7, 32, 32).all())
EVENTS = base_events(7, 50, TAKEN)


def test_no_event_shares_a_combination_with_the_demo():
    assert not taken_by(EVENTS) & TAKEN


def test_every_batch_is_of_one_modality_and_all_come():
    seen = set()
    for step in range(8):
        modalities = {example.item.modalities for example in batch_of(step, EVENTS, 7, 4, 84)}
        assert len(modalities) == 1
        assert len(modalities & {frozenset({"text"}), frozenset({"video"}), frozenset({"audio"})}) == 1
        seen |= modalities
    assert len(seen) == 3


def test_captions_and_parts_can_be_looked_up():
    known = {caption for event in EVENTS for caption in captions(event).values()}
    for step in range(8):
        for example in batch_of(step, EVENTS, 7, 4, 84):
            assert example.caption in known
            assert example.parts
            assert all(name in PARTS[field] for field, names in example.parts.items() for name in names)


def test_a_seed_gives_the_same_examples():
    def draw(make):
        return make(EVENTS[0], rng_for(3, "test"))

    assert draw(text_example).item.text == draw(text_example).item.text
    first, second = draw(lambda *given: video_example(*given, 84)), draw(lambda *given: video_example(*given, 84))
    assert np.array_equal(first.item.frames, second.item.frames)
    assert np.array_equal(draw(speech_example).item.audio, draw(speech_example).item.audio)


def test_another_process_makes_the_same_batches():
    steps = range(3, 6)
    made = list(batches(steps, EVENTS, 7, 2, 28))
    for step, batch in zip(steps, made, strict=True):
        expected = batch_of(step, EVENTS, 7, 2, 28)
        assert [one.caption for one in batch] == [one.caption for one in expected]
        for one, other in zip(batch, expected, strict=True):
            assert one.item.text == other.item.text
            assert np.array_equal(one.item.frames, other.item.frames)
            assert np.array_equal(one.item.audio, other.item.audio)
