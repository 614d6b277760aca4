"""Cron expressions: what is accepted is what Prefect's scheduler can follow."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.shared.execution.cron import check_cron

TERMS = [
    ["*", "*/7", "0", "59", "5-50/15", "30/10", "60", "*/0"],
    ["*", "*/5", "0", "23", "07", "8-18", "24", "12-8"],
    ["*", "*/30", "1", "29", "30", "31", "30-31", "29/2", "0", "L"],
    ["*", "*/3", "2", "4", "feb", "APR-jun", "12", "1-12/11", "13", "sun"],
    ["*", "*/1", "0-6", "0", "7", "sun", "mon-Fri", "1-7", "8", "5-7/2", "fri-mon"],
]
CRONS = st.tuples(*(st.lists(st.sampled_from(terms), min_size=1, max_size=2).map(",".join) for terms in TERMS)).map(
    " ".join
)


@pytest.mark.parametrize(
    "cron",
    [
        "0 2 * * *",
        "*/15 8-18/2 1,15 jan-mar,DEC mon-fri",
        "0 0 29 2 *",
        "0 0 31 4,5 *",
        "59 23 31 12 7",
    ],
)
def test_what_crontab_knows_is_accepted(cron: str) -> None:
    assert check_cron(cron) == cron


@pytest.mark.parametrize(
    ("cron", "words"),
    [
        ("0 2 * *", "five fields .minute, hour, day of the month, month, day of the week., not 4"),
        ("0 2 * * * *", "not 6"),
        ("", "not 0"),
        ("60 2 * * *", "'60' is no minute, which is 0 to 59"),
        ("0 2 0 * *", "'0' is no day of the month, which is 1 to 31"),
        ("0 2 * * 8", "'8' is no day of the week, which is 0 to 7"),
        ("0 2 * mon *", "'mon' is no month"),
        ("0 2 * * fri-mon", "'fri-mon' is no day of the week"),
        ("0 2-1 * * *", "'2-1' is no hour"),
        ("*/0 2 * * *", "'[*]/0' is no minute"),
        ("5, 2 * * *", "'' is no minute"),
        ("\N{ARABIC-INDIC DIGIT FIVE} 2 * * *", "is no minute"),
        ("0 2 L * *", "'L' is no day of the month"),
        ("0 0 30 2 *", "no such day exists"),
        ("0 0 31 4,6,9 0", "no such day exists"),
    ],
)
def test_what_is_wrong_is_named(cron: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_cron(cron)


@settings(max_examples=500, deadline=None)
@given(CRONS)
def test_the_scheduler_finds_a_next_time_for_whatever_is_accepted(cron: str) -> None:
    from prefect.server.schemas.schedules import CronSchedule

    try:
        check_cron(cron)
    except ValueError:
        return
    assert len(asyncio.run(CronSchedule(cron=cron, timezone="Europe/Berlin").get_dates(2))) == 2
