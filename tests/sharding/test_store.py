"""Sources and parts in an object store that is slow, short, or answers 503: retried, bounded, named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from topwork.errors import DataError, MissingExtraError
from topwork.sharding import Embedding, Parts, _store, plan, work_all

from .stumbling import Proxy

pytest.importorskip("s3fs")
pytest.importorskip("moto.server")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """A store with the bucket ``shop``, behind a proxy."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    proxy = Proxy(port)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_ENDPOINT_URL", proxy.address)
        patch.setattr(_store, "_WAIT", 0.02)
        boto3.client("s3").create_bucket(Bucket="shop")
        yield proxy
    proxy.close()
    server.stop()


@pytest.fixture(autouse=True)
def _steady(store: Proxy) -> None:
    store.faults = {}
    store.told.clear()


def uploaded(folder: Path, below: str) -> str:
    import boto3

    client = boto3.client("s3")
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            client.upload_file(str(path), "shop", f"{below}/{path.relative_to(folder).as_posix()}")
    return f"s3://shop/{below}"


def parts_of(made: str | Path) -> dict[str, object]:
    return {name: row.tobytes() for part in Parts(str(made)) for name, row in zip(part.ids, part.values, strict=True)}


def test_a_store_that_stumbles_gives_the_same_parts(
    store: Proxy, tars: Path, recipe: Embedding, tmp_path: Path
) -> None:
    here = plan(str(tars), str(tmp_path / "out"), recipe)
    assert all(each.failure is None for each in work_all(here, here.shards))
    source = uploaded(tars, "tars")
    store.faults = {"503": 0.2, "short": 0.2, "cut": 0.1, "slow": 0.1}
    made = plan(source, "s3://shop/out/", recipe)
    assert [shard.name for shard in made.shards] == [shard.name for shard in here.shards]
    assert [str(each.failure) for each in work_all(made, made.missing())] == ["None", "None"]
    assert plan(source, "s3://shop/out/", recipe).missing() == ()
    assert parts_of("s3://shop/out/") == parts_of(tmp_path / "out")
    for shard in here.shards:
        assert made.place.read(shard.file) == here.place.read(shard.file)
    assert {"503", "short"} <= set(store.told)


@pytest.mark.slow
def test_objects_and_tables(store: Proxy, pictures: Path, tables: Path, recipe: Embedding, tmp_path: Path) -> None:
    source = uploaded(pictures, "photos")
    made = plan(source, str(tmp_path / "objects"), recipe, size=12)
    assert [each.failure for each in work_all(made, made.shards)] == [None, None]
    here = plan(str(pictures), str(tmp_path / "folder"), recipe)
    list(work_all(here, here.shards))
    objects, files = parts_of(tmp_path / "objects"), parts_of(tmp_path / "folder")
    assert objects.keys() == files.keys()
    one = plan(uploaded(tables, "tables") + "/train-00000-of-00002.parquet", str(tmp_path / "one"), recipe)
    assert [each.rows for each in work_all(one, one.shards)] == [11]


@pytest.mark.slow
def test_a_store_that_never_answers_is_named_and_a_rerun_goes_on(
    store: Proxy, tars: Path, recipe: Embedding, tmp_path: Path
) -> None:
    source = uploaded(tars, "again")
    made = plan(source, str(tmp_path), recipe)
    store.faults = {"short": 1.0}
    failed = list(work_all(made, made.missing()))
    assert all("the store did not answer in 7 tries" in str(each.failure) for each in failed)
    assert "again/photos-train-0.tar" in str(failed[0].failure)
    assert not list(tmp_path.glob("*part-*"))
    store.faults = {}
    assert [each.failure for each in work_all(made, made.missing())] == [None, None]


def test_what_is_not_there_or_not_allowed_is_said_at_once(
    store: Proxy, recipe: Embedding, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataError, match="no such file"):
        plan("s3://nowhere/at/all", str(tmp_path), recipe)
    with pytest.raises(DataError, match="no image"):
        plan("s3://shop/nothing", str(tmp_path), recipe)
    with pytest.raises(MissingExtraError, match="gcsfs"):
        plan("gs://shop/photos", str(tmp_path), recipe)
