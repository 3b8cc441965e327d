"""Settings are read once, and refused in one line that names the variable and the cure."""

from __future__ import annotations

import stat
import threading

import pytest

from app.errors import PenstockError
from config.errors import SettingsError
from config.secret import kept_secret
from config.settings import Settings, redis_url_file


@pytest.fixture
def load(tmp_path):
    def load(**env):
        return Settings.load({"PENSTOCK_DATA_DIR": str(tmp_path), **env})

    return load


@pytest.mark.parametrize(
    ("variable", "value", "cure"),
    [
        ("PORT", "eighty", "integer"),
        ("PORT", "70000", "65535"),
        ("REDIS_URL", "localhost:6379", "redis://"),
        ("PENSTOCK_PUBLISH_WINDOW", "59", "60 or more"),
        ("DATABASE_URL", "mysql://u:hidden@h/d", "postgresql://"),
        ("PENSTOCK_HANDLERS", "shop handlers", "import"),
        ("PENSTOCK_PARTITIONS", "orders:4", "orders=4"),
        ("PENSTOCK_PARTITIONS", "orders=0", "orders=4"),
        ("PENSTOCK_LOG_LEVEL", "loud", "debug, info"),
        ("PENSTOCK_MAX_EVENT_BYTES", "12", "1024"),
    ],
)
def test_a_wrong_value_is_one_line_with_the_cure(load, variable, value, cure):
    with pytest.raises(SettingsError) as refused:
        load(**{variable: value})
    told = str(refused.value)
    assert told.startswith(variable)
    assert cure in told
    assert "\n" not in told
    assert "hidden" not in told


def test_a_settings_error_is_of_the_family():
    assert issubclass(SettingsError, PenstockError)


def test_without_anything_it_is_embedded_and_says_so_where_a_server_is_needed(load, tmp_path):
    settings = load()
    assert settings.embedded
    assert settings.database_url == f"sqlite:///{tmp_path}/penstock.db"
    assert settings.archive_url == f"sqlite:///{tmp_path}/archive.db"
    assert settings.storage_url == f"file://{tmp_path}/blobs"
    with pytest.raises(SettingsError, match="make run"):
        settings.require_redis()


def test_the_address_of_a_running_server_is_found(load, tmp_path):
    redis_url_file(tmp_path).write_text("unix:///run/redis.sock?db=0\n")
    assert load().require_redis() == "unix:///run/redis.sock?db=0"
    # `up` hands the same address to its processes: they are embedded too.
    assert load(REDIS_URL="unix:///run/redis.sock?db=0").embedded


def test_an_empty_variable_counts_as_unset(load):
    assert load(PORT="", REDIS_URL=" ").port == 8000


def test_outside_the_embedded_mode_a_missing_secret_is_refused(load):
    with pytest.raises(SettingsError, match="PENSTOCK_SECRET_KEY is not set"):
        load(REDIS_URL="redis://localhost")
    given = load(REDIS_URL="redis://localhost", PENSTOCK_SECRET_KEY="s3cret")
    assert given.secret_key.get_secret_value() == "s3cret"
    assert "s3cret" not in repr(given)


def test_with_a_database_blobs_go_where_every_machine_sees_them(load):
    settings = load(DATABASE_URL="postgres://u:p@host/name")
    assert settings.database_url == "postgresql+psycopg://u:p@host/name"
    assert settings.archive_url == settings.database_url
    assert settings.storage_url == "sql:"


def test_the_archive_is_beside_a_sqlite_file_of_any_name(load):
    url = load(DATABASE_URL="sqlite:////data/shop.sqlite?timeout=5").archive_url
    assert url == "sqlite:////data/shop-archive.sqlite?timeout=5"


def test_partitions_and_handlers_are_lists(load):
    settings = load(PENSTOCK_PARTITIONS="orders=4, clicks=8", PENSTOCK_HANDLERS="shop.a, shop.b")
    assert settings.partitions == {"orders": 4, "clicks": 8}
    assert settings.handlers == ("shop.a", "shop.b")


@pytest.mark.parametrize(
    ("redis_url", "broker_url"),
    [
        ("redis://:pw@host:6379/2", "redis://:pw@host:6379/2"),
        ("rediss://host:6380", "rediss://host:6380?ssl_cert_reqs=required"),
        ("rediss://host?ssl_cert_reqs=none", "rediss://host?ssl_cert_reqs=none"),
        ("unix:///run/redis.sock?db=3", "redis+socket:///run/redis.sock?virtual_host=3"),
        ("valkey://host", "redis://host"),
    ],
)
def test_the_broker_has_the_same_server(load, redis_url, broker_url):
    settings = load(REDIS_URL=redis_url, PENSTOCK_SECRET_KEY="s")
    assert settings.broker_url == broker_url


def test_settings_cannot_change(load):
    with pytest.raises(ValueError, match="frozen"):
        load().port = 1


def test_a_kept_secret_is_private_and_stays(tmp_path):
    path = tmp_path / "deep" / "secret"
    secret = kept_secret(path)
    assert len(secret) >= 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert kept_secret(path) == secret


def test_processes_that_start_at_once_keep_one_secret(tmp_path):
    secrets: list[str] = []
    start = threading.Barrier(8)

    def make() -> None:
        start.wait()
        secrets.append(kept_secret(tmp_path / "secret"))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(secrets) == 8
    assert len(set(secrets)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def test_a_folder_that_cannot_hold_the_secret_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="PENSTOCK_SECRET_KEY"):
        kept_secret(tmp_path / "file" / "secret")
