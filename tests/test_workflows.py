"""Workflows that a real worker runs: their ends, and their trees put together again."""

import base64
import json
import zlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa
from celery import chain, chord, group
from celery.exceptions import TimeoutError
from celery.result import ResultSet
from processes import PATIENCE
from stored_results import make_app, store

from tutorial import messages, tasks
from tutorial.broker import queue_engine
from tutorial.database import make_engine
from tutorial.messages import load_messages
from tutorial.plots import plot_workflow, text_alternative
from tutorial.worker import Worker
from tutorial.workflows import as_completed, load_workflows, show_progress


@pytest.fixture(scope="module")
def engine(home_of_module: Path) -> Iterator[sa.Engine]:
    with Worker(hostname="workflows@test"):
        engine = make_engine()
        yield engine
        engine.dispose()


def last_workflow(engine: sa.Engine) -> pd.DataFrame:
    tree = load_workflows(engine, queue_engine())
    assert (tree["workflow"].to_numpy()[1:] >= tree["workflow"].to_numpy()[:-1]).all()
    tree = tree[tree["workflow"] == tree["workflow"].max()].reset_index(drop=True)
    return tree.assign(name=tree["name"].astype("str").str.split(".").str[-1])


def shape(tree: pd.DataFrame) -> list[tuple]:
    """Return step, name, status and how many tree come before."""
    columns = tree[["step", "name", "status", "after"]]
    return [
        (step, name, status if isinstance(status, str) else None, len(after))
        for step, name, status, after in columns.itertuples(index=False)
    ]


def test_a_chain_is_a_row_of_steps(engine: sa.Engine) -> None:
    last = chain(tasks.add.s(1, 1), tasks.add.s(2), tasks.add.s(3)).apply_async()
    for task in (last.parent.parent, last.parent, last):
        task.get(timeout=PATIENCE, interval=0.01)
    tree = last_workflow(engine)
    assert list(tree["task_id"]) == last.as_list()[::-1]
    assert shape(tree) == [(n, "add", "SUCCESS", min(n - 1, 1)) for n in (1, 2, 3)]
    assert all(after == [before] for before, after in pairwise_ids(tree))


def pairwise_ids(tree: pd.DataFrame) -> list[tuple[str, list[str]]]:
    rows = list(tree.itertuples())
    return [(one.task_id, other.after) for one, other in pairwise(rows)]


def test_tasks_of_a_chain_that_never_ran_are_in_the_tree(engine: sa.Engine) -> None:
    last = chain(tasks.divide.s(1, 0), tasks.add.s(2), tasks.add.s(3)).apply_async()
    last.get(timeout=PATIENCE, interval=0.01, propagate=False)
    last.parent.get(timeout=PATIENCE, interval=0.01, propagate=False)
    assert shape(last_workflow(engine)) == [
        (1, "divide", "FAILURE", 0),
        (2, "add", "FAILURE", 1),
        (3, "add", "FAILURE", 1),
    ]


def test_a_task_of_a_workflow_without_a_row_has_no_status(engine: sa.Engine) -> None:
    chain(tasks.add.s(1, 1).set(queue="nobody"), tasks.add.s(2)).apply_async()
    tree = last_workflow(engine)
    assert shape(tree) == [(1, "add", None, 0), (2, "add", None, 1)]
    assert "step 2: 1 add no row" in text_alternative(plot_workflow(tree))


def test_a_group_is_one_workflow_of_one_step(engine: sa.Engine) -> None:
    sums = group(tasks.add.s(n, n) for n in range(5)).apply_async()
    sums.get(timeout=PATIENCE, interval=0.01)
    tree = last_workflow(engine)
    assert shape(tree) == [(1, "add", "SUCCESS", 0)] * 5
    assert set(tree["group_id"]) == {sums.id}


def test_a_chord_of_chains_leads_to_a_body_that_is_a_chain(engine: sa.Engine) -> None:
    header = [chain(tasks.add.s(1, 1), tasks.add.s(2)), chain(tasks.divide.s(1, 1), tasks.add.s(3))]
    last = chord(header, chain(tasks.total.s(), tasks.add.s(1))).apply_async()
    assert last.get(timeout=PATIENCE, interval=0.01) == 9
    last.parent.get(timeout=PATIENCE, interval=0.01)
    tree = last_workflow(engine)
    assert [row[:2] for row in shape(tree)] == [
        *[(1, "add"), (1, "divide"), (2, "add"), (2, "add"), (3, "total"), (4, "add")]
    ]
    assert [len(after) for after in tree["after"]] == [0, 0, 1, 1, 2, 1]
    assert set(tree["status"]) == {"SUCCESS"}


