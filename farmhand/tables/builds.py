"""Build daemons, what they can build, and every build, as the scanner keeps them."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    true,
)

from farmhand.tables.base import Id, Name, UtcDateTime, metadata

# A family of machines: what a build needs, and a daemon has.
processors = Table(
    "processors",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("name", String(32), nullable=False),
    Column("title", Name, nullable=False),
    UniqueConstraint("name"),
    sqlite_autoincrement=True,
)

daemons = Table(
    "daemons",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("name", String(64), nullable=False),
    Column("url", Name, nullable=False),
    # With blanks between; a build that asks for some goes only to a daemon that has them.
    Column("tags", Name, nullable=False),
    Column("enabled", Boolean(create_constraint=False), nullable=False, server_default=true()),
    # Nothing new is given to it; what it builds is collected.
    Column("manual", Boolean(create_constraint=False), nullable=False, server_default=false()),
    # Why it is disabled or manual, and who says so.
    Column("notes", Text),
    # False: what it has is not known to be swept away yet.
    Column("clean", Boolean(create_constraint=False), nullable=False, server_default=false()),
    # Failures since it last took a build; and since when it gives no good answer.
    Column("failure_count", Integer, nullable=False, server_default="0"),
    Column("failing_since", UtcDateTime),
    Column("counted_at", UtcDateTime),
    # Nothing is given to it before.
    Column("not_before", UtcDateTime),
    Column("aborting_since", UtcDateTime),
    # When it was told to abort what is not ours.
    Column("abort_sent_at", UtcDateTime),
    # It fetches files, and answers nobody meanwhile.
    Column("fetching_until", UtcDateTime),
    Column("last_seen_at", UtcDateTime),
    Column("last_state", String(16)),
    Column("last_cookie", String(128)),
    Column("last_error", Text),
    Column("dialect", String(8)),
    # How many arguments its ensurepresent takes, and which of its types is the package build.
    Column("arity", Integer),
    Column("build_type", String(64)),
    Column("arch_tag", String(32)),
    Column("version", Name),
    # The run that works on it, as long as it may.
    Column("owner", Name),
    Column("owned_until", UtcDateTime),
    UniqueConstraint("name"),
    UniqueConstraint("url"),
    Index("ix_daemons_owner", "owner"),
    sqlite_autoincrement=True,
)

daemon_processors = Table(
    "daemon_processors",
    metadata,
    Column("daemon_id", Id, ForeignKey("daemons.id", ondelete="CASCADE"), primary_key=True),
    Column("processor_id", Id, ForeignKey("processors.id"), primary_key=True, index=True),
)

# Files by what is in them: `url` of those that daemons fetch, `path` of those that we keep.
stored_files = Table(
    "stored_files",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    # NULL: an input, of which only the SHA-1 is known.
    Column("sha256", String(64)),
    Column("sha1", String(40), nullable=False),
    Column("size", BigInteger),
    # Below the store.
    Column("path", Name),
    # May hold a login, which is shown to nobody but the daemon.
    Column("url", Text),
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("sha256"),
    Index("ix_stored_files_sha1", "sha1"),
    sqlite_autoincrement=True,
)

# An architecture of a series, and what its builds are built in.
chroots = Table(
    "chroots",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("distribution", String(64), nullable=False),
    Column("series", String(64), nullable=False),
    Column("pocket", String(32), nullable=False),
    Column("arch_tag", String(32), nullable=False),
    # As warnings name it: "The Hoary Hedgehog Release for i386 (x86)".
    Column("title", Name, nullable=False),
    # NULL: none, so nothing is built for it.
    Column("file_id", Id, ForeignKey("stored_files.id")),
    UniqueConstraint("distribution", "series", "pocket", "arch_tag"),
    sqlite_autoincrement=True,
)

builds = Table(
    "builds",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("source", Name, nullable=False),
    Column("version", Name, nullable=False),
    Column("distribution", String(64), nullable=False),
    Column("series", String(64), nullable=False),
    Column("pocket", String(32), nullable=False),
    Column("arch_tag", String(32), nullable=False),
    Column("processor_id", Id, ForeignKey("processors.id"), nullable=False),
    Column("component", String(32), nullable=False),
    Column("arch_indep", Boolean(create_constraint=False), nullable=False),
    # NULL: the daemon's own, `binarypackage` or `debian`.
    Column("build_type", String(64)),
    # More arguments, as a JSON object.
    Column("args", Text, nullable=False),
    Column("tags", Name, nullable=False),
    Column("state", String(16), nullable=False),
    # Why it is in this state, where there is more to say.
    Column("reason", Text),
    # Where it runs or ran last.
    Column("daemon_id", Id, ForeignKey("daemons.id", ondelete="SET NULL")),
    Column("created_at", UtcDateTime, nullable=False),
    Column("first_dispatched_at", UtcDateTime),
    Column("started_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
    Column("duration_ms", BigInteger),
    Column("dependencies", Text),
    Column("log_file_id", Id, ForeignKey("stored_files.id")),
    # In the build's own directory of the store.
    Column("log_name", Name),
    # Of the log as the daemon had it, before anything was left out.
    Column("log_bytes", BigInteger),
    Column("failure_count", Integer, nullable=False, server_default="0"),
    # How often a daemon lost it.
    Column("lost_count", Integer, nullable=False, server_default="0"),
    # When its manifest was written and the command run; the run that does it, as long as it may.
    Column("published_at", UtcDateTime),
    Column("publisher", Name),
    Column("publish_until", UtcDateTime),
    Index("ix_builds_state_published_at", "state", "published_at"),
    Index("ix_builds_state_finished_at", "state", "finished_at"),
    sqlite_autoincrement=True,
)

build_files = Table(
    "build_files",
    metadata,
    Column("build_id", Id, ForeignKey("builds.id", ondelete="CASCADE"), primary_key=True),
    # source or result
    Column("role", String(16), primary_key=True),
    Column("filename", Name, primary_key=True),
    Column("file_id", Id, ForeignKey("stored_files.id"), nullable=False, index=True),
)

# Builds that wait or run. A requeued build gets a new row: daemons must never see an id again.
build_queue = Table(
    "build_queue",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("build_id", Id, ForeignKey("builds.id"), nullable=False),
    # waiting, running, cancelling or held
    Column("status", String(16), nullable=False),
    # Not SET NULL: a daemon with a job can't be removed.
    Column("daemon_id", Id, ForeignKey("daemons.id")),
    Column("score", Integer, nullable=False),
    Column("processor_id", Id, ForeignKey("processors.id"), nullable=False),
    Column("queued_at", UtcDateTime, nullable=False),
    Column("not_before", UtcDateTime),
    Column("claimed_at", UtcDateTime),
    # When build() was accepted, as far as we know.
    Column("started_at", UtcDateTime),
    Column("log_tail", Text),
    Column("log_moved_at", UtcDateTime),
    # Why it is being stopped: cancel, too-long or silent.
    Column("stop_reason", String(16)),
    Column("abort_sent_at", UtcDateTime),
    UniqueConstraint("build_id"),
    UniqueConstraint("daemon_id"),
    Index("ix_build_queue_status_processor_id", "status", "processor_id", "score"),
    sqlite_autoincrement=True,
)

# Each time that a build was given to a daemon; the cookie is `<build id>-<queue id>`.
attempts = Table(
    "attempts",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("build_id", Id, ForeignKey("builds.id", ondelete="CASCADE"), nullable=False),
    Column("queue_id", Id, nullable=False),
    Column("daemon_id", Id, ForeignKey("daemons.id", ondelete="SET NULL")),
    Column("daemon_name", String(64), nullable=False),
    # claimed, running, ended, requeued
    Column("state", String(16), nullable=False),
    Column("reason", Text),
    Column("began_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    UniqueConstraint("queue_id"),
    Index("ix_attempts_build_id", "build_id"),
    sqlite_autoincrement=True,
)
