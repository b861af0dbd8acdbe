"""Where studies and their images are kept: a database and a folder or bucket."""

from __future__ import annotations

import re
import time
import warnings
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from optuna.artifacts import Boto3ArtifactStore, FileSystemArtifactStore
from optuna.exceptions import ExperimentalWarning
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError

from freeu.settings.parameter import SettingsError

# Heartbeats and retries are experimental for Optuna. Its version is pinned.
warnings.filterwarnings("ignore", category=ExperimentalWarning)

Images = FileSystemArtifactStore | Boto3ArtifactStore
"""Where the images are."""

HEARTBEAT_SECONDS, GRACE_SECONDS = 5, 30
OPEN_PAUSES = (0.2, 0.5, 1)
MAX_RETRIES = 3
RETRY = RetryHeartbeatStaleTrialCallback(max_retry=MAX_RETRIES)
RETRY_ALWAYS = RetryHeartbeatStaleTrialCallback()
"""Both queue a copy of a failed trial, the first at most MAX_RETRIES times."""


def open_storage(url: str) -> RDBStorage:
    """Open a database, and create its tables. Raises SettingsError."""
    if url.startswith("sqlite:///"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    # SQLAlchemy's own choice is another driver, which is not in requirements/tune.txt.
    url = re.sub("^postgres(ql)?://", "postgresql+psycopg://", url)
    # A worker waits while another one writes. A connection that the server has closed is opened again.
    options = {"connect_args": {"timeout": 60}} if url.startswith("sqlite") else {"pool_pre_ping": True}
    try:
        storage = _connect(url, options)
    except Exception as error:
        # Neither the URL nor the driver's message, because both may contain a password.
        rule = "must be the URL of a database that can be opened, such as sqlite:///freeu-tune/study.db"
        raise SettingsError("--storage", url.partition(":")[0], f"{rule} ({type(error).__name__})") from error
    if storage.engine.dialect.name == "sqlite":
        _lock_transactions(storage)
    return storage


def _connect(url: str, options: dict[str, Any]) -> RDBStorage:
    """Try several times: creating the tables fails if another process creates them at the same time."""
    connect = partial(
        RDBStorage,
        url,
        engine_kwargs=options,
        heartbeat_interval=HEARTBEAT_SECONDS,
        grace_period=GRACE_SECONDS,
        heartbeat_stale_trial_callback=RETRY,
    )
    for pause in OPEN_PAUSES:
        with suppress(DBAPIError):
            return connect()
        time.sleep(pause)
    return connect()


def _lock_transactions(storage: RDBStorage) -> None:
    """Let one transaction of an SQLite file wait for the other from its begin, not from its first change.

    Optuna reads a trial's state and then changes it. SQLite has no SELECT FOR UPDATE, so two workers could read the
    same state and both take the trial.
    """
    storage.engine.dispose()  # connections that were opened before

    @event.listens_for(storage.engine, "connect")
    def connect(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # sqlite3 itself begins no transaction

    @event.listens_for(storage.engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def open_artifacts(place: str) -> Images:
    """Open the store for images: a folder, or s3://BUCKET, with the login and endpoint of AWS's environment."""
    if place.startswith("s3://"):
        return Boto3ArtifactStore(place.removeprefix("s3://").rstrip("/"))
    Path(place).mkdir(parents=True, exist_ok=True)
    return FileSystemArtifactStore(place)