def test_the_body_of_a_failed_chord_follows_its_header(engine: sa.Engine) -> None:
    last = chain(
        tasks.add.s(1, 1), group(tasks.divide.s(0), tasks.divide.s(1)), tasks.total.s()
    ).apply_async()
    last.get(timeout=PATIENCE, interval=0.01, propagate=False)
    assert shape(last_workflow(engine)) == [
        (1, "add", "SUCCESS", 0),
        (2, "divide", "FAILURE", 1),
        (2, "divide", "SUCCESS", 1),
        (3, "total", "FAILURE", 2),
    ]


def test_the_plot_tells_a_failure_from_a_task_that_never_ran(engine: sa.Engine) -> None:
    last = chain(
        tasks.add.s(1, 1), group(tasks.divide.s(0), tasks.divide.s(1)), tasks.total.s()
    ).apply_async()
    for task in (*last.parent, last):
        task.get(timeout=PATIENCE, propagate=False)
    axes = plot_workflow(last_workflow(engine))
    assert text_alternative(axes).endswith("step 3: 1 total FAILURE, never ran.")
    edges = {boxes.get_label(): boxes[0].get_linestyle() for boxes in axes.containers}
    assert edges == {"SUCCESS": "solid", "FAILURE": "solid", "FAILURE, never ran": "--"}
    hatches = {boxes.get_label(): boxes[0].get_hatch() for boxes in axes.containers}
    assert len(set(hatches.values())) > 1 and hatches["FAILURE"] != hatches["FAILURE, never ran"]


def test_a_chord_that_was_never_sent_is_in_the_tree(engine: sa.Engine) -> None:
    last = chain(tasks.divide.s(1, 0), group(tasks.add.s(1), tasks.add.s(2)), tasks.total.s())
    last.apply_async().get(timeout=PATIENCE, interval=0.01, propagate=False)
    assert shape(last_workflow(engine)) == [
        (1, "divide", "FAILURE", 0),
        (2, "add", None, 1),
        (2, "add", None, 1),
        (3, "total", "FAILURE", 2),
    ]


def test_an_unreadable_message_hides_no_other(engine: sa.Engine) -> None:
    before = len(load_workflows(engine, queue_engine()))
    spoil = "INSERT INTO kombu_message (id, visible, payload, version) VALUES (:id, 0, :text, 1)"
    queue = queue_engine()
    for n, text in enumerate(
        [
            "",
            "{}",
            "[]",
            '{"headers": {}, "body": "W10="}',
            '"word"',
            '{"headers": {}, "body": "W1tdLHt9LHt9XQ=="}',
        ]
    ):
        with queue.begin() as connection:
            connection.execute(sa.text(spoil), {"id": 1_000_000 + n, "text": text})
    assert len(load_workflows(engine, queue)) == before
    with queue.begin() as connection:
        connection.execute(sa.text("DELETE FROM kombu_message WHERE id >= 1000000"))


def test_an_empty_queue_has_no_workflows(engine: sa.Engine) -> None:
    tree = load_workflows(engine, sa.create_engine("sqlite://"))
    assert len(tree) == 0
    assert "no task" in text_alternative(plot_workflow(tree))


def test_results_come_in_the_order_of_their_ends(engine: sa.Engine) -> None:
    work = group(tasks.nap.s(1.0), tasks.nap.s(0.1), tasks.divide.s(1, 0)).apply_async()
    ended = [(task.state, task.id) for task in as_completed(work, engine)]
    nap_long, nap_short, division = (task.id for task in work)
    assert ended[-1] == ("SUCCESS", nap_long)
    assert set(ended[:2]) == {("SUCCESS", nap_short), ("FAILURE", division)}


def test_the_waiting_has_an_end(engine: sa.Engine) -> None:
    work = group(tasks.add.s(1, 1), tasks.add.s(2, 2).set(queue="nobody")).apply_async()
    seen = []
    with pytest.raises(TimeoutError, match=r"1 of 2 tasks did not end within 2 s"):
        for task in as_completed(work, engine, timeout=2):
            seen.append(task.result)
    assert seen == [2]


