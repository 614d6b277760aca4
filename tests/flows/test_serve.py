"""Serving deployments: what is due runs, what a person chose on the server stays, and nothing is left behind."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate, DeploymentUpdate
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows import serve
from flows.deployments import read_prefect_file
from flows.params import load_flow_params
from tests.flows.prefect_server import Server, free_port, wait_until
from tests.flows.serving import Serving

NAMES = ["experiments/frames", "experiments/modalities", "experiments/negatives", "pipeline/nightly", "verify/weekly"]


@pytest.fixture
def client(prefect_server: Server) -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as one:
        yield one


@pytest.fixture
def here(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> Serving:
    """That workspace as the working directory, for what is registered by this process."""
    monkeypatch.chdir(serving.root)
    monkeypatch.setenv("PREFECT_API_URL", serving.server.api)
    monkeypatch.setenv("PREFECT_CLIENT_MAX_RETRIES", "0")
    return serving


def register() -> None:
    """Register the deployments as `flows.serve` does before it serves."""
    asyncio.run(serve.register(read_prefect_file(load_flow_params()).deployments))


def known(client: SyncPrefectClient, name: str) -> DeploymentResponse:
    return client.read_deployment_by_name(name)


def crons(client: SyncPrefectClient, name: str) -> dict[str | None, tuple[str, str | None, bool]]:
    schedules = known(client, name).schedules
    return {
        one.slug: (one.schedule.cron, one.schedule.timezone, one.active)
        for one in schedules
        if isinstance(one.schedule, CronSchedule)
    }


def run(client: SyncPrefectClient, name: str) -> FlowRun:
    """A run as a click makes one."""
    return client.create_flow_run_from_deployment(known(client, name).id)


def state(client: SyncPrefectClient, run: FlowRun) -> StateType | None:
    found = client.read_flow_run(run.id).state
    return found.type if found else None


def began(serving: Serving, *runs: FlowRun) -> bool:
    noted = {told["run"] for told in serving.runs()}
    return all(str(one.id) in noted for one in runs)


def test_what_a_person_chose_stays_and_what_params_say_takes_effect(
    here: Serving, client: SyncPrefectClient, capsys: Any
) -> None:
    register()
    assert crons(client, "pipeline/nightly") == {"nightly": ("0 2 * * *", "UTC", True)}
    assert crons(client, "verify/weekly") == {"weekly": ("0 5 * * sun", "UTC", True)}
    client.pause_deployment(known(client, "verify/weekly").id)
    nightly = known(client, "pipeline/nightly")
    client.update_deployment_schedule(nightly.id, nightly.schedules[0].id, active=False, parameters={"force": True})
    frames = known(client, "experiments/frames").id
    own = DeploymentScheduleCreate(schedule=CronSchedule(cron="0 12 * * mon"), active=False)
    client.create_deployment_schedules(frames, [own])
    client.update_deployment(frames, DeploymentUpdate(concurrency_limit=3))

    def as_chosen(cron: str, timezone: str) -> None:
        assert sorted(f"{client.read_flow(one.flow_id).name}/{one.name}" for one in client.read_deployments()) == NAMES
        assert [one.paused for one in (known(client, name) for name in NAMES)] == [False] * 4 + [True]
        assert crons(client, "pipeline/nightly") == {"nightly": (cron, timezone, False)}
        assert known(client, "pipeline/nightly").schedules[0].parameters == {"force": True}
        assert crons(client, "experiments/frames") == {None: ("0 12 * * mon", None, False)}
        limit = known(client, "experiments/frames").global_concurrency_limit
        assert limit is not None and limit.limit == 3

    register()
    as_chosen("0 2 * * *", "UTC")
    here.set_params({"flows.nightly": "30 3 * * *", "flows.timezone": "Europe/Berlin"})
    capsys.readouterr()
    register()
    as_chosen("30 3 * * *", "Europe/Berlin")
    printed = capsys.readouterr().out
    assert "pipeline/nightly         30 3 * * * Europe/Berlin, paused\n" in printed
    assert "verify/weekly            0 5 * * sun Europe/Berlin, paused\n" in printed
    assert "experiments/modalities   by a click\n" in printed
    here.set_params({"flows.nightly": None})
    register()
    assert crons(client, "pipeline/nightly") == {}
    assert crons(client, "verify/weekly") == {"weekly": ("0 5 * * sun", "Europe/Berlin", True)}


def test_runs_are_due_at_the_times_of_params_in_its_timezone(here: Serving, client: SyncPrefectClient) -> None:
    here.set_params({"flows.nightly": "30 3 * * *", "flows.timezone": "Asia/Kolkata"})
    register()
    nightly = known(client, "pipeline/nightly").id

    def due() -> set[str]:
        runs = client.read_flow_runs(limit=200)
        return {f"{one.expected_start_time:%H:%M}" for one in runs if one.deployment_id == nightly}

    wait_until(due, "the server plans runs")
    assert due() == {"22:00"}, "in UTC"
    here.set_params({"flows.nightly": "30 4 * * *"})
    register()
    wait_until(lambda: due() == {"23:00"}, "runs at the time before are gone")


def test_what_is_due_runs_in_the_workspace(serving: Serving, client: SyncPrefectClient) -> None:
    serving.start()
    nightly = known(client, "pipeline/nightly")
    often = IntervalSchedule(interval=timedelta(seconds=2))
    client.update_deployment_schedule(nightly.id, nightly.schedules[0].id, schedule=often)

    def completed() -> list[FlowRun]:
        return [one for one in client.read_flow_runs() if one.state and one.state.is_completed()]

    wait_until(lambda: len(completed()) >= 2, "two runs by schedule")
    assert serving.stop(signal.SIGTERM) == 0
    assert all(one.auto_scheduled for one in completed())
    assert {(told["flow"], told["place"]) for told in serving.runs()} == {("pipeline", str(serving.root))}
    assert {str(one.id) for one in completed()} <= {told["run"] for told in serving.runs()}


def test_runs_in_the_workspace_wait_for_each_other_and_experiments_do_not(
    serving: Serving, client: SyncPrefectClient
) -> None:
    serving.start()
    serving.hold()
    first = run(client, "pipeline/nightly")
    wait_until(lambda: began(serving, first), "the first run")
    others = [run(client, "verify/weekly"), run(client, "pipeline/nightly")]
    aside = run(client, "experiments/negatives")
    wait_until(lambda: began(serving, aside), "a run beside it")
    assert [told["flow"] for told in serving.runs()] == ["pipeline", "experiments"]
    assert {state(client, one) for one in others} == {StateType.SCHEDULED}
    serving.release()
    wait_until(lambda: {state(client, one) for one in (first, aside, *others)} == {StateType.COMPLETED}, "all of them")
    told = [(one["run"], one["what"]) for one in serving.runs() if one["flow"] != "experiments"]
    assert told == [(one, what) for one, _ in told[::2] for what in ("began", "ended")], "one after the other"
    serving.hold()
    one = run(client, "pipeline/nightly")
    wait_until(lambda: began(serving, one), "another run")
    assert serving.stop(signal.SIGTERM) == 0
    assert serving.alive() == set() and "Traceback" not in serving.output
    assert state(client, one) == StateType.CANCELLED, "what runs is cancelled when serving ends"


def test_ctrl_c_ends_it_and_its_runs(serving: Serving, client: SyncPrefectClient) -> None:
    serving.start()
    serving.hold()
    one = run(client, "pipeline/nightly")
    wait_until(lambda: began(serving, one), "the run")
    assert serving.stop(signal.SIGINT, group=True) == 0
    assert serving.alive() == set() and "Traceback" not in serving.output
    assert state(client, one) in {StateType.CANCELLED, StateType.CRASHED}


def test_what_was_killed_and_what_was_missed_is_put_in_order(serving: Serving, client: SyncPrefectClient) -> None:
    serving.start()
    serving.hold()
    killed = run(client, "pipeline/nightly")
    orphan = run(client, "experiments/negatives")
    wait_until(lambda: began(serving, killed, orphan), "both runs")
    serving.stop(signal.SIGKILL)
    dead = next(told["pid"] for told in serving.runs() if told["flow"] == "pipeline")
    os.kill(dead, signal.SIGKILL)
    weekly = known(client, "verify/weekly")
    often = IntervalSchedule(interval=timedelta(seconds=2))
    client.update_deployment_schedule(weekly.id, weekly.schedules[0].id, schedule=often)

    def scheduled() -> list[FlowRun]:
        runs = sorted(client.read_flow_runs(), key=lambda one: str(one.expected_start_time))
        return [one for one in runs if one.deployment_id == weekly.id and one.auto_scheduled]

    wait_until(lambda: [one.state_name for one in scheduled()].count("Late") >= 3, "three late runs")
    client.pause_deployment(weekly.id)  # what was planned before stays planned

    def all_due() -> bool:
        return all(one.expected_start_time and one.expected_start_time < datetime.now(UTC) for one in scheduled())

    wait_until(all_due, "the time of every planned run has come")
    assert state(client, killed) == StateType.RUNNING
    serving.start()

    def all_but_the_newest_skipped() -> bool:
        *missed, _ = scheduled()
        return len(missed) >= 2 and {one.state_name for one in missed} == {"Skipped"}

    wait_until(all_but_the_newest_skipped, "what was missed but once is skipped")
    assert state(client, killed) == StateType.CRASHED
    assert state(client, orphan) == StateType.RUNNING and serving.alive(), "one that lives goes on"
    serving.release()
    wait_until(lambda: scheduled()[-1].state_name == "Completed", "the newest runs")
    wait_until(lambda: state(client, orphan) == StateType.COMPLETED, "the orphan ends by itself")


def test_a_server_that_is_away_for_long_is_waited_for(serving: Serving, client: SyncPrefectClient) -> None:
    serving.start({"PREFECT_CLIENT_MAX_RETRIES": "1"})
    serving.hold()
    given_up = run(client, "pipeline/nightly")
    wait_until(lambda: began(serving, given_up), "the run")
    serving.server.stop()
    wait_until(lambda: "waiting for it" in serving.output, "the runner gives up")
    assert serving.alive() == set()
    serving.server.start()
    serving.release()
    later = run(client, "pipeline/nightly")
    wait_until(lambda: state(client, later) == StateType.COMPLETED, "a run afterwards")
    assert state(client, given_up) == StateType.CRASHED
    serving.hold()
    one = run(client, "pipeline/nightly")
    wait_until(lambda: began(serving, one), "a run that is stopped while the server is away")
    serving.server.stop()
    assert serving.stop(signal.SIGINT) == 0
    assert serving.alive() == set()
    serving.server.start()


def test_mistakes_are_one_line(here: Serving, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    def refused() -> str:
        with pytest.raises(SystemExit) as ended:
            serve.main()
        assert ended.value.code == 2
        return str(capsys.readouterr().err)

    nowhere = f"http://127.0.0.1:{free_port()}/api"
    monkeypatch.setenv("PREFECT_API_URL", nowhere)
    with temporary_settings({PREFECT_API_URL: nowhere}):
        assert refused() == (
            f"serve: no Prefect server answers at {nowhere}; start one with `make ui`, or mend PREFECT_API_URL\n"
        )
    monkeypatch.setenv("PREFECT_API_URL", "")
    assert refused() == "serve: PREFECT_API_URL does not say where the Prefect server is; `make` does, or export it\n"
    path = here.root / "prefect.yaml"
    path.write_text(path.read_text().replace("tags: [workspace]", "tags: [a, b]", 1))
    assert (
        refused()
        == "serve: prefect.yaml: deployments.0.tags: List should have at most 1 item after validation, not 2\n"
    )
    here.set_params({"flows.timezone": "Mars"})
    assert refused().startswith("serve: params.yaml: flows.timezone = 'Mars': no timezone")
