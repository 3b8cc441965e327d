"""The shared fixtures give what they promise."""

from __future__ import annotations

import redis
import sqlalchemy as sa

from app.embedded import postgres


def test_a_database_of_each_kind_is_empty_and_usable(database_url):
    engine = sa.create_engine(database_url)
    assert sa.inspect(engine).get_table_names() == []
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE seen (id INTEGER)"))
    engine.dispose()


def test_the_server_is_empty_at_the_start_of_a_test(redis_url):
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
        client.set("left", "over")


test_the_server_is_empty_again = test_the_server_is_empty_at_the_start_of_a_test


def test_a_database_is_in_memory_only_where_there_is_room(monkeypatch, tmp_path):
    monkeypatch.setattr(postgres, "MEMORY", tmp_path)
    monkeypatch.setattr(postgres, "ROOM", 0)
    assert postgres._in_memory() == tmp_path
    monkeypatch.setattr(postgres, "ROOM", 1 << 60)
    assert postgres._in_memory() is None
    monkeypatch.setattr(postgres, "MEMORY", tmp_path / "none")
    assert postgres._in_memory() is None
