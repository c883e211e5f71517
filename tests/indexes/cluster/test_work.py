"""What a worker does with a bundle, without any cluster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from indexes import build_index
from indexes.cluster.items import BYTES, FILES, Item, Order, bundles
from indexes.cluster.work import RUN, Worker
from indexes.errors import FingerprintMismatchError, StoreError
from indexes.ingest.changed_files import _hash_file
from indexes.ingest.events import recipe_hash
from indexes.ingest.walk_files import FoundFile, changed_at
from indexes.manifest.roots import Root
from indexes.store.client import as_engine
from indexes.store.collection import Collection
from tests.indexes.cluster.conftest import Farm, text_of
from tests.indexes.store.store_fixtures import FakeEncoder


def item_of(path: Path) -> Item:
    status = path.stat()
    found = FoundFile(str(path), str(path), status.st_size, changed_at(status))
    return Item(found, f"docs/{path.name}", _hash_file(str(path)), roots=(Root("docs", str(path.parent)),))


@pytest.fixture
def order(farm: Farm) -> Order:
    digest = FakeEncoder.fingerprint.digest
    build_index(farm.docs / "hen.txt", settings=farm.settings).close()
    Collection(as_engine(farm.edge), "default").set_record(**{RUN: "this"})
    return Order("this", "default", digest, recipe_hash(farm.settings, digest), farm.settings.model_dump_json())


@pytest.fixture
def worker(order: Order) -> Iterator[Worker]:
    made = Worker(order)
    yield made
    made.close()


def test_doing_it_twice_is_doing_it_once(farm: Farm, worker: Worker) -> None:
    bundle = tuple(item_of(farm.docs / f"{name}.txt") for name in ("goose", "duck"))
    receipt = worker(bundle)
    stored = {entry.doc_id: entry.sentences for entry in receipt.entries}
    assert stored == {"docs/duck.txt": 4, "docs/goose.txt": 3}
    assert receipt.surplus == receipt.stale == () and receipt.report.passed == 7
    points = farm.points()
    again = worker(bundle)
    assert (again.entries, again.surplus) == (receipt.entries, ())
    assert farm.points() == points


def test_it_deletes_nothing_and_says_what_is_surplus(farm: Farm, worker: Worker) -> None:
    goose = farm.docs / "goose.txt"
    worker((item_of(goose),))
    before = farm.points()
    goose.write_text(text_of("goose", 1), encoding="utf-8")
    receipt = worker((item_of(goose),))
    assert [entry.sentences for entry in receipt.entries] == [1]
    assert len(receipt.surplus) == 2 and set(receipt.surplus) < set(before)
    assert farm.points().keys() == before.keys()


def test_a_file_that_this_machine_does_not_have(farm: Farm, worker: Worker) -> None:
    bundle = item_of(farm.docs / "goose.txt"), item_of(farm.docs / "duck.txt")
    (farm.docs / "duck.txt").unlink()
    receipt = worker(bundle)
    assert [entry.doc_id for entry in receipt.entries] == ["docs/goose.txt"]
    skipped = next(file for file in receipt.report.files if file.status == "skipped")
    assert "is not there on" in str(skipped.reason) and "same folder under the same path" in str(skipped.reason)


def test_a_worker_of_a_run_that_is_over_writes_nothing(farm: Farm, worker: Worker) -> None:
    Collection(as_engine(farm.edge), "default").set_record(**{RUN: "another"})
    before = farm.points()
    with pytest.raises(StoreError, match="another run has begun"):
        worker((item_of(farm.docs / "goose.txt"),))
    assert farm.points() == before


def test_a_machine_with_another_model_is_refused(farm: Farm, order: Order) -> None:
    other = Worker(Order("this", "default", "0" * 16, order.recipe, order.settings))
    with pytest.raises(FingerprintMismatchError, match="loads another model"):
        other((item_of(farm.docs / "goose.txt"),))
    other.close()


def test_small_files_share_a_bundle_and_a_large_one_has_its_own(farm: Farm) -> None:
    def sized(size: int) -> Item:
        return Item(FoundFile("a", "a", size, 1), "a", "")

    sizes = [10] * (FILES + 3) + [BYTES + 1, 10, BYTES - 10, 1]
    made = [[item.found.size for item in bundle] for bundle in bundles(map(sized, sizes))]
    assert made == [[10] * FILES, [10] * 3, [BYTES + 1], [10, BYTES - 10], [1]]
