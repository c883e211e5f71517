"""The gate on made-up runs, and its exit codes through the command."""

import dataclasses
import json

import pytest
from click.testing import CliRunner

from eval.cli.commands.compare import command as compare_command
from eval.cli.commands.gate import command as gate_command
from eval.comparing.gate import GateError, gate
from eval.measure.runs import save_run
from indexes.errors import SettingsError
from tests.eval.made_up_runs import QRELS, QUERIES, made_up


@pytest.fixture
def dataset(tmp_path):
    folder = tmp_path / "dataset"
    (folder / "qrels").mkdir(parents=True)
    documents = [{"_id": f"d{n}", "title": "", "text": f"text {n}"} for n in range(QUERIES)]
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, documents)))
    rows = [{"_id": query, "text": f"question {query}"} for query in QRELS]
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, rows)))
    lines = [f"{query}\td{query[1:]}\t1" for query in QRELS]
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + "\n".join(lines) + "\n")
    return folder


def saved(tmp_path, dataset, name, quality, **options):
    from eval.datasets import load_dataset

    run = made_up(name, quality, **options)
    run.dataset, run.dataset_path = load_dataset(dataset).hash, str(dataset)
    return str(save_run(run, tmp_path / name))


def test_a_regression_fails_and_noise_passes():
    base = made_up("base", 1.0)
    assert gate(base, made_up("worse", -1.0, seed=1), QRELS)[0].regressed
    assert not gate(base, made_up("noise", 1.0, seed=1), QRELS)[0].regressed
    assert not gate(base, made_up("better", 3.0, seed=1), QRELS)[0].regressed


def test_an_allowed_drop_passes():
    base, worse = made_up("base", 1.0), made_up("worse", -0.5, seed=1)
    drop = -gate(base, worse, QRELS)[0].paired.difference
    assert gate(base, worse, QRELS, max_drop=drop - 0.01)[0].regressed
    assert not gate(base, worse, QRELS, max_drop=drop + 0.01)[0].regressed


def test_lost_queries_count_as_zero():
    base = made_up("base", 3.0)
    lost = dataclasses.replace(base, results=dict(list(base.results.items())[: QUERIES // 2]))
    assert gate(base, lost, QRELS)[0].regressed


def test_what_cannot_be_gated():
    base = made_up("base", 1.0)
    with pytest.raises(GateError, match="different datasets") as caught:
        gate(base, made_up("other", 1.0, dataset="h2"), QRELS)
    assert caught.value.exit_code == 3
    with pytest.raises(GateError, match="share no judged query"):
        gate(base, made_up("other", 1.0), {"z": {"d": 1}})
    with pytest.raises(SettingsError, match="negative"):
        gate(base, base, QRELS, max_drop=-0.1)


def test_exit_codes_of_the_command(tmp_path, dataset):
    base = saved(tmp_path, dataset, "base", 1.0)
    good = saved(tmp_path, dataset, "good", 2.0, seed=1)
    bad = saved(tmp_path, dataset, "bad", -2.0, seed=2)
    runner = CliRunner()
    assert runner.invoke(gate_command, [base, good]).exit_code == 0
    failed = runner.invoke(gate_command, [base, bad, "--max-drop", "0.01", "-m", "nDCG@10,R@5", "--json"])
    assert failed.exit_code == 1
    read = json.loads(failed.stdout)
    assert read["passed"] is False and [check["regressed"] for check in read["checks"]] == [True, True]
    missing = runner.invoke(gate_command, [base, str(tmp_path / "none")])
    assert isinstance(missing.exception, GateError) and missing.exception.exit_code == 3


def test_compare_command_prints_and_writes_every_form(tmp_path, dataset):
    base = saved(tmp_path, dataset, "base", 0.0)
    good = saved(tmp_path, dataset, "good", 3.0, seed=1)
    outputs = [str(tmp_path / f"report{suffix}") for suffix in (".html", ".md", ".tex", ".json", ".txt")]
    options = [part for output in outputs for part in ("-o", output)]
    result = CliRunner().invoke(compare_command, [base, good, "-m", "nDCG@10", *options])
    assert result.exit_code == 0, result.output
    assert "good over base: keep: +" in result.stdout
    assert all((tmp_path / f"report{s}").stat().st_size > 200 for s in (".html", ".md", ".tex", ".json", ".txt"))
    refused = CliRunner().invoke(compare_command, [base, good, "-o", str(tmp_path / "report.pdf")])
    assert isinstance(refused.exception, SettingsError)
    # A repeat replaces itself; what another comparison wrote stays.
    call = [good, base, "-m", "nDCG@10", "-o", outputs[0], "-o", str(tmp_path / "new.md")]
    again = CliRunner().invoke(compare_command, [base, good, "-m", "nDCG@10", *options])
    other = CliRunner().invoke(compare_command, call)
    assert (
        again.exit_code == 0
        and "holds something else" in str(other.exception)
        and "--overwrite" in str(other.exception)
    )
    assert not (tmp_path / "new.md").exists()
    assert CliRunner().invoke(compare_command, [*call, "--overwrite"]).exit_code == 0


def test_compare_command_takes_several_runs_as_one(tmp_path, dataset):
    base = saved(tmp_path, dataset, "base=1", 1.0)  # a folder is taken as it stands, whatever its name
    seeds = [saved(tmp_path, dataset, f"seed{n}", 1.01, seed=n) for n in (1, 2)]
    call = [base, f"tuned={','.join(seeds)}", "-m", "nDCG@10", "--margin", "0.5", "--json"]
    result = CliRunner().invoke(compare_command, call)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert [run["name"] for run in found["runs"]] == ["base=1", "tuned"]
    assert found["verdicts"][0]["decision"] == "no worse"
    alone = CliRunner().invoke(compare_command, [base, f"tuned={seeds[0]}"])
    assert alone.exit_code != 0 and "'tuned' is a mean of 1 run" in str(alone.exception)
    lost = CliRunner().invoke(compare_command, [base, "tuned=nowhere,neither"])
    assert lost.exit_code != 0 and "nowhere" in str(lost.exception)