def test_the_bar_counts_failures_too(engine: sa.Engine, capsys: pytest.CaptureFixture[str]) -> None:
    work = group(
        [*(tasks.nap.s(0.05) for _ in range(6)), tasks.divide.s(1, 0), tasks.divide.s(2, 0)]
    ).apply_async()
    show_progress(work, engine)
    output = capsys.readouterr()
    last = output.out.rstrip("\n").rpartition("\r")[2]
    assert last.startswith("100%|") and last.endswith("| 8 of 8 tasks, 6 SUCCESS, 2 FAILURE")
    assert not output.err
    assert work.completed_count() == 6


def test_map_and_reduce_count_the_rises_of_a_share(tmp_path: Path) -> None:
    file = tmp_path / "shares.csv"
    lines = ["# a comment", "Date,A", "2000-01-01,1", "2000-02-01,2", "2000-02-05,", "2000-03-01,1"]
    file.write_text("\n".join(lines))
    assert tasks.count_rises(str(file), "A") == {"02 rise": 1, "03 fall": 1}
    assert tasks.merge_counts([{"a": 1, "b": 2}, {"b": 3}, {}]) == {"a": 1, "b": 5}
    assert tasks.merge_counts([]) == {}
    assert tasks.total([1, 2, 3]) == 6


@pytest.mark.parametrize("compression", ["gzip", "bzip2", "lzma"])
def test_compressed_messages_are_read(engine: sa.Engine, compression: str) -> None:
    last = chain(tasks.add.s(1, 1), tasks.add.s(2)).apply_async(compression=compression)
    last.get(timeout=PATIENCE, interval=0.01)
    assert shape(last_workflow(engine)) == [(1, "add", "SUCCESS", 0), (2, "add", "SUCCESS", 1)]
    rows = load_messages(queue_engine()).set_index("task_id")
    assert rows.loc[last.parent.id, "args"] == [1, 1]
    assert pd.isna(rows.loc[last.parent.id, "undecodable"])


def test_compressed_body_that_is_too_large_is_flagged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "LARGEST_BODY", 1000)
    body = base64.b64encode(zlib.compress(b" " * 1001 + b"[[], {}, {}]")).decode()
    message = {
        "headers": {"id": "a", "task": "t", "compression": "application/x-gzip"},
        "properties": {"body_encoding": "base64"},
        "content-type": "application/json",
        "body": body,
    }
    read = messages.read_message(json.dumps(message))
    assert not read.readable
    assert read.args == body


def forged_queue(parents: dict[str, str | None]) -> sa.Engine:
    """Return a queue whose messages name these parents."""
    queue = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    with queue.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE kombu_message (id INTEGER PRIMARY KEY, visible, payload)"
        )
        for task_id, parent_id in parents.items():
            headers = {"id": task_id, "task": "t", "parent_id": parent_id}
            payload = json.dumps({"headers": headers})
            connection.exec_driver_sql("INSERT INTO kombu_message (payload) VALUES (?)", (payload,))
    return queue


def test_tasks_that_name_each_other_as_parent_hide_no_other(engine: sa.Engine) -> None:
    queue = forged_queue({"a": "b", "b": "a", "root": None, "child": "root"})
    tree = load_workflows(engine, queue).set_index("task_id")
    assert dict(tree["step"]) == {"a": 1, "b": 1, "root": 1, "child": 2}
    assert tree["workflow"].nunique() == 2


def test_table_of_results_of_another_name(tmp_path: Path, engine: sa.Engine) -> None:
    results = sa.create_engine(f"sqlite:///{tmp_path}/renamed.db")
    names = {"task": "my_tasks", "group": "my_groups"}
    app = make_app(f"sqlite:///{tmp_path}/renamed.db", database_table_names=names)
    try:
        store(app, "root", 1)
        store(app, "child", ValueError(2), "FAILURE")
        work = ResultSet([app.AsyncResult("root"), app.AsyncResult("child")])
        assert {task.id for task in as_completed(work, results, timeout=5)} == {"root", "child"}
        show_progress(work, results, timeout=5)
        queue = forged_queue({"root": None, "child": "root"})
        tree = load_workflows(results, queue, table="my_tasks")
        assert list(tree["status"]) == ["SUCCESS", "FAILURE"]
        with pytest.raises(ValueError, match="has no table tasks"):
            load_workflows(results, queue, table="tasks")
    finally:
        _ = make_app(f"sqlite:///{tmp_path}/renamed.db").backend  # gives the models their names
